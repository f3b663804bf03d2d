"""Conversions between element types."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import F, apply, convert, op_function, publish
from graphflow.dims import same
from graphflow.dtypes import DType, as_dtype
from graphflow.errors import DTypeError
from graphflow.loop_ir import semantics
from graphflow.lowering import Composite, Pointwise
from graphflow.opdef import Attr, Infer, NotDifferentiable, Sample, TensorType
from graphflow.ops.declare import declare
from graphflow.ops.scope import scope
from graphflow.shapes import UNKNOWN_SHAPE, TensorShape


def _cast_reference(x: np.ndarray, dtype: DType) -> np.ndarray:
    source = as_dtype(x.dtype)
    with np.errstate(all="ignore"):
        wide = np.asarray(x).astype(semantics.arithmetic_dtype(source), copy=False)
        return np.asarray(semantics.convert(wide, dtype)).astype(dtype.numpy)


def _cast_symbolic(c: Infer) -> list[Any]:
    """Sizes stay what they are in the types that hold sizes."""
    holds = c.dtype(0) in dt.INDICES and c.attrs["dtype"] in dt.INDICES
    return [c.value(0) if holds else None]


def _cast_samples() -> list[Sample]:
    numbers = np.array([[-2.75, -1.0, 0.0], [0.5, 1.5, 100.0]])
    return [
        *(Sample((np.abs(numbers),), {"dtype": d}, grad=d in (dt.float64, dt.complex128))
          for d in dt.FIXED_SIZE),
        Sample((numbers,), {"dtype": dt.int32}, dtypes=dt.FLOATS, grad=False),
        Sample((np.array([np.nan, np.inf, -np.inf, 1e10, -1e10, 300.0]),), {"dtype": dt.int32},
               dtypes=(dt.float32, dt.float64), grad=False),
        Sample((np.zeros((0, 2)),), {"dtype": dt.int64}, grad=False),
    ]


CAST = declare(
    "Cast", "x: T", attrs={"dtype": Attr("dtype")},
    infer=lambda c: [TensorType(c.attrs["dtype"], c.shape(0))],
    reference=_cast_reference,
    grad=lambda F, op, g: [
        F.cast(g, op.inputs[0].dtype)
        if op.inputs[0].dtype.is_differentiable and op.attrs["dtype"].is_differentiable else None],
    lowering=Pointwise(lambda b, x, dtype: b.cast(x, dtype)),
    symbolic=_cast_symbolic, samples=_cast_samples, T=dt.FIXED_SIZE)


@op_function
def cast(x: Any, dtype: Any, name: str | None = None) -> Any:
    """The values of `x` in another type: `x` itself if it has that type already.

    x: numbers or bools of any shape, or IndexedSlices. Floats are truncated to integers, NaN
    giving 0 and what is out of range the nearest end of it; integers wrap; numbers other than 0
    are True; an imaginary part is dropped.
    Raises DTypeError for strings.
    """
    dtype = as_dtype(dtype)
    if hasattr(x, "map_dense"):
        return x.map_dense(lambda values: cast(values, dtype, name))
    x = convert(x)
    if x.dtype is dtype:
        return x
    if dtype.is_string:
        raise DTypeError(f"cast: {x.dtype.name} cannot be cast to string. Use gf.as_string(x).")
    return apply(CAST, (x,), {"dtype": dtype}, name=name)


def _to(dtype: DType, public_name: str, default_name: str) -> Callable[..., Any]:
    def function(x: Any, name: str = default_name) -> Any:
        return cast(x, dtype, name=name)

    function.__name__ = function.__qualname__ = public_name
    function.__doc__ = f"The values of `x` as {dtype.name}; see `cast`."
    return publish(function)


to_float = _to(dt.float32, "to_float", "ToFloat")
to_double = _to(dt.float64, "to_double", "ToDouble")
to_int32 = _to(dt.int32, "to_int32", "ToInt32")
to_int64 = _to(dt.int64, "to_int64", "ToInt64")
to_bfloat16 = _to(dt.bfloat16, "to_bfloat16", "ToBFloat16")
to_complex64 = _to(dt.complex64, "to_complex64", "ToComplex64")
to_complex128 = _to(dt.complex128, "to_complex128", "ToComplex128")


@op_function
def saturate_cast(value: Any, dtype: Any, name: str | None = None) -> Any:
    """The values in another type, those out of its range becoming its smallest or largest.

    value: real numbers. Raises DTypeError for complex numbers, bools and strings.
    """
    value, dtype = convert(value), as_dtype(dtype)
    for given in (value.dtype, dtype):
        if given not in dt.REALS:
            raise DTypeError(f"saturate_cast: expects real numbers, got {given.name}. "
                             "Use gf.cast.")
    low, high = (float(v) if dtype.is_floating else v for v in dtype.limits)
    own_low, own_high = value.dtype.limits
    with scope(name, "saturate_cast") as inner:
        if own_low < low:
            value = F.maximum(value, convert(low, value.dtype))
        if own_high > high:
            value = F.minimum(value, convert(high, value.dtype))
        return cast(value, dtype, name=inner)


# ---- the same bits as another type --------------------------------------------------------------

_BITS = NotDifferentiable("bits have no gradient")


def _bitcast_reference(x: np.ndarray, type: DType) -> np.ndarray:
    """The bytes of each element, in native order, read again."""
    source, target = x.dtype.itemsize, type.size
    x = np.array(x, order="C")
    if target < source:
        return x.reshape(*x.shape, 1).view(np.uint8).view(type.numpy)
    out_shape = x.shape if target == source else x.shape[:-1]
    return x.reshape(-1).view(type.numpy).reshape(out_shape)


def _bit_samples(ratios: tuple[float, ...]) -> Callable[[], list[Sample]]:
    """Each real type read as another one whose size is one of `ratios` times its own."""
    def samples() -> list[Sample]:
        values = np.arange(6.0).reshape(3, 2) + 1
        pairs = [(s, t) for s in dt.REALS for t in dt.REALS
                 if s is not t and t.size / s.size in ratios]
        return [Sample((x,), {"type": target}, dtypes=(source,), grad=False)
                for source, target in pairs for x in (values, values[:0])]

    return samples


BITCAST = declare(
    "Bitcast", "input: T", attrs={"type": Attr("dtype")},
    infer=lambda c: [TensorType(c.attrs["type"], c.shape(0))], reference=_bitcast_reference,
    grad=_BITS, lowering=Pointwise(lambda b, x, type: b.bitcast(x, type)),
    samples=_bit_samples((1,)), T=dt.REALS)


def _resized_type(c: Infer) -> list[TensorType]:
    source, target = c.dtype(0).size, c.attrs["type"].size
    shape = c.shape(0)
    if shape.rank is None:
        return [TensorType(c.attrs["type"], UNKNOWN_SHAPE)]
    if target < source:
        sizes = (*shape.sizes, source // target)
    else:
        c.require_rank(0, at_least=1)
        if same(shape.sizes[-1], target // source) is False:
            raise c.error(
                f"the last axis must have {target // source} elements to become one "
                f"{c.attrs['type'].name}, got {c.show(0)}")
        sizes = shape.sizes[:-1]
    return [TensorType(c.attrs["type"], TensorShape.of(sizes))]


_WORDS = {1: dt.uint8, 2: dt.uint16, 4: dt.uint32, 8: dt.uint64}


def _expand_resize(F: Any, x: Any, type: DType) -> Any:
    """Whole numbers of the one size cut into, or put together from, those of the other."""
    source, target = x.dtype.size, type.size
    here, there = _WORDS[source], _WORDS[target]
    wide = max(source, target)
    shifts = (np.arange(wide // min(source, target)) * 8 * min(source, target)).astype(
        _WORDS[wide].numpy)
    words = F.bitcast(x, here)
    if target < source:
        return F.bitcast(F.cast(F.right_shift(F.expand_dims(words, -1), shifts), there), type)
    return F.bitcast(F.reduce_sum(F.left_shift(F.cast(words, there), shifts), axis=-1), type)


BITCAST_RESIZE = declare(
    "BitcastResize", "input: T", attrs={"type": Attr("dtype")}, infer=_resized_type,
    reference=_bitcast_reference, grad=_BITS, lowering=Composite(_expand_resize),
    samples=_bit_samples((0.5, 2)), T=dt.REALS)


@op_function
def bitcast(input: Any, type: Any, name: str | None = None) -> Any:
    """The bits of `input` read as `type`, a real type.

    Shape [...] stays if the sizes are equal; a type k times smaller gives [..., k], one k times
    larger takes [..., k]. Raises ShapeError if the last axis has another size.
    """
    input, target = convert(input), as_dtype(type)
    if target not in dt.REALS:
        raise DTypeError(f"bitcast: type must be a real number type, got {target.name}.")
    opdef = BITCAST if input.dtype.size == target.size else BITCAST_RESIZE
    return apply(opdef, (input,), {"type": target}, name=name or "Bitcast")
