"""JaxMARL's environments by name, with the options of their constructors."""

from __future__ import annotations

import functools
import io
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, fields
from types import ModuleType
from typing import Any
from unittest import mock

from swarmfield.environments.options import require_count
from swarmfield.interop.jaxmarl import JaxMARL
from swarmfield.interop.jaxmarl_agents import Agents, their_promotion
from swarmfield.interop.their_options import options_class, parameters_of_class, refusals
from swarmfield.options import suggest
from swarmfield.registry import Entry
from swarmfield.types import SwarmfieldError

LIMIT = "max_steps"
STEPS_WITHOUT_LIMIT = 1000
"""Of an episode in an environment of JaxMARL's that does not say when it ends."""


@dataclass(frozen=True)
class JaxMARLConfig:
    """Options of an environment of JaxMARL: its constructor's, and its time limit."""

    def __post_init__(self) -> None:
        for name in ("num_agents", LIMIT):
            if getattr(self, name, None) is not None:
                require_count(name, getattr(self, name))


@functools.cache
def entry(identifier: str) -> Entry:
    """What a name of JaxMARL's stands for.

    Args:
        identifier: As `jaxmarl.make` takes it, such as `MPE_simple_spread_v3`.

    Raises:
        SwarmfieldError: JaxMARL is not installed, has no such environment, or cannot make it from
            options alone.
    """
    known = _library(identifier).registered_envs
    if identifier not in known:
        raise SwarmfieldError(
            f"JaxMARL has no environment named {identifier!r}; {suggest(identifier, known)}."
        )
    parameters = _parameters(identifier)
    return Entry(
        _config(identifier, parameters),
        functools.partial(_build, identifier, parameters),
        f"JaxMARL's {identifier}",
    )


def _library(identifier: str) -> ModuleType:
    """JaxMARL, which prints while it is imported, and puts Python's own output in place for it."""
    sink = io.StringIO()
    outputs = dict.fromkeys(("stdout", "stderr", "__stdout__", "__stderr__"), sink)
    try:
        with mock.patch.multiple(sys, **outputs):
            import jaxmarl
    except ImportError as error:
        raise SwarmfieldError(
            f"jaxmarl:{identifier} needs JaxMARL, which cannot be imported ({error}): install it "
            'by `pip install "swarmfield[interop]"`.'
        ) from None
    return jaxmarl


def _make(identifier: str, options: Mapping[str, Any]) -> Any:
    """JaxMARL's own environment."""
    with _refusals(identifier, options), their_promotion():
        return _library(identifier).make(identifier, **options)


def _refusals(identifier: str, options: Mapping[str, Any]) -> AbstractContextManager[None]:
    """What JaxMARL does not make, and what cannot be played, told in one sentence."""
    asked = {name: value for name, value in options.items() if name != LIMIT}
    return refusals(f"JaxMARL's {identifier}", asked)


def _parameters(identifier: str) -> dict[str, Any]:
    """Parameters of simple types with their defaults, also those that are handed on."""
    theirs = _make(identifier, {})
    own, handed_on = parameters_of_class(type(theirs))
    # Some hand what they do not know on to an environment that they hold.
    inner = vars(theirs).get("_env")
    if inner is not None:
        handed_on |= own | parameters_of_class(type(inner))[0]
    extra = {name: value for name, value in handed_on.items() if name not in own}
    return own | {name: value for name, value in extra.items() if _takes(identifier, name, value)}


def _takes(identifier: str, name: str, value: Any) -> bool:
    """Whether a constructor lets a parameter of its base be chosen, or chooses it itself."""
    try:
        _make(identifier, {name: value})
    except SwarmfieldError:
        return False
    return True


def _config(identifier: str, parameters: Mapping[str, Any]) -> type:
    """A dataclass of options."""
    described = {name: f"JaxMARL's `{name}`." for name in parameters}
    described[LIMIT] = "Steps after which an episode is cut off; JaxMARL's own if not given."
    limit = {} if LIMIT in parameters else {LIMIT: (int | None, None)}
    title = f"Options of JaxMARL's {identifier}."
    name = f"{identifier}Config"
    return options_class(name, JaxMARLConfig, title, parameters, described, limit)


def _build(identifier: str, parameters: Mapping[str, Any], config: Any) -> JaxMARL:
    """An environment from its options.

    JaxMARL reports its time limit as the end of the game. Where the limit can be chosen it is put
    after ours, so that what it reports as an end is one.
    """
    given = {item.name: getattr(config, item.name) for item in fields(config)}
    changed = {name: value for name, value in given.items() if value != parameters.get(name)}
    limit = given[LIMIT]
    if LIMIT in parameters:
        theirs = _make(identifier, {**changed, LIMIT: limit + 1})
    else:
        changed.pop(LIMIT, None)
        theirs = _make(identifier, changed)
        limit = _limit(identifier, theirs, given)
    can_be_later = getattr(theirs, LIMIT, None) is not None
    if can_be_later:
        setattr(theirs, LIMIT, limit + 1)
    with _refusals(identifier, changed):
        return JaxMARL(identifier, Agents(theirs), limit, reports_limit=not can_be_later)


def _limit(identifier: str, theirs: Any, options: Mapping[str, Any]) -> int:
    """Steps of an episode, where they are no parameter of JaxMARL's."""
    asked, own = options[LIMIT], getattr(theirs, LIMIT, None)
    if asked is None and own is not None:
        return own
    if "num_outer_steps" not in options:
        return STEPS_WITHOUT_LIMIT if asked is None else asked
    most = options["num_inner_steps"] * options["num_outer_steps"]
    if asked is not None and asked > most:
        raise SwarmfieldError(
            f"--env.max-steps is {asked}, but JaxMARL's {identifier} ends after {most} steps: "
            "choose at most as many, or a larger --env.num-outer-steps."
        )
    return most if asked is None else asked
