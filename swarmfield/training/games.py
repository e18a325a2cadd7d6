"""Equilibria of mean-field games, as a report: `swarmfield game`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import jax
import numpy as np

from swarmfield.convergence_plot import draw_exploitability
from swarmfield.games import (
    GAMES,
    Game,
    Solved,
    fictitious_play,
    learned_exploitability,
    mirror_descent,
)
from swarmfield.options import suggest
from swarmfield.tables import markdown
from swarmfield.training.json_files import to_json, write_json
from swarmfield.training.provenance import software_and_device
from swarmfield.training.run_folder import unused
from swarmfield.types import SwarmfieldError

JSON_FILE, MARKDOWN_FILE, PICTURE_FILE = "game.json", "game.md", "game.png"
Method = Literal["mirror_descent", "fictitious_play"]
_MOST_STATES = 12
"""With more, a table shows those where most are."""


def solve(
    name: str,
    *,
    method: Method = "mirror_descent",
    iterations: int = 1000,
    step_size: float = 0.05,
    learned: bool = True,
    seed: int = 0,
    output: str | Path | None = None,
) -> dict[str, Any]:
    """Find an equilibrium of a mean-field game, and say how far from it policies are on the way.

    Args:
        name: `left_right`, `rock_paper_scissors` or `beach`.
        method: Online mirror descent, or fictitious play.
        iterations: How many, at least 1.
        step_size: Of mirror descent, > 0.
        learned: Let one agent learn by itself what it could gain, too: from experience alone, so
            that its gain is at most the exploitability.
        seed: Of what it learns from.
        output: Folder to write `game.json`, `game.md` and `game.png` to; `game`, or the next such
            name that is free, if not given.

    Returns:
        What `game.json` holds: `exploitability` by iteration, `policy` `[T, S, A]`, `flow`
        `[T, S]`, and `learned_exploitability` of the first and the last policy; and `folder`.

    Raises:
        SwarmfieldError: There is no such game, or an option is out of range.
    """
    if name not in GAMES:
        raise SwarmfieldError(f"There is no game named {name!r}; {suggest(name, GAMES)}.")
    _require(iterations, step_size)
    game = GAMES[name]()
    if method == "fictitious_play":
        solved = fictitious_play(game, iterations)
    else:
        solved = mirror_descent(game, iterations, step_size)
    folder = Path(output) if output is not None else unused(Path("game"))
    found = {
        "game": name,
        "description": game.description,
        "method": method,
        "iterations": iterations,
        "step_size": step_size if method == "mirror_descent" else None,
        "states": game.states,
        "actions": game.actions,
        "exploitability": solved.exploitability,
        "learned_exploitability": _learned(game, solved, seed) if learned else None,
        "flow": solved.flow,
        "policy": solved.policy,
        **software_and_device(),
    }
    write_json(folder / JSON_FILE, found)
    content = to_json(found)
    (folder / MARKDOWN_FILE).write_text(_page(content), encoding="utf-8")
    draw_exploitability(content, folder / PICTURE_FILE)
    return {**content, "folder": str(folder)}


def _require(iterations: int, step_size: float) -> None:
    if iterations < 1:
        raise SwarmfieldError(f"--iterations is {iterations}, but must be at least 1.")
    if not 0 < step_size < np.inf:
        raise SwarmfieldError(f"--step-size is {step_size}, but must be above 0.")


def _learned(game: Game, solved: Solved, seed: int) -> dict[str, float]:
    """What one agent learned to gain by leaving the first policy, and the last."""
    gain = jax.jit(lambda policy, key: learned_exploitability(game, policy, key))
    key = jax.random.key(seed)
    return {
        "first": float(gain(game.uniform(), key)),
        "last": float(gain(solved.policy, key)),
    }


def table(report: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Exploitability at some iterations, as head and rows."""
    values = report["exploitability"]
    last = len(values) - 1
    shown = [0, *(n for n in (10**k for k in range(12)) if n < last), last]
    rows = [[str(n), f"{values[n]:.4g}"] for n in dict.fromkeys(shown)]
    return ["iteration", "exploitability"], rows


def places(report: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Where all are at the last step, most first, as head and rows."""
    shares = np.array(report["flow"][-1])
    order = np.argsort(-shares, kind="stable")[:_MOST_STATES]
    return ["state", "share"], [[report["states"][s], f"{shares[s]:.4f}"] for s in order]


def sentence(report: Mapping[str, Any]) -> str:
    """What one agent learned to gain, beside what it could gain."""
    learned = report["learned_exploitability"]
    if learned is None:
        return "No agent learned what it could gain."
    first, last = report["exploitability"][0], report["exploitability"][-1]
    return (
        f"An agent that learned from experience gains {learned['first']:.4g} of {first:.4g} by "
        f"leaving the first policy, {learned['last']:.4g} of {last:.4g} by leaving the last."
    )


def _page(report: Mapping[str, Any]) -> str:
    method = report["method"].replace("_", " ")
    return f"""# {report["game"]}

{report["description"]}; {len(report["flow"])} steps, {len(report["states"])} states. Solved by
{method} in {report["iterations"]} iterations, on {report["device"]["kind"]} with JAX
{report["versions"]["jax"]}.

{markdown(*table(report))}

{sentence(report)}

Where most are at the last step:

{markdown(*places(report))}

![Exploitability]({PICTURE_FILE})
"""
