"""From N agents to infinitely many: what a policy is worth on the way, `swarmfield chaos`."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from swarmfield.console import teller
from swarmfield.convergence import fitted_rate
from swarmfield.convergence_plot import draw_convergence
from swarmfield.environments import is_known
from swarmfield.environments.m3fc.flow import wasserstein_1
from swarmfield.rule_options import Execution
from swarmfield.statistics import summarize_episodes
from swarmfield.training.chaos_tables import page, told
from swarmfield.training.crowds import Leader, Led, Paths, Playing, paths
from swarmfield.training.json_files import to_json, write_json
from swarmfield.training.play import require_playable, require_share
from swarmfield.training.player import Which
from swarmfield.training.provenance import software_and_device
from swarmfield.training.run_folder import unused
from swarmfield.types import SwarmfieldError

JSON_FILE, MARKDOWN_FILE, PICTURE_FILE = "chaos.json", "chaos.md", "chaos.png"
_TIMES = 11
"""Instants at which crowds are compared, the first and the last among them."""
_EPISODES_COMPARED = 20
"""At most so many episodes' crowds are compared."""


def chaos(
    subject: str | Path,
    *,
    num_agents: Sequence[int] = (2, 5, 10, 20, 50, 100, 200, 500, 1000),
    episodes: int = 100,
    limit: int | None = None,
    execution: Sequence[Execution] = (),
    explore: float = 0.0,
    env: Mapping[str, Any] | None = None,
    which: Which = "last",
    seed: int | None = None,
    evaluation_seed: int = 0,
    output: str | Path | None = None,
    quiet: bool = False,
) -> dict[str, Any]:
    """Measure what a policy is worth with N agents, and how fast that comes near its limit.

    The same policy leads crowds of every size through the same episodes: what the world draws, and
    what a controller draws if it explores, does not depend on N. So

        J_N - J = mean over episodes of (return with N agents - return in the limit)

    is known far better than either, and so is how far the crowd's distribution mu^N_t is from
    mu_t, by the Wasserstein distance W_1 of their histograms.

    Args:
        subject: A run's folder, or the name of an environment of minor agents: then a controller
            that says zeros, which is what an untrained one says in the mean.
        num_agents: Numbers of minor agents.
        episodes: How many, at least 2.
        limit: Agents that stand for infinitely many. If not given the limit is exact where the
            environment has finitely many states and a controller, and otherwise the largest of
            `num_agents` stands for it.
        execution: Of a controller: by one rule for all, or each agent by its own, or both. The
            limit is that of one rule for all.
        explore: How much is left to chance, in [0, 1]; 0 is greedy.
        env: Options of the environment to change, but for its number of agents.
        which: The run's newest checkpoint, or the best in evaluation.
        seed: Which of several seeds; the first if not given.
        evaluation_seed: Decides the episodes.
        output: Folder to write `chaos.json`, `chaos.md` and `chaos.png` to; `chaos` in the run's,
            or in the current one for an environment, or the next such name that is free.
        quiet: Show nothing while it plays.

    Returns:
        What `chaos.json` holds: `limit`, `lines` (one for each number and way of execution, with
        `shared_return`, `gap` and their 95 % intervals, and `distance` at `times`), `rate`; and
        `folder`, where it is.

    Raises:
        SwarmfieldError: There are no minor agents, or an option is out of range.

    Source: Cui et al. 2024, Figure 8 and the statements on convergence. The exact limit, pairs of
    episodes and the distances are ours.
    """
    require_playable(episodes, evaluation_seed)
    _require(num_agents, limit, episodes, explore)
    leader = Leader(str(subject), dict(env or {}), which, seed)
    say = teller(quiet)
    study = _begun(leader, num_agents, limit, Playing(episodes, explore, evaluation_seed))
    say(f"limit: {study.limit.environment.description}; {episodes} episodes")
    folder = Path(output) if output is not None else _folder(leader)
    report = _described(leader, study)
    gaps = _measure(study, leader, execution or (None,), report, folder, say)
    report["rate"] = _rate(gaps)
    write_json(folder / JSON_FILE, report)
    content = to_json(report)
    (folder / MARKDOWN_FILE).write_text(page(content, PICTURE_FILE), encoding="utf-8")
    draw_convergence(content, folder / PICTURE_FILE)
    return {**content, "folder": str(folder)}


