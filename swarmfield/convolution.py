"""A 3 x 3 convolution whose gradient is fast on a CPU, also inside loops.

XLA's CPU backend multiplies plain convolutions of images by kernels at the speed of its matrix
products. What automatic differentiation makes of one is not plain any more and takes an order of
magnitude longer. So both gradients are spelled out: that of the images as a plain convolution,
that of the kernel as matrix products. Elsewhere XLA's own gradients are used.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax.custom_batching import custom_vmap
from jaxtyping import Array, Float

_SIDE = 3
_COLUMNS = 3

Images = Float[Array, "B H W C"]
Kernel = Float[Array, "3 3 C O"]


def convolve(images: Images, kernel: Kernel) -> Float[Array, "B h w O"]:
    """Valid cross-correlation: y(b, i, j, o) = sum_{k,l,c} x(b, i+k, j+l, c) w(k, l, c, o)."""
    if jax.default_backend() == "cpu":
        return _with_gradients(images, kernel)
    return _correlate(images, kernel)


def _correlate(images: Array, kernel: Array) -> Array:
    layout = ("NHWC", "HWIO", "NHWC")
    return jax.lax.conv_general_dilated(images, kernel, (1, 1), "VALID", dimension_numbers=layout)


@custom_vmap
def _plain(images: Array, kernel: Array) -> Array:
    return _correlate(images, kernel)


@_plain.def_vmap
def _(size: int, mapped: list[bool], images: Array, kernel: Array) -> tuple[Array, bool]:
    """More images are one batch; more kernels, which would not be plain, come in turn."""
    if not mapped[1]:
        merged = _plain(images.reshape(-1, *images.shape[2:]), kernel)
        return merged.reshape(size, -1, *merged.shape[1:]), True
    if not mapped[0]:
        return jax.lax.map(lambda one: _plain(images, one), kernel), True
    return jax.lax.map(lambda one: _plain(*one), (images, kernel)), True


@jax.custom_vjp
def _with_gradients(images: Array, kernel: Array) -> Array:
    return _plain(images, kernel)


def _forward(images: Array, kernel: Array) -> tuple[Array, tuple[Array, Array]]:
    return _plain(images, kernel), (images, kernel)


def _backward(kept: tuple[Array, Array], gradient: Array) -> tuple[Array, Array]:
    images, kernel = kept
    around = [(0, 0), (_SIDE - 1, _SIDE - 1), (_SIDE - 1, _SIDE - 1), (0, 0)]
    turned = kernel[::-1, ::-1].swapaxes(2, 3)
    return _plain(jnp.pad(gradient, around), turned), _kernel_gradient(images, gradient)


_with_gradients.defvjp(_forward, _backward)


def _kernel_gradient(images: Array, gradient: Array) -> Array:
    """dw(k, l) = sum over b, i, j of x(b, i+k, j+l) dy(b, i, j), for each pair of channels.

    For each k and a few columns j at a time, one product of all those columns of dy with all
    columns of x that they meet, of which the entries of equal l are kept: more arithmetic than
    necessary, but in large products, and without nine shifted copies of the images.
    """
    _, height, width, _ = gradient.shape
    parts = []
    for k in range(_SIDE):
        rows = images[:, k : k + height]
        sums = [
            _meeting(rows[:, :, j : j + _COLUMNS + _SIDE - 1], gradient[:, :, j : j + _COLUMNS])
            for j in range(0, width, _COLUMNS)
        ]
        parts.append(sum(sums[1:], start=sums[0]))
    return jnp.stack(parts)


def _meeting(images: Float[Array, "B h X C"], gradient: Float[Array, "B h J O"]) -> Array:
    """Sum over b, i, j of x(b, i, j+l) dy(b, i, j), for every l."""
    products = jnp.einsum("bixc,bijo->xcjo", images, gradient)
    columns = jnp.arange(gradient.shape[2])
    of_shift = [products[columns + shift, :, columns, :] for shift in range(_SIDE)]
    return jnp.stack([jnp.sum(one, axis=0) for one in of_shift])
