"""Reports: tables, curves and verdicts of experiments beside a paper's own figures."""

from __future__ import annotations

import math
import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from swarmfield.convergence_plot import draw_convergence
from swarmfield.curves import FEWEST_FOR_IQM, over_seeds
from swarmfield.experiments.crowds import compared
from swarmfield.experiments.design import Arm, Claim, Column, Experiment, Scale
from swarmfield.experiments.figures import comparison, sizes
from swarmfield.experiments.plan import slug
from swarmfield.experiments.results import AGAINST, RUN, Results, Verdict, judge
from swarmfield.tables import markdown
from swarmfield.training.chaos_tables import rate_of
from swarmfield.training.chaos_tables import table as crowd_table
from swarmfield.training.json_files import write_json
from swarmfield.training.recording import write_replay
from swarmfield.types import SwarmfieldError

NOTHING = "-"
_PANELS = 3
_FEWEST_SIZES = 2
_SHARED = "shared_return"
"""What all agents of a team earn together, where each of them is paid the same."""
_DIFFERENCE = "return/difference"


def write(
    name: str, experiments: Sequence[Experiment], scale: Scale, root: Path, output: Path
) -> Path:
    """Write what experiments have found: `report.md`, `results.json`, curves and replays.

    Args:
        name: What was asked for: an experiment's name, or a paper's.
        experiments: Which; those without a finished run are named and passed over.
        scale: Of the runs.
        root: Folder of all experiments' runs.
        output: Folder to write to.

    Returns:
        The report.

    Raises:
        SwarmfieldError: There is no finished run, or the folder cannot be written.
    """
    found = [Results(experiment, scale, root) for experiment in experiments]
    if not any(_arms_made(results) for results in found):
        raise SwarmfieldError(
            f"There is no finished run of {name} at scale {scale} in {root}; first run "
            f"`{_command('experiment', name, scale, root)}`."
        )
    write_json(output / "results.json", _figures(found))
    made = [results for results in found if _arms_made(results)]
    parts = [_head(name, found, scale, root), *(_section(results, output) for results in made)]
    parts += _across_sizes(made, output)
    if missing := [f"`{results.experiment.name}`" for results in found if results not in made]:
        parts.append(f"Nothing of these is finished: {', '.join(missing)}.")
    report = output / "report.md"
    report.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    return report


def _command(command: str, name: str, scale: Scale, root: Path) -> str:
    return shlex.join(["swarmfield", command, name, "--scale", scale, "--root", str(root)])


def _head(name: str, found: Sequence[Results], scale: Scale, root: Path) -> str:
    folders = [
        f for results in found for arm in results.experiment.arms for f in results.folders(arm)
    ]
    configs = [folder.read_config() for folder in folders]
    machines = sorted({f"{c['device']['kind']} ({c['device']['platform']})" for c in configs})
    versions = sorted({f"JAX {c['versions']['jax']}" for c in configs})
    judged = [judge(results, claim) for results in found for claim in results.experiment.claims]
    counts = {name: sum(v.outcome == name for v in judged) for name in _OUTCOMES}
    told = ", ".join(f"{count} {name}" for name, count in counts.items())
    return f"""# {name.upper()}: experiments at scale `{scale}`

`{_command("experiment", name, scale, root)}`, then
`{_command("report", name, scale, root)}`.
Trained on {", ".join(machines)} with {", ".join(versions)}.

Scores are of greedy episodes at the end of training: the interquartile mean over seeds with its
95 % bootstrap interval, or of fewer than {FEWEST_FOR_IQM} seeds the mean and the range. Seconds are
of all seeds of a run together, and mean little where something else ran beside it. MB are the peak
of the training process; on a CPU that is everything in it, compiler and libraries included. The
paper's figures, where it has some, are of the paper's sizes and steps.

Of the paper's claims, {told}."""


_OUTCOMES = ("supported", "contradicted", "left open")


def _arms_made(results: Results) -> list[Arm]:
    """Methods with a finished run."""
    return [arm for arm in results.experiment.arms if results.folders(arm)]


