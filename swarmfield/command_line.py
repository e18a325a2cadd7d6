"""Typed options from the command line, with mistakes told in one sentence."""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, get_args

from swarmfield.types import SwarmfieldError

_WHOLE = "a whole number, such as 250000 or 2.5e5"


def parse(options: Any, arguments: list[str], program: str, default: Any = None) -> Any:
    """Typed options from the command line, mistakes told in one sentence.

    Args:
        options: A dataclass, generic ones with their arguments.
        arguments: What was typed after the names.
        program: What was typed before them.
        default: Options for what was not typed; those of the dataclass if not given.

    Raises:
        SwarmfieldError: For anything tyro refuses.
        SystemExit: With code 0, after `--help`.
    """
    import tyro

    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            defaults = {} if default is None else {"default": default}
            return tyro.cli(options, args=arguments, prog=program, registry=_numbers(), **defaults)
    except SystemExit as stopped:
        if not stopped.code:
            raise
        refusal = _cause(stopped) or SwarmfieldError(_sentence(said.getvalue()))
    raise refusal


def name_and_rest(command: str, wanted: str, arguments: list[str]) -> tuple[str, list[str]]:
    """What a command is about, which comes first, and the other arguments.

    Raises:
        SwarmfieldError: It is missing.
    """
    if not arguments or arguments[0].startswith("-"):
        raise SwarmfieldError(f"{command} needs {wanted}.")
    return arguments[0], arguments[1:]


def run_and_rest(command: str, arguments: list[str], count: int) -> tuple[list[str], list[str]]:
    """The folders of so many runs, which come first, and the other arguments.

    Raises:
        SwarmfieldError: There are fewer.
    """
    runs = arguments[:count]
    if len(runs) < count or any(word.startswith("-") for word in runs):
        wanted = "a run's folder" if count == 1 else f"{count} runs' folders"
        raise SwarmfieldError(f"{command} needs {wanted} first, such as runs/first-battle.")
    return runs, arguments[count:]


def runs_and_rest(command: str, arguments: list[str]) -> tuple[list[str], list[str]]:
    """The folders of one or more runs, up to the first option, and the other arguments.

    Raises:
        SwarmfieldError: There is none.
    """
    first_option = next((i for i, w in enumerate(arguments) if w.startswith("-")), len(arguments))
    return run_and_rest(command, arguments, max(1, first_option))


def value_of(option: str, arguments: list[str]) -> str | None:
    """What was last given for an option; None if it is not given, or nothing follows it."""
    found = _occurrences(option, arguments)
    return found[-1][2] if found else None


def _occurrences(option: str, arguments: list[str]) -> list[tuple[int, int, str | None]]:
    """Where an option stands, how many words it takes, and its value, if anything follows it.

    The value is a word of its own or stands after `=`.
    """
    found: list[tuple[int, int, str | None]] = []
    for i, word in enumerate(arguments):
        name, equals, value = word.partition("=")
        if name == option and equals:
            found.append((i, 1, value))
        elif name == option:
            found.append((i, 2, next(iter(arguments[i + 1 :]), None)))
    return found


def without(prefix: str, arguments: list[str]) -> list[str]:
    """Arguments without the options of a prefix and what follows each."""
    kept, skipping = [], False
    for word in arguments:
        if word.startswith("--"):
            skipping = word.replace("_", "-").startswith(prefix)
        if not skipping:
            kept.append(word)
    return kept


def take_config_file(arguments: list[str]) -> tuple[Path | None, list[str]]:
    """The file given by `--config`, if any, and the other arguments.

    Raises:
        SwarmfieldError: Nothing follows the option.
    """
    value, rest = take("--config", arguments, "a run's config.json")
    return None if value is None else Path(value), rest


def take(option: str, arguments: list[str], wanted: str = "") -> tuple[str | None, list[str]]:
    """What was first given for an option, if it was given, and the other arguments.

    Raises:
        SwarmfieldError: Nothing follows the option; `wanted` should.
    """
    found = _occurrences(option, arguments)
    if not found:
        return None, arguments
    first, used, value = found[0]
    if value is None:
        raise SwarmfieldError(f"{option} needs a value{wanted and ': '}{wanted}.")
    return value, arguments[:first] + arguments[first + used :]


