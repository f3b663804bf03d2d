"""Layers of several inputs: sums, products, means, maxima, concatenations, dot products."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphflow.builder import F
from graphflow.errors import AttributeValueError, ShapeError
from graphflow.keras.backend.products import batch_dot
from graphflow.keras.engine.layer import Layer
from graphflow.shapes import TensorShape, as_shape


class _Merge(Layer):
    """Combines a list of tensors element by element; axes of size 1 and missing ones at the front
    of a sample broadcast. Raises AttributeValueError for anything but a list of two or more."""

    least = 2

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True

    def build(self, input_shape: Any) -> None:
        """Checks the number of inputs."""
        if not isinstance(input_shape, list) or len(input_shape) < self.least:
            raise AttributeValueError(
                f"Layer {self.name}: a merge layer should be called on a list of at least "
                f"{self.least} inputs. Got {input_shape}.")
        self.built = True

    def _merged(self, inputs: Sequence[Any]) -> Any:
        raise NotImplementedError

    def call(self, inputs: Any) -> Any:
        """The combination of the inputs."""
        ranks = [x.shape.rank for x in inputs]
        if None not in ranks and len(set(ranks)) > 1:
            inputs = [_of_rank(x, max(ranks)) for x in inputs]
        return self._merged(list(inputs))

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """True where all masks are."""
        found = [m for m in mask or () if m is not None]
        if not found:
            return None
        total = found[0]
        for other in found[1:]:
            total = F.logical_and(total, other)
        return total

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The broadcast of the shapes."""
        shape = as_shape(input_shape[0])
        for other in input_shape[1:]:
            shape = F.broadcast_static_shape(shape, as_shape(other))
        return shape


def _of_rank(x: Any, rank: int) -> Any:
    """x with axes of size 1 put in after the batch's."""
    for _ in range(rank - x.shape.rank):
        x = F.expand_dims(x, 1)
    return x


class Add(_Merge):
    """The sum of the inputs."""

    def _merged(self, inputs: Sequence[Any]) -> Any:
        total = inputs[0]
        for x in inputs[1:]:
            total = total + x
        return total


class Subtract(_Merge):
    """The first input less the second. Raises AttributeValueError unless there are two."""

    def build(self, input_shape: Any) -> None:
        """Checks the number of inputs."""
        super().build(input_shape)
        if len(input_shape) != 2:
            raise AttributeValueError(
                "A `Subtract` layer should be called on exactly 2 inputs.")

    def _merged(self, inputs: Sequence[Any]) -> Any:
        return inputs[0] - inputs[1]


class Multiply(_Merge):
    """The product of the inputs."""

    def _merged(self, inputs: Sequence[Any]) -> Any:
        total = inputs[0]
        for x in inputs[1:]:
            total = total * x
        return total


class Average(Add):
    """The mean of the inputs."""

    def _merged(self, inputs: Sequence[Any]) -> Any:
        return super()._merged(inputs) / len(inputs)


class Maximum(_Merge):
    """The largest of the inputs, element by element."""

    def _merged(self, inputs: Sequence[Any]) -> Any:
        total = inputs[0]
        for x in inputs[1:]:
            total = F.maximum(total, x)
        return total


class Minimum(_Merge):
    """The smallest of the inputs, element by element."""

    def _merged(self, inputs: Sequence[Any]) -> Any:
        total = inputs[0]
        for x in inputs[1:]:
            total = F.minimum(total, x)
        return total


class Concatenate(_Merge):
    """The inputs one after the other along `axis`. Raises ShapeError if other sizes differ."""

    def __init__(self, axis: int = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = axis

    def call(self, inputs: Any) -> Any:
        """The concatenation."""
        return F.concat(list(inputs), axis=self.axis)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The sizes, those along the axis added up."""
        shapes = [as_shape(s).as_list() for s in input_shape]
        sizes = list(shapes[0])
        along = [s[self.axis] for s in shapes]
        known = [n for n in along if n is not None]
        sizes[self.axis] = sum(known) if len(known) == len(along) else None
        return TensorShape(sizes)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """The masks one after the other; an input without one counts as all True."""
        if not any(m is not None for m in mask or ()):
            return None
        parts = []
        for x, m in zip(inputs, mask):
            if m is None:
                parts.append(F.ones_like(x, dtype="bool"))
            elif m.shape.rank < x.shape.rank:
                parts.append(F.logical_and(F.expand_dims(m, -1), F.ones_like(x, dtype="bool")))
            else:
                parts.append(m)
        return F.reduce_all(F.concat(parts, axis=self.axis), axis=-1)


class Dot(_Merge):
    """Products of two inputs summed along an axis of each; `normalize`d first if asked."""

    def __init__(self, axes: Any, normalize: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axes, self.normalize = axes, normalize

    def call(self, inputs: Any) -> Any:
        """[batch, …] and [batch, …] → the axes that are left of both."""
        if len(inputs) != 2:
            raise AttributeValueError("A `Dot` layer should be called on exactly 2 inputs.")
        x, y = inputs
        ranks = x.shape.rank, y.shape.rank
        given = (self.axes, self.axes) if isinstance(self.axes, int) else tuple(self.axes)
        axes = tuple(a % r for a, r in zip(given, ranks))
        sizes = x.shape.as_list()[axes[0]], y.shape.as_list()[axes[1]]
        if None not in sizes and sizes[0] != sizes[1]:
            raise ShapeError(
                f"Layer {self.name}: dimension incompatibility {sizes[0]} != {sizes[1]}. Layer "
                f"shapes: {x.shape}, {y.shape}. Chosen axes: {axes}.")
        if self.normalize:
            x, y = F.l2_normalize(x, axis=axes[0]), F.l2_normalize(y, axis=axes[1])
        return batch_dot(x, y, axes)


def add(inputs: Any, **kwargs: Any) -> Any:
    """The sum of a list of tensors; see `Add`."""
    return Add(**kwargs)(inputs)


def subtract(inputs: Any, **kwargs: Any) -> Any:
    """The first tensor less the second; see `Subtract`."""
    return Subtract(**kwargs)(inputs)


def multiply(inputs: Any, **kwargs: Any) -> Any:
    """The product of a list of tensors; see `Multiply`."""
    return Multiply(**kwargs)(inputs)


def average(inputs: Any, **kwargs: Any) -> Any:
    """The mean of a list of tensors; see `Average`."""
    return Average(**kwargs)(inputs)


def maximum(inputs: Any, **kwargs: Any) -> Any:
    """The largest of a list of tensors; see `Maximum`."""
    return Maximum(**kwargs)(inputs)


def minimum(inputs: Any, **kwargs: Any) -> Any:
    """The smallest of a list of tensors; see `Minimum`."""
    return Minimum(**kwargs)(inputs)


def concatenate(inputs: Any, axis: int = -1, **kwargs: Any) -> Any:
    """A list of tensors, one after the other along `axis`; see `Concatenate`."""
    return Concatenate(axis=axis, **kwargs)(inputs)


def dot(inputs: Any, axes: Any, normalize: bool = False, **kwargs: Any) -> Any:
    """Products summed along an axis of each of two tensors; see `Dot`."""
    return Dot(axes=axes, normalize=normalize, **kwargs)(inputs)
