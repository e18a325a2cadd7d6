"""The loop: act, step, store, learn, all in one compiled program."""

from __future__ import annotations

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int, PyTree

from swarmfield import replay
from swarmfield.environments.wrappers import AutoReset, episode_over, reset_all, step_all
from swarmfield.training.matchup import (
    Both,
    Keys,
    Policy,
    Sides,
    act_both,
    begin_both,
    env_keys,
    split_keys,
)
from swarmfield.training.practice import Practice, Rival
from swarmfield.training.student import Student
from swarmfield.training.window import (
    Tally,
    Window,
    all_finite,
    count,
    empty_tally,
    empty_window,
    figures_of_updates,
    next_window,
)
from swarmfield.types import PRNGKey, Timestep

# Folded into a seed's key: times count up from 0, what is drawn once counts down from the top.
START, INIT, RIVAL_INIT = 2**32 - 1, 2**32 - 2, 2**32 - 4


class Run(eqx.Module):
    """All that a run is: saved and restored, it goes on as if it had never stopped."""

    key: PRNGKey
    learner: PyTree
    opponent: PyTree
    episodes: PyTree
    timesteps: dict[str, Timestep]
    memories: tuple[PyTree, PyTree]
    ring: replay.PackedStep
    window: Window


class Program(NamedTuple):
    """What the compiled loop is made of. All static: closed over, never traced.

    Attributes:
        student: The learner.
        environment: Where it learns.
        sides: Who plays which team.
        opponent: How the opponent acts, if there is one.
        practice: How the opponent changes.
        other: How the opponent learns, if it learns by a method of its own.
    """

    student: Student
    environment: AutoReset
    sides: Sides
    opponent: Policy | None
    practice: Practice
    other: Student | None = None

    @property
    def num_envs(self) -> int:
        """Parallel environments."""
        return self.student.num_envs

    @property
    def policies(self) -> tuple[Policy, Policy | None]:
        """How both players act."""
        return self.student.policy, self.opponent

    def explore(self, time: Int[Array, ""]) -> tuple[Array, Array]:
        """How much both explore; who does not learn does not."""
        student = self.student
        if self.other is not None:
            return student.explore(time), self.other.explore(time)
        own = student.algorithm.explore(student.progress(time))
        return student.explore(time), own if self.practice.is_own else jnp.zeros(())


def start(program: Program, opponent: PyTree, key: PRNGKey) -> Run:
    """A run at time 0: everything reset, nothing learned.

    Args:
        program: Its parts.
        opponent: A frozen opponent's parameters; one that learns begins by itself.
        key: The run's only source of randomness.
    """
    student, other = program.student, program.other
    learner = student.algorithm.init(jax.random.fold_in(key, INIT))
    if other is not None:
        opponent = other.algorithm.init(jax.random.fold_in(key, RIVAL_INIT))
    opponent = program.practice.first(student.algorithm.policy(learner), opponent)
    playing = program.practice.playing(opponent)
    keys = env_keys(key, START, program.num_envs)
    episodes, timesteps = reset_all(program.environment, keys.environment)
    timesteps = marked(program, timesteps, jnp.int32(0))
    memories = begin_both(program.sides, program.policies, (learner, playing), timesteps, keys)
    home, away = program.sides.split(timesteps)
    ring = student.first_ring(learner, home, memories[0])
    if other is not None:
        assert away is not None
        its_ring = other.first_ring(opponent, away, memories[1])
        tally = empty_tally(other.metric_names(opponent, its_ring))
        opponent = Rival(opponent, its_ring, tally)
    players = 1 if away is None else 2
    window = empty_window(players, program.num_envs, student.metric_names(learner, ring))
    return Run(key, learner, opponent, episodes, timesteps, memories, ring, window)


def advance(program: Program, run: Run, time: Int[Array, ""], steps: Int[Array, ""]) -> Run:
    """`steps` steps of all environments, starting at `time`, with their updates."""
    return jax.lax.fori_loop(
        time, time + steps, lambda now, state: _advance_one(program, state, now), run
    )


class Decided(NamedTuple):
    """What both players do in a step, and all that is needed to go on from there."""

    keys: Keys
    update_keys: PRNGKey
    actions: dict[str, Array]
    memories: Both
    records: Both


def _advance_one(program: Program, run: Run, time: Int[Array, ""]) -> Run:
    decided = decide(program, run, time)
    keys = decided.keys.environment
    episodes, timesteps = step_all(program.environment, keys, run.episodes, decided.actions)
    timesteps = marked(program, timesteps, time + 1)
    kept = with_rings(run, keep(program, rings_of(run), decided, timesteps, time))
    return learn(program, kept, decided, episodes, timesteps, time)


