"""What the experiments on bi-level mean fields train, where, and what they measure.

Steps are given by the paper as "2,000 episodes" where at all; rewards of Battle are as in the
released code (0.5 for a hit, -0.5 for dying).
"""

from __future__ import annotations

from swarmfield.experiments.design import Arm, Budget, Column, Task

IQL, MFQ, AC, MFAC = (Arm(name, name) for name in ("iql", "mfq", "ac", "mfac"))
MTMFQ, MTMFAC, GATMF = (Arm(name, name) for name in ("mtmfq", "mtmfac", "gatmf"))
BMF_Q, BMF_AC = Arm("bmf_q", "bmf_q"), Arm("bmf_ac", "bmf_ac")
EVERY_METHOD = (IQL, MFQ, AC, MFAC, MTMFQ, MTMFAC, GATMF, BMF_Q, BMF_AC)

PARTS = (
    MFAC,
    Arm("mfac, policy sees", "mfac", {"actor_uses_field": True}),
    Arm("bmf_ac, RC", "bmf_ac", {"grouping": "random"}),
    BMF_AC,
    Arm("bmf_ac, learned", "bmf_ac", {"weights": "learned"}),
    Arm("bmf_ac, merged", "bmf_ac", {"weights": "cosine_raw", "levels": "merged"}),
)
"""From MFAC to BMF and its forms, a part at a time."""

RETURN = Column("return", "return_mean")
KILLS, WIN_RATE = Column("kills", "kills", 1), Column("win rate", "win_rate", 2)
TAGS = Column("tags", "tags")
COSTS = (
    Column("environment steps", "run/env_steps"),
    Column("seconds", "run/wall_seconds"),
    Column("MB", "run/peak_memory_bytes", scale=1e-6),
)

_BRIEF = {"batch_size": 64, "warmup": 0, "capacity": 4000, "rollout_length": 8}
_CONTINUOUS = {
    "gamma": 0.0,
    "actor_learning_rate": 3e-4,
    "batch_size": 4096,
    "capacity": 2_000_000,
    "explore_end": 0.3,
}
_REWARDS = {"attack_opponent_reward": 0.5, "dead_penalty": -0.5}

FIREFIGHTER = Task(
    "firefighter",
    "firefighter",
    {
        "smoke": Budget(640, 2, {"num_agents": 8, "max_steps": 20}, _BRIEF, 4, 4, 2),
        "laptop": Budget(48_000, 5, {"num_agents": 50}),
        "paper": Budget(1_000_000, 10, {"num_agents": 50}),
    },
)
PURSUIT = Task(
    "pursuit",
    "adversarial_pursuit",
    {
        "smoke": Budget(320, 2, {"map_size": 15, "max_steps": 20}, _BRIEF, 4, 4, 2),
        "laptop": Budget(160_000, 3, {"map_size": 24}),
        "paper": Budget(1_000_000, 10, {"map_size": 45}),
    },
)
BATTLE = Task(
    "battle",
    "battle",
    {
        "smoke": Budget(320, 2, {"map_size": 12, "max_steps": 20, **_REWARDS}, _BRIEF, 4, 4, 2),
        "laptop": Budget(64_000, 3, {"map_size": 20, **_REWARDS}),
        "paper": Budget(800_000, 10, {"map_size": 40, **_REWARDS}),
    },
    opponent="self",
)
COST = Task(
    "firefighter-cost",
    "firefighter",
    {
        "smoke": Budget(160, 2, {"num_agents": 8, "max_steps": 20}, _BRIEF, 4, 4, 0),
        "laptop": Budget(16_000, 3, {"num_agents": 50}, evaluations=0),
        "paper": Budget(1_000_000, 3, {"num_agents": 50}, evaluations=0),
    },
    one_by_one=True,
)

MINERS = Task(
    "miners",
    "miners",
    {
        "smoke": Budget(160, 2, {"num_agents": 9}, {"gamma": 0.0, **_BRIEF}, 4, 4, 2),
        "laptop": Budget(12_800, 5, {}, _CONTINUOUS, 32, 20, 8),
        "paper": Budget(1_000_000, 10, {}, _CONTINUOUS, 32),
    },
)
