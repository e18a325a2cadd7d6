"""Training and evaluation where environments are stepped by Python.

Both halves of a step are compiled: everybody acts, and what the environments answered is learned
from. Between them a step waits for the worlds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, PyTree, Shaped, UInt32

from swarmfield.batching import for_each
from swarmfield.compiler import Options
from swarmfield.environments.hosted import HostedEnvironment, Worlds, on_device
from swarmfield.training import playing, program
from swarmfield.training.playing import Episodes, Match, Playing
from swarmfield.training.program import Decided, Program, Run, rings_of, with_rings
from swarmfield.types import PRNGKey, Timestep


def advancing(
    parts: Program, environment: HostedEnvironment, run: Run, options: Options
) -> tuple[Callable[[Run, Any, Any], Run], int]:
    """`program.advance` of all seeds, compiled but for the environments.

    Args:
        parts: What the loop is made of.
        environment: Where it learns.
        run: A run of all seeds.
        options: For the compiler.

    Returns:
        `(run, time, steps) -> run`, which takes the run's memory over; and the bytes of memory
        that it takes besides. The worlds begin anew where it is called first: what a run of
        before has been doing there is over without an end, and not learned from.
    """
    num_seeds, num_envs = run.key.shape[0], parts.num_envs
    worlds = Worlds(environment, num_seeds * num_envs)
    decide = jax.jit(for_each(partial(_decided, parts)), compiler_options=options)
    # Writing is a program of its own, of any number of seeds: XLA would copy what is read as well.
    keep = jax.jit(_kept(parts), donate_argnums=0, compiler_options=options)
    learn = jax.jit(_learned(parts), donate_argnums=0, compiler_options=options)

    def advance(run: Run, time: Any, steps: Any) -> Run:
        for number in range(int(time), int(time) + int(steps)):
            now = np.int32(number)
            decided, seeds = deciding(run, now)
            timesteps = _stepped(worlds, decided.actions, seeds)
            rings = keeping(rings_of(run), (decided, timesteps), now)
            run = with_rings(learning(_bare(run), (decided, timesteps, rings), now), rings)
        return run

    zero, rings = np.int32(0), rings_of(run)
    decided, _ = jax.eval_shape(decide, run, zero)
    blank = _repeated(environment, num_seeds, num_envs)
    deciding = decide.lower(run, zero).compile()
    keeping = keep.lower(rings, (decided, blank), zero).compile()
    learning = learn.lower(_bare(run), (decided, blank, rings), zero).compile()
    used = [each.memory_analysis() for each in (deciding, keeping, learning)]
    return advance, max(each.temp_size_in_bytes for each in used if each is not None)


def _bare(run: Run) -> Run:
    """A run without its experience."""
    return with_rings(run, (None, None))


def _decided(parts: Program, run: Run, time: Array) -> tuple[Decided, UInt32[Array, " E"]]:
    decided = program.decide(parts, run, time)
    return decided, _seeds(decided.keys.environment)


def _kept(parts: Program) -> Callable[[PyTree, PyTree, Array], PyTree]:
    """`program.keep` of all seeds."""

    def keep(rings: PyTree, given: tuple[Decided, dict[str, Timestep]], time: Array) -> PyTree:
        def of_seed(ring: PyTree, decided: Decided, timesteps: dict[str, Timestep]) -> PyTree:
            timesteps = program.marked(parts, timesteps, time + 1)
            return program.keep(parts, ring, decided, timesteps, time)

        return jax.vmap(of_seed)(rings, *given)

    return keep


def _learned(parts: Program) -> Callable[[Run, PyTree, Array], Run]:
    """`program.learn` of all seeds; the experience is read and not returned."""

    def of_seed(given: Any, time: Array) -> Run:
        run, (decided, timesteps, rings) = given
        timesteps = program.marked(parts, timesteps, time + 1)
        run = with_rings(run, rings)
        return _bare(program.learn(parts, run, decided, run.episodes, timesteps, time))

    def learn(run: Run, given: PyTree, time: Array) -> Run:
        return for_each(of_seed)((run, given), time)

    return learn


def _seeds(keys: PRNGKey) -> UInt32[Array, " E"]:
    """What a world would begin its next episode from."""
    return jax.vmap(lambda key: jax.random.bits(key, dtype=np.uint32))(keys)


def _stepped(
    worlds: Worlds, actions: Mapping[str, Array], seeds: UInt32[Array, "S E"] | None
) -> dict[str, Timestep]:
    """Timesteps `[S, E, ...]` of a step, from actions like that."""
    sizes = next(iter(actions.values())).shape[:2]
    flat = {team: _flat(chosen) for team, chosen in actions.items()}
    return on_device(worlds.step(flat, None if seeds is None else _flat(seeds)), *sizes)


def _flat(array: Array) -> Shaped[np.ndarray, "M ..."]:
    """Seeds and environments as one axis, on the host."""
    return np.asarray(array).reshape(-1, *array.shape[2:])


def _repeated(environment: HostedEnvironment, *sizes: int) -> PyTree:
    """Shapes of the timesteps of many environments."""
    one = jax.eval_shape(environment.reset, jax.random.key(0))[1]
    return jax.tree.map(lambda x: jax.ShapeDtypeStruct((*sizes, *x.shape), x.dtype), one)


def episodes_of(
    match: Match, environment: HostedEnvironment, num_episodes: int, options: Options
) -> Callable[[tuple[PyTree, PyTree, PRNGKey]], Episodes]:
    """`playing.play` for all seeds, compiled but for the environments.

    Args:
        match: Who plays.
        environment: Where.
        num_episodes: M of each seed, one world each.
        options: For the compiler.

    Returns:
        A function of both players' parameters and keys, which lead with the seeds.
    """
    places = playing.places_of(num_episodes, 1)
    jit = partial(jax.jit, compiler_options=options)
    opened = jit(for_each(lambda key: _seeds(places.keys(key, 0).environment)))

    @jit
    @for_each
    def begin(given: tuple[tuple[PyTree, PyTree, PRNGKey], dict[str, Timestep]]) -> Playing:
        (learner, opponent, key), timesteps = given
        return playing.begin(match, places, (learner, opponent), key, (), timesteps)

    @jit
    @for_each
    def decide(given: tuple[tuple[PyTree, PyTree, PRNGKey], Playing]) -> tuple[Any, Any]:
        (learner, opponent, key), now = given
        return playing.decide(match, places, (learner, opponent), key, now)[1:]

    @jit
    @for_each
    def follow(given: tuple[Playing, PyTree, dict[str, Timestep]]) -> Playing:
        now, memories, timesteps = given
        return playing.go_on(match, now, memories, (), timesteps)

    came_to = jit(for_each(partial(playing.came_to, match, places)))

    def played(players: tuple[PyTree, PyTree, PRNGKey]) -> Episodes:
        seeds = opened(players[2])
        worlds = Worlds(environment, seeds.size)
        timesteps = on_device(worlds.begin(_flat(seeds)), *seeds.shape)
        now = begin((players, timesteps))
        while not worlds.are_over:
            actions, memories = decide((players, now))
            now = follow((now, memories, _stepped(worlds, actions, None)))
        worlds.close()
        return came_to(now)

    return played
