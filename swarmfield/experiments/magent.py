"""MAgent2's worlds beyond those that the papers use: MFQ against players at random."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from swarmfield.experiments.design import Arm, Budget, Column, Experiment, Scale, Task

_BRIEF = {"batch_size": 64, "warmup": 0, "capacity": 4000}
_COSTS = (Column("environment steps", "run/env_steps"), Column("seconds", "run/wall_seconds"))


def _experiment(
    world: str,
    title: str,
    setting: str,
    laptop: Mapping[str, Any],
    smoke: Mapping[str, Any],
    columns: tuple[Column, ...],
    laptop_steps: int = 24_000,
) -> Experiment:
    budgets: dict[Scale, Budget] = {
        "smoke": Budget(160, 2, {**smoke, "max_steps": 10}, _BRIEF, 4, 4, 1),
        "laptop": Budget(laptop_steps, 3, laptop),
        "paper": Budget(1_000_000, 10),
    }
    task = Task(world, world, budgets, opponent=None if world == "gather" else "random")
    return Experiment(
        f"magent/{world.replace('_', '-')}",
        "beyond",
        title,
        "MAgent2 0.3.4",
        setting,
        task,
        (Arm("mfq", "mfq"),),
        (Column("return", "return_mean", 1), *columns, *_COSTS),
    )


_ARMED = (Column("kills", "kills", 1), Column("win rate", "win_rate", 2))

EXPERIMENTS = (
    _experiment(
        "battlefield",
        "Battlefield",
        "Two armies look for each other between walls. They start apart, and players at random "
        "hardly meet: at `laptop` they are 30 each and strikes at nothing are free.",
        {"map_size": 46, "num_agents": 60, "max_steps": 400, "attack_penalty": 0.0},
        {"map_size": 46},
        _ARMED,
        48_000,
    ),
    _experiment(
        "combined_arms",
        "Combined Arms",
        "8 melee and 4 ranged soldiers, which share a network, against as many.",
        {"map_size": 20, "max_steps": 200},
        {"map_size": 16},
        _ARMED,
    ),
    _experiment(
        "tiger_deer",
        "Tiger-Deer",
        "Tigers learn, which are paid for biting a deer together; deer do not. Tigers at random "
        "hardly ever do: at `laptop` they need not starve and there are more steps.",
        {"map_size": 20, "tiger_step_recover": 0.0},
        {"map_size": 20},
        (Column("deer eaten", "kills", 1),),
        96_000,
    ),
    _experiment(
        "gather",
        "Gather",
        "Omnivores eat what does not grow back, and may attack each other for it.",
        {"map_size": 30, "max_steps": 200},
        {"map_size": 30},
        (Column("eaten", "eaten", 1), Column("alive", "alive", 1)),
    ),
)
