"""Options that XLA takes, and that change no result."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from swarmfield import compiler
from swarmfield.networks import QNetwork
from swarmfield.types import Discrete, TeamSpec

TEAM = TeamSpec("team", 4, Discrete(21), (13, 13, 7), 34)


def network(trunk: str) -> QNetwork:
    return QNetwork(trunk, TEAM, 21, None, jax.random.key(0))


@pytest.mark.parametrize("trunk", ["mlp", "mfrl"])
def test_the_compiler_takes_its_options(trunk: str) -> None:
    options = compiler.compiler_options(network(trunk))
    x = jnp.arange(12.0).reshape(3, 4)
    compute = lambda x: jnp.tanh(x) @ x.T  # noqa: E731
    ours = jax.jit(compute, compiler_options=options)(x)
    np.testing.assert_allclose(ours, compute(x), rtol=1e-6)


@pytest.mark.parametrize("trunk", ["mlp", "mfrl"])
@pytest.mark.parametrize(
    ("shape", "axes"), [((1_000_000,), 0), ((16, 100_000), 1), ((64, 64, 8), (0, 1))]
)
def test_long_sums_stay_precise(
    trunk: str, shape: tuple[int, ...], axes: int | tuple[int, ...]
) -> None:
    options = compiler.compiler_options(network(trunk))
    x = jax.random.uniform(jax.random.key(0), shape)
    total = jax.jit(lambda x: jnp.sum(x, axis=axes), compiler_options=options)(x)
    np.testing.assert_allclose(total, np.asarray(x, np.float64).sum(axis=axes), rtol=5e-6)


def test_convolutions_have_an_option_of_their_own(monkeypatch) -> None:
    monkeypatch.setattr(compiler, "is_known", lambda option, value: True)
    plain, convolving = (compiler.compiler_options(network(name)) for name in ("mlp", "mfrl"))
    assert plain == {
        "xla_cpu_use_fusion_emitters": False,
        "xla_backend_optimization_level": 2,
        "xla_disable_hlo_passes": "tree_reduction_rewriter",
    }
    assert convolving == plain | {"xla_cpu_experimental_ynn_fusion_type": ""}


def test_options_that_the_compiler_does_not_know_are_left_out(monkeypatch) -> None:
    assert not compiler.is_known("xla_no_such_option", False)
    known = {"xla_cpu_use_fusion_emitters"}
    monkeypatch.setattr(compiler, "is_known", lambda option, value: option in known)
    assert compiler.compiler_options(network("mfrl")).keys() == known


def test_an_accelerator_has_none(monkeypatch) -> None:
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert compiler.compiler_options(network("mfrl")) == {}
