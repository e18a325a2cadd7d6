"""What was tried, in a file of Optuna's, and what is to be tried next."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from swarmfield.command_options import SweepOptions
from swarmfield.experiments.sweep.design import Sweep
from swarmfield.experiments.sweep.space import Searched
from swarmfield.training.json_files import read_object, write_json
from swarmfield.types import SwarmfieldError

ENDED = ("COMPLETE", "PRUNED", "FAIL")
"""States of trials that are over, as Optuna has them."""


def numbers_of(study: Any, *states: str) -> list[int]:
    """Numbers of the trials in some states."""
    trials = study.get_trials(deepcopy=False)
    return [trial.number for trial in trials if trial.state.name in states]


def left_open(sweep: Sweep, study: Any) -> list[Any]:
    """Trials that were going on when the sweep was stopped."""
    from optuna.trial import Trial, TrialState

    left = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
    for trial in left:
        # It was killed while it was being drawn; there is no run yet.
        if len(trial.params) < len(sweep.searched):
            study.tell(trial.number, state=TrialState.FAIL)
    drawn = (trial for trial in left if len(trial.params) == len(sweep.searched))
    return [Trial(study, trial._trial_id) for trial in drawn]


def opened(sweep: Sweep) -> Any:
    """The study in a sweep's folder, made if there is none.

    Raises:
        SwarmfieldError: Something else lies there, or Optuna is not installed.
    """
    optuna = library()
    _require_same(sweep)
    if not sweep.file.exists():
        write_json(sweep.file, {**sweep.settings, "trials": []})
    backend = optuna.storages.journal.JournalFileBackend(str(sweep.folder / "optuna.journal"))
    options = sweep.options
    study = optuna.create_study(
        study_name="sweep",
        storage=optuna.storages.JournalStorage(backend),
        direction=options.direction,
        pruner=_pruner(sweep),
        load_if_exists=True,
    )
    if options.sampler == "grid":
        _write_down(sweep, study)
    return study


def _pruner(sweep: Sweep) -> Any:
    """What stops trials. Before the first quarter of training returns say little of the end."""
    from optuna import pruners

    if sweep.options.pruner == "none":
        return pruners.NopPruner()
    return pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=sweep.evaluations // 4)


def _write_down(sweep: Sweep, study: Any) -> None:
    """Have all of a grid tried in turn; what is written down already stays so."""
    names = [one.name for one in sweep.searched]
    combinations = list(itertools.product(*(one.choices for one in sweep.searched)))
    if len(study.get_trials(deepcopy=False)) < len(combinations):
        for values in combinations:
            study.enqueue_trial(dict(zip(names, values, strict=True)), skip_if_exists=True)


def library() -> Any:
    """Optuna.

    Raises:
        SwarmfieldError: It is not installed.
    """
    try:
        import optuna
        import optuna.storages.journal
    except ImportError:
        raise SwarmfieldError(
            "A sweep needs Optuna, which is not installed here: pip install 'swarmfield[sweep]'."
        ) from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


def _require_same(sweep: Sweep) -> None:
    """Refuse a folder in which something else is kept."""
    if not sweep.file.exists():
        if sweep.folder.exists() and any(sweep.folder.iterdir()):
            raise SwarmfieldError(
                f"{sweep.folder} is not empty and holds no sweep; choose another --run-dir."
            )
        return
    there = read_object(sweep.file, "start anew with another --run-dir")
    for name, wanted in sweep.settings.items():
        if there.get(name) != wanted:
            raise SwarmfieldError(
                f"{sweep.folder} holds a sweep whose {name} is {there.get(name)!r}, but {wanted!r} "
                "is wanted; choose another --run-dir."
            )


def sampler_of(options: SweepOptions, number: int) -> Any:
    """What chooses a trial's values: by chance of its own, so that a stop changes nothing."""
    import optuna

    seed = int(np.random.SeedSequence([options.sampler_seed, number]).generate_state(1)[0])
    if options.sampler == "tpe":
        return optuna.samplers.TPESampler(seed=seed)
    return optuna.samplers.RandomSampler(seed=seed)


def spaces_of(sweep: Sweep) -> dict[str, Any]:
    """What is searched over, as Optuna has it."""
    from optuna import distributions

    def space(one: Searched) -> Any:
        if one.choices:
            return distributions.CategoricalDistribution(one.choices)
        low, high = one.extremes
        if one.whole:
            return distributions.IntDistribution(low, high, log=one.log)
        return distributions.FloatDistribution(low, high, log=one.log)

    return {one.name: space(one) for one in sweep.searched}
