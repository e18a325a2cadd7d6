"""Names of environments and algorithms, and what they stand for."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from dataclasses import MISSING, fields, is_dataclass
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
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


class Registry(MutableMapping[str, Entry]):
    """Entries by name: our own, and those of other packages.

    A package brings an entry by an entry point of the registry's group, whose name is the entry's
    and whose object is an `Entry`:

        [project.entry-points."swarmfield.environments"]
        fashion = "fashion:ENTRY"

    It is imported when it is first asked for. A name of ours stays ours.

    Args:
        what: What an entry is called in sentences.
        group: Entry points to look for.
        entries: Our own.
    """

    def __init__(self, what: str, group: str, entries: Mapping[str, Entry]) -> None:
        self.what, self.group = what, group
        self._entries = dict(entries)

    @cached_property
    def _found(self) -> dict[str, EntryPoint]:
        """What other packages bring."""
        every: dict[str, EntryPoint] = {}
        for point in entry_points(group=self.group):
            first = every.setdefault(point.name, point)
            if first.value != point.value:
                warnings.warn(
                    f"{_origin(first)} and {_origin(point)} both bring an {self.what} named "
                    f"{point.name!r}; the first is taken: remove one of them.",
                    stacklevel=3,
                )
        for name in every.keys() & self._entries.keys():
            warnings.warn(
                f"{_origin(every.pop(name))} brings an {self.what} named {name!r}, which there is "
                "already; it is left out: give it another name.",
                stacklevel=3,
            )
        return every

    def __getitem__(self, name: str) -> Entry:
        if name not in self._entries and name in self._found:
            self._entries[name] = _loaded(self._found[name], self.what)
        return self._entries[name]

    def __setitem__(self, name: str, entry: Entry) -> None:
        self._entries[name] = entry

    def __delitem__(self, name: str) -> None:
        del self._entries[name]

    def __contains__(self, name: object) -> bool:
        return name in self._entries or name in self._found

    def __iter__(self) -> Iterator[str]:
        return iter({**self._entries, **self._found})

    def __len__(self) -> int:
        return len({**self._entries, **self._found})


def _loaded(point: EntryPoint, what: str) -> Entry:
    """What an entry point leads to.

    Raises:
        SwarmfieldError: It leads to no entry.
    """
    where = f"The {what} {point.name!r} of {_origin(point)}"
    try:
        entry = point.load()
    except Exception as error:
        reason = f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
        raise SwarmfieldError(
            f"{where} cannot be loaded ({reason}); mend that package or remove it."
        ) from error
    if not isinstance(entry, Entry):
        raise SwarmfieldError(
            f"{where} is {type(entry).__name__} at {point.value}, but must be a "
            "swarmfield.registry.Entry; mend that package or remove it."
        )
    if not is_dataclass(entry.config) or not _have_defaults(entry.config):
        raise SwarmfieldError(
            f"{where} has the config {entry.config!r}, but must have a frozen dataclass whose "
            "fields all have defaults; mend that package or remove it."
        )
    return entry


def _have_defaults(config: Any) -> bool:
    return all(
        field.default is not MISSING or field.default_factory is not MISSING
        for field in fields(config)
    )


def _origin(point: EntryPoint) -> str:
    return "a package" if point.dist is None else f"package {point.dist.name}"


def lookup(registry: Mapping[str, Entry], name: str, what: str) -> Entry:
    """The entry of a name.

    Raises:
        SwarmfieldError: If there is none, naming the nearest.
    """
    if not isinstance(name, str) or name not in registry:
        nearest = suggest(str(name), registry)
        raise SwarmfieldError(f"There is no {what} named {name!r}; {nearest}.")
    return registry[name]


def summaries(registry: Mapping[str, Entry]) -> dict[str, str]:
    """A line on each name; on one that cannot be loaded, why."""

    def line(name: str) -> str:
        try:
            return registry[name].summary
        except SwarmfieldError as error:
            return str(error)

    return {name: line(name) for name in registry}


def configure(entry: Entry, options: Mapping[str, Any], prefix: str) -> Any:
    """An entry's config with some options set.

    Raises:
        SwarmfieldError: If an option does not exist, or a value is not of its type or not allowed.
    """
    return entry.config(**typed(entry.config, options, prefix + "."))
