"""The peer: mean-field Q-learning on 64 v 64 Battle with MAgent2 and PyTorch.

The same network, batch, update cadence, target, optimiser, exploration and opponent as
`swarmfield train mfq battle --opponent random`, written to be fast: the raw engine instead of its
dictionaries of agents, parallel engines that share one forward pass, arrays over all agents, a
replay that holds each observation once, passes small enough for the cache.

Prints one JSON object. Needs `torch` and `magent2`, in an environment of their own.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import magent2
import torch
from peer.battles import Battles, mean_of
from peer.learner import Learner
from peer.replay import Replay
from peer.settings import ID_BITS, NUM_ACTIONS, Settings


class Stopwatch:
    """Seconds spent in each part of the loop."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)

    @contextlib.contextmanager
    def part(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.seconds[name] += time.perf_counter() - start


def temperature_at(settings: Settings, progress: float) -> float:
    over = min(1.0, progress / settings.explore_fraction)
    return settings.explore_start + (settings.explore_end - settings.explore_start) * over


def num_features(settings: Settings) -> int:
    """Identity bits if wanted, last action, last reward, position."""
    return NUM_ACTIONS + 3 + ID_BITS * settings.id_bits


def train(settings: Settings) -> dict[str, Any]:
    battles = Battles(settings)
    replay = Replay(settings, battles.num_agents, num_features(settings))
    learner = Learner(settings, num_features(settings))
    watch, curve, ended, agent_steps = Stopwatch(), [], [], 0
    marks = {"start": (time.perf_counter(), 0, 0)}
    for env_steps in range(0, settings.env_steps, settings.num_envs):
        temperature = temperature_at(settings, env_steps / settings.env_steps)
        agent_steps += play_step(battles, replay, learner, temperature, watch)
        # A transition is complete once its next observation is there: from the second step on.
        if env_steps > 0 and agent_steps >= settings.warmup:
            marks.setdefault("learning", (time.perf_counter(), env_steps, agent_steps))
            with watch.part("learn"):
                for _ in range(settings.updates_per_step):
                    learner.update(replay, env_steps / settings.env_steps)
        ended.extend(battles.take_finished().values())
        done = env_steps + settings.num_envs
        if done // settings.report_every > env_steps // settings.report_every:
            curve.append({"env_steps": done, **mean_of(ended)})
            ended = []
            print(json.dumps(curve[-1]), file=sys.stderr)
    end = (time.perf_counter(), settings.env_steps, agent_steps)
    rates = {name: rate(mark, end) for name, mark in marks.items()}
    return {
        "rates": {"whole_run": rates["start"], "while_learning": rates.get("learning")},
        "seconds": dict(watch.seconds),
        "evaluation": evaluate(settings, learner),
        "curve": curve,
    }


def play_step(
    battles: Battles, replay: Replay, learner: Learner, temperature: float, watch: Stopwatch
) -> int:
    """One step of every game into the replay; returns how many learning agents acted."""
    replay.advance()
    now = replay.now
    with watch.part("observe"):
        battles.observe(replay.view[now], replay.features[now], replay.mean_action[now])
    with watch.part("act"):
        actions = learner.act(replay.current(), temperature)
        actions = actions.reshape(replay.games, replay.agents)
    with watch.part("environment"):
        replay.action[now] = actions
        battles.step(actions, replay.reward[now], replay.terminated[now], replay.valid[now])
    return int(replay.valid[now].sum())


def rate(start: tuple[float, int, int], end: tuple[float, int, int]) -> dict[str, float]:
    seconds, env_steps, agent_steps = (b - a for a, b in zip(start, end, strict=True))
    return {
        "env_steps_per_second": env_steps / seconds,
        "agent_steps_per_second": agent_steps / seconds,
    }


def evaluate(settings: Settings, learner: Learner) -> dict[str, float]:
    """Greedy games against random, side by side; not timed."""
    games = settings.evaluation_episodes
    if games == 0:
        return {}
    settings = dataclasses.replace(settings, num_envs=games, seed=settings.seed + 1000)
    battles = Battles(settings)
    settings = dataclasses.replace(settings, capacity=2 * games * battles.num_agents)
    replay = Replay(settings, battles.num_agents, num_features(settings))
    first: dict[int, dict[str, float]] = {}
    while len(first) < games:
        play_step(battles, replay, learner, 0.0, Stopwatch())
        first = {**battles.take_finished(), **first}
    return mean_of(list(first.values()))


def parse_arguments() -> tuple[Settings, Path | None]:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for field in dataclasses.fields(Settings):
        flag = "--" + field.name.replace("_", "-")
        choices = {"trunk": ["mfrl", "mlp"], "memory_format": ["channels_last", "contiguous"]}
        if isinstance(field.default, bool):
            parser.add_argument(flag, action=argparse.BooleanOptionalAction, default=field.default)
        else:
            parser.add_argument(
                flag,
                type=type(field.default),
                default=field.default,
                choices=choices.get(field.name),
                help=f"default {field.default}",
            )
    parser.add_argument("--output", type=Path, help="file to write the JSON to as well")
    arguments = vars(parser.parse_args())
    output = arguments.pop("output")
    settings = Settings(**arguments)
    if settings.env_steps % settings.num_envs:
        parser.error("--env-steps must be a multiple of --num-envs")
    return settings, output


def main() -> None:
    settings, output = parse_arguments()
    torch.set_num_threads(settings.threads)
    torch.set_flush_denormal(True)
    torch.manual_seed(settings.seed)
    versions = {"torch": torch.__version__, "magent2": magent2.__version__}
    result = {"settings": dataclasses.asdict(settings), "versions": versions, **train(settings)}
    text = json.dumps(result, indent=2)
    print(text)
    if output is not None:
        output.write_text(text + "\n")


if __name__ == "__main__":
    main()
