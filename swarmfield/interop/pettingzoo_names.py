"""PettingZoo's environments by their modules, with the options of their constructors."""

from __future__ import annotations

import contextlib
import functools
import importlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import ModuleType
from typing import Any, Literal

from swarmfield.environments.options import require_count
from swarmfield.interop.their_options import (
    options_class,
    parameters_of,
    parameters_of_class,
    refusals,
)
from swarmfield.options import require
from swarmfield.registry import Entry
from swarmfield.types import SwarmfieldError

MAKER = "parallel_env"
"""What makes the parallel environment of a module of PettingZoo's."""
LIMIT, THEIR_LIMIT = "max_steps", "max_cycles"
STEPS_WITHOUT_LIMIT = 1000
"""Of an episode in an environment that does not say when it ends."""
PACKAGE = "pettingzoo"
"""Where modules are looked for that are not found as they are called."""


@dataclass(frozen=True)
class PettingZooConfig:
    """Options of an environment of PettingZoo: its constructor's, and these three."""

    def __post_init__(self) -> None:
        if (limit := getattr(self, LIMIT)) is not None:
            require_count(LIMIT, limit)
        require(self, "arguments", _is_object, "an object in JSON")


def _is_object(text: str) -> bool:
    with contextlib.suppress(json.JSONDecodeError):
        return isinstance(json.loads(text), dict)
    return False


@functools.cache
def entry(identifier: str) -> Entry:
    """What the name of a module stands for.

    Args:
        identifier: Such as `magent2.environments.battle_v4`; modules of PettingZoo itself
            without its name, such as `butterfly.pistonball_v6`.

    Raises:
        SwarmfieldError: There is no such module, or it makes no parallel environment.
    """
    module = _module(identifier)
    parameters = _parameters(module)
    return Entry(
        _config(identifier, parameters),
        functools.partial(_build, identifier, module, parameters),
        f"PettingZoo's {identifier}",
    )


def _module(identifier: str) -> ModuleType:
    missing = f"pettingzoo:{identifier} cannot be made"
    found = (_imported(name, missing) for name in (identifier, f"{PACKAGE}.{identifier}"))
    module = next((one for one in found if one is not None), None)
    if module is None:
        raise SwarmfieldError(
            f"{missing}, for there is no module {identifier!r}; install its package, or name "
            "another, such as pettingzoo:magent2.environments.battle_v4."
        )
    if not hasattr(module, MAKER):
        raise SwarmfieldError(
            f"{missing}, for module {module.__name__} has no {MAKER}; name one that has, such as "
            "pettingzoo:magent2.environments.battle_v4."
        )
    return module


def _imported(name: str, missing: str) -> ModuleType | None:
    """A module; None if there is none of that name."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and name.startswith(error.name):
            return None
        raise SwarmfieldError(f"{missing} ({error}): install the package that it needs.") from None
    except (ImportError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise SwarmfieldError(f"{missing} ({reason}).") from None


def _parameters(module: ModuleType) -> dict[str, Any]:
    """Parameters of simple types with their defaults.

    Many makers hand everything on to `raw_env`.
    """
    own, takes_others = parameters_of(getattr(module, MAKER))
    raw = getattr(module, "raw_env", None)
    if own or not takes_others or raw is None:
        return own
    return parameters_of_class(raw)[0] if isinstance(raw, type) else parameters_of(raw)[0]


def _config(identifier: str, parameters: Mapping[str, Any]) -> type:
    """A dataclass of options."""
    described = {name: f"PettingZoo's `{name}`." for name in parameters}
    described |= {
        "teams": "Who plays together: agents whose names are alike up to the last `_` (`names`), "
        "or all (`one`).",
        LIMIT: "Steps after which an episode is cut off; PettingZoo's own if not given.",
        "arguments": "Further arguments of its constructor, an object in JSON.",
    }
    more: dict[str, tuple[Any, Any]] = {
        "teams": (Literal["names", "one"], "names"),
        LIMIT: (int | None, None),
        "arguments": (str, "{}"),
    }
    parameters = {name: value for name, value in parameters.items() if name not in more}
    title = f"Options of PettingZoo's {identifier}."
    name = identifier.rpartition(".")[2] + "Config"
    return options_class(name, PettingZooConfig, title, parameters, described, more)


def _build(identifier: str, module: ModuleType, parameters: Mapping[str, Any], config: Any) -> Any:
    """An environment from its options."""
    from swarmfield.interop.pettingzoo import PettingZoo

    given = {item.name: getattr(config, item.name) for item in fields(config)}
    changed = {name: given[name] for name, value in parameters.items() if given[name] != value}
    make = functools.partial(getattr(module, MAKER), **changed, **json.loads(config.arguments))
    with refusals(f"pettingzoo:{identifier}", make.keywords, AttributeError):
        theirs = make()
        limit = given[LIMIT] or getattr(theirs.unwrapped, THEIR_LIMIT, None) or STEPS_WITHOUT_LIMIT
        teams = _teams(theirs.possible_agents, config.teams)
        return PettingZoo(identifier, make, teams, int(limit))


def _teams(names: list[str], teams: str) -> dict[str, tuple[str, ...]]:
    """Names of each team's agents."""
    if teams == "one":
        return {"agents": tuple(names)}
    found: dict[str, list[str]] = {}
    for name in names:
        found.setdefault(name.rpartition("_")[0] or name, []).append(name)
    return {team: tuple(members) for team, members in found.items()}
