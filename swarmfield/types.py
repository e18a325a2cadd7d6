"""The contracts every part of Swarmfield is written against.

Shape letters, the same everywhere:

| letter | counts |
|---|---|
| `N` | agents of one team (padded: dead agents keep their row) |
| `A` | discrete actions |
| `F` | features of one agent's vector observation |
| `G` | features of one agent's mean field |
| `K` | groups, types or neighbours |
| `D` | dimensions of space (2 on a map) |
| `E` | parallel environments (`*E`: none, one or several axes) |
| `T` | time |
| `B` | batch |
| `S` | seeds |
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable

import equinox as eqx
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Integer, Key, Num, PyTree

PRNGKey = Key[Array, "*E"]


class Discrete(NamedTuple):
    """Actions 0 ... num_actions - 1."""

    num_actions: int


class Box(NamedTuple):
    """Real vectors of `dimensions` entries, each in [low, high]."""

    dimensions: int
    low: float = -1.0
    high: float = 1.0


class Product(NamedTuple):
    """Several actions at once: the parts' entries side by side, of a discrete one its number."""

    parts: tuple[Discrete | Box, ...]


Actions = Discrete | Box | Product


class TeamSpec(NamedTuple):
    """What is fixed about a team.

    Attributes:
        name: The team's key in every dictionary of timesteps and actions.
        num_agents: Rows of its arrays, N.
        actions: What one agent may do.
        view: Height, width and channels of an unpacked view, or None without one.
        features: Length F of an unpacked feature vector (0 without one).
        num_kinds: Agent types inside the team: a timestep's `kind` is below it.
        graph: Neighbours of each agent in the environment's own graph, -1 where fewer than K.
        cells: Columns and rows of the map, where all positions (x, y) are whole numbers of its
            cells; None where space is anything else.
        placed: Whether positions say where agents are.
    """

    name: str
    num_agents: int
    actions: Actions
    view: tuple[int, int, int] | None
    features: int
    num_kinds: int = 1
    graph: Integer[np.ndarray, "N K"] | None = None
    cells: tuple[int, int] | None = None
    placed: bool = True


class Observation(NamedTuple):
    """One agent's network input, in float32. Either part may be missing."""

    view: Float[Array, "*E H W C"] | None
    features: Float[Array, "*E F"] | None


class Timestep(eqx.Module):
    """One team at one instant.

    `*E` is empty for one environment; parallel environments put their axes in front.

    Attributes:
        shared: Without an agent axis, once a step: packed grid, minimap, perspective.
        own: Leads with N: what differs between agents and no field below holds.
        first: This timestep is a reset.
        alive: Agents that may act now. The dead are inert in every mean, cluster and loss.
        legal: Actions allowed now, or None where all are.
        kind: Agent type inside the team.
        position: Where the agents are, in the environment's units; any number type.
        last_action: As executed, whoever chose it. Discrete: `num_actions` where there
            was none (its one-hot is zero). Box and Product: zeros.
        reward: For the action that led here; 0 at a reset.
        terminated: The agent's life ends here, without future reward: death, capture, game over.
        truncated: The time limit was reached: the future still has value.
        trained: Agents that learn; set by training, all true from an environment.
        measures: The environment's own totals since the reset, such as kills.
    """

    shared: PyTree
    own: PyTree
    first: Bool[Array, "*E"]
    alive: Bool[Array, "*E N"]
    legal: Bool[Array, "*E N A"] | None
    kind: Integer[Array, "*E N"]
    position: Num[Array, "*E N D"]
    last_action: Num[Array, "*E N ..."]
    reward: Float[Array, "*E N"]
    terminated: Bool[Array, "*E N"]
    truncated: Bool[Array, "*E"]
    trained: Bool[Array, "*E N"]
    measures: Mapping[str, Float[Array, "*E"]]


Unpack = Callable[[Timestep, Int[Array, ""]], Observation]
"""One agent's network input, from its team's timestep and its row."""


class Scene(eqx.Module):
    """What a picture of one instant needs, of every body: teams in order, then food and the like.

    Attributes:
        position: Left, top corner (x, y) of each body in cells; its centre where space is
            continuous. The world spans 0 to the environment's extent, y growing downwards.
        alive: Bodies to draw.
        level: Health or any other quantity in [0, 1], drawn as brightness.
        size: Cells of each body's side.
        walls: Cells no one may enter, row y first, or None where space is continuous.
        sort: Which of `names` each body is, where its team does not say it.
        names: What bodies are called there.
    """

    position: Num[Array, "*E M D"]
    alive: Bool[Array, "*E M"]
    level: Float[Array, "*E M"]
    size: Integer[Array, "*E M"]
    walls: Bool[Array, "*E H W"] | None
    sort: Integer[Array, "*E M"] | None = None
    names: tuple[str, ...] = eqx.field(static=True, default=())


