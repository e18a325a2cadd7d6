"""A 3 x 3 convolution whose gradient is fast on a CPU, also inside loops.

XLA's CPU backend multiplies plain convolutions of images by kernels at the speed of its matrix
products, as long as channels fill its vectors. What automatic differentiation makes of one is not
plain any more and takes an order of magnitude longer. So both gradients are spelled out: that of
the images as matrix products, that of the kernel as another plain convolution. Elsewhere XLA's own
gradients are used.
"""

from __future__ import annotations

import itertools

import jax
import jax.numpy as jnp
from jax.custom_batching import custom_vmap
from jaxtyping import Array, Float

_SIDE = 3
_VECTOR = 8

Images = Float[Array, "B H W C"]
Kernel = Float[Array, "3 3 C O"]


def convolve(images: Images, kernel: Kernel) -> Float[Array, "B h w O"]:
    """Valid cross-correlation: y(b, i, j, o) = sum_{k,l,c} x(b, i+k, j+l, c) w(k, l, c, o)."""
    if jax.default_backend() != "cpu":
        return _correlate(images, kernel)
    missing = -images.shape[-1] % _VECTOR
    filled = jnp.pad(images, [(0, 0)] * 3 + [(0, missing)])
    return _with_gradients(filled, jnp.pad(kernel, [(0, 0), (0, 0), (0, missing), (0, 0)]))


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
    return _image_gradient(gradient, kernel), _kernel_gradient(images, gradient)


_with_gradients.defvjp(_forward, _backward)


def _image_gradient(gradient: Array, kernel: Array) -> Array:
    """dx(b, i, j, c) = sum_{k,l,o} dy(b, i-k, j-l, o) w(k, l, c, o), a product for each (k, l)."""
    total = jnp.zeros(())
    for down, right in itertools.product(range(_SIDE), repeat=2):
        around = [(0, 0), (down, _SIDE - 1 - down), (right, _SIDE - 1 - right), (0, 0)]
        total = total + jnp.pad(gradient @ kernel[down, right].T, around)
    return total


def _kernel_gradient(images: Array, gradient: Array) -> Array:
    """dw(k, l, c, o) = sum_{b,i,j} x(b, i+k, j+l, c) dy(b, i, j, o).

    That is a convolution in which the batch and the channels have changed places.
    """
    exchanged = _plain(images.transpose(3, 1, 2, 0), gradient.transpose(1, 2, 0, 3))
    return exchanged.transpose(1, 2, 0, 3)
