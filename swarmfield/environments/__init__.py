"""The environments, by name."""

from __future__ import annotations

from typing import Any

from swarmfield.environments import bar, firefighter, miners, pursuit_evasion, spread
from swarmfield.environments.gridworld import (
    adversarial_pursuit,
    battle,
    battlefield,
    combined_arms,
    gather,
    tiger_deer,
)
from swarmfield.registry import Entry, configure, lookup
from swarmfield.types import Environment

ENVIRONMENTS: dict[str, Entry] = {
    "battle": Entry(battle.BattleConfig, battle.build, "two armies fight on a grid"),
    "adversarial_pursuit": Entry(
        adversarial_pursuit.AdversarialPursuitConfig,
        adversarial_pursuit.build,
        "predators tag faster prey between walls",
    ),
    "battlefield": Entry(
        battlefield.BattlefieldConfig,
        battlefield.build,
        "two small armies fight around long walls",
    ),
    "combined_arms": Entry(
        combined_arms.CombinedArmsConfig,
        combined_arms.build,
        "two armies of melee and ranged soldiers",
    ),
    "tiger_deer": Entry(
        tiger_deer.TigerDeerConfig,
        tiger_deer.build,
        "tigers hunt deer together, or starve",
    ),
    "gather": Entry(
        gather.GatherConfig, gather.build, "omnivores eat up a field of food, or each other"
    ),
    "firefighter": Entry(
        firefighter.FirefighterConfig,
        firefighter.Firefighter,
        "fighters between burning houses, two at a time put a fire out",
    ),
    "miners": Entry(
        miners.MinersConfig, miners.Miners, "cells send miners towards diamonds, by real numbers"
    ),
    "bar": Entry(bar.BarConfig, bar.Bar, "people go out, and enjoy it if not too many do"),
    "spread": Entry(
        spread.SpreadConfig, spread.Spread, "agents on a plane cover landmarks and do not collide"
    ),
    "pursuit_evasion": Entry(
        pursuit_evasion.PursuitEvasionConfig,
        pursuit_evasion.PursuitEvasion,
        "pursuers on a plane surround one that is faster",
    ),
}


def make(name: str, **options: Any) -> Environment:
    """Build an environment by name.

    Args:
        name: One of `ENVIRONMENTS`.
        **options: Fields of its config, such as `map_size=40`.

    Raises:
        SwarmfieldError: If the name, an option or a value is not known or not allowed.

    Example:
        >>> make("battle", map_size=20).teams[0].num_agents
        12
    """
    entry = lookup(ENVIRONMENTS, name, "environment")
    return entry.build(configure(entry, options, "env"))
