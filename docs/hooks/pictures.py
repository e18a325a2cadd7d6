"""Pictures of the documentation: `python docs/hooks/pictures.py` makes them anew.

A picture of each environment, in the middle of an episode of scripted players (of armies that
walk towards each other and strike at random), by the renderer of replays; and `scaling`, time
against the number of learners, from the tables of the page on performance.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image

from swarmfield.environments import ENVIRONMENTS, make
from swarmfield.environments.references import scripted_players
from swarmfield.replay_page.frames import film_frames, film_palette
from swarmfield.replay_page.scenes import recording_of
from swarmfield.types import Box, Environment

DOCS = Path(__file__).parent.parent
FOLDER = DOCS / "images" / "environments"
COLOURS = 64

Choose = Callable[[Environment, Any, Any], Any]


class Shot(NamedTuple):
    """What is shown.

    Attributes:
        steps: When.
        player: Which scripted player plays; at random if not given.
        options: Of the environment.
        likely: Of teams in grid worlds, what half of the agents do in each step.
        seed: Of all draws.
    """

    steps: int
    player: str | None = None
    options: Mapping[str, Any] = {}
    likely: Mapping[str, tuple[int, ...]] = {}
    seed: int = 1


_TO_THE_RIGHT, _TO_THE_LEFT = (3, 7, 8, 11), (1, 4, 5, 9)
_MEET = {"red": _TO_THE_RIGHT, "blue": _TO_THE_LEFT}

SHOTS: dict[str, Shot] = {
    "battle": Shot(14, likely=_MEET),
    "adversarial_pursuit": Shot(40),
    "battlefield": Shot(30, likely=_MEET),
    "combined_arms": Shot(12, likely={"red": (3, 7, 8), "blue": (1, 4, 5)}),
    "tiger_deer": Shot(30),
    "gather": Shot(40, options={"map_size": 60}),
    "firefighter": Shot(30, "random"),
    "miners": Shot(10, "uphill"),
    "bar": Shot(5, "random"),
    "spread": Shot(12, "assignment"),
    "pursuit_evasion": Shot(30, "ring", seed=3),
    "two_gaussians": Shot(30, "transport"),
    "formation": Shot(30, "transport"),
    "beach_bar": Shot(10, "random", {"num_agents": 12}),
    "foraging": Shot(60, "shuttle"),
    "potential": Shot(30, "push"),
}


def at_random(world: Environment, shot: Shot) -> Choose:
    """All draw an action; of teams that have likely ones half of the agents take one of these."""

    def choose(_world: Environment, _state: Any, key: Any) -> dict[str, Any]:
        actions = {}
        for i, team in enumerate(world.teams):
            keys = jax.random.split(jax.random.fold_in(key, i), 3)
            assert not isinstance(team.actions, Box)
            shape = (team.num_agents,)
            drawn = jax.random.randint(keys[0], shape, 0, team.actions.num_actions)
            if likely := shot.likely.get(team.name):
                liked = jax.random.choice(keys[1], jnp.asarray(likely), shape)
                drawn = jnp.where(jax.random.bernoulli(keys[2], 0.5, shape), liked, drawn)
            actions[team.name] = drawn
        return actions

    return choose


def by_script(world: Environment, player: str) -> Choose:
    """A scripted player's actions."""
    script = scripted_players(world)[player]
    (team,) = world.teams
    return lambda world, state, key: {team.name: script(world, state, key)}


def draw(name: str) -> np.ndarray:
    """The picture of an environment."""
    shot = SHOTS[name]
    world = make(name, **shot.options)
    choose = by_script(world, shot.player) if shot.player else at_random(world, shot)

    @jax.jit
    def play(key: Any) -> Any:
        def step(state: Any, i: Any) -> Any:
            here = jax.random.fold_in(key, i)
            return world.step(here, state, choose(world, state, here))[0], world.scene(state)

        return jax.lax.scan(step, world.reset(key)[0], jnp.arange(shot.steps + 1))[1]

    scenes = jax.tree.map(np.asarray, play(jax.random.key(shot.seed)))
    return _last_of(world, scenes)


def _last_of(world: Environment, scenes: Any) -> np.ndarray:
    recording = recording_of(
        world,
        jax.tree.map(lambda x: x[-1], scenes),
        world.description,
        position=scenes.position,
        alive=scenes.alive,
        level=np.clip(scenes.level, 0, 1),
        reward=np.zeros((len(scenes.alive), len(world.teams)), np.float32),
    )
    *_, last = film_frames(recording, "team")
    return film_palette()[last]


def costs(page: str) -> dict[str, dict[int, float]]:
    """Microseconds an agent's step by method and number of learners, from tables of a page.

    A method that is in several, of different days, is taken from the first.
    """
    found: dict[str, dict[int, float]] = {}
    methods: list[str] = []
    known: set[str] = set()
    for line in page.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| learners | environments |"):
            methods = [cell.strip("`") for cell in cells if cell.startswith("`")]
            known = set(found)
        elif methods and (number := re.match(r"[\d,]+", cells[0])):
            learners, worlds = int(number[0].replace(",", "")), int(cells[1])
            for method, cell in zip(methods, cells[2:], strict=False):
                if cell and method not in known:
                    milliseconds = float(cell.replace(",", ""))
                    found.setdefault(method, {})[learners] = 1e3 * milliseconds / learners / worlds
        elif not line.startswith("|"):
            methods = []
    return found


def draw_scaling() -> Path:
    """What an agent's step costs against the number of learners."""
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
    for method, cost in costs((DOCS / "performance.md").read_text()).items():
        axes.loglog(list(cost), list(cost.values()), marker="o", label=method)
    axes.set(xlabel="learners", ylabel="microseconds an agent's step", ylim=(1, 100))
    axes.grid(alpha=0.3)
    axes.legend(ncols=3, frameon=False)
    file = DOCS / "images" / "scaling.png"
    figure.savefig(file, dpi=150)
    return file


def main(names: list[str]) -> None:
    """Write some pictures, or all."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in names or [*ENVIRONMENTS, "scaling"]:
        if name == "scaling":
            print(draw_scaling())
            continue
        file = FOLDER / f"{name}.png"
        image = Image.fromarray(draw(name)).quantize(COLOURS)
        image.save(file, optimize=True)
        print(f"{file} {image.size[0]} x {image.size[1]}, {file.stat().st_size // 1000} kB")


if __name__ == "__main__":
    main(sys.argv[1:])
