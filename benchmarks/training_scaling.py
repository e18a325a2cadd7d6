"""Cost of one training step against the number of learners, of several methods side by side.

At each size all methods are compiled, and then trained in turns, so that whatever else the machine
does strikes all alike. Prints a table with medians and their ratios to the first method's.
"""

from __future__ import annotations

import argparse
import json
import statistics
from pathlib import Path
from typing import Any

import jax
from timing import Trainer

from swarmfield import plots
from swarmfield.algorithms import ALGORITHMS, options_for
from swarmfield.environments import make
from swarmfield.environments.m3fc.reference import POLICIES
from swarmfield.training.config import Job, make_job

CROWDS = tuple(POLICIES)
AGENTS_AT_ONCE = 2048
"""Learners of all environments together, where one has fewer."""


def main() -> None:
    options = _options()
    told = {"jax": jax.__version__, "device": jax.devices()[0].device_kind, **_plain(options)}
    rows: list[dict[str, Any]] = []
    for size in options.num_agents:
        rows += _measure(options, size)
        if options.output is not None:
            options.output.write_text(json.dumps({**told, "rows": rows}, indent=1) + "\n")
            plots.benchmark(rows, options.output.with_suffix(".png"))


def _measure(options: argparse.Namespace, size: int) -> list[dict[str, Any]]:
    """One row a method."""
    trainers = {name: Trainer(_job(options, name, size)) for name in options.algorithms}
    seconds: dict[str, list[float]] = {name: [] for name in trainers}
    acted = dict.fromkeys(trainers, 0)
    for number in range(options.windows + 1):
        for name, trainer in trainers.items():
            window = trainer.advance(options.steps)
            if number:
                seconds[name].append(window.seconds)
                acted[name] += window.agent_steps
    rows = []
    for name, trainer in trainers.items():
        ratios = [ours / first for ours, first in zip(*_pair(seconds, name), strict=True)]
        row = {
            "label": name,
            "num_agents": size,
            "num_envs": _num_envs(size),
            "milliseconds_a_step": 1000 * statistics.median(seconds[name]) / options.steps,
            "ratio": statistics.median(ratios),
            # Who controls a crowd acts once for all of it.
            "agent_steps_per_second": acted[name] * size / trainer.num_agents / sum(seconds[name]),
            "compile_seconds": trainer.compile_seconds,
            "megabytes": trainer.megabytes,
        }
        rows.append(row)
        print(json.dumps({k: round(v, 3) if isinstance(v, float) else v for k, v in row.items()}))
    return rows


def _pair(seconds: dict[str, list[float]], name: str) -> tuple[list[float], list[float]]:
    return seconds[name], next(iter(seconds.values()))


def _num_envs(size: int) -> int:
    return max(1, min(16, AGENTS_AT_ONCE // size))


def _job(options: argparse.Namespace, name: str, size: int) -> Job:
    """Training of a method with so many learners."""
    num_envs = _num_envs(size)
    # Replay keeps as many steps at every size, so that memory shows what a step costs.
    wanted = {"capacity": 64 * num_envs * size, "warmup": 0, "graph": options.graph}
    if options.environment in CROWDS:
        wanted["rollout_length"] = options.steps  # a window is a rollout and what is learned of it
    in_battle = options.environment == "battle"
    against: dict[str, Any] = {"opponent": "random"} if in_battle else {}
    env = {"num_agents": 2 * size if in_battle else size}
    known = options_for(name, make(options.environment, **env).teams[0])
    return make_job(
        name,
        options.environment,
        env=env,
        algo={k: v for k, v in wanted.items() if k in known and v is not None},
        env_steps=num_envs * options.steps * (options.windows + 1),
        num_envs=num_envs,
        **against,
    )


def _plain(options: argparse.Namespace) -> dict[str, Any]:
    return {name: value for name, value in vars(options).items() if name != "output"}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--algorithms", nargs="+", choices=list(ALGORITHMS), required=True)
    parser.add_argument(
        "--environment", choices=["battle", "firefighter", *CROWDS], default="battle"
    )
    parser.add_argument("--num-agents", nargs="+", type=int, required=True, help="learners")
    parser.add_argument("--graph", choices=["environment", "nearest", "full"], help="of gatmf")
    parser.add_argument("--steps", type=int, default=400, help="of all environments, a window")
    parser.add_argument("--windows", type=int, default=3)
    parser.add_argument("--output", type=Path, help="JSON to write, and a picture beside it")
    return parser.parse_args()


if __name__ == "__main__":
    main()
