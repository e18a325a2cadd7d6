"""Settings every test runs under: shapes checked, promotion strict, warnings fatal."""

import os
import typing
from collections.abc import Iterator

os.environ.setdefault("JAX_PLATFORMS", "cpu")

import hypothesis
import jax
import jaxtyping
import pytest

# Arguments annotated with a protocol are then checked for its attributes.
typing.Protocol._is_runtime_protocol = True

# Before the package is first imported: every annotated function then checks its shapes.
jaxtyping.install_import_hook("swarmfield", "beartype.beartype")

jax.config.update("jax_numpy_rank_promotion", "raise")

# A compiling first example says nothing about the property, so there is no deadline.
hypothesis.settings.register_profile(
    "fast",
    max_examples=15,
    deadline=None,
    derandomize=True,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.register_profile(
    "ci", parent=hypothesis.settings.get_profile("fast"), max_examples=100
)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fast"))


@pytest.fixture
def strict_dtypes() -> Iterator[None]:
    """Implicit promotion between dtypes is an error: for our own pure functions.

    Optimisers of other libraries promote on purpose, so this is not on everywhere.
    """
    with jax.numpy_dtype_promotion("strict"):
        yield