def _section(results: Results, output: Path) -> str:
    experiment = results.experiment
    parts = [
        f"## {experiment.register}: {experiment.title}",
        f"`{experiment.name}` · {experiment.source}. {experiment.setting}",
    ]
    there = _arms_made(results)
    parts += [_table(results, there), *_pictures(results, there, output)]
    parts += [part for arm in there for part in _crowds(results, arm, output)]
    missing = [arm.name for arm in experiment.arms if arm not in there]
    if missing:
        parts.append(f"Not finished: {', '.join(missing)}.")
    worlds = [f"{trial.name} is {trial.world}" for trial in experiment.trials_at(results.scale)]
    if worlds:
        parts.append(f"Other worlds: {', '.join(worlds)}.")
    parts += [_told(claim, judge(results, claim)) for claim in experiment.claims]
    return "\n\n".join(parts)


def _table(results: Results, arms: Sequence[Arm]) -> str:
    """One line a method; the paper's figures beside ours where it has some."""
    reported = results.experiment.reported
    columns = [["method", *(f"`{arm.name}`" for arm in arms)]]
    columns.append(["seeds", *(_seeds(results, arm) for arm in arms)])
    for title, (column, _) in results.columns().items():
        columns.append([title, *(_cell(results, arm, title, column) for arm in arms)])
        theirs = [reported.get((arm.name, title), NOTHING) for arm in arms]
        if any(cell != NOTHING for cell in theirs):
            columns.append([f"{title} (paper)", *theirs])
    head, *rows = zip(*columns, strict=True)
    return markdown(head, rows)


def _across_sizes(found: Sequence[Results], output: Path) -> list[str]:
    """The first measure of experiments that differ in how many agents there are."""
    by_register: dict[str, list[Results]] = {}
    for results in found:
        if results.experiment.population is not None:
            by_register.setdefault(results.experiment.register, []).append(results)
    pictures = []
    for register, each in by_register.items():
        if len(each) < _FEWEST_SIZES:
            continue
        title, path = each[0].experiment.columns[0].title, output / f"{slug(register)}-sizes.png"
        sizes(_scores_by_size(each, title), f"{register}: {title}", path)
        pictures.append(f"![{register}, against the number of agents]({path.name})")
    return ["## Against the number of agents", *pictures] if pictures else []


def _scores_by_size(
    found: Sequence[Results], title: str
) -> dict[str, dict[int, tuple[float, float, float]]]:
    """Middle and ends of every method's score, by the number of agents."""
    scores: dict[str, dict[int, tuple[float, float, float]]] = {}
    for results in found:
        assert results.experiment.population is not None
        for arm in _arms_made(results):
            middle, low, high = (float(x) for x in over_seeds(results.scores(arm, title)))
            scores.setdefault(arm.name, {})[results.experiment.population] = (middle, low, high)
    return scores


def _seeds(results: Results, arm: Arm) -> str:
    return str(sum(len(f.read_config()["resolved"]["seeds"]) for f in results.folders(arm)))


def _cell(results: Results, arm: Arm, title: str, column: Column) -> str:
    scores = results.scores(arm, title)
    if not len(scores):
        return NOTHING
    middle, low, high = (_rounded(value, column.digits) for value in over_seeds(scores))
    return middle if low == high else f"{middle} [{low}, {high}]"


def _rounded(value: float, digits: int) -> str:
    # Adding zero turns -0 into 0.
    return f"{round(float(value), digits) + 0.0:,.{digits}f}"


def _pictures(results: Results, arms: Sequence[Arm], output: Path) -> list[str]:
    """Curves of all methods, or replays where an experiment is about watching."""
    experiment = results.experiment
    name = experiment.name.partition("/")[2]
    if experiment.films:
        return [_film(results, arm, output / f"{name}-{slug(arm.name)}.gif") for arm in arms]
    # One of several methods alone is in another experiment's picture.
    if experiment.crowds or experiment.task.one_by_one or len(arms) < min(2, len(experiment.arms)):
        return []
    rows = {arm.name: _rows(results, arm) for arm in arms}
    comparison(rows, _measures(experiment), output / f"{name}.png")
    return [f"![Learning curves: {experiment.title}]({name}.png)"]


