"""Cost of one step of a controlled crowd against the number of minor agents.

Everything that a step is: the rule's draw for each agent, moves, the reward, and what the
controller sees next. Prints medians; memory is what the compiled step works with, by XLA's count.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from swarmfield.algorithms import ALGORITHMS
from swarmfield.environments import make
from swarmfield.environments.conformance import random_actions
from swarmfield.environments.m3fc.control import CONTROLLER
from swarmfield.environments.m3fc.reference import POLICIES
from swarmfield.training.control import controlled

WORLDS = tuple(POLICIES)


def main() -> None:
    options = _options()
    told = {"jax": jax.__version__, "device": jax.devices()[0].device_kind}
    rows = []
    for name in options.environments:
        for number in options.num_agents:
            rows.append(_measure(name, number, options))
            print(json.dumps(rows[-1]), flush=True)
    if options.output is not None:
        options.output.write_text(json.dumps({**told, "rows": rows}, indent=1) + "\n")


def _measure(name: str, number: int, options: argparse.Namespace) -> dict[str, Any]:
    control = controlled(make(name, num_agents=number), ALGORITHMS["m3fppo"].config(), "m3fppo")
    key = jax.random.key(0)
    state, timesteps = jax.jit(control.reset)(key)
    action = random_actions(control.teams[0], timesteps[CONTROLLER], key)

    def steps(state: Any, key: Any) -> Any:
        def one(state: Any, key: Any) -> tuple[Any, jax.Array]:
            state, timesteps = control.step(key, state, {CONTROLLER: action})
            return state, timesteps[CONTROLLER].reward[0]

        return jax.lax.scan(one, state, jax.random.split(key, options.steps))

    compiled = jax.jit(steps).lower(state, key).compile()
    seconds = []
    for window in range(options.windows + 1):
        started = time.perf_counter()
        jax.block_until_ready(compiled(state, jax.random.fold_in(key, window)))
        seconds.append((time.perf_counter() - started) / options.steps)
    kept = sum(x.nbytes for x in jax.tree.leaves(state) if jnp.issubdtype(x.dtype, jnp.number))
    return {
        "environment": name,
        "num_agents": number,
        "milliseconds": round(1000 * statistics.median(seconds[1:]), 3),
        "state_megabytes": round(kept / 1e6, 2),
        "working_megabytes": round(compiled.memory_analysis().temp_size_in_bytes / 1e6, 2),
    }


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--environments", nargs="+", choices=WORLDS, default=WORLDS)
    parser.add_argument("--num-agents", nargs="+", type=int, default=[1000, 100_000, 1_000_000])
    parser.add_argument("--steps", type=int, default=5, help="a window")
    parser.add_argument("--windows", type=int, default=3)
    parser.add_argument("--output", type=Path, help="JSON to write")
    return parser.parse_args()


if __name__ == "__main__":
    main()
