"""Trained policies, ready to act."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import jax
import jax.numpy as jnp
from jaxtyping import Array, PyTree

from swarmfield.rule_options import Execution
from swarmfield.training import checkpoint, run_folder
from swarmfield.training.best import env_steps_of
from swarmfield.training.compiled import Best, Saved, shapes
from swarmfield.training.config import Job, from_dict, has_rival, rival_of
from swarmfield.training.control import executed
from swarmfield.training.layout import ONE_DEVICE
from swarmfield.training.matchup import Policy, Sides, policy_of, sides_of
from swarmfield.training.player_names import OPPONENT, named
from swarmfield.training.program import policies_of
from swarmfield.training.seat import policy_shapes, require_same_reading, team_of
from swarmfield.training.setup import (
    Setup,
    assemble,
    build_algorithm,
    build_environment,
)
from swarmfield.types import (
    Environment,
    PRNGKey,
    SwarmfieldError,
    TeamSpec,
    Timestep,
)

Which = Literal["last", "best"]


@dataclass(frozen=True)
class Player:
    """A trained policy.

    Attributes:
        path: The run it comes from.
        job: What that run was asked to do.
        environment: Where it was trained, or another size of it.
        team: The team it plays.
        parameters: What it learned.
        seed: The seed it was trained with.
        env_steps: Environment steps it learned from.
        is_opponent: Whether it is the algorithm that learned beside the run's learner. Its job is
            the run's as this one sees it.
    """

    path: Path
    job: Job
    environment: Environment
    team: TeamSpec
    parameters: PyTree
    seed: int
    env_steps: int
    is_opponent: bool = False

    @property
    def name(self) -> str:
        """How it is asked for: its run's folder, and what tells it from the run's learner."""
        return f"{self.path}{OPPONENT if self.is_opponent else ''}"

    def executed(self, execution: Execution) -> Player:
        """The same policy of a crowd, in another execution.

        Raises:
            SwarmfieldError: It controls no crowd.
        """
        environment = executed(self.environment, execution, self.job.algorithm)
        return dataclasses.replace(self, environment=environment, team=environment.teams[0])

    @property
    def sides(self) -> Sides:
        """Who plays which team where its run's learner plays."""
        return sides_of(self.environment, self.job.config.team)

    @functools.cached_property
    def policy(self) -> Policy:
        """How it acts, as functions of its parameters."""
        return policy_of(build_algorithm(self.job, self.environment, self.team))

    def begin(self, timestep: Timestep, key: PRNGKey) -> Any:
        """Its memory at the first timestep of an episode."""
        return self.policy.begin(self.parameters, timestep, None, key)

    def act(
        self, timestep: Timestep, memory: Any, key: PRNGKey, explore: float = 0.0
    ) -> tuple[Array, Any]:
        """Actions of the whole team, greedy unless told to explore, and its new memory.

        Example:
            >>> player = load("runs/first-battle")  # doctest: +SKIP
            >>> state, timesteps = player.environment.reset(key)  # doctest: +SKIP
            >>> memory = player.begin(timesteps["red"], key)  # doctest: +SKIP
            >>> actions, memory = player.act(timesteps["red"], memory, key)  # doctest: +SKIP

        Raises:
            SwarmfieldError: The timestep is of another environment than the player's.
        """
        self._require_own(timestep)
        strength = jnp.full(self.team.num_agents, explore)
        actions, memory, _ = self._compiled(self.parameters, timestep, memory, key, strength)
        return actions, memory

    def _require_own(self, timestep: Timestep) -> None:
        shape = jax.tree.map(jnp.shape, timestep)
        if shape != jax.tree.map(jnp.shape, self._example):
            raise SwarmfieldError(
                f"This timestep is not of {self.environment.description}, where the player acts; "
                "load it for another size by `load(run, env={...})`."
            )

    @functools.cached_property
    def _example(self) -> Any:
        """A timestep of its team, as shapes."""
        _, timesteps = jax.eval_shape(self.environment.reset, jax.random.key(0))
        return timesteps[self.team.name]

    @functools.cached_property
    def _compiled(self) -> Any:
        return jax.jit(self.policy.act)


def load(
    path: str | Path,
    *,
    which: Which = "last",
    seed: int | None = None,
    env: Mapping[str, Any] | None = None,
) -> Player:
    """A run's policy, ready to act.

    Args:
        path: The run's folder; with `:opponent` behind it, the algorithm that learned beside it.
        which: Its newest checkpoint, or the best in evaluation.
        seed: Which of several seeds; the first if not given.
        env: Options of the environment to change, such as `{"map_size": 60}`: the same
            policy on another size.

    Raises:
        SwarmfieldError: If there is no run, no good checkpoint, no such seed, or nobody learned
            beside it.
    """
    return next(load_seeds(path, which=which, seeds=None if seed is None else [seed], env=env))


