"""A run's policy as compiled programs in one file, which JAX alone can read and run.

The file is a ZIP archive::

    policy.json      what goes in and comes out, and where it was trained
    begin.stablehlo  memory at the first timestep of an episode
    act.stablehlo    actions, and the memory after them

Both programs are `jax.export`'s and hold what was learned. Arrays go in and come out one by one,
in the order of `policy.json`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, PyTree

from swarmfield.training.export_file import export_file, named_after, write_zip
from swarmfield.training.json_files import to_json
from swarmfield.training.player import Player, Which, load
from swarmfield.training.provenance import software_and_device
from swarmfield.types import SwarmfieldError

PLATFORMS = ("cpu", "cuda", "rocm", "tpu")
_SEED = jax.ShapeDtypeStruct((), jnp.uint32)
_EXPLORE = jax.ShapeDtypeStruct((), jnp.float32)


def write_policy(
    path: str | Path,
    *,
    which: Which = "last",
    seed: int | None = None,
    output: str | Path | None = None,
) -> Path:
    """Write a run's policy as programs that need JAX alone.

    Args:
        path: The run's folder.
        which: The newest checkpoint, or the best in evaluation.
        seed: Which of several seeds; the first if not given.
        output: The file, which must not exist; if not given `policy.zip` in the run's folder,
            whose name says so if it is the opponent's, the best one's or another seed's.

    Returns:
        The file.

    Raises:
        SwarmfieldError: The run cannot be loaded, or the file exists or cannot be written.
    """
    player = load(path, which=which, seed=seed)
    file = export_file(output, named_after(player, which, "policy", ".zip"))
    timestep = jax.eval_shape(player.environment.reset, jax.random.key(0))[1][player.team.name]
    memory = jax.eval_shape(player.begin, timestep, jax.random.key(0))

    def begin(seed: Array, *timestep_arrays: Array) -> tuple[Array, ...]:
        step = _rebuilt(timestep, timestep_arrays)
        return tuple(jax.tree.leaves(player.begin(step, jax.random.key(seed))))

    def act(seed: Array, explore: Array, *arrays: Array) -> tuple[Array, ...]:
        number = len(jax.tree.leaves(timestep))
        step, kept = _rebuilt(timestep, arrays[:number]), _rebuilt(memory, arrays[number:])
        strength = jnp.full(player.team.num_agents, explore)
        key = jax.random.key(seed)
        actions, after, _ = player.policy.act(player.parameters, step, kept, key, strength)
        return actions, *jax.tree.leaves(after)

    steps, kept = jax.tree.leaves(timestep), jax.tree.leaves(memory)
    programs = {
        "begin": _exported(begin, _SEED, *steps),
        "act": _exported(act, _SEED, _EXPLORE, *steps, *kept),
    }
    described = to_json({"which": which, **_described(player, timestep, memory)})
    parts = {f"{name}.stablehlo": program for name, program in programs.items()}
    write_zip(file, {**parts, "policy.json": (json.dumps(described, indent=2) + "\n").encode()})
    return file


def _exported(function: Callable[..., Any], *shapes: jax.ShapeDtypeStruct) -> bytes:
    from jax import export

    exported = export.export(jax.jit(function), platforms=PLATFORMS)(*shapes)
    try:
        return bytes(exported.serialize())
    except ImportError:
        raise SwarmfieldError(
            "A policy's file needs the package flatbuffers; install swarmfield with its extra "
            "`export`."
        ) from None


def _described(player: Player, timestep: PyTree, memory: PyTree) -> dict[str, Any]:
    told, explore = _listed("seed", _SEED), _listed("explore", _EXPLORE)
    steps, kept = _listed("timestep", timestep), _listed("memory", memory)
    team = player.team
    return {
        "algorithm": player.job.algorithm,
        "environment": player.job.environment,
        "description": player.environment.description,
        "team": team.name,
        "actions": {type(team.actions).__name__: team.actions._asdict()},
        "seed": player.seed,
        "learned_as": "opponent" if player.is_opponent else "learner",
        "env_steps": player.env_steps,
        "platforms": PLATFORMS,
        "begin": {"arguments": [*told, *steps], "results": kept},
        "act": {
            "arguments": [*told, *explore, *steps, *kept],
            "results": [{"name": "actions"}, *kept],
        },
        "versions": software_and_device()["versions"],
    }


def _listed(prefix: str, tree: PyTree) -> list[dict[str, Any]]:
    """Names, shapes and types of arrays, in order."""
    return [
        {
            "name": prefix + jax.tree_util.keystr(place),
            "shape": list(leaf.shape),
            "dtype": str(leaf.dtype),
        }
        for place, leaf in jax.tree_util.tree_leaves_with_path(tree)
    ]


def _rebuilt(like: PyTree, arrays: tuple[Array, ...]) -> PyTree:
    return jax.tree.unflatten(jax.tree.structure(like), arrays)
