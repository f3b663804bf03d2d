"""Operations of `keras.backend` on tensors, by their old names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import F, convert
from graphflow.dtypes import as_dtype
from graphflow.keras.backend.products import batch_dot as product
from graphflow.keras.backend.settings import floatx
from graphflow.keras.backend.values import int_shape
from graphflow.tensor import Tensor

# ---- reductions ------------------------------------------------------------------------------


def sum(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """The sum over axes."""
    return F.reduce_sum(x, axis, keepdims)


def prod(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """The product over axes."""
    return F.reduce_prod(x, axis, keepdims)


def _floats(x: Any) -> Tensor:
    x = convert(x)
    return F.cast(x, as_dtype(floatx())) if x.dtype is dt.bool_ else x


def mean(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """The mean over axes; of booleans the share of True."""
    return F.reduce_mean(_floats(x), axis, keepdims)


def var(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """The variance over axes."""
    return F.reduce_variance(_floats(x), axis, keepdims)


def std(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """The standard deviation over axes."""
    return F.reduce_std(_floats(x), axis, keepdims)


def max(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """The largest element over axes."""
    return F.reduce_max(x, axis, keepdims)


def min(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """The smallest element over axes."""
    return F.reduce_min(x, axis, keepdims)


def any(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """Whether any element is True (or not 0)."""
    return F.reduce_any(F.cast(x, dt.bool_), axis, keepdims)


def all(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """Whether all elements are True (or not 0)."""
    return F.reduce_all(F.cast(x, dt.bool_), axis, keepdims)


def argmax(x: Any, axis: int = -1) -> Tensor:
    """Where the largest element stands along an axis."""
    return F.argmax(x, axis)


def argmin(x: Any, axis: int = -1) -> Tensor:
    """Where the smallest element stands along an axis."""
    return F.argmin(x, axis)


def logsumexp(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """log Σ exp(x) over axes."""
    return F.reduce_logsumexp(x, axis, keepdims)


def cumsum(x: Any, axis: int = 0) -> Tensor:
    """Sums of what stands up to each place along an axis."""
    return F.cumsum(x, axis=axis)


def cumprod(x: Any, axis: int = 0) -> Tensor:
    """Products of what stands up to each place along an axis."""
    return F.cumprod(x, axis=axis)


# ---- elements --------------------------------------------------------------------------------


def abs(x: Any) -> Tensor:
    """The absolute value."""
    return F.abs(x)


def square(x: Any) -> Tensor:
    """x²."""
    return F.square(x)


def sqrt(x: Any) -> Tensor:
    """The root; of negative numbers 0."""
    return F.sqrt(F.maximum(convert(x), 0.0))


def exp(x: Any) -> Tensor:
    """exp(x)."""
    return F.exp(x)


def log(x: Any) -> Tensor:
    """log(x)."""
    return F.log(x)


def round(x: Any) -> Tensor:
    """To the nearest integer, halves to the even one."""
    return F.round(x)


def sign(x: Any) -> Tensor:
    """−1, 0 or 1."""
    return F.sign(x)


def pow(x: Any, a: Any) -> Tensor:
    """x to the power a."""
    return F.pow(x, a)


def sin(x: Any) -> Tensor:
    """sin(x)."""
    return F.sin(x)


def cos(x: Any) -> Tensor:
    """cos(x)."""
    return F.cos(x)


def clip(x: Any, min_value: Any, max_value: Any) -> Tensor:
    """x, held inside [min_value, max_value]; None leaves a side open."""
    low = -np.inf if min_value is None else min_value
    high = np.inf if max_value is None else max_value
    return F.clip_by_value(x, low, np.maximum(high, low) if np.isscalar(high) else high)


def equal(x: Any, y: Any) -> Tensor:
    """x = y, element by element."""
    return F.equal(x, y)


def not_equal(x: Any, y: Any) -> Tensor:
    """x ≠ y, element by element."""
    return F.not_equal(x, y)


def greater(x: Any, y: Any) -> Tensor:
    """x > y, element by element."""
    return F.greater(x, y)


def greater_equal(x: Any, y: Any) -> Tensor:
    """x ≥ y, element by element."""
    return F.greater_equal(x, y)


def less(x: Any, y: Any) -> Tensor:
    """x < y, element by element."""
    return F.less(x, y)


def less_equal(x: Any, y: Any) -> Tensor:
    """x ≤ y, element by element."""
    return F.less_equal(x, y)


def maximum(x: Any, y: Any) -> Tensor:
    """The larger one, element by element."""
    return F.maximum(x, y)


def minimum(x: Any, y: Any) -> Tensor:
    """The smaller one, element by element."""
    return F.minimum(x, y)


def cast(x: Any, dtype: Any) -> Tensor:
    """x as another element type."""
    return F.cast(x, as_dtype(dtype))


def cast_to_floatx(x: Any) -> Any:
    """An array or tensor in the default type of floats."""
    return cast(x, floatx()) if isinstance(x, Tensor) else np.asarray(x, dtype=floatx())


def identity(x: Any, name: str | None = None) -> Tensor:
    """x itself."""
    return F.identity(x, name=name)


def stop_gradient(variables: Any) -> Any:
    """The tensors, through which no gradient flows."""
    if isinstance(variables, (list, tuple)):
        return [F.stop_gradient(v) for v in variables]
    return F.stop_gradient(variables)


# ---- shapes ----------------------------------------------------------------------------------


def shape(x: Any) -> Tensor:
    """The shape, as it is when run."""
    return F.shape(x)


def reshape(x: Any, shape: Any) -> Tensor:
    """The elements in another shape."""
    return F.reshape(x, shape)


def permute_dimensions(x: Any, pattern: Sequence[int]) -> Tensor:
    """The axes in another order."""
    return F.transpose(x, list(pattern))


def transpose(x: Any) -> Tensor:
    """The axes in reverse order."""
    return F.transpose(x)


def expand_dims(x: Any, axis: int = -1) -> Tensor:
    """With an axis of size 1 more."""
    return F.expand_dims(x, axis)


def squeeze(x: Any, axis: int) -> Tensor:
    """Without an axis of size 1."""
    return F.squeeze(x, [axis])


def flatten(x: Any) -> Tensor:
    """All elements in one axis."""
    return F.reshape(x, [-1])


def batch_flatten(x: Any) -> Tensor:
    """[batch, …] → [batch, n]."""
    x = convert(x)
    sizes = x.shape.as_list()[1:]
    width = -1 if None in sizes else int(np.prod(sizes))
    return F.reshape(x, [F.shape(x)[0] if width == -1 else -1, width])


def concatenate(tensors: Sequence[Any], axis: int = -1) -> Tensor:
    """The tensors one after the other along an axis."""
    return F.concat(list(tensors), axis)


def stack(x: Sequence[Any], axis: int = 0) -> Tensor:
    """The tensors side by side along a new axis."""
    return F.stack(list(x), axis)


def tile(x: Any, n: Any) -> Tensor:
    """x repeated along each axis."""
    return F.tile(x, [n] if isinstance(n, int) else n)


def repeat(x: Any, n: int) -> Tensor:
    """[batch, width] → [batch, n, width]."""
    return F.tile(F.expand_dims(x, 1), [1, n, 1])


def repeat_elements(x: Any, rep: int, axis: int) -> Tensor:
    """Each slice along an axis `rep` times."""
    return F.repeat(x, rep, axis=axis)


def reverse(x: Any, axes: Any) -> Tensor:
    """The order along axes turned round."""
    return F.reverse(x, [axes] if isinstance(axes, int) else axes)


def gather(reference: Any, indices: Any) -> Tensor:
    """The rows of a tensor at indices."""
    return F.gather(reference, indices)


def one_hot(indices: Any, num_classes: int) -> Tensor:
    """Class numbers as one-hot rows."""
    return F.one_hot(F.cast(indices, dt.int32), num_classes, axis=-1)


def slice(x: Any, start: Any, size: Any) -> Tensor:
    """The part of x that begins at `start` and has `size`."""
    return F.slice(x, start, size)


def arange(start: Any, stop: Any = None, step: Any = 1, dtype: Any = "int32") -> Tensor:
    """Numbers from start to stop."""
    start, stop = (0, start) if stop is None else (start, stop)
    return F.cast(F.range(start, stop, step), as_dtype(dtype))


# ---- making ----------------------------------------------------------------------------------


def zeros_like(x: Any, dtype: Any = None, name: str | None = None) -> Tensor:
    """Zeros of the shape of x."""
    return F.zeros_like(x, dtype=dtype, name=name)


def ones_like(x: Any, dtype: Any = None, name: str | None = None) -> Tensor:
    """Ones of the shape of x."""
    return F.ones_like(x, dtype=dtype, name=name)


def random_normal(
    shape: Any, mean: float = 0.0, stddev: float = 1.0, dtype: Any = None,
    seed: int | None = None,
) -> Tensor:
    """Normal numbers."""
    return F.random_normal(shape, mean, stddev, as_dtype(dtype or floatx()), seed=seed)


def random_uniform(
    shape: Any, minval: float = 0.0, maxval: float = 1.0, dtype: Any = None,
    seed: int | None = None,
) -> Tensor:
    """Uniform numbers."""
    return F.random_uniform(shape, minval, maxval, as_dtype(dtype or floatx()), seed=seed)


def truncated_normal(
    shape: Any, mean: float = 0.0, stddev: float = 1.0, dtype: Any = None,
    seed: int | None = None,
) -> Tensor:
    """Normal numbers, redrawn beyond two standard deviations."""
    return F.truncated_normal(shape, mean, stddev, as_dtype(dtype or floatx()), seed=seed)


def random_binomial(
    shape: Any, p: float = 0.0, dtype: Any = None, seed: int | None = None
) -> Tensor:
    """1 with probability p, else 0."""
    kind = as_dtype(dtype or floatx())
    return F.cast(F.less_equal(F.random_uniform(shape, seed=seed), p), kind)


# ---- products --------------------------------------------------------------------------------


def dot(x: Any, y: Any) -> Tensor:
    """The sum of products over the last axis of x and the last but one of y."""
    x, y = convert(x), convert(y)
    if x.shape.rank == 2 and y.shape.rank == 2:
        return F.matmul(x, y)
    axis = y.shape.rank - 2 if y.shape.rank > 1 else 0
    return F.tensordot(x, y, [[x.shape.rank - 1], [axis]])


def batch_dot(x: Any, y: Any, axes: Any = None) -> Tensor:
    """Sums of products of two batches, sample by sample, along an axis of each."""
    x, y = convert(x), convert(y)
    if axes is None:
        axes = (x.shape.rank - 1, 1 if y.shape.rank == 2 else y.shape.rank - 2)
    pair = (axes, axes) if isinstance(axes, int) else tuple(axes)
    return product(x, y, [a % r for a, r in zip(pair, (x.shape.rank, y.shape.rank))])


def l2_normalize(x: Any, axis: Any = None) -> Tensor:
    """x divided by its norm along an axis."""
    return F.l2_normalize(x, axis=axis)


def in_top_k(predictions: Any, targets: Any, k: int) -> Tensor:
    """Whether the class number `targets` is among the k largest predictions."""
    return F.in_top_k(predictions, targets, k)


__all__ = [
    "abs", "all", "any", "arange", "argmax", "argmin", "batch_dot", "batch_flatten", "cast",
    "cast_to_floatx", "clip", "concatenate", "cos", "cumprod", "cumsum", "dot", "equal", "exp",
    "expand_dims", "flatten", "gather", "greater", "greater_equal", "identity", "in_top_k",
    "int_shape", "l2_normalize", "less", "less_equal", "log", "logsumexp", "max", "maximum",
    "mean", "min", "minimum", "not_equal", "one_hot", "ones_like", "permute_dimensions", "pow",
    "prod", "random_binomial", "random_normal", "random_uniform", "repeat", "repeat_elements",
    "reshape", "reverse", "round", "shape", "sign", "sin", "slice", "sqrt", "square", "squeeze",
    "stack", "std", "stop_gradient", "sum", "tile", "transpose", "truncated_normal", "var",
    "zeros_like",
]
