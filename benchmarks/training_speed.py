"""Speed of the whole training loop, to be set beside `magent2_torch_mfq.py` in one sitting.

Prints JSON: environment steps and living learners' actions a second once learning has begun,
the median of several windows, and what compiling took.
"""

from __future__ import annotations

import argparse
import json
import statistics

import jax
from timing import Trainer

from swarmfield.algorithms import ALGORITHMS, options_for
from swarmfield.environments import make
from swarmfield.training.config import make_job


def main() -> None:
    options = _options()
    env = {"map_size": options.map_size}
    wanted = {"trunk": options.trunk, "batch_size": options.batch_size, "warmup": 0}
    known = options_for(options.algorithm, make("battle", **env).teams[0])
    job = make_job(
        options.algorithm,
        "battle",
        env=env,
        algo={name: value for name, value in wanted.items() if name in known},
        env_steps=options.num_envs * options.steps * (options.windows + 1),
        num_envs=options.num_envs,
        opponent="random",
    )
    trainer = Trainer(job)
    _, *windows = [trainer.advance(options.steps) for _ in range(options.windows + 1)]
    print(
        json.dumps(
            {
                **vars(options),
                "jax": jax.__version__,
                "device": jax.devices()[0].device_kind,
                "compile_seconds": round(trainer.compile_seconds, 2),
                "env_steps_per_second": statistics.median(s / t for s, _, t in windows),
                "agent_steps_per_second": statistics.median(a / t for _, a, t in windows),
            }
        )
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--algorithm", choices=list(ALGORITHMS), default="mfq")
    parser.add_argument("--trunk", choices=["mlp", "mfrl"], default="mlp")
    parser.add_argument("--map-size", type=int, default=40)
    parser.add_argument("--num-envs", type=int, default=16)
    parser.add_argument("--batch-size", type=int, default=1024)
    parser.add_argument("--steps", type=int, default=40, help="of all environments, a window")
    parser.add_argument("--windows", type=int, default=5)
    return parser.parse_args()


if __name__ == "__main__":
    main()
