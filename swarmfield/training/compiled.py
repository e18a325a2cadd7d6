"""A job's programs, compiled ahead of time and timed."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import PartitionSpec as P
from jaxtyping import Array, Float, Int, PyTree

from swarmfield.batching import for_each
from swarmfield.compiler import Options, compiler_options
from swarmfield.environments.hosted import HostedEnvironment
from swarmfield.training import program
from swarmfield.training.evaluate import evaluator
from swarmfield.training.hosted import advancing
from swarmfield.training.playing import Episodes
from swarmfield.training.program import Run
from swarmfield.training.setup import Setup
from swarmfield.types import PRNGKey


class Best(eqx.Module):
    """The policy that did best in evaluation so far, of each seed.

    Attributes:
        policy: Its parameters.
        score: Its mean return, minus infinity before the first evaluation.
        time: Steps of all environments until then.
    """

    policy: PyTree
    score: Float[Array, " S"]
    time: Int[Array, " S"]


class Saved(eqx.Module):
    """What a checkpoint holds; every array leads with the seeds."""

    run: Run
    best: Best


class Programs(NamedTuple):
    """The functions a run calls, over all seeds.

    Attributes:
        advance: `(run, time, steps) -> run`; takes the run's memory over.
        close: `(run) -> run, figures`.
        is_sound: `(run) -> bool`: whether nothing learned in any seed is anything but finite.
        evaluate: `(policy, opponent, keys) -> episodes` of each of the setup's matches, by
            name; compiled when first called.
        compile_seconds: What compiling the first two took.
        working_bytes: Memory that `advance` takes besides what it is given.
    """

    advance: Callable[[Run, Any, Any], Run]
    close: Callable[[Run], tuple[Run, dict[str, Any]]]
    is_sound: Callable[[Run], Array]
    evaluate: dict[str, Callable[[PyTree, PyTree, PRNGKey], Episodes]]
    compile_seconds: float
    working_bytes: int


def begin(setup: Setup, seeds: Sequence[int], opponent: PyTree) -> Saved:
    """All seeds at time 0."""
    options, layout, keys = compiler_options(opponent), setup.layout, seed_keys(seeds)
    specs = layout.specs(jax.eval_shape(partial(_begin, setup), keys, opponent))
    keys, opponent = layout.given(keys, layout.seedwise), layout.given(opponent, P())
    start = layout.jit(
        partial(_begin, setup), (layout.seedwise, P()), specs, compiler_options=options
    )
    with _uncollected(), layout.entered():
        return start(keys, opponent)


def shapes(setup: Setup, seeds: Sequence[int], opponent: PyTree) -> Saved:
    """`begin` without computing anything: what a checkpoint is restored into."""
    return setup.layout.placed(jax.eval_shape(partial(_begin, setup), seed_keys(seeds), opponent))


def _begin(setup: Setup, keys: PRNGKey, opponent: PyTree) -> Saved:
    num_seeds = keys.shape[0]
    start = for_each(lambda key, parameters: program.start(setup.program, parameters, key))
    run = start(keys, opponent)
    policy = jax.tree.map(jnp.copy, setup.algorithm.policy(run.learner))
    never = jnp.full(num_seeds, -jnp.inf, jnp.float32), jnp.zeros(num_seeds, jnp.int32)
    return Saved(run, Best(policy, *never))


def seed_keys(seeds: Sequence[int]) -> PRNGKey:
    """The key of each seed."""
    return jnp.stack([jax.random.key(seed) for seed in seeds])


def compile_programs(setup: Setup, saved: Saved) -> Programs:
    """Compile training before it starts; evaluations are compiled when they are first due."""
    started = time.perf_counter()
    options = compiler_options((saved.run.learner, saved.run.opponent))
    layout = setup.layout
    donating = partial(layout.jit, donate_argnums=0, compiler_options=options)
    run, figures = layout.specs(saved.run), layout.seedwise
    close = for_each(partial(program.close_window, setup.program))
    close = donating(close, (run,), (run, figures))
    with _uncollected(), layout.entered(), ThreadPoolExecutor(1) as beside:
        compiling = beside.submit(_lowered_advance(setup, saved, donating, options))
        close = close.lower(saved.run).compile()
        advance, working = compiling.result()
    seconds = time.perf_counter() - started
    num_episodes = setup.job.config.evaluation_episodes
    evaluate = {
        name: evaluator(match, num_episodes, options, layout)
        for name, match in setup.matches.items()
    }
    sound = jax.jit(program.is_sound, out_shardings=layout.everywhere)
    return Programs(advance, close, sound, evaluate, seconds, working)


def _lowered_advance(
    setup: Setup, saved: Saved, donating: Callable[..., Any], options: Options
) -> Callable[[], tuple[Callable[[Run, Any, Any], Run], int]]:
    """What compiles `advance` of a run's programs, and tells the memory it takes."""
    if isinstance(setup.environment, HostedEnvironment):
        return partial(advancing, setup.program, setup.environment, saved.run, options)
    specs, zero = setup.layout.specs(saved.run), np.int32(0)
    advance = donating(for_each(partial(program.advance, setup.program)), (specs, P(), P()), specs)
    lowered = advance.lower(saved.run, zero, zero)

    def compiled() -> tuple[Callable[[Run, Any, Any], Run], int]:
        advance = lowered.compile()
        memory = advance.memory_analysis()
        return advance, 0 if memory is None else memory.temp_size_in_bytes

    return compiled


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without the cyclic garbage collector.

    Tracing makes so many objects, all still in use, that looking through them for garbage takes
    a fifth of its time.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
