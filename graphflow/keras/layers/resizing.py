"""Padding, cropping and repetition along the axes of sequences, images and volumes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphflow.builder import F
from graphflow.errors import AttributeValueError, ShapeError
from graphflow.keras.backend.settings import normalize_data_format
from graphflow.keras.engine.layer import Layer
from graphflow.layers.input_spec import InputSpec
from graphflow.layers.layouts import per_axis
from graphflow.shapes import TensorShape, as_shape


def _pairs(layer: str, value: Any, rank: int) -> tuple[tuple[int, int], ...]:
    """(before, after) for each axis: from an int, one int per axis, or one pair per axis."""
    if isinstance(value, int):
        return ((value, value),) * rank
    listed = list(value)
    if rank == 1 and len(listed) == 2 and all(isinstance(v, int) for v in listed):
        return ((listed[0], listed[1]),)
    if len(listed) != rank:
        raise AttributeValueError(
            f"Layer {layer}: expected an int, or {rank} ints or pairs of them, got {value!r}.")
    return tuple((v, v) if isinstance(v, int) else (int(v[0]), int(v[1])) for v in listed)


class _Spatial(Layer):
    """A layer that changes the sizes of the axes of space."""

    rank = 1

    def __init__(self, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.data_format = "channels_last" if self.rank == 1 else normalize_data_format(
            data_format)
        self.input_spec = InputSpec(ndim=self.rank + 2)

    @property
    def _first(self) -> int:
        return 1 if self.data_format == "channels_last" else 2

    def _length(self, size: int, axis: int) -> int:
        raise NotImplementedError

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shape of the outputs."""
        sizes = as_shape(input_shape).as_list()
        for i in range(self.rank):
            size = sizes[self._first + i]
            sizes[self._first + i] = None if size is None else self._length(size, i)
        return TensorShape(sizes)


