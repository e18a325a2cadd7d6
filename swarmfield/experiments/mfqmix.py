"""The experiments on mean-field QMIX and incremental learning that one team learns alone in.

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
_LAPTOP_STEPS = {5: 160_000, 10: 160_000, 25: 96_000, 50: 48_000}

IQL, MFQ, VDN, QMIX, MFQMIX = (
    Arm(name, name, _EPSILON, _TEAM) for name in ("iql", "mfq", "vdn", "qmix", "mfqmix")
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
            "laptop": Budget(_LAPTOP_STEPS[size], 5, env),
            "paper": Budget(1_000_000, 10, env),
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
        "MFQ, paid both ways. MFVFD, which is made for own rewards, is ours to compare.",
        size,
        (MFQ, MFQ_ALONE, MFVFD_ALONE),
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


EXPERIMENTS = tuple(
    make(size) for make in (_population, _rewards, _incremental, _mixing) for size in SIZES
)
