"""The environments, by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from swarmfield.environments import bar, firefighter, miners, pursuit_evasion, spread
from swarmfield.environments.gridworld import (
    adversarial_pursuit,
    battle,
    battlefield,
    combined_arms,
    gather,
    tiger_deer,
)
from swarmfield.environments.m3fc import (
    beach_bar,
    foraging,
    formation,
    potential,
    two_gaussians,
)
from swarmfield.environments.m3fc.minor_major import MinorMajor
from swarmfield.environments.m3fc.model import Model
from swarmfield.registry import Entry, Registry, configure, lookup
from swarmfield.types import Environment


def _crowd(config: type, model: Callable[[Any], Model], summary: str) -> Entry:
    """An entry of minor agents and perhaps a major one, from their model."""
    return Entry(config, lambda options: MinorMajor(model(options)), summary)


_OWN = {
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
    "two_gaussians": _crowd(
        two_gaussians.TwoGaussiansConfig,
        two_gaussians.TwoGaussians,
        "a crowd follows users who move between two places",
    ),
    "formation": _crowd(
        formation.FormationConfig,
        formation.Formation,
        "a crowd keeps a formation around a leader, who follows a target",
    ),
    "beach_bar": _crowd(
        beach_bar.BeachBarConfig,
        beach_bar.BeachBar,
        "a crowd wants to be near a bar that moves, but not crowded",
    ),
    "foraging": _crowd(
        foraging.ForagingConfig,
        foraging.Foraging,
        "a crowd gathers what appears, and brings it to a depot that moves",
    ),
    "potential": _crowd(
        potential.PotentialConfig,
        potential.Potential,
        "a crowd on a circle pushes a body towards a target",
    ),
}

ENVIRONMENTS = Registry("environment", "swarmfield.environments", _OWN)
"""Ours, and those of other packages."""


class Family(NamedTuple):
    """What all names with one word before a colon stand for.

    Attributes:
        entry: What one stands for, from what follows the colon.
        summary: One line for `swarmfield list`.
    """

    entry: Callable[[str], Entry]
    summary: str


def _of_jaxmarl(identifier: str) -> Entry:
    from swarmfield.interop import jaxmarl_names

    return jaxmarl_names.entry(identifier)


def _of_pettingzoo(identifier: str) -> Entry:
    from swarmfield.interop import pettingzoo_names

    return pettingzoo_names.entry(identifier)


FAMILIES: dict[str, Family] = {
    "jaxmarl": Family(
        _of_jaxmarl, "JaxMARL's, if its agents are all alike: jaxmarl:MPE_simple_spread_v3"
    ),
    "pettingzoo": Family(
        _of_pettingzoo,
        "PettingZoo's, by their modules, stepped by Python: "
        "pettingzoo:magent2.environments.battle_v4",
    ),
}


def find(name: str) -> Entry:
    """What an environment's name stands for.

    Raises:
        SwarmfieldError: There is none of that name.
    """
    family, _, member = str(name).partition(":")
    if is_known(name) and name not in ENVIRONMENTS:
        return FAMILIES[family].entry(member)
    return lookup(ENVIRONMENTS, name, "environment")


def is_known(name: str) -> bool:
    """Whether a name is an environment's, or would be in a family of them."""
    family, colon, _ = str(name).partition(":")
    return name in ENVIRONMENTS or bool(colon and family in FAMILIES)


def make(name: str, **options: Any) -> Environment:
    """Build an environment by name.

    Args:
        name: One of `ENVIRONMENTS`, or of a family of them, such as
            `jaxmarl:MPE_simple_spread_v3`.
        **options: Fields of its config, such as `map_size=40`.

    Raises:
        SwarmfieldError: If the name, an option or a value is not known or not allowed.

    Example:
        >>> make("battle", map_size=20).teams[0].num_agents
        12
    """
    entry = find(name)
    return entry.build(configure(entry, options, "env"))
