"""The experiments on major-minor mean field control.

Source: Cui et al. 2024 and its code, which holds options but no results; all are given as pictures.
"""

from __future__ import annotations

from typing import NamedTuple

from swarmfield.experiments.design import Arm, Budget, Claim, Column, Crowds, Experiment, Task

MANY, FEW = 300, (5, 10, 20)
"""Minor agents: of a crowd, and where agents that act alone learn, too."""


class _World(NamedTuple):
    """An environment of minor agents.

    Attributes:
        name: In the registry.
        title: For people.
        env_steps: At scale `laptop`, with many agents.
        reference: What is known of it, for people.
        paper_iterations: Of 24,000 steps, with many agents.
    """

    name: str
    title: str
    env_steps: int
    reference: str
    paper_iterations: int = 5000


WORLDS = (
    _World("two_gaussians", "Two Gaussians", 320_000, "Where all follow the users -35."),
    _World("formation", "Formation", 320_000, "Where all know their places -42."),
    _World("beach_bar", "Beach", 1_280_000, "Where all go to the bar -341, at best -205."),
    _World("foraging", "Foraging", 640_000, "In turns to tasks and depot 2,985.", 13_000),
    _World("potential", "Potential", 640_000, "From both sides of the body -21."),
)

_BRIEF = {"rollout_length": 8, "minibatches": 2, "epochs": 2, "hidden": 8}
_SHORT = {"max_steps": 10}
_QUICK = {
    "learning_rate": 1e-3,
    "gamma": 0.95,
    "gae_lambda": 0.8,
    "rollout_length": 25,
    "value_clip": 1000.0,
    "hidden": 128,
}
"""For all: what learns at the beach in a hundredth of the paper's steps, where its own options do
not: among them values that may move by 10 a rollout."""
_ENVS = 16
"""Few, so that rollouts are small and updates many: of as many steps, four times as many
environments learn a third as much in Two Gaussians."""
_STEPS_ALONE = 4
"""Agents that act alone learn for a fourth of the steps: each is of twenty-one agents."""
_PAPER_ITERATION = 24_000
_PAPER_ALONE = 500
_COLUMNS = (
    Column("shared return", "shared_return", 1),
    Column("environment steps", "run/env_steps"),
    Column("seconds", "run/wall_seconds"),
)


def _task(world: _World, agents: int) -> Task:
    env = {"num_agents": agents}
    algo, steps, iterations = _QUICK, world.env_steps, world.paper_iterations
    if agents != MANY:
        # Networks of a size that a CPU can pass through twenty times a step.
        algo = {**_QUICK, "hidden": 64}
        steps, iterations = steps // _STEPS_ALONE, min(iterations, _PAPER_ALONE)
    return Task(
        f"{world.name}-{agents}",
        world.name,
        {
            "smoke": Budget(160, 2, {"num_agents": min(agents, 6), **_SHORT}, _BRIEF, 4, 4, 1),
            "laptop": Budget(steps, 3, env, algo, _ENVS),
            "paper": Budget(iterations * _PAPER_ITERATION, 3, env, {"rollout_length": 200}, 120),
        },
    )


_CROWD = (Arm("m3fppo", "m3fppo"), Arm("m3fa2c", "m3fa2c", {"learning_rate": 3e-4}))
"""With nothing that holds it back, longer steps let chance die out before anything is learned."""
_ALONE = (Arm("m3fppo", "m3fppo"), Arm("ippo", "ippo"), Arm("mappo", "mappo"))


def _curves(world: _World) -> Experiment:
    return Experiment(
        f"m3fc/{world.name}",
        "M-5, M-10",
        f"{world.title}, {MANY} minor agents",
        "Figures 5 and 10",
        f"One policy for the whole crowd, by PPO and by A2C. {world.reference}",
        _task(world, MANY),
        _CROWD,
        _COLUMNS,
        claims=(Claim("PPO is better than A2C.", "shared return", "m3fppo", ("m3fa2c",)),),
    )


def _crowds(world: _World) -> Experiment:
    # The paper takes 500 agents for the limit; that of the beach is known.
    limit = None if world.name == "beach_bar" else 500
    numbers = (2, 4, 6, 8, 10, 20, 30, 40, 50)
    return Experiment(
        f"m3fc/crowds-{world.name}",
        "M-8",
        f"{world.title}, from few agents to many",
        "Figure 8",
        f"What was learned with {MANY} agents, in its best seed, with others, by one rule for all "
        "and by one each. Policies are left to chance as in training.",
        _task(world, MANY),
        _CROWD[:1],
        _COLUMNS,
        crowds={
            "smoke": Crowds((2, 4), 2, None if limit is None else 8),
            "laptop": Crowds(numbers, 100, limit),
            "paper": Crowds(numbers, 100, limit),
        },
    )


def _better(than: str) -> Claim:
    text = f"M3FPPO is better than {than.upper()}."
    return Claim(text, "shared return", "m3fppo", (than,))


def _alone(world: _World, agents: int) -> Experiment:
    return Experiment(
        f"m3fc/{world.name}-{agents}",
        f"M-6, M-9, M-12: {world.title}",
        f"{agents} minor agents, led or alone",
        "Figures 6, 9, 12 and 13",
        "Agents that act alone beside one policy for all of them, learned with as many agents in "
        f"as many steps; the paper compares with one learned with {MANY}. {world.reference}",
        _task(world, agents),
        _ALONE,
        _COLUMNS,
        claims=tuple(_better(alone) for alone in ("ippo", "mappo")),
        population=agents,
    )


EXPERIMENTS = (
    *(_curves(world) for world in WORLDS),
    *(_crowds(world) for world in WORLDS),
    *(_alone(world, agents) for world in WORLDS for agents in FEW),
)