def load_seeds(
    path: str | Path,
    *,
    which: Which = "last",
    seeds: Sequence[int] | None = None,
    env: Mapping[str, Any] | None = None,
) -> Iterator[Player]:
    """The policies of several of a run's seeds, of all if not given, from one reading.

    Otherwise as `load`.
    """
    place, is_opponent = named(path)
    folder = run_folder.open_existing(place)
    job = from_dict(folder.read_config())
    if which not in get_args(Which):
        allowed = ", ".join(get_args(Which))
        raise SwarmfieldError(f"which is {which!r}, but must be one of: {allowed}.")
    if is_opponent:
        _require_rival(folder.path, job, which)
    whose = rival_of(job) if is_opponent else job
    environment, original = build_environment(job, env), build_environment(job)
    team = team_of(job, environment, is_opponent)
    require_same_reading(
        f"Run {path}", whose, is_opponent, team_of(job, original, is_opponent), team
    )
    trained = job.config.seed_list
    for seed in seeds or ():
        if seed not in trained:
            raise SwarmfieldError(f"Run {path} has no seed {seed!r}; choose one of {trained}.")
    which = "best" if folder.is_archived else which
    newest = _newest(folder.best if which == "best" else folder.checkpoints)
    stacked, env_steps = _restore_policy(job, newest, which, is_opponent)
    for seed in trained if seeds is None else seeds:
        i = trained.index(seed)
        parameters = jax.tree.map(lambda x, i=i: x[i], stacked)
        yield Player(
            folder.path, whose, environment, team, parameters, seed, env_steps[i], is_opponent
        )


def _require_rival(path: Path, job: Job, which: Which) -> None:
    """Refuse to look for an opponent that did not learn, or for its best checkpoint."""
    if not has_rival(job):
        raise SwarmfieldError(
            f"{path}{OPPONENT} is nobody: no other algorithm learned beside run {path}; "
            "give the folder alone."
        )
    if which == "best":
        raise SwarmfieldError(
            f"{path}{OPPONENT} has no best checkpoint, which is kept of the learner "
            "only; choose last."
        )


def load_opponent(player: Player) -> PyTree:
    """The parameters of whom a player was trained against, from its own checkpoints.

    That is another run, or another algorithm that learned beside it.
    """
    folder = run_folder.open_existing(player.path)
    job = from_dict(folder.read_config())
    stacked, _ = _restore_policy(
        job, _newest(folder.checkpoints), "last", of_opponent=not player.is_opponent
    )
    index = job.config.seed_list.index(player.seed)
    return jax.tree.map(lambda x: x[index], stacked)


def _newest(checkpoints: Path) -> Path:
    newest, faults = checkpoint.newest_good(checkpoints)
    if newest is None:
        reason = faults[0] if faults else "it holds none."
        raise SwarmfieldError(f"{checkpoints} has no good checkpoint to load: {reason}")
    return newest


def require_able(player: Player, environment: Environment, team: TeamSpec) -> None:
    """Refuse to let a player play a team that it was not trained for.

    Raises:
        SwarmfieldError: It is another team, where they differ; or the views or the features
            differ, or the policy knows its own team's agents one by one and this team is of
            another size.
    """
    original = build_environment(player.job)
    own = team_of(player.job, original, player.is_opponent)
    if own.name != team.name and not (original.interchangeable or environment.interchangeable):
        raise SwarmfieldError(
            f"Run {player.name} plays team {own.name!r} and cannot play {team.name!r}; choose "
            f"one that was trained with --team {team.name}."
        )
    require_same_reading(f"Run {player.name}", player.job, player.is_opponent, own, team)


def require_rival_same_reading(player: Player) -> None:
    """The same of the algorithm that learned beside a player, in the world where they meet again.

    Raises:
        SwarmfieldError: As there.
    """
    trained = sides_of(build_environment(player.job), player.job.config.team).away
    team = player.sides.away
    assert trained is not None
    assert team is not None
    who = f"The opponent of run {player.name}"
    require_same_reading(who, rival_of(player.job), not player.is_opponent, trained, team)


def _saved_shapes(setup: Setup) -> Saved:
    """What a checkpoint of a job holds, as shapes."""
    frozen = None if setup.job.frozen is None else policy_shapes(setup.job.frozen)
    return shapes(setup, setup.job.config.seed_list, frozen)


def _restore_policy(
    job: Job, path: Path, which: Which, of_opponent: bool
) -> tuple[PyTree, list[int]]:
    """Every seed's policy, or its opponent's, and the environment steps it learned from."""
    # Whatever it was trained on, it plays on one device.
    setup = assemble(job, ONE_DEVICE)
    if which == "best":
        best: Best = checkpoint.restore(path, _saved_shapes(setup).best)
        return best.policy, env_steps_of(best, job.config.num_envs)
    saved: Saved = checkpoint.restore(path, _saved_shapes(setup))
    env_steps = checkpoint.read_manifest(path)["env_steps"]
    if of_opponent:
        policy = policies_of(setup.program, saved.run)[1]
    else:
        policy = setup.algorithm.policy(saved.run.learner)
    return policy, [env_steps] * len(job.config.seed_list)