class _ZeroPadding(_Spatial):
    def __init__(self, padding: Any = 1, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(data_format, **kwargs)
        self.padding = _pairs(self.name, padding, self.rank)

    def _length(self, size: int, axis: int) -> int:
        return size + sum(self.padding[axis])

    def call(self, inputs: Any) -> Any:
        """The inputs with zeros around them."""
        edges = [(0, 0)] * (self.rank + 2)
        edges[self._first:self._first + self.rank] = self.padding
        return F.pad(inputs, edges)


class ZeroPadding1D(_ZeroPadding):
    """Zeros before and after sequences [batch, length, n]; padding: an int or a pair."""

    def __init__(self, padding: Any = 1, **kwargs: Any) -> None:
        super().__init__(padding, **kwargs)


class ZeroPadding2D(_ZeroPadding):
    """Zeros around images; padding: an int, (height, width), or ((top, bottom), (left, right))."""

    rank = 2

    def __init__(
        self, padding: Any = (1, 1), data_format: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(padding, data_format, **kwargs)


class ZeroPadding3D(_ZeroPadding):
    """Zeros around volumes; padding: an int, three, or three pairs."""

    rank = 3

    def __init__(
        self, padding: Any = (1, 1, 1), data_format: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(padding, data_format, **kwargs)


class _Cropping(_Spatial):
    def __init__(self, cropping: Any, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(data_format, **kwargs)
        self.cropping = _pairs(self.name, cropping, self.rank)

    def _length(self, size: int, axis: int) -> int:
        left = size - sum(self.cropping[axis])
        if left <= 0:
            raise ShapeError(
                f"Layer {self.name}: cropping {self.cropping} leaves nothing of the size {size}.")
        return left

    def call(self, inputs: Any) -> Any:
        """The inputs without their edges."""
        self.compute_output_shape(inputs.shape)
        chosen: list[Any] = [slice(None)] * (self.rank + 2)
        for i, (before, after) in enumerate(self.cropping):
            chosen[self._first + i] = slice(before, -after if after else None)
        return inputs[tuple(chosen)]


class Cropping1D(_Cropping):
    """Sequences without their first and last steps; cropping: an int or a pair."""

    def __init__(self, cropping: Any = (1, 1), **kwargs: Any) -> None:
        super().__init__(cropping, **kwargs)


class Cropping2D(_Cropping):
    """Images without their edges; cropping: an int, two, or two pairs."""

    rank = 2

    def __init__(
        self, cropping: Any = ((0, 0), (0, 0)), data_format: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(cropping, data_format, **kwargs)


class Cropping3D(_Cropping):
    """Volumes without their edges; cropping: an int, three, or three pairs."""

    rank = 3

    def __init__(
        self, cropping: Any = ((1, 1), (1, 1), (1, 1)), data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(cropping, data_format, **kwargs)


class _UpSampling(_Spatial):
    def __init__(self, size: Any, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(data_format, **kwargs)
        factors = per_axis(self.name, size, self.rank, "size")
        self.size: Any = factors[0] if self.rank == 1 else factors
        self._factors: Sequence[int] = factors

    def _length(self, size: int, axis: int) -> int:
        return size * self._factors[axis]

    def call(self, inputs: Any) -> Any:
        """The inputs, each element repeated along the axes."""
        for i, times in enumerate(self._factors):
            inputs = _repeated(inputs, self._first + i, times)
        return inputs


def _repeated(x: Any, axis: int, times: int) -> Any:
    """x with each slice along `axis` repeated `times` times."""
    if times == 1:
        return x
    static = x.shape.as_list()
    dynamic = F.shape(x)
    sizes = [dynamic[i] if n is None else n for i, n in enumerate(static)]
    multiples = [1] * (len(static) + 1)
    multiples[axis + 1] = times
    tiled = F.tile(F.expand_dims(x, axis + 1), multiples)
    made = F.reshape(tiled, [*sizes[:axis], sizes[axis] * times, *sizes[axis + 1:]])
    made.set_shape([None if n is None else n * times if i == axis else n
                    for i, n in enumerate(static)])
    return made


class UpSampling1D(_UpSampling):
    """Each step of sequences, `size` times."""

    def __init__(self, size: int = 2, **kwargs: Any) -> None:
        super().__init__(size, **kwargs)


class UpSampling2D(_UpSampling):
    """Images enlarged by whole factors; interpolation: "nearest" or "bilinear"."""

    rank = 2

    def __init__(
        self, size: Any = (2, 2), data_format: str | None = None,
        interpolation: str = "nearest", **kwargs: Any,
    ) -> None:
        super().__init__(size, data_format, **kwargs)
        if interpolation not in ("nearest", "bilinear"):
            raise AttributeValueError(
                '`interpolation` argument should be one of `"nearest"` or `"bilinear"`, got '
                f"{interpolation!r}.")
        self.interpolation = interpolation

    def call(self, inputs: Any) -> Any:
        """The enlarged images."""
        if self.interpolation == "nearest":
            return super().call(inputs)
        last = self.data_format == "channels_last"
        images = inputs if last else F.transpose(inputs, [0, 2, 3, 1])
        for axis, times in zip((1, 2), self._factors):
            images = _stretched(images, axis, times)
        return images if last else F.transpose(images, [0, 3, 1, 2])


def _stretched(x: Any, axis: int, times: int) -> Any:
    """Linear interpolation along an axis, half-pixel centres, edges repeated."""
    size = x.shape.as_list()[axis]
    if size is None:
        raise ShapeError("UpSampling2D: bilinear interpolation needs images of a known size.")
    places = [max(0.0, min((i + 0.5) / times - 0.5, size - 1.0)) for i in range(size * times)]
    below = [int(p) for p in places]
    above = [min(b + 1, size - 1) for b in below]
    share = F.reshape(F.cast(F.constant([p - b for p, b in zip(places, below)]), x.dtype),
                      [-1 if i == axis else 1 for i in range(4)])
    return F.gather(x, below, axis=axis) * (1 - share) + F.gather(x, above, axis=axis) * share


class UpSampling3D(_UpSampling):
    """Volumes enlarged by whole factors; each element is repeated."""

    rank = 3

    def __init__(
        self, size: Any = (2, 2, 2), data_format: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(size, data_format, **kwargs)
