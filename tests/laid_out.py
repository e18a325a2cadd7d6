"""Runs on one and on several simulated devices, and how far apart they end: a program.

It has a process to itself, for JAX decides once how many devices there are: as many as
`MANY`, in its environment, says.
"""

import dataclasses
import json
import sys
import traceback

import jax
import jax.numpy as jnp
import numpy as np
import tiny  # noqa: F401 - the toy environment, and a cache of compiled programs

from swarmfield.algorithms import ALGORITHMS
from swarmfield.training.compiled import begin, compile_programs
from swarmfield.training.config import make_job
from swarmfield.training.setup import assemble

NUM_DEVICES = 8
MANY = {"XLA_FLAGS": f"--xla_force_host_platform_device_count={NUM_DEVICES}"}
SMALL = {"rollout_length": 6, "num_groups": 2, "hidden": 8}
SMALL_REPLAY = {"warmup": 0, "capacity": 2000, "batch_size": 32}
ROLLOUTS = {"ac", "mfac", "mtmfac", "gatmf", "bmf_ac"}
"""Methods whose replay is for continuous actions."""
STEPS = 14
"""So many that rollouts of 6 are learned from twice."""


@dataclasses.dataclass(frozen=True)
class Case:
    """A run, and the axis that is to be laid over devices."""

    algorithm: str
    environment: str = "toy"
    axis: str = "environments"
    devices: int | str = "all"
    count: int = NUM_DEVICES
    num_envs: int = 8
    seeds: str = "0:1"
    opponent: str | None = None
    env: tuple[tuple[str, int], ...] = (("num_agents", 6),)

    def __str__(self) -> str:
        parts = (self.algorithm, self.environment, self.axis, self.count, self.opponent, self.seeds)
        return "-".join(str(part) for part in parts if part is not None)


CROWD = {"environment": "beach_bar", "env": (("num_agents", 32), ("max_steps", 10))}
CASES = [
    *(Case(name, **(CROWD if name.startswith("m3f") else {})) for name in ALGORITHMS),
    Case("maddpg", "miners", env=(("num_agents", 9),)),
    Case("mfq", "battle", opponent="ac", env=(("map_size", 16), ("max_steps", 9))),
    Case("iql", opponent="pool", num_envs=4, count=4),
    Case("iql", axis="seeds", seeds="0:8", num_envs=2, opponent="self"),
    Case("bmf_ac", axis="seeds", seeds="0:4", num_envs=2, count=4, opponent="iql"),
    Case("mfq", seeds="0:3"),
    Case("mfq", "battle", "agents", 2, 2, 1, env=(("map_size", 16), ("max_steps", 9))),
    Case("bmf_q", axis="agents", devices=4, count=4, num_envs=1, env=(("num_agents", 8),)),
    Case("m3fppo", "beach_bar", "agents", 4, 4, 1, env=(("num_agents", 128), ("max_steps", 10))),
]


def trained(case: Case, devices: int | str):
    """The run after some steps, and how it was laid out."""
    options = SMALL if case.algorithm in ROLLOUTS else SMALL | SMALL_REPLAY
    known = {field.name for field in dataclasses.fields(ALGORITHMS[case.algorithm].config)}
    algo = {name: value for name, value in options.items() if name in known}
    job = make_job(
        case.algorithm,
        case.environment,
        env=dict(case.env),
        algo=algo,
        num_envs=case.num_envs,
        seeds=case.seeds,
        opponent=case.opponent,
        env_steps=20 * case.num_envs,
        devices=devices,
    )
    setup = assemble(job)
    saved = begin(setup, job.config.seed_list, None)
    programs = compile_programs(setup, saved)
    run = programs.advance(saved.run, jnp.int32(0), jnp.int32(STEPS))
    return setup.layout, programs.close(run)


def compare(case: Case) -> dict:
    """How a run on several devices differs from the same on one."""
    _, one = trained(case, 1)
    layout, many = trained(case, case.devices)
    furthest, same, total = 0.0, 0, 0
    for x, y in zip(jax.tree.leaves(one), jax.tree.leaves(many), strict=True):
        if jnp.issubdtype(x.dtype, jax.dtypes.prng_key):
            x, y = jax.random.key_data(x), jax.random.key_data(y)
        x, y = np.asarray(x), np.asarray(y)
        total, same = total + 1, same + (x.tobytes() == y.tobytes())
        exact = not np.issubdtype(x.dtype, np.floating)
        scale = 0.0 if exact else 1e-3 * np.max(np.abs(x), initial=0.0) + 1e-5
        np.testing.assert_allclose(y, x, rtol=0, atol=scale)
        if not exact:
            furthest = max(furthest, float(np.max(np.abs(x - y), initial=0.0)))
    laid_out = {"axis": layout.axis, "count": layout.num_devices}
    return {**laid_out, "furthest": furthest, "same": same / total}


def main(names: list[str]) -> None:
    """Print a line for each case: its name and what came of it."""
    for case in CASES:
        if names and str(case) not in names:
            continue
        try:
            outcome = compare(case)
        except Exception:
            outcome = {"error": traceback.format_exc()}
        print(json.dumps({"case": str(case), **outcome}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
