"""What a layer demands of its inputs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graphflow.dims import same
from graphflow.dtypes import as_dtype
from graphflow.errors import DTypeError, ShapeError
from graphflow.ops.nests import Nest
from graphflow.shapes import as_shape


class InputSpec:
    """The dtype, shape, rank, or sizes of some axes that an input must have; None allows all.

    axes: {axis: size}; a size of None allows all.
    """

    def __init__(
        self, dtype: Any = None, shape: Any = None, ndim: int | None = None,
        max_ndim: int | None = None, min_ndim: int | None = None,
        axes: Mapping[int, int | None] | None = None,
    ) -> None:
        self.dtype = None if dtype is None else as_dtype(dtype)
        self.shape = None if shape is None else as_shape(shape)
        self.ndim = self.shape.rank if self.shape is not None else ndim
        self.max_ndim, self.min_ndim = max_ndim, min_ndim
        self.axes = {int(k): v for k, v in (axes or {}).items()}

    def __repr__(self) -> str:
        shown = {"dtype": self.dtype and self.dtype.name, "shape": self.shape,
                 "ndim": self.ndim, "max_ndim": self.max_ndim, "min_ndim": self.min_ndim,
                 "axes": self.axes or None}
        return f"InputSpec({', '.join(f'{k}={v}' for k, v in shown.items() if v is not None)})"

    def problem(self, x: Any) -> tuple[type[Exception], str] | None:
        """What is wrong with an input: (class of the error, expected and found), or None."""
        rank = x.shape.rank
        if rank is not None:
            for bad, wanted in (
                (self.ndim is not None and rank != self.ndim, f"ndim={self.ndim}"),
                (self.max_ndim is not None and rank > self.max_ndim, f"max_ndim={self.max_ndim}"),
                (self.min_ndim is not None and rank < self.min_ndim, f"min_ndim={self.min_ndim}"),
            ):
                if bad:
                    return ShapeError, f"expected {wanted}, found ndim={rank}. Full shape " \
                                       f"received: {x.shape}"
        if self.dtype is not None and x.dtype is not self.dtype:
            return DTypeError, f"expected dtype={self.dtype.name}, found dtype={x.dtype.name}"
        return self._wrong_size(x)

    def _wrong_size(self, x: Any) -> tuple[type[Exception], str] | None:
        if x.shape.rank is None:
            return None
        wanted: dict[int, Any] = dict(self.axes)
        if self.shape is not None and self.shape.rank is not None:
            wanted |= dict(enumerate(self.shape.sizes))
        for axis, size in wanted.items():
            if size is not None and same(x.shape.sizes[axis], size) is False:
                return ShapeError, (f"expected axis {axis} of input shape to have value {size} "
                                    f"but received input with shape {x.shape}")
        return None


def check_inputs(layer_name: str, specs: Any, inputs: Any) -> None:
    """Raises ShapeError or DTypeError for inputs that are not as `specs` demand.

    specs: an InputSpec, or a list of them with one (or None) per input; None allows all.
    """
    if specs is None:
        return
    specs = list(specs) if isinstance(specs, (list, tuple)) else [specs]
    tensors = Nest(inputs).leaves
    if len(tensors) != len(specs):
        raise ShapeError(
            f"Layer {layer_name} expects {len(specs)} inputs, but it received {len(tensors)} "
            f"input tensors: {tensors}.")
    for index, (spec, x) in enumerate(zip(specs, tensors)):
        found = None if spec is None else spec.problem(x)
        if found:
            raise found[0](
                f"Input {index} of layer {layer_name} is incompatible with the layer: "
                f"{found[1]}.")