class _Study(NamedTuple):
    """What all lines have in common.

    Attributes:
        numbers: Of agents, but for the one that stands for the limit.
        playing: How episodes are played.
        limit: The crowd without end, or a large one.
        stands_for: Agents of the latter, None where the limit is exact.
        whole: Its episodes.
        times: When crowds are compared.
    """

    numbers: list[int]
    playing: Playing
    limit: Led
    stands_for: int | None
    whole: Paths
    times: list[int]


def _begun(
    leader: Leader, num_agents: Sequence[int], limit: int | None, playing: Playing
) -> _Study:
    numbers, stands_for = sorted(set(num_agents)), limit
    endless = leader.limit() if limit is None else None
    if endless is None:
        stands_for = numbers[-1] if limit is None else limit
        endless = leader.of(stands_for)
    numbers = [number for number in numbers if number != stands_for]
    if not numbers:
        raise SwarmfieldError(
            f"--num-agents needs at least one number of agents beside {stands_for}, which stands "
            "for the limit."
        )
    steps = endless.model.config.max_steps
    times = sorted({round(steps * i / (_TIMES - 1)) for i in range(_TIMES)})
    return _Study(numbers, playing, endless, stands_for, paths(endless, playing), times)


def _measure(
    study: _Study,
    leader: Leader,
    ways: Sequence[Execution | None],
    report: dict[str, Any],
    folder: Path,
    say: Callable[[str], None],
) -> dict[int, Float[np.ndarray, " M"]]:
    """Add each line to the report and keep it at once; gaps of those led by one rule for all."""
    gaps: dict[int, Float[np.ndarray, " M"]] = {}
    for way, number in itertools.product(ways, study.numbers):
        line, gap = _line(study, leader.of(number, way), number, way)
        report["lines"].append(line)
        write_json(folder / JSON_FILE, report)
        say(told(line))
        if way in (None, "centralised"):
            gaps[number] = gap
    return gaps


def _rate(gaps: Mapping[int, Float[np.ndarray, " M"]]) -> dict[str, Any] | None:
    if len(gaps) < 2:
        return None
    rate = fitted_rate(list(gaps), np.stack(list(gaps.values())))
    return None if rate is None else rate._asdict()


def _line(
    study: _Study, led: Led, number: int, way: Execution | None
) -> tuple[dict[str, Any], Float[np.ndarray, " M"]]:
    """What a number of agents comes to, and the gaps of its episodes."""
    found = paths(led, study.playing)
    gap = found.shared_return - study.whole.shared_return
    line = {
        "num_agents": number,
        "execution": way,
        **_mean("shared_return", found.shared_return),
        **_mean("gap", gap),
        "distance": _distances(led, found, study),
    }
    return line, gap


def _mean(name: str, values: Float[np.ndarray, " M"]) -> dict[str, float | None]:
    found = summarize_episodes(values)
    return {name: found.mean, f"{name}_ci95": found.ci95}


def _distances(led: Led, found: Paths, study: _Study) -> list[float]:
    """Means over some episodes of W_1(mu^N_t, mu_t), at some times."""
    some = range(min(_EPISODES_COMPARED, study.playing.episodes))

    def at(time: int) -> float:
        pairs = ((found.field[e, time], study.whole.field[e, time]) for e in some)
        return float(np.mean([wasserstein_1(led.model.bins, *pair) for pair in pairs]))

    return [at(time) for time in study.times]


def _described(leader: Leader, study: _Study) -> dict[str, Any]:
    """What is known before any number of agents is tried."""
    return {
        "subject": leader.subject,
        "environment": study.limit.environment.name,
        "description": study.limit.environment.description,
        "env": dict(leader.env),
        "options": study.playing._asdict() | {"which": leader.which, "seed": leader.seed},
        "limit": {
            "agents": study.stands_for,
            **_mean("shared_return", study.whole.shared_return),
        },
        "times": study.times,
        "lines": [],
        **software_and_device(),
    }


def _require(num_agents: Sequence[int], limit: int | None, episodes: int, explore: float) -> None:
    for number in (*num_agents, *([] if limit is None else [limit])):
        if number < 1:
            raise SwarmfieldError(f"A number of agents is {number!r}, but must be at least 1.")
    if not num_agents:
        raise SwarmfieldError("--num-agents is empty, but needs at least one number of agents.")
    if episodes < 2:
        raise SwarmfieldError(
            f"--episodes is {episodes}, but differences need at least 2 to be told from noise."
        )
    require_share("explore", explore)


def _folder(leader: Leader) -> Path:
    """In the run's folder, or in the current one."""
    return unused(Path("chaos") if is_known(leader.subject) else Path(leader.subject) / "chaos")
