"""The experiments on mean-field QMIX and incremental learning.

Source: Balsells et al. 2025. All results are given there as pictures; sizes, steps and maps are not
given, but for 25 predators, from which on nothing is learned from the team's reward.
"""

from __future__ import annotations

from collections.abc import Sequence

from swarmfield.experiments.design import Arm, Budget, Claim, Column, Experiment, Task

SIZES = (5, 10, 25, 50)
"""Predators; prey are twice as many, and the map grows with them."""

_TEAM = {"reward": "team"}
_GROWING = {**_TEAM, "incremental": {"start": 0.2, "step": 0.2, "every": 0.15}}
_EPSILON = {"exploration": "epsilon"}
"""For all: values of a team have no scale that a temperature could be set against."""
_BRIEF = {"batch_size": 64, "warmup": 0, "capacity": 4000}
_LAPTOP_STEPS = 24_000
_SAME_BATCH = {"batch_size": 1024}
"""Agents' transitions an update: as many for methods that learn from whole steps as for others."""

IQL, MFQ, VDN, QMIX, MFQMIX, MFVFD = (
    Arm(name, name, _EPSILON, _TEAM) for name in ("iql", "mfq", "vdn", "qmix", "mfqmix", "mfvfd")
)
MFQ_ALONE = Arm("mfq, own rewards", "mfq", _EPSILON)
MFVFD_ALONE = Arm("mfvfd, own rewards", "mfvfd", _EPSILON)
MFQ_GROWING = Arm("mfq, incremental", "mfq", _EPSILON, _GROWING)
MFQMIX_GROWING = Arm("mfqmix, incremental", "mfqmix", _EPSILON, _GROWING)


def _task(size: int) -> Task:
    """Predators against random prey."""
    env = {"num_agents": size}
    return Task(
        f"pursuit-{size}",
        "adversarial_pursuit",
        {
            "smoke": Budget(160, 2, {**env, "max_steps": 10}, _BRIEF, 4, 4, 1),
            "laptop": Budget(_LAPTOP_STEPS, 5, env, _SAME_BATCH),
            "paper": Budget(1_000_000, 10, env, _SAME_BATCH),
        },
    )


def _columns(size: int) -> tuple[Column, ...]:
    return (
        Column("return an agent", "return_mean", 2, 1 / size),
        Column("tags an agent", "tags", 1, 1 / size),
        Column("environment steps", "run/env_steps"),
        Column("seconds", "run/wall_seconds"),
    )


def _experiment(
    name: str,
    register: str,
    title: str,
    setting: str,
    size: int,
    arms: Sequence[Arm],
    claims: Sequence[Claim],
) -> Experiment:
    figures = {"X-3": "Figure 3", "X-4": "Figure 4", "X-6": "Figure 6", "X-7a": "Figure 7, top"}
    return Experiment(
        f"mfqmix/{name}-{size}",
        register,
        f"{title}, {size} predators",
        figures[register],
        setting,
        _task(size),
        tuple(arms),
        _columns(size),
        claims=tuple(claims),
        population=size,
    )


_PREY = "Predators against random prey, paid by the mean of the team's rewards. "


def _population(size: int) -> Experiment:
    claims = [
        Claim("MFQ is better than IQL.", "return an agent", "mfq", ("iql",)),
        Claim("QMIX is better than IQL.", "return an agent", "qmix", ("iql",)),
    ]
    return _experiment(
        "population",
        "X-3",
        "A team's reward",
        _PREY
        + "In the paper all methods end at 0, the reward of standing still, from 25 predators "
        "on. VDN is ours to compare.",
        size,
        (IQL, MFQ, VDN, QMIX),
        claims,
    )


def _rewards(size: int) -> Experiment:
    claim = Claim(
        "Own rewards are better to learn from than the team's.",
        "return an agent",
        "mfq, own rewards",
        ("mfq",),
    )
    return _experiment(
        "rewards",
        "X-4",
        "The team's reward, or everybody's own",
        "Both ways. MFVFD, which is made for own rewards, is ours to compare.",
        size,
        (MFQ, MFQ_ALONE, MFVFD, MFVFD_ALONE),
        [claim],
    )


def _incremental(size: int) -> Experiment:
    pairs = ((MFQ_GROWING, MFQ), (MFQMIX_GROWING, MFQMIX))
    claims = [
        Claim(
            f"With incremental learning {plain.name.upper()} is better.",
            "return an agent",
            growing.name,
            (plain.name,),
        )
        for growing, plain in pairs
    ]
    return _experiment(
        "incremental",
        "X-6",
        "Incremental learning",
        _PREY
        + "A fifth of them learns at first, and another joins after each 15 % of the run; the "
        "paper gives neither, nor the method.",
        size,
        [arm for pair in pairs for arm in pair],
        claims,
    )


def _mixing(size: int) -> Experiment:
    others = ("iql", "mfq", "qmix")
    claims = [
        Claim(f"MFQMIX is better than {other.upper()}.", "return an agent", "mfqmix", (other,))
        for other in others
    ]
    return _experiment(
        "mixing",
        "X-7a",
        "Mean-field QMIX and its baselines",
        _PREY + "In the paper MFQMIX is no better where there are many.",
        size,
        (IQL, MFQ, QMIX, MFQMIX),
        claims,
    )


BATTLE = Task(
    "battle-12v12",
    "battle",
    {
        "smoke": Budget(160, 2, {"map_size": 12, "max_steps": 20}, _BRIEF, 4, 4, 1),
        "laptop": Budget(_LAPTOP_STEPS, 5, {"map_size": 20}, _SAME_BATCH),
        "paper": Budget(800_000, 10, {"map_size": 20}, _SAME_BATCH),
    },
)
"""12 against 12, and 2 against 2 to see that all works."""


def _pair(first: str, second: str) -> Arm:
    training = {**_TEAM, "opponent": second, "opponent_algo": _EPSILON}
    return Arm(f"{first} against {second}", first, _EPSILON, training)


_PAIRS = {
    (first, second): _pair(first, second)
    for first, second in (("mfqmix", "mfq"), ("mfqmix", "qmix"), ("mfq", "qmix"))
}

HEAD_TO_HEAD = Experiment(
    "mfqmix/head-to-head",
    "X-7b",
    "Two learners against each other",
    "Figure 7, bottom",
    "Both teams learn at once, each from the mean of its own rewards. "
    "Sides are swapped in half of the worlds. The difference is the return of the first less "
    "that of the second when both act greedily at the end.",
    BATTLE,
    tuple(_PAIRS.values()),
    (
        Column("difference in return", "against/difference", 1),
        Column("win rate", "against/win_rate", 2),
        Column("kills", "against/kills", 1),
        Column("return against random", "return_mean", 1),
        Column("environment steps", "run/env_steps"),
        Column("seconds", "run/wall_seconds"),
    ),
    claims=tuple(
        Claim(
            f"{first.upper()} earns more than {second.upper()} when they learn against each other.",
            "difference in return",
            arm.name,
        )
        for (first, second), arm in _PAIRS.items()
        if first == "mfqmix"
    ),
)

EXPERIMENTS = (
    *(make(size) for make in (_population, _rewards, _incremental, _mixing) for size in SIZES),
    HEAD_TO_HEAD,
)
