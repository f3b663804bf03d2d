"""What is known of values while the graph is built: `is_tensor`, `get_static_value`, sizes."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphflow.builder import F, apply, convert, op_function
from graphflow.dims import Dimension, SymDim, wrap
from graphflow.dtypes import DType, as_dtype
from graphflow.indexed_slices import IndexedSlices
from graphflow.ops.arguments import is_tensor as has_no_value_yet
from graphflow.ops.leaves import STOP_GRADIENT
from graphflow.shapes import as_shape


def is_tensor(x: Any) -> bool:
    """True for tensors, variables and IndexedSlices; False for numbers, lists and arrays."""
    return has_no_value_yet(x) or isinstance(x, IndexedSlices)


def get_static_value(tensor: Any, partial: bool = False) -> np.ndarray | None:
    """The value of a tensor as far as it is known while the graph is built, else None.

    Known are constants, and small integers that follow from constants and known sizes.
    partial: a value of which some elements are known is an object array with None for the others.
    """
    if not has_no_value_yet(tensor):
        return np.asarray(tensor)
    if not hasattr(tensor, "op"):
        return None
    tensor = convert(tensor)
    constant = tensor.op.attrs.get("value") if tensor.op.type == "Const" else None
    if constant is not None:
        return np.array(constant.array)
    known = tensor.symbolic_value
    if known is None:
        return None
    if known.dtype != object:
        return np.asarray(known, tensor.dtype.numpy)
    if not partial:
        return None
    found = np.array([None if isinstance(v, SymDim) else v for v in known.ravel()], object)
    return found.reshape(known.shape)


def dimension_value(dimension: Any) -> int | None:
    """A size as an int, None where it is not known until the graph runs."""
    return dimension.value if isinstance(dimension, Dimension) else dimension


def dimension_at_index(shape: Any, index: int) -> Any:
    """The `Dimension` of one axis; an unknown one for a shape of unknown rank."""
    shape = as_shape(shape)
    return wrap(shape[index]) if shape.rank is None else shape[index]


@op_function
def guarantee_const(input: Any, name: str | None = None) -> Any:
    """`input`, of which the user promises that it never changes; without a gradient."""
    return apply(STOP_GRADIENT, (input,), name=name, default_name="GuaranteeConst")


def convert_to_tensor_or_indexed_slices(
    value: Any, dtype: Any = None, name: str | None = None
) -> Any:
    """IndexedSlices as they are, anything else as by `convert_to_tensor`.

    Raises DTypeError if IndexedSlices do not have `dtype`.
    """
    wanted: DType | None = None if dtype is None else as_dtype(dtype)
    if isinstance(value, IndexedSlices) and (wanted is None or value.dtype is wanted):
        return value
    return F.convert_to_tensor(value, dtype=wanted, name=name)
