"""Everything stays short enough to be read in one go.

Modules count every line. Functions count neither their docstring nor their decorators, so that
explaining costs nothing; functions inside a function count towards both.
"""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "swarmfield"
FILES = sorted(PACKAGE.rglob("*.py"))
LARGEST_MODULE = 300
LARGEST_ALGORITHM = 100
LARGEST_SHARED_HALF = 200
LARGEST_FUNCTION = 40
DEEPEST_NESTING = 2

# Path or path::function -> why it may exceed its limit.
EXCEPTIONS: dict[str, str] = {}

Function = ast.FunctionDef | ast.AsyncFunctionDef
BLOCKS = (ast.If, ast.For, ast.While, ast.With, ast.Try, ast.Match)


def module_limit(relative: Path) -> int:
    if relative.parts[0] != "algorithms" or relative.name == "__init__.py":
        return LARGEST_MODULE
    return LARGEST_SHARED_HALF if relative.name.startswith("_") else LARGEST_ALGORITHM


def function_lines(node: Function) -> int:
    total = node.end_lineno - node.lineno + 1
    if ast.get_docstring(node) is None:
        return total
    docstring = node.body[0]
    return total - (docstring.end_lineno - docstring.lineno + 1)


def nesting(node: ast.AST) -> int:
    """Blocks inside blocks; an `elif` continues its `if`, an inner function starts anew."""
    deepest = 0
    for child in ast.iter_child_nodes(node):
        if isinstance(child, Function):
            continue
        is_elif = isinstance(node, ast.If) and isinstance(child, ast.If) and child in node.orelse
        deeper = isinstance(child, BLOCKS) and not is_elif
        deepest = max(deepest, nesting(child) + deeper)
    return deepest


def functions(path: Path) -> list[tuple[str, Function]]:
    name = str(path.relative_to(PACKAGE))
    tree = ast.parse(path.read_text())
    return [(f"{name}::{n.name}", n) for n in ast.walk(tree) if isinstance(n, Function)]


def too_long_modules() -> dict[str, int]:
    lines = {path.relative_to(PACKAGE): len(path.read_text().splitlines()) for path in FILES}
    return {str(path): n for path, n in lines.items() if n > module_limit(path)}


def too_long_functions() -> dict[str, int]:
    found = [item for path in FILES for item in functions(path)]
    sizes = {name: function_lines(node) for name, node in found}
    return {name: size for name, size in sizes.items() if size > LARGEST_FUNCTION}


def too_deep_functions() -> dict[str, int]:
    depths = {name: nesting(node) for path in FILES for name, node in functions(path)}
    return {name: depth for name, depth in depths.items() if depth > DEEPEST_NESTING}


def test_modules_are_short() -> None:
    excess = too_long_modules()
    assert {name: n for name, n in excess.items() if name not in EXCEPTIONS} == {}


def test_functions_are_short() -> None:
    excess = too_long_functions()
    assert {name: n for name, n in excess.items() if name not in EXCEPTIONS} == {}


def test_functions_are_flat() -> None:
    excess = too_deep_functions()
    assert {name: n for name, n in excess.items() if name not in EXCEPTIONS} == {}


def test_every_exception_is_needed() -> None:
    needed = too_long_modules() | too_long_functions() | too_deep_functions()
    assert set(EXCEPTIONS) - set(needed) == set()


@pytest.mark.parametrize(
    ("source", "lines", "depth"),
    [
        ("def f():\n    return 1", 2, 0),
        ('def f():\n    """One.\n\n    Two.\n    """\n    return 1', 2, 0),
        ("@jit\ndef f(x):\n    if x:\n        pass\n    elif x:\n        pass", 5, 1),
        ("def f(x):\n    for _ in x:\n        if x:\n            pass", 4, 2),
        (
            "def f(x):\n    if x:\n        pass\n    else:\n        for _ in x:\n            x()",
            6,
            2,
        ),
        ("def f(x):\n    if x:\n        def g():\n            if x:\n                pass", 5, 1),
    ],
)
def test_the_measures(source: str, lines: int, depth: int) -> None:
    node = ast.parse(source).body[0]
    assert isinstance(node, Function)
    assert function_lines(node) == lines
    assert nesting(node) == depth


def test_limits_follow_the_place() -> None:
    assert module_limit(Path("replay.py")) == 300
    assert module_limit(Path("algorithms/__init__.py")) == 300
    assert module_limit(Path("algorithms/_q_learning.py")) == 200
    assert module_limit(Path("algorithms/mfq.py")) == 100
