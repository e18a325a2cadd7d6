"""Environments of other libraries, as environments of this one, and the other way round."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from swarmfield.environments import make
from swarmfield.types import Environment, SwarmfieldError

if TYPE_CHECKING:
    from swarmfield.interop.as_pettingzoo import SwarmfieldParallelEnv


def parallel_env(
    environment: str | Environment, *, render_mode: str | None = None, **options: Any
) -> SwarmfieldParallelEnv:
    """An environment as PettingZoo's `ParallelEnv`, as its own modules make theirs.

    Args:
        environment: Its name, as for `swarmfield.make`, or the environment itself.
        render_mode: `rgb_array` for pictures by `render`, or None.
        **options: Options of the environment, if it is given by name.

    Raises:
        SwarmfieldError: PettingZoo is not installed; or the name, an option, or a value is not
            known or not allowed; or its actions are of several kinds at once.
    """
    try:
        from swarmfield.interop.as_pettingzoo import SwarmfieldParallelEnv
    except ModuleNotFoundError as error:
        if error.name not in ("pettingzoo", "gymnasium"):
            raise
        raise SwarmfieldError(
            "A PettingZoo environment needs the interop extra, which is not installed; run "
            "pip install 'swarmfield[interop]'."
        ) from None
    if isinstance(environment, str):
        environment = make(environment, **options)
    elif isinstance(environment, type) or not isinstance(environment, Environment):
        raise SwarmfieldError(
            f"{environment!r} is no environment; give a name, such as battle, or what make() or "
            "the class of an environment returns."
        )
    elif options:
        raise SwarmfieldError(
            f"{', '.join(options)} cannot be set of an environment that is built already; give "
            "its name instead."
        )
    return SwarmfieldParallelEnv(environment, render_mode)
