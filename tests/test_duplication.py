"""Little of the package stands in it twice.

A line counts as repeated when it lies in a run of six code lines that occurs in more than one
place. Code lines are what is left without blank lines, comments, docstrings, imports and
indentation.
"""

import ast
from collections import defaultdict
from pathlib import Path

PACKAGE = Path(__file__).parent.parent / "swarmfield"
WINDOW = 6
LARGEST_SHARE = 0.10


def is_docstring(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def code_lines(text: str) -> list[tuple[int, str]]:
    """Number and stripped text of each code line."""
    skipped = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import | ast.ImportFrom) or is_docstring(node):
            skipped |= set(range(node.lineno, node.end_lineno + 1))
    numbered = ((number, line.strip()) for number, line in enumerate(text.splitlines(), 1))
    return [(n, line) for n, line in numbered if line and line[0] != "#" and n not in skipped]


def repeated(texts: dict[str, str]) -> tuple[float, list[str]]:
    """Share of repeated lines, and the places where each repeated run starts."""
    places = defaultdict(list)
    lines = {name: code_lines(text) for name, text in texts.items()}
    for name, numbered in lines.items():
        for start in range(len(numbered) - WINDOW + 1):
            run = tuple(line for _, line in numbered[start : start + WINDOW])
            places[run].append((name, start))
    copies = [found for found in places.values() if len(found) > 1]
    marked = {(n, s + i) for found in copies for n, s in found for i in range(WINDOW)}
    total = sum(len(numbered) for numbered in lines.values())
    report = [" = ".join(f"{n}:{lines[n][s][0]}" for n, s in found) for found in copies]
    return len(marked) / max(1, total), report


def test_little_of_the_package_is_repeated() -> None:
    files = sorted(PACKAGE.rglob("*.py"))
    texts = {str(path.relative_to(PACKAGE)): path.read_text() for path in files}
    share, report = repeated(texts)
    assert share <= LARGEST_SHARE, "\n".join([f"{share:.0%} repeated", *report])


def test_a_copy_is_found_whatever_surrounds_it() -> None:
    body = [f"value_{i} = compute({i})" for i in range(8)]
    plain = "\n".join(body)
    commented = "import os\n\nif True:\n" + "".join(f"    {line}\n\n    # why\n" for line in body)
    share, report = repeated({"a.py": plain, "b.py": commented})
    assert share == 16 / 17
    assert report[0] == "a.py:1 = b.py:4"


def test_similar_but_different_lines_are_no_copy() -> None:
    first = "\n".join(f"a_{i} = {i}" for i in range(20))
    second = "\n".join(f"b_{i} = {i}" for i in range(20))
    assert repeated({"a.py": first, "b.py": second}) == (0.0, [])
