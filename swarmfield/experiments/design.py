"""What an experiment is: tasks, methods, what is measured, and what was claimed of it. All data."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, get_args

Scale = Literal["smoke", "laptop", "paper"]
SCALES: tuple[Scale, ...] = get_args(Scale)
Options = Mapping[str, Any]
NOTHING: Options = MappingProxyType({})


class Budget(NamedTuple):
    """How large a task is at one scale.

    Attributes:
        env_steps: Environment steps of each seed.
        seeds: How many, from 0.
        env: Options of the environment.
        algo: Options of every method, for those that have them.
        num_envs: Environments side by side.
        episodes: Greedy episodes of each evaluation.
        evaluations: Greedy evaluations on the way.
        enemy_steps: Environment steps of the task's enemy, if it has one; `env_steps` if None.
    """

    env_steps: int
    seeds: int
    env: Options = NOTHING
    algo: Options = NOTHING
    num_envs: int = 16
    episodes: int = 20
    evaluations: int = 10
    enemy_steps: int | None = None


class Task(NamedTuple):
    """An environment to train in. Experiments with the same task share its runs.

    Attributes:
        name: Of its folder.
        environment: In the registry.
        budgets: Of each scale.
        opponent: As in training; what is usual there if None.
        one_by_one: Whether each seed is a run of its own, where time and memory count.
        enemy: Who is trained first, one seed, and then the frozen opponent of all others.
    """

    name: str
    environment: str
    budgets: Mapping[Scale, Budget]
    opponent: str | None = None
    one_by_one: bool = False
    enemy: Arm | None = None


class Arm(NamedTuple):
    """A method with its options, under a name that is unique in its task.

    Attributes:
        name: Its own.
        algorithm: In the registry.
        algo: Options of the algorithm.
        training: Options of training, such as whose reward is learned from.
        same_as: The name of another method of the task that is this one, whose runs it shares;
            another experiment may call it otherwise.
    """

    name: str
    algorithm: str
    algo: Options = NOTHING
    training: Options = NOTHING
    same_as: str | None = None


class Column(NamedTuple):
    """A figure of a table.

    Attributes:
        title: Its heading.
        key: A figure of the learner's evaluation, or of the summary with `run/` before it, or of
            the meeting with an opponent that learned too with `against/` before it.
        digits: After the point.
        scale: What the figure is multiplied by.
    """

    title: str
    key: str
    digits: int = 0
    scale: float = 1.0


class Trial(NamedTuple):
    """An evaluation after training, in another world.

    Attributes:
        name: What its figures are called, the same at every scale.
        world: What it is, for people.
        env: Options of the environment to change.
    """

    name: str
    world: str
    env: Options


class Crowds(NamedTuple):
    """Comparisons of a trained policy of a crowd with other numbers of minor agents.

    Attributes:
        num_agents: How many.
        episodes: Of each number.
        limit: Agents that stand for infinitely many; the exact limit if None.
    """

    num_agents: tuple[int, ...]
    episodes: int
    limit: int | None = None


class Claim(NamedTuple):
    """What a paper says, as a comparison that figures can decide.

    Attributes:
        text: The claim.
        column: Title of the column, of a trial with ` @ ` and its name after it.
        ours: The arm that is said to be ahead.
        others: The arms it is compared with; none where the column is a difference already.
        relation: Whether ours is said to be `more`, `less` or `same`.
        margin: The share by which `same` may differ.
    """

    text: str
    column: str
    ours: str
    others: tuple[str, ...] = ()
    relation: Literal["more", "less", "same"] = "more"
    margin: float = 0.05


class Experiment(NamedTuple):
    """One table or figure of a paper.

    Attributes:
        name: Such as `bmf/firefighter`.
        register: Its number.
        title: What it shows.
        source: Where it stands.
        setting: What the paper did, and what this does otherwise, in a sentence or two.
        task: Where to train.
        arms: What to train.
        columns: What to measure, the one that decides first.
        trials: Evaluations in other worlds, of each scale.
        claims: What the paper concludes.
        reported: The paper's figures, by arm and column title.
        films: Whether the report shows an episode of each arm instead of curves.
        crowds: Numbers of agents that policies are compared with, of each scale.
        population: How many agents learn, where experiments of one register differ in that alone.
    """

    name: str
    register: str
    title: str
    source: str
    setting: str
    task: Task
    arms: tuple[Arm, ...]
    columns: tuple[Column, ...]
    trials: Mapping[Scale, tuple[Trial, ...]] = MappingProxyType({})
    claims: tuple[Claim, ...] = ()
    reported: Mapping[tuple[str, str], str] = MappingProxyType({})
    films: bool = False
    crowds: Mapping[Scale, Crowds] = MappingProxyType({})
    population: int | None = None

    def trials_at(self, scale: Scale) -> tuple[Trial, ...]:
        """The trials of a scale."""
        return self.trials.get(scale, ())
