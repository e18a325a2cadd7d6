"""Dependencies point one way, and importing the package stays light.

    types <- components <- algorithms <- training <- command line and experiments

A module may import its own layer and the layers below. Every module that is not named here is
a component: environments, mean fields, mixers, networks, returns, replay, plots and so on.
"""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "swarmfield"
LAYERS = {
    "types": 0,
    "algorithms": 2,
    "training": 3,
    "experiments": 4,
    "bench": 4,
    "cli": 4,
    "__main__": 4,
    "": 4,
}
COMPONENT = 1
HEAVY = [
    "matplotlib",
    "orbax",
    "tensorboardX",
    "magent2",
    "torch",
    "ott",
    "imageio",
    "jaxmarl",
    "ray",
    "optuna",
]


def module_name(path: Path, root: Path) -> str:
    parts = path.relative_to(root.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported_modules(path: Path, modules: dict[str, Path], name: str) -> set[str]:
    """Modules of the package that a file imports, wherever in the file it does so."""
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1]
            parts = [*(above if node.level else []), *([node.module] if node.module else [])]
            source = ".".join(parts)
            members = {f"{source}.{alias.name}" for alias in node.names}
            found |= {member if member in modules else source for member in members}
    return {target for target in found if target in modules}


def import_graph(root: Path) -> dict[str, set[str]]:
    modules = {module_name(path, root): path for path in sorted(root.rglob("*.py"))}
    return {name: imported_modules(path, modules, name) for name, path in modules.items()}


def top_level(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def layer(module: str) -> int:
    return LAYERS.get(top_level(module), COMPONENT)


def upward_imports(graph: dict[str, set[str]]) -> list[str]:
    return [
        f"{name} imports {target}"
        for name, targets in graph.items()
        for target in sorted(targets)
        if layer(target) > layer(name)
    ]


def reachable(graph: dict[str, set[str]], start: str) -> set[str]:
    """Top-level parts that a part of the package imports, directly or through others."""
    seen = {name for name in graph if top_level(name) == start}
    frontier = set(seen)
    while frontier:
        frontier = {target for name in frontier for target in graph[name]} - seen
        seen |= frontier
    return {top_level(name) for name in seen}


@pytest.fixture(scope="module")
def graph() -> dict[str, set[str]]:
    return import_graph(PACKAGE)


def test_no_module_imports_a_higher_layer(graph: dict[str, set[str]]) -> None:
    assert upward_imports(graph) == []


def test_environments_and_algorithms_do_not_know_each_other(graph: dict[str, set[str]]) -> None:
    assert "algorithms" not in reachable(graph, "environments")
    assert "environments" not in reachable(graph, "algorithms")


@pytest.mark.parametrize(
    "statement",
    [
        "import swarmfield.training.loop",
        "from swarmfield.training import loop",
        "from swarmfield.training.loop import train",
        "from ..training import loop",
        "from ..training.loop import train",
        "def later():\n    from swarmfield import training",
    ],
)
def test_the_rule_sees_every_form_of_import(tmp_path: Path, statement: str) -> None:
    root = tmp_path / "swarmfield"
    for part in ("", "algorithms", "training"):
        (root / part).mkdir(exist_ok=True)
        (root / part / "__init__.py").touch()
    (root / "training" / "loop.py").touch()
    (root / "algorithms" / "mfq.py").write_text(statement)
    assert upward_imports(import_graph(root)) != []


def test_importing_the_package_loads_nothing_heavy() -> None:
    program = f"import sys, swarmfield; print([m for m in {HEAVY} if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == "[]"
