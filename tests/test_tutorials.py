"""The tutorials, done as they say."""

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

TUTORIALS = Path(__file__).parent.parent / "docs" / "tutorials"


def files_of(page: str) -> dict[str, str]:
    """What a tutorial says is in which file."""
    text = (TUTORIALS / f"{page}.md").read_text()
    return dict(re.findall(r'```\w+ title="([^"]+)"\n(.*?)```', text, re.DOTALL))


def install(page: str, site: Path) -> None:
    """Put a tutorial's package where Python looks for packages, as an installer does."""
    files = files_of(page)
    project = tomllib.loads(files.pop("pyproject.toml"))["project"]
    for name, text in files.items():
        (site / name).write_text(text)
    described = site / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    described.mkdir()
    (described / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    )
    points = ""
    for group, entries in project["entry-points"].items():
        points += f"[{group}]\n" + "".join(f"{name} = {x}\n" for name, x in entries.items())
    (described / "entry_points.txt").write_text(points)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the packages of both tutorials."""
    folder = tmp_path_factory.mktemp("site")
    for page in ("environment", "algorithm"):
        install(page, folder)
    return folder


def run(site: Path, words: list[str], folder: Path) -> str:
    """What a command says, run with the packages there."""
    paths = os.pathsep.join(filter(None, [str(site), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": paths},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(("page", "earned"), [("environment", 380), ("algorithm", 380)])
def test_a_tutorial_works_and_learns(page: str, earned: int, site: Path, tmp_path: Path) -> None:
    text = (TUTORIALS / f"{page}.md").read_text()
    said = ""
    for block in re.findall(r"```console\n(.*?)```", text, re.DOTALL):
        for command in block.splitlines():
            program, *words = command.split()
            assert program == "swarmfield"
            said += run(site, ["-m", program, *words], tmp_path)
    if page == "environment":
        assert "wear what comes after what most wore" in said
    summary = next(tmp_path.glob("runs/*-fashion/summary.json"))
    learned = json.loads(summary.read_text())["evaluation"]["learner"]
    # At random 133 of 400.
    assert learned["return_mean"] >= earned


def test_the_environment_of_the_tutorial_keeps_to_the_contract(site: Path, tmp_path: Path) -> None:
    run(site, ["check.py"], site)


BROKEN = {
    "lost": "nowhere:ENTRY",
    "number": "broken:NUMBER",
    "battle": "broken:NUMBER",
}


def test_what_other_packages_bring_is_named_when_it_is_broken(tmp_path: Path) -> None:
    described = tmp_path / "broken-1.dist-info"
    described.mkdir()
    (tmp_path / "broken.py").write_text("NUMBER = 3\n")
    (described / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1\n")
    points = "".join(f"{name} = {value}\n" for name, value in BROKEN.items())
    (described / "entry_points.txt").write_text(f"[swarmfield.environments]\n{points}")
    said = run(tmp_path, ["-m", "swarmfield", "list", "environments"], tmp_path)
    assert "The environment 'lost' of package broken cannot be loaded (ModuleNotFoundError" in said
    assert "The environment 'number' of package broken is int at broken:NUMBER, but must" in said
    assert "battle                two armies fight on a grid" in said
