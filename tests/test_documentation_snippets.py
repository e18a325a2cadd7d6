"""Every piece of Python in the documentation does what it says, with fewer steps and episodes."""

import re
import shutil
from pathlib import Path

import pytest
import tiny

import swarmfield

ROOT = Path(__file__).parent.parent
BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)
PAGES = [
    page
    for page in [ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md"))]
    # The files of tutorials are done as they say in a test of their own.
    if page.parent.name != "tutorials" and BLOCK.search(page.read_text())
]
LONG = {
    "README.md",
    "docs/api/index.md",
    "docs/command-line.md",
    "docs/environments/m3fc.md",
    "docs/five-minute-start.md",
    "docs/games.md",
    "docs/results.md",
}
"""Those that train, play or solve for long."""

SHORTER = {
    "env_steps=128_000": (
        "env_steps=32, num_envs=2, evaluations=1, evaluation_episodes=2, quiet=True, "
        'algo={"batch_size": 32, "warmup": 0, "capacity": 2000}'
    ),
    "episodes=100": "episodes=2",
    "episodes=200": "episodes=2",
    "play_all(match, 20,": "play_all(match, 2,",
    'make("adversarial_pursuit")': 'make("adversarial_pursuit", map_size=12, max_steps=20)',
    'env={"map_size": 40}': 'env={"map_size": 12, "max_steps": 20}',
}
RUN = f"{tiny.BATTLE} --env-steps 100 --evaluations 3 --checkpoints 1"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to be in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def leave_runs(folder: Path, text: str) -> None:
    """Runs that the text speaks of as being there."""
    for name in re.findall(r'"runs/([\w-]+)', text):
        if not (folder / "runs" / name).exists():
            shutil.copytree(tiny.finished(RUN), folder / "runs" / name)


def cases() -> list:
    names = {str(page.relative_to(ROOT)): page for page in PAGES}
    return [
        pytest.param(page, id=name, marks=[pytest.mark.slow] if name in LONG else [])
        for name, page in names.items()
    ]


@pytest.mark.parametrize("page", cases())
def test_python_on_a_page_does_what_it_says(page: Path, folder: Path) -> None:
    blocks = BLOCK.findall(page.read_text())
    known = {"swarmfield": swarmfield}
    for block in blocks:
        for long, short in SHORTER.items():
            block = block.replace(long, short)
        leave_runs(folder, block)
        exec(compile(block, str(page), "exec"), known)


def test_what_is_made_shorter_is_there() -> None:
    text = "".join(page.read_text() for page in PAGES)
    assert [long for long in SHORTER if long not in text] == []
