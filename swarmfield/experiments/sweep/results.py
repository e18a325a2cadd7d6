"""What a sweep found: a table, a file and a picture."""

from __future__ import annotations

import shlex
from typing import Any

from swarmfield.console import short
from swarmfield.experiments.sweep.design import Sweep, seed_scores
from swarmfield.plots import new_figure, save, style
from swarmfield.tables import print_table
from swarmfield.training.json_files import write_json

_STATES = {"COMPLETE": "finished", "PRUNED": "pruned", "FAIL": "failed", "RUNNING": "stopped"}
_SIDE = 3.4
_MOST_ABREAST = 4


def results(sweep: Sweep, study: Any) -> dict[str, Any]:
    """What was asked for, every trial, and the best one, ready to be trained."""
    trials = [
        _row(sweep, trial)
        for trial in study.get_trials(deepcopy=False)
        if trial.state.name in _STATES
    ]
    return {**sweep.settings, "trials": trials, "best": _best(sweep, trials)}


def _row(sweep: Sweep, trial: Any) -> dict[str, Any]:
    finished = trial.state.name == "COMPLETE"
    return {
        "number": trial.number,
        "state": _STATES[trial.state.name],
        "score": trial.value if finished else None,
        "seed_scores": seed_scores(sweep, trial.number) if finished else [],
        "values": trial.params,
        "run": str(sweep.path(trial.number)),
    }


def _best(sweep: Sweep, trials: list[dict[str, Any]]) -> dict[str, Any] | None:
    finished = [trial for trial in trials if trial["state"] == "finished"]
    if not finished:
        return None
    sign = 1 if sweep.options.direction == "maximize" else -1
    best = max(finished, key=lambda trial: sign * trial["score"])
    command = shlex.join(["swarmfield", *sweep.command(best["values"])])
    return {name: best[name] for name in ("number", "score", "values", "run")} | {
        "command": command
    }


def write(sweep: Sweep, found: dict[str, Any]) -> None:
    """Write `sweep.json`, and `sweep.png` once there is something to draw."""
    write_json(sweep.file, found)
    if found["best"] is not None:
        draw(sweep, found)


def tell(sweep: Sweep, found: dict[str, Any]) -> None:
    """Print all trials, the best one last, and how to train by its options."""
    names = [one.name for one in sweep.searched]
    sign = 1 if sweep.options.direction == "maximize" else -1
    ranked = sorted(
        found["trials"],
        key=lambda trial: (trial["score"] is not None, sign * (trial["score"] or 0.0)),
    )
    rows = [
        [
            str(trial["number"]),
            trial["state"],
            short(trial["score"]),
            *(_short(trial["values"].get(name)) for name in names),
        ]
        for trial in ranked
    ]
    print_table(["trial", "state", "score", *names], rows)
    best = found["best"]
    if best is not None:
        print(f"best     {best['run']}, {sweep.options.metric} {short(best['score'])}")
        print(f"picture  {sweep.folder / 'sweep.png'}")
        print(f"results  {sweep.file}")
        print(f"train by its options, best with other seeds: {best['command']}")


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def draw(sweep: Sweep, found: dict[str, Any]) -> None:
    """Draw the scores in their order, and against each option that was searched over."""
    finished = [trial for trial in found["trials"] if trial["state"] == "finished"]
    number = 1 + len(sweep.searched)
    across = min(number, _MOST_ABREAST)
    down = -(-number // across)
    with style():
        figure = new_figure(0.6 + _SIDE * across, 0.4 + _SIDE * down)
        places = figure.subplots(down, across, squeeze=False).flat
        _draw_history(next(places), sweep, finished)
        for axes, one in zip(places, sweep.searched, strict=False):
            _draw_values(axes, one, finished)
            _mark_best(axes, found["best"], one)
        for axes in places:
            axes.set_axis_off()
        save(figure, sweep.folder / "sweep.png")


def _draw_history(axes: Any, sweep: Sweep, finished: list[dict[str, Any]]) -> None:
    """Every trial's score, its seeds' as well, and the best so far."""
    best = max if sweep.options.direction == "maximize" else min
    scores = [trial["score"] for trial in finished]
    numbers = [trial["number"] for trial in finished]
    for trial in finished:
        seeds = trial["seed_scores"]
        axes.plot([trial["number"]] * len(seeds), seeds, ".", color="#c5cbd2", zorder=1)
    axes.plot(numbers, scores, "o", color="C0", markersize=4.5)
    so_far = [best(scores[: end + 1]) for end in range(len(scores))]
    axes.step(numbers, so_far, where="post", color="C1")
    axes.set(title=sweep.options.metric, xlabel="trial (grey: its seeds; line: best so far)")


def _draw_values(axes: Any, one: Any, finished: list[dict[str, Any]]) -> None:
    values = [trial["values"][one.name] for trial in finished]
    places = [one.choices.index(value) for value in values] if one.choices else values
    axes.plot(places, [trial["score"] for trial in finished], "o", color="C0", markersize=4.5)
    axes.set(title=one.name)
    if one.choices:
        axes.set_xticks(range(len(one.choices)), one.choices)
        axes.set_xlim(-0.5, len(one.choices) - 0.5)
    elif one.log:
        axes.set_xscale("log")


def _mark_best(axes: Any, best: dict[str, Any], one: Any) -> None:
    value = best["values"][one.name]
    place = one.choices.index(value) if one.choices else value
    axes.plot(
        [place], [best["score"]], "o", markersize=10, markerfacecolor="none", markeredgecolor="C1"
    )
