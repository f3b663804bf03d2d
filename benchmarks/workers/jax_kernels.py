"""Single products and convolutions in JAX, on arrays that are made once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks.kernel_shapes import BY_DATA, FORWARD, Convolution, Kernel, Product
from benchmarks.workers.serve import Job, Steps


def build(jax: Any, job: Job) -> Steps:
    """jax: the package."""
    inputs = [jax.numpy.array(a) for a in job.batch]
    compiled = jax.jit(_function(jax, job.workload.kernel))
    return Steps(lambda: compiled(*inputs).block_until_ready(), lambda: None)


def _function(jax: Any, kernel: Kernel) -> Callable[..., Any]:
    jnp = jax.numpy
    if isinstance(kernel, Product):
        return lambda a, b: (a.T if kernel.transpose_a else a) @ (b.T if kernel.transpose_b else b)
    if kernel.direction == FORWARD:
        high = {"": jnp.inf, "relu": jnp.inf, "relu6": 6.0}[kernel.activation]
        low = 0.0 if kernel.activation else -jnp.inf
        return lambda x, k, b: jnp.clip(_convolve(jax, kernel, x, k) + b, low, high)
    if kernel.direction == BY_DATA:
        x = jax.ShapeDtypeStruct(kernel.image_shape, jnp.float32)
        return lambda g, k: jax.linear_transpose(
            lambda x: _convolve(jax, kernel, x, k), x)(g)[0]
    k = jax.ShapeDtypeStruct(kernel.kernel_shape, jnp.float32)
    return lambda x, g: jax.linear_transpose(lambda k: _convolve(jax, kernel, x, k), k)(g)[0]


def _convolve(jax: Any, c: Convolution, x: Any, k: Any) -> Any:
    if c.depthwise:
        k = k.transpose(0, 1, 3, 2)
    return jax.lax.conv_general_dilated(
        x, k, (c.stride, c.stride), [(c.pad, c.pad)] * 2,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=c.channels if c.depthwise else 1)
