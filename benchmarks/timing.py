"""A training program, compiled and ready to be timed."""

from __future__ import annotations

import time
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from swarmfield.training.compiled import begin, compile_programs
from swarmfield.training.config import Job
from swarmfield.training.setup import assemble


class Window(NamedTuple):
    """What one stretch of training came to."""

    env_steps: int
    agent_steps: int
    seconds: float


class Trainer:
    """A job's training loop, advanced stretch by stretch.

    Attributes:
        num_agents: Of the learner's team.
        compile_seconds: What compiling took.
        megabytes: Memory of the program by XLA's count: what it keeps and what it works with.
    """

    def __init__(self, job: Job) -> None:
        setup = assemble(job)
        saved = begin(setup, job.config.seed_list, None)
        self._programs = compile_programs(setup, saved)
        self._run, self._time, self._num_envs = saved.run, 0, job.config.num_envs
        kept = sum(leaf.nbytes for leaf in jax.tree.leaves(saved.run))
        self.num_agents = setup.program.sides.home.num_agents
        self.compile_seconds = self._programs.compile_seconds
        self.megabytes = (kept + self._programs.working_bytes) / 1e6

    def advance(self, steps: int) -> Window:
        """Train for some steps of all environments, and time it."""
        run: Any = self._run
        started, before = time.perf_counter(), int(run.window.agent_steps[0, 0])
        run = self._programs.advance(run, jnp.int32(self._time), jnp.int32(steps))
        acted = int(jax.block_until_ready(run.window.agent_steps)[0, 0]) - before
        seconds = time.perf_counter() - started
        self._run, self._time = run, self._time + steps
        return Window(steps * self._num_envs, acted, seconds)
