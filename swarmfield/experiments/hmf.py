"""The experiments on hierarchical mean fields.

Source: Yu et al. 2023. All results are given there as pictures, but for "near 0.6" in the bar;
steps, episodes' lengths and most options are not given.
"""

from __future__ import annotations

from collections.abc import Sequence

from swarmfield.experiments.design import NOTHING, Arm, Budget, Claim, Column, Experiment, Task

_BRIEF = {"batch_size": 64, "warmup": 0, "capacity": 4000}
_SAME = {"learning_rate": 1e-3, "batch_size": 1536, "updates": 2, "explore_fraction": 0.3}
"""As many transitions of agents an update for all."""
_NEAREST = {"sees": 6}
"""All others and landmarks are seen, ordered by distance and not by their numbers."""
_FAR = {**_SAME, "gamma": 0.99}
_SAME_IN_BAR = {"learning_rate": 2e-3, "batch_size": 2560}
"""Of 5e-4 and 2e-3 the better for every method; and as many transitions an update."""
_EPSILON = {"exploration": "epsilon"}
_COSTS = (Column("environment steps", "run/env_steps"), Column("seconds", "run/wall_seconds"))

SPREAD = Task(
    "spread-6",
    "spread",
    {
        "smoke": Budget(160, 2, _NEAREST, _BRIEF, 4, 4, 1),
        "laptop": Budget(240_000, 5, _NEAREST, _SAME, 64),
        "paper": Budget(4_000_000, 10, _NEAREST, _SAME, 64),
    },
)
EVASION = Task(
    "pursuit-evasion-20",
    "pursuit_evasion",
    {
        "smoke": Budget(160, 2, {**_NEAREST, "max_steps": 10}, _BRIEF, 4, 4, 1),
        "laptop": Budget(144_000, 5, _NEAREST, _FAR, 64),
        "paper": Budget(4_000_000, 10, _NEAREST, _FAR, 64),
    },
)
BAR = Task(
    "bar-100",
    "bar",
    {
        "smoke": Budget(160, 2, {"num_agents": 30, "max_steps": 10}, _BRIEF, 4, 4, 1),
        "laptop": Budget(24_000, 5, NOTHING, _SAME_IN_BAR),
        "paper": Budget(200_000, 10, NOTHING, _SAME_IN_BAR),
    },
)

ENEMY = Arm("enemy", "iql", _EPSILON, {"team": "blue", "opponent": "iql"})
"""It learns beside another that learns, so that it is used to fights."""