def _numbers() -> Any:
    """Numbers as people write them: whole ones as 250000, 250_000 or 2.5e5."""
    from tyro.constructors import ConstructorRegistry, PrimitiveConstructorSpec

    registry = ConstructorRegistry()

    @registry.primitive_rule
    def number(info: Any) -> PrimitiveConstructorSpec | None:
        for kind, metavar, read in (
            (int, "INT", _whole_number),
            (int | None, "INT", _optional(_whole_number)),
            (float, "FLOAT", _real_number),
            (float | None, "FLOAT", _optional(_real_number)),
            (int | Literal["all"], "INT|all", _number_or_all),
            (int | Literal["all"] | None, "INT|all", _number_or_all),
        ):
            if info.type == kind:
                return PrimitiveConstructorSpec(
                    nargs=1,
                    metavar=metavar,
                    instance_from_str=lambda words, read=read: read(words[0]),
                    is_instance=lambda value, kind=kind: _is_one(value, kind),
                    str_from_instance=lambda value: [str(value)],
                )
        return None

    return registry


def _is_one(value: Any, kind: Any) -> bool:
    kinds = get_args(kind) or (kind,)
    return any(value in get_args(one) if get_args(one) else isinstance(value, one) for one in kinds)


def _number_or_all(text: str) -> int | str:
    if text == "all":
        return text
    try:
        return _whole_number(text)
    except ValueError:
        raise ValueError(f"is {text!r}, but must be a whole number or all.") from None


def _optional(read: Callable[[str], float]) -> Callable[[str], float | None]:
    return lambda text: None if text.lower() == "none" else read(text)


def _whole_number(text: str) -> int:
    if re.fullmatch(r"[-+]?\d[\d_]*", text):
        return int(text.replace("_", ""))
    value = _real_number(text, _WHOLE)
    if not value.is_integer():
        raise ValueError(f"is {text!r}, but must be {_WHOLE}.")
    return int(value)


def _real_number(text: str, wanted: str = "a number") -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"is {text!r}, but must be {wanted}.") from None


def _cause(stopped: BaseException) -> SwarmfieldError | None:
    """The options' own refusal, which tyro caught and drew a box around."""
    error: BaseException | None = stopped
    while error is not None and not isinstance(error, SwarmfieldError):
        error = error.__context__
    return error


def _sentence(box: str) -> str:
    """Tyro's drawn box as one sentence."""
    text = re.sub(r"\x1b\[[0-9;]*m|[╭╮╰╯│]", " ", box)
    text = re.sub(r"[─-]{4,}", "|", " ".join(text.split()))
    for pattern, sentence in _SENTENCES:
        if found := re.search(pattern, text):
            return re.sub(r"\s+", " ", sentence(*found.groups()))
    return re.sub(r"[\s|]+", " ", text).strip(" .") + "; --help lists what is allowed."


def _unknown(word: str, nearest: str | None) -> str:
    word = word.split("=")[0].strip()
    if not word.startswith("-"):
        return f"{word!r} belongs to no option; --help lists them all."
    if nearest is None:
        return f"There is no option {word}; --help lists them all."
    return f"There is no option {word}; did you mean {nearest}? Otherwise --help lists them all."


def _invalid_choice(value: str, option: str, choices: str) -> str:
    allowed = re.sub(r"[()']|,\)", "", choices).strip(", ")
    return f"{option} is {value}, but must be one of: {allowed}."


_SENTENCES: tuple[tuple[str, Callable[..., str]], ...] = (
    (
        r"Unrecognized options: ([^,|]+?)(?:[,|].*?)?(?: Perhaps you meant: (--[^\s,]+).*)?$",
        _unknown,
    ),
    (r"Missing value for argument '(\S+)'", "{} needs a value; --help tells which.".format),
    (r"invalid choice ('.*?') for argument '(\S+)'\. Expected one of (\(.*?\))", _invalid_choice),
    (
        r"Error parsing (-\S+): .*? arguments: \[(.*?)\]",
        "{} is {}, which cannot be read; --help lists what is allowed.".format,
    ),
    (r"Error parsing (-\S+): .*?(is '.*?', but must be .*?\.)(?=[ |]|$)", "{} {}".format),
)
"""What tyro says, and how it is told here."""