def decide(program: Program, run: Run, time: Int[Array, ""]) -> Decided:
    """The first part of a step: everybody acts."""
    updates = [one.updates.times for one in (program.student, program.other) if one is not None]
    keys, more_keys = split_keys(run.key, time, program.num_envs, 2 * sum(updates))
    playing = program.practice.playing(run.opponent)
    acted = act_both(
        program.sides,
        program.policies,
        (run.learner, playing),
        run.timesteps,
        run.memories,
        keys,
        program.explore(time),
    )
    return Decided(keys, more_keys.reshape(-1, 2), *acted)


def keep(
    program: Program,
    rings: Both,
    decided: Decided,
    timesteps: dict[str, Timestep],
    time: Int[Array, ""],
) -> Both:
    """The second part: what the environments answered is added to the learners' experience."""
    after, records = program.sides.split(timesteps), decided.records
    ring = program.student.keep(rings[0], after[0], records[0], time + 1)
    if program.other is None or after[1] is None:
        return ring, None
    return ring, program.other.keep(rings[1], after[1], records[1], time + 1)


def rings_of(run: Run) -> Both:
    """The experience of those who learn."""
    return run.ring, run.opponent.ring if isinstance(run.opponent, Rival) else None


def with_rings(run: Run, rings: Both) -> Run:
    """A run with other experience."""
    has_rival = isinstance(run.opponent, Rival)

    def places(run: Run) -> tuple[PyTree, ...]:
        return (run.ring, run.opponent.ring) if has_rival else (run.ring,)

    return eqx.tree_at(places, run, rings if has_rival else rings[:1], is_leaf=lambda x: x is None)


def learn(
    program: Program,
    run: Run,
    decided: Decided,
    episodes: PyTree,
    timesteps: dict[str, Timestep],
    time: Int[Array, ""],
) -> Run:
    """The third part: the answers are counted, and what is kept is learned from."""
    student, other = program.student, program.other
    before, after = program.sides.split(run.timesteps), program.sides.split(timesteps)
    over = jax.vmap(episode_over)(timesteps)
    window = count(run.window, before, after, over)
    times, keys = student.updates.times, decided.update_keys
    learner, window = student.learn(keys[:times], run.learner, run.ring, window, time)
    opponent = run.opponent
    if other is not None:
        its, tally = other.learn(
            keys[times:], opponent.learner, opponent.ring, opponent.tally, time
        )
        opponent = Rival(its, opponent.ring, tally)
    return Run(run.key, learner, opponent, episodes, timesteps, decided.memories, run.ring, window)


def marked(
    program: Program, timesteps: dict[str, Timestep], time: Int[Array, ""]
) -> dict[str, Timestep]:
    """Timesteps that say who of each learner's team learns at that time."""
    home, away = program.sides.split(timesteps)
    home = program.student.marked(home, time)
    if program.other is not None and away is not None:
        away = program.other.marked(away, time)
    return timesteps | program.sides.join(home, away)


def close_window(program: Program, run: Run) -> tuple[Run, dict[str, Any]]:
    """The figures since the last report, and the run with an empty window and its next opponent.

    An opponent that learns has the figures of its updates under `rival`.
    """
    window = run.window
    episodes = jnp.maximum(window.episodes, 1)
    row = {
        "agent_steps": window.agent_steps[0],
        "episodes": window.episodes,
        "returns": jnp.where(window.episodes > 0, window.returns / episodes, jnp.nan),
        "rewards": window.rewards / jnp.maximum(window.agent_steps, 1),
        **figures_of_updates(window, run.learner),
    }
    if isinstance(run.opponent, Rival):
        row["rival"] = figures_of_updates(run.opponent.tally, run.opponent.learner)
    policy = program.student.algorithm.policy(run.learner)
    met = window.episodes > 0
    opponent = program.practice.next(run.opponent, policy, met, window.returns, run.key)
    following = (opponent, next_window(window))
    return eqx.tree_at(
        lambda r: (r.opponent, r.window), run, following, is_leaf=lambda x: x is None
    ), row


def policies_of(program: Program, run: Run) -> Both:
    """What both players would be evaluated by, as they are now."""
    opponent = program.practice.playing(run.opponent)
    if program.other is not None:
        opponent = program.other.algorithm.policy(opponent)
    return program.student.algorithm.policy(run.learner), opponent


def is_sound(run: Run) -> Bool[Array, ""]:
    """Whether no loss and no parameter of any learner was anything but finite."""
    learned: list[tuple[Window | Tally, PyTree]] = [(run.window, run.learner)]
    if isinstance(run.opponent, Rival):
        learned.append((run.opponent.tally, run.opponent.learner))
    sound = [jnp.all(counted.failed_at < 0) & all_finite(each) for counted, each in learned]
    return jnp.all(jnp.stack(sound))