def _battle(agents: int) -> Task:
    """Many against half as many enemies who reach twice as far, trained first."""
    env = {"enemy": "double", "agents": agents, "enemies": agents // 2}
    # On a CPU as many agents' steps at every size, and as many updates.
    worlds = max(1, 16 * 50 // agents)
    steps, batch = 3000 * worlds, {"batch_size": max(1024, 4 * agents)}
    episodes = max(4, 1000 // agents)
    return Task(
        f"battle-{agents}",
        "battle",
        {
            "smoke": Budget(160, 2, {**env, "max_steps": 10}, _BRIEF, 4, 4, 1),
            "laptop": Budget(steps, 5, env, batch, worlds, episodes, enemy_steps=2 * steps),
            "paper": Budget(400_000, 5, env, {"batch_size": 4096}),
        },
        enemy=ENEMY,
    )


_SPREAD_COLUMNS = (
    Column("return an agent", "return_mean", 1, 1 / 6),
    Column("collisions", "collisions", 1),
    *_COSTS,
)
_EVASION_COLUMNS = (
    Column("return an agent", "return_mean", 1, 1 / 20),
    Column("caught", "captured", 2),
    Column("steps", "steps", 1),
    *_COSTS,
)
_BATTLE_COLUMNS = (
    Column("kills", "kills", 1),
    Column("return", "return_mean", 1),
    Column("alive", "alive", 1),
    Column("win rate", "win_rate", 2),
    *_COSTS,
)
_BAR_COLUMNS = (
    Column("reward a night", "return_mean", 3, 1 / 5000),
    Column("crowded nights", "crowded", 1),
    Column("visits a night", "visits", 1, 1 / 50),
    *_COSTS,
)


def _against(
    column: str, ours: Sequence[str], others: Sequence[str], how: str = "is better than"
) -> tuple[Claim, ...]:
    return tuple(
        Claim(f"{own.upper()} {how} {', '.join(others).upper()}.", column, own, tuple(others))
        for own in ours
    )


def _methods(groups: int, *names: str, **options: object) -> tuple[Arm, ...]:
    """Methods by name, those with groups with as many."""
    return tuple(
        Arm(name, name, {**options, **({"num_groups": groups} if name.startswith("hmf") else {})})
        for name in names
    )


def _by_groups(numbers: Sequence[int], usual: int, **options: object) -> tuple[Arm, ...]:
    """HMF with several numbers of groups, of which `usual` is that of the task's `hmf`."""
    return tuple(
        Arm(
            f"hmf, {number} group{'s' if number > 1 else ''}",
            "hmf",
            {**options, "num_groups": number},
            same_as="hmf" if number == usual else None,
        )
        for number in numbers
    )


_WIDE: dict[str, object] = {"trunk": "wide"}
_MADDPG = Arm("maddpg", "maddpg", {"hidden": 128})
"""Its networks are as wide as the others' where there is nothing but features."""
_SPREAD_METHODS = (*_methods(2, "hmf", "hmf_ipc", "vdn", "mfvfd", **_WIDE), _MADDPG)
_TWO = {**_WIDE, "num_groups": 2}
_EVASION_METHODS = (*_methods(4, "hmf", "hmf_ipc", "vdn", "mfvfd", **_WIDE), _MADDPG)
_TOLD = {"identity": "learned"}
"""Who they are, which all people of the bar must know that are to differ."""
_IN_BAR = {**_TOLD, "num_groups": 25}
_BAR_METHODS = (
    *(Arm(name, name, {**_EPSILON, **_TOLD}) for name in ("iql", "mfq", "vdn", "mfvfd")),
    Arm("hmf", "hmf", _IN_BAR),
    Arm("hmf_ipc", "hmf_ipc", {**_IN_BAR, "eta": 0.001, "group_by": "policy"}),
)
_OTHERS = ("vdn", "mfvfd", "maddpg")

_BATTLE_METHODS = _methods(8, "hmf", "hmf_ipc", "iql", "mfq", "mfvfd", **_EPSILON)
SIZES = (50, 200, 1000)
"""Agents of Battle; the second is the paper's, the third its "thousand"."""


def _scalability(agents: int) -> Experiment:
    methods = _BATTLE_METHODS if agents <= 200 else _BATTLE_METHODS[:4]
    return Experiment(
        f"hmf/battle-{agents}",
        "H-3c" if agents == 200 else "H-4",
        f"Battle, {agents} agents against {agents // 2}",
        "Figure 3c" if agents == 200 else "Figure 4",
        "Enemies see, move and hit twice as far. Here they are trained beside another learner "
        "first and frozen then. HMF has 8 groups.",
        _battle(agents),
        methods,
        _BATTLE_COLUMNS,
        claims=_against("kills", ("hmf", "hmf_ipc"), [arm.name for arm in methods[2:]]),
        population=agents if agents != 200 else None,
    )


EXPERIMENTS = (
    *(_scalability(agents) for agents in SIZES),
    Experiment(
        "hmf/groups-battle",
        "H-5c",
        "Numbers of groups, Battle with 50 agents",
        "Figure 5c",
        "More groups are said to be better.",
        _battle(50),
        _by_groups((2, 8, 25), 8, **_EPSILON),
        _BATTLE_COLUMNS,
        claims=_against("kills", ("hmf, 25 groups",), ("hmf, 2 groups",)),
    ),
    Experiment(
        "hmf/replay",
        "H-A2",
        "Groups of agents that are alike, Battle with 50 agents",
        "Appendix, Figure 2",
        "Agents in the colour of their group, which is found where an episode begins.",
        _battle(50),
        (_BATTLE_METHODS[1],),
        _BATTLE_COLUMNS,
        films=True,
    ),
    Experiment(
        "hmf/spread",
        "H-3a",
        "Spread, 6 agents",
        "Figure 3a",
        "As in the paper 6 agents and 6 landmarks; episodes of 25 steps, everybody's own reward "
        "and that all see the nearest first are ours. At random an agent gets -74.8, where each is "
        "assigned a landmark -22.9. HMF has 2 groups.",
        SPREAD,
        _SPREAD_METHODS,
        _SPREAD_COLUMNS,
        claims=_against("return an agent", ("hmf", "hmf_ipc"), _OTHERS),
    ),
    Experiment(
        "hmf/pursuit-evasion",
        "H-3b",
        "Pursuit-Evasion, 20 pursuers",
        "Figure 3b",
        "An evader twice as fast that heeds its Voronoi cell. A torus, nine directions, 200 steps "
        "at most and that all see the nearest six are ours. At random a pursuer gets -32.8, where "
        "all chase -23.8 (0.25 caught), in a closing ring -4.9 (0.94). HMF has 4 groups.",
        EVASION,
        _EVASION_METHODS,
        _EVASION_COLUMNS,
        claims=_against("return an agent", ("hmf", "hmf_ipc"), _OTHERS),
    ),
    Experiment(
        "hmf/bar",
        "H-3d",
        "The bar, 100 people",
        "Figure 3d",
        "Room for 60; 50 nights an episode and 0 for staying at home are ours, and all "
        "methods tell people who they are. Going by chance is worth 0.478. HMF has 25 groups.",
        BAR,
        _BAR_METHODS,
        _BAR_COLUMNS,
        claims=_against("reward a night", ("hmf",), ("iql", "mfq", "vdn", "mfvfd")),
        reported={("hmf", "reward a night"): "near 0.6"},
    ),
    Experiment(
        "hmf/groups-spread",
        "H-5a",
        "Numbers of groups, Spread",
        "Figure 5a",
        "2 groups are said to be better than 3.",
        SPREAD,
        _by_groups((1, 2, 3, 6), 2, **_WIDE),
        _SPREAD_COLUMNS,
        claims=_against("return an agent", ("hmf, 2 groups",), ("hmf, 3 groups",)),
    ),
    Experiment(
        "hmf/groups-evasion",
        "H-5b",
        "Numbers of groups, Pursuit-Evasion",
        "Figure 5b",
        "An intermediate number is said to be best; which numbers they tried is not given.",
        EVASION,
        _by_groups((1, 4, 20), 4, **_WIDE),
        _EVASION_COLUMNS,
        claims=_against("return an agent", ("hmf, 4 groups",), ("hmf, 1 group", "hmf, 20 groups")),
    ),
    Experiment(
        "hmf/groups-bar",
        "H-5d",
        "Numbers of groups, the bar",
        "Figure 5d",
        "They are said to make little difference; which numbers they tried is not given.",
        BAR,
        _by_groups((2, 4, 10, 25), 25, **_TOLD),
        _BAR_COLUMNS,
        claims=(
            Claim(
                "Numbers of groups make no difference.",
                "reward a night",
                "hmf, 4 groups",
                ("hmf, 2 groups", "hmf, 10 groups", "hmf, 25 groups"),
                "same",
            ),
        ),
    ),
    Experiment(
        "hmf/parts",
        "H-A3",
        "What each part of HMF is worth, Spread",
        "Appendix, Figure 3",
        "Without the regulariser, as printed (which teaches attention alone), without the top "
        "level, and with the losses as printed.",
        SPREAD,
        (
            _SPREAD_METHODS[0],
            Arm("hmf, no regulariser", "hmf", {**_TWO, "reg": "none"}),
            Arm("hmf, printed regulariser", "hmf", {**_TWO, "reg": "literal"}),
            Arm("hmf, no top level", "hmf", {**_TWO, "top": "none"}),
            Arm("hmf, central top level", "hmf", {**_TWO, "top": "central"}),
            Arm(
                "hmf, printed losses",
                "hmf",
                {**_TWO, "top": "literal", "reward_agg": "sum"},
            ),
        ),
        _SPREAD_COLUMNS,
        claims=(
            *_against("return an agent", ("hmf",), ("hmf, no regulariser",)),
            *_against("return an agent", ("hmf",), ("hmf, no top level",)),
        ),
    ),
)
