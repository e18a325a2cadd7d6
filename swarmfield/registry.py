"""Names of environments and algorithms, and what they stand for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from swarmfield.options import suggest, typed
from swarmfield.types import SwarmfieldError


class Entry(NamedTuple):
    """What a name stands for.

    Attributes:
        config: A frozen dataclass of options, with defaults.
        build: Makes it from its config (and, for algorithms, the team it is for).
        summary: One line for `swarmfield list`.
        controls: Of algorithms: whether it acts for a whole crowd, by decision rules.
    """

    config: type
    build: Callable[..., Any]
    summary: str
    controls: bool = False


def lookup(registry: Mapping[str, Entry], name: str, what: str) -> Entry:
    """The entry of a name.

    Raises:
        SwarmfieldError: If there is none, naming the nearest.
    """
    if not isinstance(name, str) or name not in registry:
        nearest = suggest(str(name), registry)
        raise SwarmfieldError(f"There is no {what} named {name!r}; {nearest}.")
    return registry[name]


def configure(entry: Entry, options: Mapping[str, Any], prefix: str) -> Any:
    """An entry's config with some options set.

    Raises:
        SwarmfieldError: If an option does not exist, or a value is not of its type or not allowed.
    """
    return entry.config(**typed(entry.config, options, prefix + "."))
