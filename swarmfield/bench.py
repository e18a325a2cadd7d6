"""Throughput, compile time and memory of environments, next to MAgent2 where it is installed.

Ours is measured inside one compiled loop: a step of every world and the packed timesteps of all
teams, which is what training consumes. MAgent2's raw engine is measured with everything a
training loop needs of it: actions in, step, rewards, survivors, removal of the dead, and float
observations out. Its PettingZoo API is measured by `step`. All play the same random actions from
the same formation, in one process, one after the other. An agent step is one agent of one world
acting once.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from swarmfield import plots
from swarmfield.environments import make
from swarmfield.environments.gridworld.world import GridWorld
from swarmfield.types import Discrete, Environment, SwarmfieldError

Row = dict[str, Any]

OURS, OURS_ALONE = "swarmfield", "swarmfield, one world"
ENGINE, PETTINGZOO = "magent2, raw engine", "magent2, PettingZoo"
_IN_MAGENT = ("battle", "adversarial_pursuit")
_POOL = 16
_REPEATS = 5
_BATCH = 32768
_COLUMNS = (
    "label",
    "num_agents",
    "num_envs",
    "env_steps_per_second",
    "agent_steps_per_second",
    "nanoseconds_per_agent_step",
    "compile_seconds",
    "megabytes",
)


@dataclass(frozen=True)
class BenchOptions:
    """Options of `swarmfield bench`."""

    environment: Literal["battle", "adversarial_pursuit"] = "battle"
    """Name of the grid world."""
    num_agents: tuple[int, ...] = (128, 1024, 10_000, 100_000)
    """Numbers of agents (predators in Adversarial Pursuit), each measured in turn."""
    num_envs: int | None = None
    """Parallel worlds. Default: as many as make about 32,768 agents."""
    agent_steps: float = 1e7
    """Agent steps in each measurement."""
    minimap: bool = False
    """Observe the minimap, here and in MAgent2."""
    magent: bool = True
    """Measure MAgent2 too, where it is installed."""
    output: Path = Path("bench")
    """Folder of the rows (`bench.json`) and the picture (`bench.png`)."""

    def __post_init__(self) -> None:
        if not self.num_agents or min(self.num_agents) < 1:
            listed = " ".join(map(str, self.num_agents))
            raise SwarmfieldError(
                f"--num-agents is {listed!r}, but must be one or more positive whole numbers."
            )
        if self.num_envs is not None and self.num_envs < 1:
            raise SwarmfieldError(f"--num-envs is {self.num_envs}, but must be at least 1.")
        if not self.agent_steps >= 1:
            raise SwarmfieldError(f"--agent-steps is {self.agent_steps}, but must be at least 1.")

    def run(self) -> list[Row]:
        """Measure everything, print the table, and write rows and picture."""
        environments = [
            make(self.environment, num_agents=count, minimap=self.minimap)
            for count in self.num_agents
        ]
        self.output.mkdir(parents=True, exist_ok=True)
        rows = []
        for environment in environments:
            rows += compare(environment, self.num_envs, self.agent_steps, self.magent)
        (self.output / "bench.json").write_text(json.dumps(rows, indent=1) + "\n")
        print(table(rows))
        plots.benchmark(rows, self.output / "bench.png")
        return rows


def compare(
    environment: Environment, num_envs: int | None, agent_steps: float, magent: bool
) -> list[Row]:
    """Measure one size: ours with many worlds and with one, then MAgent2."""
    count = sum(team.num_agents for team in environment.teams)
    many = num_envs or max(1, _BATCH // count)
    rows = [measure(environment, many, agent_steps)]
    if many > 1:
        rows.append(measure(environment, 1, agent_steps))
    if magent and environment.name in _IN_MAGENT and importlib.util.find_spec("magent2"):
        assert isinstance(environment, GridWorld)
        rows += [measure_engine(environment, agent_steps)]
        rows += [measure_pettingzoo(environment, agent_steps)] if count <= 10_000 else []
    return rows


def measure(environment: Environment, num_envs: int, agent_steps: float) -> Row:
    """Throughput of a compiled loop of random actions, its compile time and its memory."""
    count = sum(team.num_agents for team in environment.teams)
    num_steps = _num_steps(agent_steps, count * num_envs)
    keys = jax.random.split(jax.random.key(0), (_POOL, num_envs))
    pool = _action_pool(environment, num_envs)

    def step(i: Array, carry: Any) -> Any:
        actions = jax.tree.map(lambda actions: actions[i % _POOL], pool)
        return jax.vmap(environment.step)(keys[i % _POOL], carry[0], actions)

    start = jax.jit(jax.vmap(environment.reset))(keys[0])
    began = time.perf_counter()
    program = jax.jit(lambda carry: jax.lax.fori_loop(0, num_steps, step, carry))
    compiled = program.lower(start).compile()
    compile_seconds = time.perf_counter() - began
    seconds = _fastest_seconds(lambda: jax.block_until_ready(compiled(start)))
    row = _row(OURS if num_envs > 1 else OURS_ALONE, count, num_envs, num_steps, seconds)
    memory = compiled.memory_analysis()
    sizes = ("temp_size_in_bytes", "argument_size_in_bytes", "output_size_in_bytes")
    used = sum(getattr(memory, size, 0) for size in sizes)
    return row | {"compile_seconds": compile_seconds, "megabytes": used / 1e6}


def measure_engine(environment: GridWorld, agent_steps: float) -> Row:
    """Throughput of MAgent2's raw engine on the same map, with float observations."""
    world = _engine_world(environment)
    handles = world.get_handles()
    count = environment.layout.num_agents
    num_steps = _num_steps(agent_steps / 10, count)
    pool = _numpy_actions(environment)

    def play() -> None:
        for i in range(num_steps):
            for handle, actions in zip(handles, pool[i % _POOL], strict=True):
                world.set_action(handle, actions[: world.get_num(handle)])
            world.step()
            for handle in handles:
                world.get_reward(handle)
                world.get_alive(handle)
            world.clear_dead()
            for handle in handles:
                world.get_observation(handle)

    return _row(ENGINE, count, 1, num_steps, _fastest_seconds(play))


