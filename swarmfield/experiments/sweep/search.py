"""A search for good options: each trial is an ordinary run; what to try next is Optuna's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from swarmfield.experiments.board import Board
from swarmfield.experiments.crew import OVER, Crew, Standing, Work
from swarmfield.experiments.spread import LOGS, SECONDS_BETWEEN_LOOKS, STOPPED
from swarmfield.experiments.sweep.design import Sweep, final_score, scores_on_the_way
from swarmfield.experiments.sweep.study import (
    ENDED,
    left_open,
    numbers_of,
    sampler_of,
    spaces_of,
)
from swarmfield.experiments.workers import Workers


def run(sweep: Sweep, study: Any, workers: Workers, say: Callable[[str], None] = print) -> None:
    """Try combinations until there are as many as wanted; what was tried before is kept.

    Args:
        sweep: What is searched.
        study: Optuna's; see `opened`.
        workers: Who train.
        say: Is told what is being done.

    Raises:
        KeyboardInterrupt: It was interrupted; the same call goes on.
    """
    crew = Crew(workers, sweep.options.retries)
    with Board("trials", crew.standings, say) as board:
        crew.tell = board.tell
        search = _Search(sweep, study, crew)
        try:
            _go_on(search, crew, workers, board)
        except KeyboardInterrupt:
            crew.stop_all()
            raise KeyboardInterrupt(STOPPED) from None


def _go_on(search: _Search, crew: Crew, workers: Workers, board: Board) -> None:
    while search.go_on(workers.slots):
        crew.turn(SECONDS_BETWEEN_LOOKS)
        search.look()
        board.refresh()


class _Search:
    """Trials that are going on: started, followed, and told of when they are over."""

    def __init__(self, sweep: Sweep, study: Any, crew: Crew) -> None:
        self._sweep = sweep
        self._study = study
        self._crew = crew
        self._open: dict[int, Any] = {}
        self._pruned: set[int] = set()
        for trial in left_open(sweep, study):
            self._begin(trial)

    def go_on(self, slots: int) -> bool:
        """Begin as many trials as there is room for; whether any is going on."""
        options = self._sweep.options
        room = slots if options.at_once is None else min(slots, options.at_once)
        while len(self._open) < room and self._is_wanted():
            number = len(numbers_of(self._study, "RUNNING", *ENDED))
            # The same at every start: neither how many there were before a stop, nor when.
            self._study.sampler = sampler_of(options, number)
            self._begin(self._study.ask(spaces_of(self._sweep)))
        return bool(self._open)

    def _is_wanted(self) -> bool:
        tried = len(numbers_of(self._study, "RUNNING", *ENDED))
        of_grid = bool(numbers_of(self._study, "WAITING"))
        return tried < self._sweep.options.trials and (
            of_grid or self._sweep.options.sampler != "grid"
        )

    def _begin(self, trial: Any) -> None:
        sweep = self._sweep
        self._open[trial.number] = trial
        path = sweep.path(trial.number)
        command = [*sweep.command(trial.params), "--run-dir", str(path)]
        log = sweep.folder / LOGS / f"{path.name}.log"
        self._crew.add(Work(path, command, sweep.env_steps, log))

    def look(self) -> None:
        """Tell Optuna what has come of the trials since."""
        for number, trial in list(self._open.items()):
            path = self._sweep.path(number)
            standing = self._crew.standings[path]
            if standing.state in OVER:
                self._end(number, standing)
            elif standing.state == "running" and self._is_behind(number, trial):
                self._pruned.add(number)
                self._crew.stop(path)

    def _is_behind(self, number: int, trial: Any) -> bool:
        """Whether a trial's evaluations so far, which are reported, say that it is to stop."""
        if self._sweep.options.pruner == "none" or number in self._pruned:
            return False
        return any(trial.should_prune() for _ in self._reported(number, trial))

    def _reported(self, number: int, trial: Any) -> Iterator[int]:
        """Report the evaluations that have been made since, one by one."""
        known = self._study.get_trials(deepcopy=False)[number].intermediate_values
        for step, score in enumerate(scores_on_the_way(self._sweep, number)):
            if step not in known and score is not None:
                trial.report(score, step)
                yield step

    def _end(self, number: int, standing: Standing) -> None:
        from optuna.trial import TrialState

        trial = self._open.pop(number)
        if standing.state == "stopped":
            if number in self._pruned:
                self._study.tell(trial, state=TrialState.PRUNED)
            return
        # Others are compared with all of it.
        list(self._reported(number, trial))
        score = final_score(self._sweep, number) if standing.state == "finished" else None
        if score is None:
            self._study.tell(trial, state=TrialState.FAIL)
        else:
            self._study.tell(trial, score)
