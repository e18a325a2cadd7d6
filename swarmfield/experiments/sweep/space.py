"""What a sweep searches over: options of training, and the values that each may take."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from types import NoneType
from typing import Any, NamedTuple, get_args, get_type_hints

from swarmfield.options import spelled, suggest
from swarmfield.training.train_options import job_of
from swarmfield.types import SwarmfieldError

PREFIX = "--search."
FIXED = {"seed", "seeds", "run_dir", "devices", "env_steps", "evaluation_episodes", "evaluations"}
"""Options that decide what is measured, and where, and not how well is learned."""
_HOW = "LOW:HIGH, LOW:HIGH:log or values such as 0.9,0.95,0.99"


class Searched(NamedTuple):
    """An option that is searched over.

    Attributes:
        name: As it is typed, such as `algo.learning-rate`.
        low: The least value of a range.
        high: The largest.
        whole: Whether only whole numbers of a range are meant.
        log: Whether it is searched by factors, not by differences.
        choices: The values as they are typed, where it is no range.
        is_switch: Whether these are true and false.
    """

    name: str
    low: float = 0.0
    high: float = 0.0
    whole: bool = False
    log: bool = False
    choices: tuple[str, ...] = ()
    is_switch: bool = False

    def words(self, value: Any) -> list[str]:
        """How a value is typed."""
        if not self.is_switch:
            return [f"--{self.name}", str(value)]
        if value == "true":
            return [f"--{self.name}"]
        group, dot, last = self.name.rpartition(".")
        return [f"--{group}{dot}no-{last}"]

    @property
    def values(self) -> str:
        """All of them, as they are typed."""
        if self.choices:
            return ",".join(self.choices)
        return ":".join([*map(str, self.extremes), *["log"] * self.log])

    @property
    def extremes(self) -> tuple[Any, ...]:
        """Values of which none may be refused: the ends of a range, or all choices."""
        if self.choices:
            return self.choices
        ends = (self.low, self.high)
        return tuple(map(int, ends)) if self.whole else ends


def take_searched(arguments: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """What is to be searched over as it was typed, by option, and the other arguments.

    Raises:
        SwarmfieldError: An option is named twice, or without values.
    """
    found: dict[str, str] = {}
    rest, words = [], list(arguments)
    while words:
        word = words.pop(0)
        if not word.startswith(PREFIX):
            rest.append(word)
            continue
        option, equals, values = word.partition("=")
        name = option.removeprefix(PREFIX).replace("_", "-")
        if not equals:
            values = words.pop(0) if words and not words[0].startswith("--") else ""
        if not name or not values:
            raise SwarmfieldError(f"{option} needs {_HOW}.")
        if name in found:
            raise SwarmfieldError(f"{option} is given twice; give it once, with all its values.")
        found[name] = values
    return found, rest


def read(name: str, values: str, algorithm: str, environment: str, words: list[str]) -> Searched:
    """An option that is searched over, with its values checked as training checks them.

    Args:
        name: The option's, as it is typed.
        values: Its values, as they are typed.
        algorithm: What is trained.
        environment: Where.
        words: Training's other options.

    Raises:
        SwarmfieldError: There is no such option, or one of its values is not allowed.
    """
    if any(word.partition("=")[0].replace("_", "-") == f"--{name}" for word in words):
        raise SwarmfieldError(
            f"--{name} is given, but searched over too; leave it or {PREFIX}{name} out."
        )
    kinds = _kinds_of(job_of([algorithm, environment, *words]).config)
    if name not in kinds:
        raise SwarmfieldError(f"There is no option {PREFIX}{name}; {suggest(name, kinds)}.")
    if name.replace("-", "_") in FIXED:
        raise SwarmfieldError(
            f"{PREFIX}{name} is given, but --{name} decides what is measured; search over options "
            f"that decide how well is learned."
        )
    searched = _choices(name, values, kinds[name]) or _range(name, values, kinds[name])
    for value in searched.extremes:
        job_of([algorithm, environment, *words, *searched.words(value)])
    return searched


def _kinds_of(config: Any, prefix: str = "") -> dict[str, Any]:
    """The types of all options, those within options too, by name as it is typed."""
    hints = get_type_hints(type(config))
    kinds: dict[str, Any] = {}
    for field in dataclasses.fields(config):
        name = f"{prefix}{field.name.replace('_', '-')}"
        value = getattr(config, field.name)
        if dataclasses.is_dataclass(value):
            kinds |= _kinds_of(value, f"{name}.")
        else:
            kinds[name] = hints[field.name]
    return kinds


def _choices(name: str, values: str, kind: Any) -> Searched | None:
    """Values one by one; None if it may be a range."""
    if "," not in values:
        return None
    choices = tuple(value.strip() for value in values.split(","))
    if len(set(choices)) < len(choices) or "" in choices:
        raise SwarmfieldError(
            f"{PREFIX}{name} is {values!r}, but its values must differ, and none be empty."
        )
    is_switch = kind is bool
    if is_switch and set(choices) != {"true", "false"}:
        raise SwarmfieldError(f"{PREFIX}{name} is {values!r}, but must be true,false.")
    return Searched(name, choices=choices, is_switch=is_switch)


def _range(name: str, values: str, kind: Any) -> Searched:
    kinds = set(get_args(kind) or (kind,)) - {NoneType}
    ends = re.fullmatch(r"([^:]+):([^:]+?)(:log)?", values)
    if not kinds & {int, float} or ends is None:
        wanted = _HOW if kinds & {int, float} else "values with commas between them"
        raise SwarmfieldError(f"{PREFIX}{name} is {values!r}, but must be {wanted}.")
    low, high = (_number(name, end) for end in ends.groups()[:2])
    whole, log = float not in kinds, ends[3] is not None
    if low >= high or (log and low <= 0):
        wanted = "above 0 and below" if log else "below"
        raise SwarmfieldError(
            f"{PREFIX}{name} is {values!r}, but the first number must be {wanted} the second."
        )
    if whole and not (low.is_integer() and high.is_integer()):
        raise SwarmfieldError(f"{PREFIX}{name} is {values!r}, but must be of whole numbers.")
    return Searched(name, low, high, whole, log)


def _number(name: str, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if abs(number) < float("inf"):
        return number
    raise SwarmfieldError(f"{PREFIX}{name} has {text!r} where a number should be; give {_HOW}.")


def words_of(searched: Sequence[Searched], values: Mapping[str, Any]) -> list[str]:
    """How values of all searched options are typed."""
    return [word for one in searched for word in one.words(values[one.name])]


def take_own(options: type, arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """The arguments that are some options', each with a value, and the others."""
    names = {spelled(field.name) for field in dataclasses.fields(options)}
    own, rest, words = [], [], list(arguments)
    while words:
        word = words.pop(0)
        option, equals, _ = word.partition("=")
        taken = own if option.replace("_", "-") in names else rest
        taken.append(word)
        if taken is own and not equals and words and not words[0].startswith("--"):
            own.append(words.pop(0))
    return own, rest
