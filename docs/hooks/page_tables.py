"""Tables of options and of teams, made from the library itself.

A comment on a page, `<!-- options: mfq -->` or `<!-- spec: battle -->`, stands for one, which
therefore cannot go stale.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re
import textwrap
from collections.abc import Callable
from typing import Any, Literal, NamedTuple, get_args, get_origin, get_type_hints

from swarmfield.algorithms import ALGORITHMS
from swarmfield.environments import ENVIRONMENTS, make
from swarmfield.options import spelled
from swarmfield.types import Actions, Box, Discrete, TeamSpec

MARKER = re.compile(r"^<!-- (\w+): (\w+) -->$", re.MULTILINE)
MOST_SHARING = 2
"""Options that no more algorithms or environments than these share are not folded away."""


class Option(NamedTuple):
    """A field of a config.

    Attributes:
        name: As on the command line.
        default: For people.
        meaning: Its documentation, with the values that it may have.
    """

    name: str
    default: str
    meaning: str


def documented(cls: type) -> dict[str, str]:
    """The text below each field of a dataclass, of its own fields only."""
    (body,) = ast.parse(textwrap.dedent(inspect.getsource(cls))).body
    assert isinstance(body, ast.ClassDef)
    found: dict[str, str] = {}
    for field, text in zip(body.body, body.body[1:], strict=False):
        if not isinstance(field, ast.AnnAssign) or not isinstance(field.target, ast.Name):
            continue
        if isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant):
            found[field.target.id] = " ".join(str(text.value.value).split())
    return found


def options(config: type, prefix: str) -> dict[type, list[Option]]:
    """A config's options by the class that says them last, its own first."""
    hints = get_type_hints(config)
    left = {field.name: field for field in dataclasses.fields(config)}
    found: dict[type, list[Option]] = {}
    for cls in config.__mro__:
        own = inspect.get_annotations(cls)
        texts = documented(cls) if any(name in left for name in own) else {}
        for name in [name for name in own if name in left]:
            field = left.pop(name)
            meaning = texts[name] + _choices(hints[name])
            if field.default is True:
                meaning += f" `{spelled(f'no_{name}', prefix)}` turns it off."
            found.setdefault(cls, []).append(
                Option(spelled(name, prefix), _shown(field.default), meaning)
            )
    return found


def _choices(hint: Any) -> str:
    kinds = [hint, *get_args(hint)]
    values = [value for kind in kinds if get_origin(kind) is Literal for value in get_args(kind)]
    return " One of " + ", ".join(f"`{value}`" for value in values) + "." if values else ""


def _shown(value: Any) -> str:
    if value is None:
        return "as said"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


def options_table(config: type, prefix: str) -> str:
    """A config's own options as a table, and those that it shares with many folded away."""
    parts: list[str] = []
    for cls, found in options(config, prefix).items():
        rows = [(f"`{each.name}`", each.default, each.meaning) for each in found]
        lines = table(("option", "default", "meaning"), rows)
        title = (cls.__doc__ or "").partition("\n")[0].rstrip(".")
        if cls is config:
            parts.append(lines)
        elif sharing(cls) <= MOST_SHARING:
            parts.append(f"**{title}**\n\n{lines}")
        else:
            parts.append(f'??? note "{title}"\n\n' + textwrap.indent(lines, "    "))
    return "\n\n".join(parts)


def sharing(cls: type) -> int:
    """How many algorithms or environments have the options of a class."""
    entries = [*ALGORITHMS.values(), *ENVIRONMENTS.values()]
    return sum(issubclass(entry.config, cls) for entry in entries)


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """Rows as Markdown."""
    lines = [head, ("---",) * len(head), *rows]
    escaped = ([cell.replace("|", "\\|") for cell in line] for line in lines)
    return "\n".join(f"| {' | '.join(line)} |" for line in escaped)


def specification(name: str) -> str:
    """What an environment is with its default options."""
    environment = make(name)
    rows = [_team_row(team) for team in environment.teams]
    teams = table(("team", "agents", "actions", "sees"), rows)
    if environment.interchangeable:
        sides = "Sides are interchangeable: a policy of one can play the other."
    elif len(environment.sides) == 1:
        sides = "All play for the same side."
    else:
        first, second = (" and ".join(f"`{team}`" for team in side) for side in environment.sides)
        sides = f"Sides differ: {first} is the first, the learner's, and plays against {second}."
    built = f"With its default options: *{environment.description}*."
    return f"{built} {sides}\n\n{teams}"


def _team_row(team: TeamSpec) -> tuple[str, ...]:
    seen = []
    if team.view is not None:
        seen.append("a view " + " x ".join(map(str, team.view)))
    if team.features:
        seen.append("a number" if team.features == 1 else f"{team.features} numbers")
    kinds = f", of {team.num_kinds} kinds" if team.num_kinds > 1 else ""
    return f"`{team.name}`", f"{team.num_agents:,}{kinds}", _actions(team.actions), ", ".join(seen)


def _actions(actions: Actions) -> str:
    if isinstance(actions, Discrete):
        return f"one of {actions.num_actions}"
    if isinstance(actions, Box):
        size = "a number" if actions.dimensions == 1 else f"{actions.dimensions} numbers"
        return f"{size} in [{actions.low:g}, {actions.high:g}]"
    return "; ".join(map(_actions, actions.parts))


def _options(name: str) -> str:
    if name in ALGORITHMS:
        return options_table(ALGORITHMS[name].config, "algo.")
    return options_table(ENVIRONMENTS[name].config, "env.")


MAKERS: dict[str, Callable[[str], str]] = {"options": _options, "spec": specification}


def with_tables(page: str) -> str:
    """A page with tables where its markers are."""
    return MARKER.sub(lambda found: MAKERS[found[1]](found[2]), page)
