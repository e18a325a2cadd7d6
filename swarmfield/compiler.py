"""How XLA is to compile what runs networks."""

from __future__ import annotations

import functools

import jax
from jaxtyping import PyTree

from swarmfield.networks import Conv

Options = dict[str, str | int]


def compiler_options(parameters: PyTree) -> Options:
    """Options of XLA for programs with these networks, as far as this version knows them.

    On a CPU half of what compiling takes is a thousand small fusions. The older of XLA's two
    ways to emit them takes two thirds of the newer one's time, and programs are at most a tenth
    slower; LLVM's second level of optimization takes two thirds of the third's. Sums of
    more than 32 numbers are left whole, where XLA would cut each into two kernels; they are
    right to a few millionths all the same.

    Some versions of XLA hand convolutions to a library that takes three times as long as their
    own code; then that library is left out.
    """
    if jax.default_backend() != "cpu":
        return {}
    wanted: Options = {
        "xla_cpu_use_fusion_emitters": False,
        "xla_backend_optimization_level": 2,
        "xla_disable_hlo_passes": "tree_reduction_rewriter",
    }
    leaves = jax.tree.leaves(parameters, is_leaf=lambda x: isinstance(x, Conv))
    if any(isinstance(leaf, Conv) for leaf in leaves):
        wanted["xla_cpu_experimental_ynn_fusion_type"] = ""
    return {option: value for option, value in wanted.items() if is_known(option, value)}


@functools.cache
def is_known(option: str, value: str | int) -> bool:
    """Whether XLA takes an option."""
    try:
        jax.jit(lambda: 0, compiler_options={option: value}).lower().compile()
    except jax.errors.JaxRuntimeError:
        return False
    return True
