"""Where a run comes from: the contents of `config.json`."""

from __future__ import annotations

import importlib.metadata
import platform
from typing import Any

import jax

from swarmfield.training.cadence import cadence
from swarmfield.training.config import to_dict
from swarmfield.training.setup import Setup, opponent_kind
from swarmfield.training.student import Student


def config_file(setup: Setup, target: int) -> dict[str, Any]:
    """The options as given, and under `resolved` what they came to where they were left open."""
    job = setup.job
    student, other = setup.program.student, setup.program.other
    return {
        **to_dict(job),
        "target_env_steps": target,
        "resolved": {
            "environment": setup.environment.description,
            "agents": {team.name: team.num_agents for team in setup.environment.teams},
            "seeds": job.config.seed_list,
            "opponent": job.config.opponent or opponent_kind(job, setup.environment),
            "devices": {"number": setup.layout.num_devices, "divide": setup.layout.axis},
            "report_every": cadence(setup).report * job.config.num_envs,
            **_experience(student),
            **({} if other is None else {"opponent_experience": _experience(other)}),
        },
        **software_and_device(),
    }


def _experience(student: Student) -> dict[str, Any]:
    """What a learner is updated with, under the name of its kind."""
    experience = student.experience
    return {type(experience).__name__.lower(): experience._asdict()}


def software_and_device() -> dict[str, Any]:
    """Versions of what computes, and what it computes on."""
    packages = ("swarmfield", "jax", "jaxlib", "equinox", "optax", "orbax-checkpoint", "numpy")
    device = jax.local_devices()[0]
    return {
        "versions": {"python": platform.python_version()}
        | {name: _version(name) for name in packages},
        "device": {"platform": device.platform, "kind": device.device_kind},
    }


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
