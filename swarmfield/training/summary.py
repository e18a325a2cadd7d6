"""What a finished run came to: the contents of `summary.json`."""

from __future__ import annotations

import resource
import sys
from typing import Any

import jax
import numpy as np

from swarmfield.statistics import summarize_episodes
from swarmfield.training.best import evaluation_keys
from swarmfield.training.compiled import Programs, Saved
from swarmfield.training.evaluate import by_seed
from swarmfield.training.loop import Counters
from swarmfield.training.program import policies_of
from swarmfield.training.setup import Setup


def summarize_run(
    setup: Setup, programs: Programs, saved: Saved, counters: Counters
) -> dict[str, Any]:
    """Totals of a run, and greedy episodes of what it learned in each of the setup's matches.

    Args:
        setup: The job's parts.
        programs: Its compiled functions.
        saved: The run at its end.
        counters: Its totals.
    """
    config = setup.job.config
    evaluations = {}
    policies = policies_of(setup.program, saved.run)
    for number, (name, evaluate) in enumerate(programs.evaluate.items()):
        keys = evaluation_keys(saved, counters.time + 1 + number)
        seeds = by_seed(evaluate(*policies, keys))
        evaluations[name] = seeds[0] if len(seeds) == 1 else mean_over_seeds(seeds)
        if len(seeds) > 1:
            evaluations[f"{name}_by_seed"] = dict(zip(config.seed_list, seeds, strict=True))
    return {
        "env_steps": counters.time * config.num_envs,
        "agent_steps": sum(counters.agent_steps),
        "wall_seconds": counters.wall_seconds,
        "compile_seconds": programs.compile_seconds,
        "peak_memory_bytes": _peak_memory(),
        **evaluations,
    }


def mean_over_seeds(seeds: list[dict[str, dict[str, Any]]]) -> dict[str, dict[str, Any]]:
    """Every figure's mean over seeds, and how far the seeds' returns lie apart.

    A seed is one observation of what training does: `return_std` and `return_ci95` are those of
    the seeds' mean returns, however many episodes each of them played. Episodes add up.
    """
    players = {}
    for player, figures in seeds[0].items():
        columns = {name: [seed[player][name] for seed in seeds] for name in figures}
        means = {
            name: None if None in column else sum(column) / len(column)
            for name, column in columns.items()
        }
        spread = summarize_episodes(np.asarray(columns["return_mean"]))
        players[player] = {
            **means,
            "return_std": spread.std,
            "return_ci95": spread.ci95,
            "episodes": sum(columns["episodes"]),
        }
    return players


def _peak_memory() -> int:
    stats = [device.memory_stats() or {} for device in jax.local_devices()]
    on_devices = sum(each.get("peak_bytes_in_use", 0) for each in stats)
    kibibytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # macOS counts in bytes.
    resident = kibibytes * (1 if sys.platform == "darwin" else 1024)
    return on_devices or resident