def _evaluated(experiment: Experiment) -> dict[str, Column]:
    """Columns that evaluations on the way have too, by the keys of their reports."""
    there = (column for column in experiment.columns if not column.key.startswith((RUN, AGAINST)))
    return {f"evaluation/learner/{column.key}": column for column in there}


def _measures(experiment: Experiment) -> dict[str, str]:
    """What curves show, by title: keys of `_rows`."""
    greedy = {f"Greedy {c.title}": key for key, c in _evaluated(experiment).items()}
    exploring = {"Return while exploring": "return/learner"}
    if any(column.key.startswith(AGAINST) for column in experiment.columns):
        exploring = {"Ahead while exploring": _DIFFERENCE}
    if any(column.key == _SHARED for column in experiment.columns):
        # Who acts for a crowd earns it once, who act alone each of them.
        exploring = {}
    return dict(list({**exploring, **greedy}.items())[:_PANELS])


def _rows(results: Results, arm: Arm) -> list[dict[str, Any]]:
    """Reports in the columns' units, with how much higher the learner's return was."""
    rows = [row for folder in results.folders(arm) for row in folder.read_metrics()]
    evaluated = _evaluated(results.experiment)
    for row in rows:
        row |= {key: c.scale * row[key] for key, c in evaluated.items() if key in row}
        both = row["return/learner"], row.get("return/opponent")
        if None not in both:
            row[_DIFFERENCE] = both[0] - both[1]
    return rows


def _crowds(results: Results, arm: Arm, output: Path) -> list[str]:
    """A policy with other numbers of agents, where an experiment is about that."""
    experiment = results.experiment
    if results.scale not in experiment.crowds:
        return []
    run = results.folders(arm)[0]
    found = compared(run.path)
    if found is None:
        return [f"Numbers of agents of {arm.name} are not compared yet."]
    name = f"{experiment.name.partition('/')[2]}-{slug(arm.name)}.png"
    draw_convergence(found, output / name)
    title = f"![{experiment.title}, {arm.name}]({name})"
    return [markdown(*crowd_table(found)), f"{rate_of(found)}.", title]


def _film(results: Results, arm: Arm, to: Path) -> str:
    run = results.folders(arm)[0]
    if not run.checkpoints.exists():
        return f"No film of {arm.name}: its run holds figures only, not the trained policy."
    shutil.copyfile(write_replay(run.path, "gif"), to)
    return f"![An episode of {arm.name}]({to.name})\n\n`swarmfield replay RUN` makes a page of it."


def _told(claim: Claim, verdict: Verdict) -> str:
    """A claim, the verdict, and the differences it rests on."""
    shares = claim.relation == "same"
    found = [
        f"`{claim.ours}`{'' if name == claim.ours else f' less `{name}`'}: "
        + _interval([100 * float(x) for x in each] if shares else [float(x) for x in each], shares)
        for name, each in verdict.differences.items()
    ]
    basis = (
        f" ({claim.column}; {'; '.join(found)})" if found else f" ({claim.column}; too few seeds)"
    )
    return f"- **{verdict.outcome}**: {claim.text}{basis}"


def _interval(ends: Sequence[float], shares: bool) -> str:
    """Three digits of the largest end, of shares one after the point."""
    largest = max(map(abs, ends))
    digits = 1 if shares or not largest else max(0, 2 - math.floor(math.log10(largest)))
    middle, low, high = (_rounded(value, digits) for value in ends)
    return f"{middle} [{low}, {high}]{' %' if shares else ''}"


def _figures(found: Sequence[Results]) -> dict[str, Any]:
    """Every score, for other programs."""
    return {
        results.experiment.name: {
            arm.name: {title: results.scores(arm, title) for title in results.columns()}
            for arm in results.experiment.arms
            if results.folders(arm)
        }
        for results in found
    }