def measure_pettingzoo(environment: GridWorld, agent_steps: float) -> Row:
    """Throughput of MAgent2's PettingZoo API on the same map, with the agents it puts there."""
    layout = environment.layout
    module = _module(environment)
    world = module.parallel_env(
        map_size=layout.map_size, minimap_mode=layout.minimap, max_cycles=10**9
    )
    world.reset(seed=0)
    count = len(world.agents)
    num_steps = _num_steps(agent_steps / 50, count)
    random = np.random.default_rng(0)
    spaces = {agent: int(world.action_space(agent).n) for agent in world.agents}
    pool = [{a: int(random.integers(n)) for a, n in spaces.items()} for _ in range(_POOL)]

    def play() -> None:
        for i in range(num_steps):
            actions = pool[i % _POOL]
            world.step({agent: actions[agent] for agent in world.agents})

    return _row(PETTINGZOO, count, 1, num_steps, _fastest_seconds(play))


def table(rows: Sequence[Row]) -> str:
    """The rows as text, in columns."""
    lines = [[_shown(row.get(column)) for column in _COLUMNS] for row in rows]
    lines.insert(0, [column.replace("_", " ") for column in _COLUMNS])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    )


def _shown(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:,.1f}" if value < 1000 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _row(label: str, num_agents: int, num_envs: int, num_steps: int, seconds: float) -> Row:
    env_rate = num_envs * num_steps / seconds
    return {
        "label": label,
        "num_agents": num_agents,
        "num_envs": num_envs,
        "env_steps_per_second": env_rate,
        "agent_steps_per_second": env_rate * num_agents,
        "nanoseconds_per_agent_step": 1e9 / (env_rate * num_agents),
    }


def _num_steps(agent_steps: float, batch: int) -> int:
    return int(min(1000, max(5, agent_steps // batch)))


def _fastest_seconds(play: Callable[[], Any]) -> float:
    """The fastest of several runs, after one that does not count.

    The slower ones tell what else the machine was doing.
    """
    play()
    seconds = []
    for _ in range(_REPEATS):
        began = time.perf_counter()
        play()
        seconds.append(time.perf_counter() - began)
    return min(seconds)


def _action_pool(environment: Environment, num_envs: int) -> dict[str, Array]:
    """Random actions for a few steps, drawn beforehand: drawing them is not measured."""
    pool = {}
    for i, team in enumerate(environment.teams):
        if not isinstance(team.actions, Discrete):
            raise SwarmfieldError(
                f"bench plays discrete actions only, but team {team.name} has {team.actions}."
            )
        shape = (_POOL, num_envs, team.num_agents)
        actions = jax.random.randint(jax.random.key(i), shape, 0, team.actions.num_actions)
        pool[team.name] = actions.astype(jnp.uint8)
    return pool


def _numpy_actions(environment: GridWorld) -> list[list[np.ndarray]]:
    pool = _action_pool(cast(Environment, environment), 1)
    return [
        [np.asarray(pool[team.name][i, 0], np.int32) for team in environment.teams]
        for i in range(_POOL)
    ]


def _module(environment: GridWorld) -> Any:
    name = environment.name
    return importlib.import_module(f"magent2.environments.{name}.{name}")


def _engine_world(environment: GridWorld) -> Any:
    """MAgent2's raw engine with our walls and agents at their starting positions."""
    magent2 = importlib.import_module("magent2")
    source, layout = _module(environment), environment.layout
    config = source.get_config(layout.map_size, layout.minimap, 0, **source.default_reward_args)
    world = magent2.GridWorld(config, map_size=layout.map_size)
    world.reset()
    state, _ = jax.jit(environment.reset)(jax.random.key(0))
    inner = np.argwhere(np.asarray(state.walls)[1:-1, 1:-1])[:, ::-1] + 1
    world.add_walls(method="custom", pos=inner.tolist())
    places = np.stack([state.x, state.y, np.zeros_like(state.x)], axis=1)
    for team, handle in zip(environment.teams, world.get_handles(), strict=True):
        world.add_agents(handle, method="custom", pos=places[layout.rows_of(team.name)])
    return world
