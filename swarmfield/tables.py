"""Tables of words and figures, on a terminal and in Markdown."""

from __future__ import annotations

from collections.abc import Sequence

_WIDEST = 10_000


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    escaped = ([cell.replace("|", r"\|") for cell in line] for line in lines)
    return "\n".join("| " + " | ".join(line) + " |" for line in escaped)


def print_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table with figures to the right; a narrow terminal wraps it, nothing is left out."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for title, *cells in zip(head, *rows, strict=True):
        are_figures = all(cell[:1] in "+-0123456789" for cell in cells)
        table.add_column(Text(title), justify="right" if are_figures else "left", no_wrap=True)
    for row in rows:
        table.add_row(*map(Text, row))
    Console(width=_WIDEST, highlight=False).print(table)
