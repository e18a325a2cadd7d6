"""Every algorithm and environment has its page, and what the pages say agrees with the code."""

import dataclasses
import re
import shlex
import sys
import tomllib
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

import swarmfield
from swarmfield import cli
from swarmfield.algorithms import ALGORITHMS
from swarmfield.command_line import parse, without
from swarmfield.command_options import SweepOptions
from swarmfield.environments import ENVIRONMENTS
from swarmfield.experiments.sweep.space import take_own, take_searched
from swarmfield.options import spelled
from swarmfield.training.train_options import job_of

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
sys.path.insert(0, str(DOCS / "hooks"))

import page_tables as tables  # noqa: E402

OURS = "swarmfield."
NAMED = {
    f"{kind}/{name}": registry[name]
    for kind, registry in (("algorithms", ALGORITHMS), ("environments", ENVIRONMENTS))
    for name in registry
    if registry[name].config.__module__.startswith(OURS)
}
PARTS = {
    "algorithms": ("## Equation", "## Options", "## Source", "## Learning curve", "## Cost"),
    "environments": ("## Options", "## Watch it"),
}
# What they use comes from packages that a tutorial makes; they are done as they say elsewhere.
PAGES = [
    page
    for page in [ROOT / "README.md", *sorted(DOCS.glob("**/*.md"))]
    if page.parent.name != "tutorials"
]


def page_of(named: str) -> str:
    return (DOCS / f"{named}.md").read_text()


@pytest.mark.parametrize("named", NAMED)
def test_every_name_has_a_page_with_all_that_belongs_on_it(named: str) -> None:
    kind, name = named.split("/")
    page = page_of(named)
    assert re.match(rf"# .* \(`{name}`\)\n", page)
    assert [part for part in PARTS[kind] if f"\n{part}" not in page] == []
    assert f"<!-- options: {name} -->" in page
    commands = re.findall(r"^swarmfield train (\S+) (\S+)", page, re.MULTILINE)
    assert any(name in words for words in commands)
    if kind == "environments":
        assert f"<!-- spec: {name} -->" in page
        assert f"](../images/environments/{name}.png)" in page
    assert f"]({name}.md)" in (DOCS / kind / "index.md").read_text()


@pytest.mark.parametrize("named", NAMED)
def test_tables_list_every_option_once_with_its_default(named: str) -> None:
    kind, config = named.split("/")[0], NAMED[named].config
    prefix = "algo." if kind == "algorithms" else "env."
    found = [each for some in tables.options(config, prefix).values() for each in some]
    told = {each.name: each for each in found}
    assert len(told) == len(found) == len(dataclasses.fields(config))
    for field in dataclasses.fields(config):
        option = told[spelled(field.name, prefix)]
        assert option.meaning
        if isinstance(field.default, int | float) and not isinstance(field.default, bool):
            assert float(option.default) == field.default


def test_a_page_is_told_what_the_code_says() -> None:
    page = tables.with_tables("# A\n\n<!-- options: mfq -->\n\n<!-- spec: battle -->\n")
    assert "| `--algo.neighbourhood` | team |" in page
    assert "One of `team`, `team_excl_self`, `knn`, `radius`. |" in page
    assert '??? note "Options of every Q-learning method"' in page
    assert "| `red` | 64 | one of 21 | a view 13 x 13 x 7, 24 numbers |" in page
    assert "`--env.no-minimap` turns it off." in tables.with_tables("<!-- options: battle -->")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_markers_name_something(page: Path) -> None:
    marked = re.findall(r"^<!-- (.*) -->$", page.read_text(), re.MULTILINE)
    wanted = [f"{kind}: {named.split('/')[1]}" for kind in tables.MAKERS for named in NAMED]
    assert [marker for marker in marked if marker not in wanted] == []


def commands_of(page: Path) -> list[list[str]]:
    """Commands of ours on a page, but for those with a place for something in capitals."""
    text = re.sub(r"\\\n\s*", "", page.read_text())
    blocks = re.findall(r"```(?:console)?\n(.*?)```", text, re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    # After a launcher or an environment variable, too.
    ours = [
        line[line.index("swarmfield ") :]
        for line in lines
        if re.match(r"[^#`]*\bswarmfield ", line)
    ]
    words = [shlex.split(line, comments=True)[1:] for line in ours]
    return [each for each in words if not any(re.fullmatch(r"[A-Z_|:]+", word) for word in each)]


def check_command(words: list[str]) -> None:
    """Parse a command as the command line does, but for runs that it would look at."""
    name, rest = words[0], words[1:]
    if name in ("--version", "list"):
        return
    if name == "train":
        rest = [word for word in rest if word != "--help"]
        job_of(without_hosts(rest))
        return
    if name == "sweep":
        own, rest = take_own(SweepOptions, rest[2:])
        parse(SweepOptions, own, name)
        job_of([*words[1:3], *take_searched(rest)[1]])
        return
    _, _, options = cli.COMMANDS[name]
    first = next((i for i, word in enumerate(rest) if word.startswith("--")), len(rest))
    if isinstance(options, type):
        parse(options, without("--env.", rest[first:]), name)


def without_hosts(words: list[str]) -> list[str]:
    for option in ("--coordinator", "--num-processes", "--process-id"):
        words = without(option, words)
    return words


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_are_what_the_command_line_takes(page: Path) -> None:
    for words in commands_of(page):
        check_command(words)


def test_a_command_that_is_wrong_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("```console\nswarmfield train mfq battle --algo.tua 1  # wrong\n```\n")
    (words,) = commands_of(page)
    with pytest.raises(swarmfield.SwarmfieldError, match=r"--algo\.tua"):
        check_command(words)


def test_costs_are_figures_of_the_page_on_performance() -> None:
    measured = set(re.findall(r"\d[\d,.]*\d|\d", (DOCS / "performance.md").read_text()))
    for named in NAMED:
        cost = page_of(named).partition("## Cost")[2]
        cost = re.sub(r"`[^`]*`|\([^)]*\)", "", cost)
        figures = re.findall(r"\d[\d,.]*\d|\d", cost)
        assert [figure for figure in figures if figure not in measured] == [], named


def test_pictures_of_environments_are_small_and_drawings_are_drawn() -> None:
    for picture in DOCS.glob("images/environments/*.png"):
        assert f"environments/{picture.stem}" in NAMED
        assert picture.stat().st_size < 60_000
    for drawing in DOCS.glob("images/*.svg"):
        drawn = ET.parse(drawing)
        assert drawn.find("{http://www.w3.org/2000/svg}title") is not None
        assert "prefers-color-scheme: dark" in drawing.read_text()


def test_the_reference_has_every_public_name() -> None:
    listed = re.findall(r"^::: swarmfield\.(\w+)$", (DOCS / "api/index.md").read_text(), re.M)
    assert sorted(listed) == sorted(swarmfield.__all__)


def test_how_to_cite_says_what_the_citation_file_says() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    citation, page = (ROOT / "CITATION.cff").read_text(), (DOCS / "citing.md").read_text()
    title = re.search(r'^title: "(.*)"$', citation, re.MULTILINE)
    assert title is not None
    assert title[1] in page.replace("{", "").replace("}", "")
    assert f"version: {project['version']}\n" in citation
    assert f"version = {{{project['version']}}}" in page
