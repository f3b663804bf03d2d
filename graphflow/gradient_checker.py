"""Checks gradients against finite differences: `tf.test.compute_gradient` of TensorFlow 1.

The theoretical Jacobian is filled by running the gradient once per element of y, the numeric one
by central differences, two runs per element of x. Complex elements count as two real ones, the
real and the imaginary part.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from graphflow.builder import F
from graphflow.dtypes import DType
from graphflow.errors import GradientError, GraphError, ShapeError
from graphflow.gradients import as_variable_or_tensor, gradients
from graphflow.graph import Graph
from graphflow.shapes import as_shape
from graphflow.tensor import Tensor

Jacobians = tuple[np.ndarray, np.ndarray]


def compute_gradient(
    x: Any,
    x_shape: Any,
    y: Any,
    y_shape: Any,
    x_init_value: Any = None,
    delta: float = 1e-3,
    init_targets: Any = None,
    extra_feed_dict: Mapping[Any, Any] | None = None,
) -> Jacobians | list[Jacobians]:
    """(theoretical, numeric) Jacobian of y by x, each [elements of x, elements of y].

    x: a floating or complex tensor, or a list of them: then a list of such pairs is given, and
      `x_shape` and `x_init_value` are lists. y: a tensor. x_shape, y_shape: their shapes.
    x_init_value: where to take the derivative; drawn from [0, 1) by default.
    delta: half the distance of the central difference. Complex tensors have two rows or columns
      per element.
    init_targets: operations to run first. extra_feed_dict: what else to feed.
    Needs a default session. Raises GradientError (a LookupError) if y does not depend on x.
    """
    xs = [as_variable_or_tensor(v) for v in (x if isinstance(x, (list, tuple)) else [x])]
    many = isinstance(x, (list, tuple))
    shapes = [_sizes(s) for s in (x_shape if many else [x_shape])]
    y = as_variable_or_tensor(y)
    session = y.graph.session_for(None, "compute_gradient")
    for target in init_targets or ():
        session.run(target)
    values = _start_values(xs, shapes, x_init_value, many)
    check = _Check(session, y, _sizes(y_shape), xs, values, delta, dict(extra_feed_dict or {}))
    found = [check.jacobians(i) for i in range(len(xs))]
    return found if many else found[0]


def compute_gradient_error(
    x: Any,
    x_shape: Any,
    y: Any,
    y_shape: Any,
    x_init_value: Any = None,
    delta: float = 1e-3,
    init_targets: Any = None,
    extra_feed_dict: Mapping[Any, Any] | None = None,
) -> float:
    """The largest difference between the two Jacobians of `compute_gradient`; 0 if empty."""
    found = compute_gradient(
        x, x_shape, y, y_shape, x_init_value, delta, init_targets, extra_feed_dict)
    pairs = found if isinstance(found, list) else [found]
    return max((float(np.abs(t - n).max()) for t, n in pairs if t.size), default=0.0)


class _Check:
    """y as a function of xs in one session."""

    def __init__(
        self, session: Any, y: Tensor, y_shape: tuple[int, ...], xs: Sequence[Tensor],
        values: Sequence[np.ndarray], delta: float, feeds: dict[Any, Any],
    ) -> None:
        self.y_shape, self.xs, self.values, self.delta = y_shape, xs, values, delta
        self._extra = list(feeds.values())
        self._y_type = y.dtype
        start = _start_gradient(y, y_shape)
        self._run_y = session.make_callable(y, [*xs, *feeds])
        self._run_gradients = [
            session.make_callable(gradient, [start, *xs, *feeds])
            for gradient in _dense_gradients(y, xs, start)]

    def jacobians(self, i: int) -> Jacobians:
        """(theoretical, numeric) by `xs[i]`."""
        return self._theoretical(i), self._numeric(i)

    def _theoretical(self, i: int) -> np.ndarray:
        start = np.zeros(self.y_shape, self._y_type.numpy)
        parts = _real_parts(start, self._y_type)
        columns = []
        for k in range(parts.size):
            parts[k] = 1
            gradient = np.array(self._run_gradients[i](
                start, *self.values, *self._extra), order="C")
            parts[k] = 0
            if gradient.shape != self.values[i].shape:
                raise ShapeError(
                    f"compute_gradient: the gradient by {self.xs[i]!r} has shape "
                    f"{list(gradient.shape)}, x {list(self.values[i].shape)}."
                )
            columns.append(_real_parts(gradient, self.xs[i].dtype))
        rows = _real_parts(self.values[i], self.xs[i].dtype).size
        dtype = self.xs[i].dtype.real_dtype.numpy
        return np.stack(columns, axis=1) if columns else np.zeros((rows, 0), dtype)

    def _numeric(self, i: int) -> np.ndarray:
        at = [v.copy() for v in self.values]
        parts = _real_parts(at[i], self.xs[i].dtype)
        size = _real_parts(np.zeros(self.y_shape, self._y_type.numpy), self._y_type).size
        jacobian = np.zeros((parts.size, size), self.xs[i].dtype.real_dtype.numpy)
        for k in range(parts.size):
            here = parts[k]
            parts[k] = here + self.delta
            above = np.array(self._run_y(*at, *self._extra), order="C")
            parts[k] = here - self.delta
            below = np.array(self._run_y(*at, *self._extra), order="C")
            parts[k] = here
            difference = (above - below) / np.asarray(2 * self.delta, self._y_type.numpy)
            jacobian[k] = _real_parts(difference, self._y_type)
        return jacobian


def _start_gradient(y: Tensor, y_shape: tuple[int, ...]) -> Tensor:
    """The tensor that the gradient of y is fed to."""
    with y.graph.as_default():
        return F.identity(F.ones(y_shape, y.dtype))


def _dense_gradients(y: Tensor, xs: Sequence[Tensor], start: Tensor) -> list[Tensor]:
    graph: Graph = y.graph
    found = gradients(y, list(xs), grad_ys=[start])
    for x, gradient in zip(xs, found):
        if gradient is None:
            raise GradientError(
                f"compute_gradient: {y!r} does not depend on {x!r} by differentiable operations.")
    return [graph.convert(g) for g in found]


def _sizes(shape: Any) -> tuple[int, ...]:
    sizes = as_shape(shape)
    if not sizes.is_fully_defined():
        raise ShapeError(f"compute_gradient: shapes must be fully known, got {sizes}.")
    return sizes.known_sizes()


def _start_values(
    xs: Sequence[Tensor], shapes: Sequence[tuple[int, ...]], given: Any, many: bool
) -> list[np.ndarray]:
    values = [None] * len(xs) if given is None else (list(given) if many else [given])
    if not len(xs) == len(shapes) == len(values):
        raise GraphError(
            f"compute_gradient: {len(xs)} tensors x, {len(shapes)} shapes, {len(values)} values.")
    return [_start_value(*each) for each in zip(xs, shapes, values)]


def _start_value(x: Tensor, shape: tuple[int, ...], value: Any) -> np.ndarray:
    if value is None:
        drawn = np.random.random_sample(shape)
        if x.dtype.is_complex:
            drawn = drawn + 1j * np.random.random_sample(shape)
        return np.asarray(drawn, x.dtype.numpy)
    array = np.array(value, x.dtype.numpy, order="C")
    if array.size != math.prod(shape):
        raise ShapeError(
            f"compute_gradient: x_init_value has shape {list(array.shape)}, x {list(shape)}.")
    return array.reshape(shape)


def _real_parts(array: np.ndarray, dtype: DType) -> np.ndarray:
    """The elements of a contiguous array in one row, complex ones as two: a view of it."""
    return array.reshape(-1).view(dtype.real_dtype.numpy)
