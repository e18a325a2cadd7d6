"""Parameters of other libraries' constructors, as options."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import field, make_dataclass
from typing import Any

from swarmfield.types import SwarmfieldError

SIMPLE = (bool, int, float, str)
"""Types of parameters that become options."""


def parameters_of(function: Callable[..., Any]) -> tuple[dict[str, Any], bool]:
    """A function's parameters of simple types with their defaults; whether it takes others."""
    taken = inspect.signature(function).parameters.values()
    found = {one.name: _default(one) for one in taken if type(one.default) in SIMPLE}
    return found, any(one.kind is inspect.Parameter.VAR_KEYWORD for one in taken)


def parameters_of_class(kind: type) -> tuple[dict[str, Any], dict[str, Any]]:
    """Those of a class's constructor, and those of its bases' to which it hands others on."""
    own: dict[str, Any] = {}
    handed_on: dict[str, Any] = {}
    for base in kind.__mro__:
        if "__init__" not in vars(base):
            continue
        found, takes_others = parameters_of(base.__init__)
        if own or handed_on:
            handed_on = found | handed_on
        else:
            own = found
        if not takes_others:
            break
    return own, handed_on


def _default(parameter: inspect.Parameter) -> Any:
    """A default, as a real number where one is announced."""
    is_real = parameter.annotation is float and type(parameter.default) is int
    return float(parameter.default) if is_real else parameter.default


@contextlib.contextmanager
def refusals(what: str, arguments: Mapping[str, Any], *more: type[Exception]) -> Iterator[None]:
    """What another library does not make, and what cannot be played, told in one sentence.

    Args:
        what: What is made.
        arguments: What it is made of.
        more: Further errors that are the library's refusals.

    Raises:
        SwarmfieldError: It is refused.
    """
    try:
        yield
    except (*_REFUSALS, *more) as error:
        said = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        asked = ", ".join(f"{name}={value!r}" for name, value in arguments.items())
        raise SwarmfieldError(
            f"{what} with {asked or 'its defaults'} cannot be played: {said}; choose other options "
            "or another environment."
        ) from error


_REFUSALS = (
    *(ArithmeticError, AssertionError, ImportError, LookupError),
    *(NotImplementedError, TypeError, ValueError),
)


def options_class(
    name: str,
    base: type,
    title: str,
    parameters: Mapping[str, Any],
    described: Mapping[str, str],
    more: Mapping[str, tuple[Any, Any]],
) -> type:
    """A frozen dataclass of options.

    Args:
        name: Its own.
        base: What it derives from.
        title: Its first line for people.
        parameters: Defaults by name.
        described: What each option means, further ones as well.
        more: Type and default of further options by name.
    """
    declared = [(key, type(value), field(default=value)) for key, value in parameters.items()]
    declared += [(key, kind, field(default=value)) for key, (kind, value) in more.items()]
    listed = "\n".join(f"    {key}: {text}" for key, text in described.items())
    namespace = {"__doc__": f"{title}\n\nAttributes:\n{listed}\n"}
    return make_dataclass(name, declared, bases=(base,), namespace=namespace, frozen=True)
