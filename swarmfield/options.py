"""Options given by name, from Python or from a file: known ones, of the declared types."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Callable, Iterable, Mapping
from numbers import Integral, Real
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import numpy as np

from swarmfield.types import SwarmfieldError

LARGEST_FLOAT = float(np.finfo(np.float32).max)
"""The largest number that training can work with."""

_WANTED = {
    bool: "True or False",
    int: "a whole number",
    float: "a number",
    str: "text",
    Path: "a path",
}


def spelled(name: str, prefix: str = "") -> str:
    """How a field is spelled on the command line."""
    return f"--{prefix}{name.replace('_', '-')}"


def suggest(name: str, known: Iterable[str]) -> str:
    """What a mistyped name may have meant: "did you mean 'battle'?" or all names."""
    known = list(known)
    close = difflib.get_close_matches(name, known, n=1)
    listed = f"choose one of {', '.join(known)}"
    return f"did you mean {close[0]!r}? Otherwise {listed}" if close else listed


def require(
    config: Any, name: str, allowed: Callable[[Any], bool], wanted: str, prefix: str = ""
) -> None:
    """Refuse a field's value that is not allowed, saying what is wanted.

    Args:
        config: A dataclass.
        name: The field's.
        allowed: Whether a value is.
        wanted: What is.
        prefix: Put before the name, such as `env.`.
    """
    value = getattr(config, name)
    if not allowed(value):
        raise SwarmfieldError(f"{spelled(name, prefix)} is {value}, but must be {wanted}.")


def typed(options: type, values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Some options' values as the types that a dataclass declares.

    A whole number may be given as a float (`1e5`), a number as an int, a path as text.

    Args:
        options: The dataclass.
        values: By name.
        prefix: Put before names in messages, such as `env.`.

    Raises:
        SwarmfieldError: An option does not exist, or its value is of another type.
    """
    if not isinstance(values, Mapping):
        raise SwarmfieldError(
            f"Options {prefix.rstrip('.')} are {values!r}, but must be given by name."
        )
    hints = get_type_hints(options)
    names = [item.name for item in dataclasses.fields(options)]
    for name in values:
        if name not in names:
            raise SwarmfieldError(f"There is no option {prefix}{name}; {suggest(name, names)}.")
    return {name: _as(hints[name], value, prefix + name) for name, value in values.items()}


def _as(kind: Any, value: Any, name: str) -> Any:
    """A value as what an annotation says; one without a rule here is taken as it is."""
    kinds = get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)
    if value is None and NoneType in kinds:
        return None
    wanted, *others = (kind for kind in kinds if kind is not NoneType)
    # Of a number or a word, the word has to be one of them.
    if others and get_origin(others[0]) is Literal and value in get_args(others[0]):
        return value
    if get_origin(wanted) is Literal:
        return _one_of(get_args(wanted), value, name)
    if isinstance(wanted, type) and dataclasses.is_dataclass(wanted):
        return value if isinstance(value, wanted) else _nested(wanted, value, name)
    if isinstance(wanted, TypeVar) or wanted not in _WANTED:
        return value
    if not _fits(wanted, value):
        words = [str(word) for kind in others for word in get_args(kind)]
        allowed = " or ".join([_WANTED[wanted], *words])
        raise SwarmfieldError(f"{name} is {value!r}, but must be {allowed}.")
    return wanted(value)


def _nested(wanted: type, value: Any, name: str) -> Any:
    """Options within options."""
    return wanted(**typed(wanted, value, f"{name}."))


def _fits(wanted: Any, value: Any) -> bool:
    if wanted in (bool, str):
        return isinstance(value, wanted)
    if wanted is Path:
        return isinstance(value, str | Path)
    if not isinstance(value, Real) or isinstance(value, bool):
        return False
    return wanted is float or isinstance(value, Integral) or float(value).is_integer()


def _one_of(choices: tuple[Any, ...], value: Any, name: str) -> Any:
    if value not in choices:
        listed = ", ".join(str(choice) for choice in choices)
        raise SwarmfieldError(f"{name} is {value!r}, but must be one of: {listed}.")
    return value