@runtime_checkable
class Environment(Protocol):
    """ONE environment, as pure functions of arrays `[N, ...]`; `jax.vmap` makes many.

    Attributes:
        name: Its name in the registry.
        teams: Every team's specification.
        sides: Names of the teams that play together, side by side.
        interchangeable: Whether sides are specified alike: a policy of one can play the other.
        max_steps: Steps after which an episode is truncated.
        extent: Width and height of the world, in the units of positions.
        description: One line for people: what was built, with the sizes that were chosen.
    """

    name: str
    teams: tuple[TeamSpec, ...]
    sides: tuple[tuple[str, ...], ...]
    interchangeable: bool
    max_steps: int
    extent: tuple[float, float]
    description: str

    def reset(self, key: PRNGKey) -> tuple[Any, dict[str, Timestep]]:
        """Start an episode: the state and every team's first timestep."""
        ...

    def step(
        self, key: PRNGKey, state: Any, actions: Mapping[str, Array]
    ) -> tuple[Any, dict[str, Timestep]]:
        """Advance by one step. Actions of the dead are ignored."""
        ...

    def observe(self, state: Any, team: str) -> Observation:
        """Exact float observations `[N, ...]` of a team; zero for the dead."""
        ...

    def unpack(self, team: str, timestep: Timestep, index: Int[Array, ""]) -> Observation:
        """One agent's network input, from its team's timestep. Pure; vmapped over agents."""
        ...

    def scene(self, state: Any) -> Scene:
        """What to draw."""
        ...


class Replay(NamedTuple):
    """Experience for off-policy learning.

    Attributes:
        unit: Whether one sample is one agent's transition or the whole team's.
        capacity: Agent transitions kept, of all environments together.
        batch_size: Agent transitions (unit "agents") or steps (unit "steps") an update.
        updates: Updates each time.
        every: Steps of all environments between times.
        warmup: Agent transitions before the first update.
    """

    unit: Literal["agents", "steps"]
    capacity: int
    batch_size: int
    updates: int = 1
    every: int = 1
    warmup: int = 0


class Rollout(NamedTuple):
    """Experience for on-policy learning: whole rollouts, each learned from once.

    Attributes:
        length: Steps of all environments an update, T.
    """

    length: int


class Transitions(eqx.Module):
    """Sampled transitions: M steps, and C agents of each.

    Attributes:
        now: The learner's team at t.
        next: The same at t + 1; its `last_action` and `reward` are those of the transition.
        record_before: What acting recorded on the way to `now` (empty where nothing is).
        record: What acting at `now` recorded, which chose this transition's actions.
        record_after: What acting at `next` recorded.
        agents: Rows of the sampled agents.
        weight: Weight of each sample in the loss; 0 for what is no transition.
    """

    now: Timestep
    next: Timestep
    record_before: PyTree
    record: PyTree
    record_after: PyTree
    agents: Int[Array, "M C"]
    weight: Float[Array, "M C"]


class Trajectory(eqx.Module):
    """A rollout: T + 1 steps of all environments and the T transitions between them.

    Attributes:
        steps: The learner's team at each step; actions and rewards of a transition are those
            that the step after it carries.
        record_before: What acting recorded on the way to the first step.
        record: What acting recorded at each of the first T steps.
        weight: 1 for a transition of a living, learning agent, else 0.
    """

    steps: Timestep
    record_before: PyTree
    record: PyTree
    weight: Float[Array, "T E N"]


Groups = Callable[[Timestep, PyTree], Integer[Array, " N"]]
"""Everybody's group at one timestep of a team, from what was recorded there."""


class Algorithm(NamedTuple):
    """A learning method as pure functions; one environment's arrays, `jax.vmap` makes many.

    Attributes:
        experience: Which training loop it needs, and its settings.
        init: `(key) -> learner`.
        begin: `(learner, timestep, memory, key) -> memory`, applied where `first`; called
            with `memory=None` to make the very first.
        act: `(learner, timestep, memory, key, explore [N]) -> actions [N], memory, record`.
            `explore` is 0 for greedy actions.
        update: `(learner, batch, key, progress) -> learner, metrics`; the batch is
            `Transitions` for `Replay`, a `Trajectory` for `Rollout`.
        explore: `(progress) -> explore`: how much when a fraction `progress` of the run is over.
        policy: `(learner) -> learner` cut down to what acting needs: what a self-play
            opponent follows and a frozen opponent consists of.
        groups: `(timestep, record) -> group [N]`, 0 ... 254: the group in which each agent
            acted, from what `act` recorded at that timestep; None where there are no groups.
    """

    experience: Replay | Rollout
    init: Callable[[PRNGKey], Any]
    begin: Callable[..., Any]
    act: Callable[..., tuple[Array, Any, Any]]
    update: Callable[..., tuple[Any, dict[str, Float[Array, ""]]]]
    explore: Callable[[Float[Array, ""]], Float[Array, ""]]
    policy: Callable[[Any], Any]
    groups: Groups | None = None


class SwarmfieldError(ValueError):
    """A user's mistake, told in one sentence: what, the value, what is allowed, what to do."""
