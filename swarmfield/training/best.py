"""Greedy evaluations on the way, and the best policies they find."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PyTree

from swarmfield.batching import select
from swarmfield.training import checkpoint, hosts
from swarmfield.training.compiled import Best, Programs, Saved
from swarmfield.training.evaluate import by_seed
from swarmfield.training.program import policies_of
from swarmfield.training.run_folder import RunFolder
from swarmfield.training.setup import Setup

EVALUATION_KEY = 2**32 - 3
"""Folded into a seed's key for evaluations, so that they share no draw with training."""


def evaluate_and_keep(
    setup: Setup,
    programs: Programs,
    folder: RunFolder,
    saved: Saved,
    time: int,
    rows: list[dict[str, Any]],
) -> Saved:
    """Play greedily, add the figures to the reports, keep each seed's best policy.

    Args:
        setup: The job's parts.
        programs: Its compiled functions.
        folder: Where the best policies are kept.
        saved: The run.
        time: Its steps of all environments so far.
        rows: A report of each seed, which gain the figures.
    """
    policy, opponent = policies_of(setup.program, saved.run)
    keys = evaluation_keys(saved, time)
    evaluate = next(iter(programs.evaluate.values()))
    episodes = evaluate(policy, opponent, keys)
    summaries = by_seed(episodes)
    for row, summary in zip(rows, summaries, strict=True):
        for player, figures in summary.items():
            row.update({f"evaluation/{player}/{name}": x for name, x in figures.items()})
    score = np.asarray([s["learner"]["return_mean"] for s in summaries], np.float32)
    if not np.any(score > hosts.fetched(saved.best.score)):
        return saved
    best = _better(saved.best, policy, score, np.int32(time))
    keep_best(folder, best, setup.job.config.num_envs)
    return eqx.tree_at(lambda s: s.best, saved, best)


@jax.jit
def _better(best: Best, policy: PyTree, score: Float[Array, " S"], time: Int[Array, ""]) -> Best:
    """Of each seed what did better."""
    better = score > best.score
    return Best(
        select(better, policy, best.policy),
        jnp.where(better, score, best.score),
        jnp.where(better, time, best.time),
    )


def keep_best(folder: RunFolder, best: Best, num_envs: int) -> None:
    """Make `best` what the folder holds of it: nothing before the first evaluation.

    At every moment a good one is there, if there was one before.
    """
    env_steps = max(env_steps_of(best, num_envs))
    if env_steps > 0:
        extra = {"score": hosts.fetched(best.score).tolist()}
        checkpoint.save(folder.best, best, env_steps=env_steps, extra=extra)
    if hosts.is_first():
        checkpoint.drop_others(folder.best, env_steps)


def env_steps_of(best: Best, num_envs: int) -> list[int]:
    """Environment steps after which each seed did best."""
    return [int(time) * num_envs for time in hosts.fetched(best.time)]


def evaluation_keys(saved: Saved, number: int) -> Any:
    """A key for each seed's evaluation at a time."""

    def of_seed(key: Any) -> Any:
        return jax.random.fold_in(jax.random.fold_in(key, EVALUATION_KEY), number)

    return jax.vmap(of_seed)(saved.run.key)
