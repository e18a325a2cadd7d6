"""What the site's pages take from elsewhere when they are built: tables and equations.

Tables are those of `page_tables`. A block of the language `math`, written in LaTeX as code hosts
show it, becomes MathML, which browsers draw without any script. It is an extension of
Python-Markdown, so that it works whatever builds the site.
"""

from __future__ import annotations

import re
from html import escape
from typing import Any

from latex2mathml.converter import convert
from markdown import Extension, Markdown
from markdown.preprocessors import Preprocessor
from page_tables import with_tables

BAR = r"\|"
BARRED = re.compile(r"`([^`]*\\\|[^`]*)`")
"""Code with a bar in it, in a table."""
EQUATION = re.compile(r"^```math\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def equation(source: str) -> str:
    """A block of LaTeX as MathML, which scrolls where a phone is narrower."""
    # What code hosts know as `aligned` is only known as `align*` to the converter.
    drawn = convert(source.replace("{aligned}", "{align*}"), display="block")
    # It leaves alone what it does not know.
    if unknown := re.search(r"<m[io]>(\\\w+|&)<", drawn):
        raise ValueError(f"{unknown[1]} is not known, in the equation {source!r}.")
    return f'<div class="equation">{drawn}</div>'


def with_bars(line: str) -> str:
    """A table's line whose code may have bars, which code hosts want escaped."""

    def plain(code: re.Match[str]) -> str:
        return f"<code>{escape(code[1]).replace(BAR, '&#124;')}</code>"

    return BARRED.sub(plain, line) if line.startswith("|") else line


class _Tables(Preprocessor):
    """Puts in tables, before anything else looks at a page."""

    def run(self, lines: list[str]) -> list[str]:
        return [with_bars(line) for line in with_tables("\n".join(lines)).split("\n")]


class _Equations(Preprocessor):
    """Puts in equations, before blocks of code are looked for."""

    def run(self, lines: list[str]) -> list[str]:
        stash = self.md.htmlStash
        page = EQUATION.sub(lambda found: stash.store(equation(found[1])), "\n".join(lines))
        return page.split("\n")


class FromCode(Extension):
    """Tables from the library, and equations."""

    def extendMarkdown(self, md: Markdown) -> None:  # noqa: N802
        """Register both, on either side of the cleaning of white space, which is at 30."""
        md.preprocessors.register(_Tables(md), "swarmfield_tables", 100)
        md.preprocessors.register(_Equations(md), "swarmfield_equations", 27)


def makeExtension(**_: Any) -> FromCode:  # noqa: N802
    """How Markdown finds the extension."""
    return FromCode()
