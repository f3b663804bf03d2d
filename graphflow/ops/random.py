"""Random ops: uniform, normal, truncated normal, shuffle.

In the Graph each is two operations: a counter (how often it ran in this session; state that
checkpoints save) and a pure op of shape, counter and key. The same seeds give the same numbers
on every device and with any number of threads; `random_bits` says which bits an element takes,
`random_distributions` what is made of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import F, apply, convert, current, op_function
from graphflow.dims import SymDim
from graphflow.dtypes import DType, as_dtype
from graphflow.errors import AttributeValueError, DTypeError, ShapeError
from graphflow.loop_ir import Expr
from graphflow.lowering import Composite, Generate
from graphflow.opdef import (
    Attr,
    ErrorSample,
    Infer,
    NotDifferentiable,
    OpDef,
    Sample,
    TensorType,
    same_as_input,
)
from graphflow.ops import random_distributions as draws
from graphflow.ops.arguments import failure, shape_argument, shape_from_value, typed
from graphflow.ops.declare import declare
from graphflow.ops.random_bits import op_key, wide_word
from graphflow.ops.state import random_counter

FLOAT_TYPES = (dt.float16, dt.bfloat16, dt.float32, dt.float64)
INTEGER_TYPES = (dt.int32, dt.int64)

_KEY = {"key0": Attr("int"), "key1": Attr("int")}
_NO_GRADIENT = NotDifferentiable("a draw depends on a shape and a counter only")


def _listed(types: Sequence[DType]) -> str:
    return ", ".join(t.name for t in types)


# --- inference --------------------------------------------------------------------------------


def _float_type(c: Infer) -> list[TensorType]:
    dtype = c.attrs["dtype"]
    if dtype not in FLOAT_TYPES:
        raise c.error(f"dtype must be one of {_listed(FLOAT_TYPES)}, got {dtype.name}",
                      cls=DTypeError)
    c.require_rank(1, 0)
    return [TensorType(dtype, shape_from_value(c, 0))]


def _integer_type(c: Infer) -> list[TensorType]:
    for i in (1, 2, 3):
        c.require_rank(i, 0)
    shape = shape_from_value(c, 0)
    low, high = _known_integer(c.value(1)), _known_integer(c.value(2))
    # TensorFlow lets an empty draw pass whatever its bounds; so do we.
    if low is not None and high is not None and low >= high and shape.num_elements():
        raise c.error(f"Need minval < maxval, got {low} >= {high}",
                      "maxval itself is never drawn.", AttributeValueError)
    return [TensorType(c.dtype(1), shape)]


def _word_type(c: Infer) -> list[TensorType]:
    c.require_rank(1, 0)
    return [TensorType(dt.uint64, shape_from_value(c, 0))]


def _known_integer(value: np.ndarray | None) -> int | None:
    return None if value is None or isinstance(value[()], SymDim) else int(value[()])


# --- samples ----------------------------------------------------------------------------------


def _float_samples() -> list[Sample]:
    found = []
    for dtype in FLOAT_TYPES:
        for sizes, run in (((3, 5), 0), ((), 7), ((0, 2), 1), ((41,), 2**33 + 5), ((1,), -3)):
            found.append(Sample(
                (np.array(sizes, np.int32), np.int64(run)),
                {"key0": 0x9ABCDEF0, "key1": 5, "dtype": dtype}, grad=False))
    found.append(Sample((np.array((2, 3), np.int64), np.int64(1)),
                        {"key0": 0, "key1": 0xFFFFFFFF, "dtype": dt.float32}, grad=False))
    return found


def _integer_samples() -> list[Sample]:
    found = []
    for dtype in INTEGER_TYPES:
        ends = np.iinfo(dtype.numpy)
        for low, high in ((0, 10), (-7, -6), (ends.min, ends.max), (-3, 2**20)):
            found.append(Sample(
                (np.array((3, 7), np.int32), dtype.numpy.type(low), dtype.numpy.type(high),
                 np.int64(9)), {"key0": 77, "key1": 0xFFFFFFFF}, grad=False))
    found.append(Sample((np.zeros((0,), np.int64), np.int32(-5), np.int32(5), np.int64(0)),
                        {"key0": 3, "key1": 4}, grad=False))
    return found


def _word_samples() -> list[Sample]:
    return [Sample((np.array(sizes, np.int32), np.int64(run)), {"key0": 7, "key1": 0xFFFFFFFF},
                   grad=False)
            for sizes, run in (((3, 5), 0), ((), 7), ((0, 2), 1), ((41,), 2**33 + 5))]


def _shape_errors(extra: dict[str, Any], between: tuple[Any, ...] = ()) -> list[ErrorSample]:
    key = {"key0": 0, "key1": 0} | extra
    rest = (*between, typed(dt.int64))
    return [
        ErrorSample((typed(dt.int32), *rest), key, ShapeError, "shape must have rank 1"),
        ErrorSample((np.array([2, -1], np.int32), *rest), key, ShapeError, "negative size -1"),
        ErrorSample((typed(dt.float32, 2), *rest), key, DTypeError,
                    "shape must be one of int32, int64"),
    ]


def _float_errors() -> list[ErrorSample]:
    wrong = {"key0": 0, "key1": 0, "dtype": dt.int32}
    return [*_shape_errors({"dtype": dt.float32}),
            ErrorSample((typed(dt.int32, 2), typed(dt.int64)), wrong, DTypeError,
                        "dtype must be one of float16")]


def _integer_errors() -> list[ErrorSample]:
    key, counter = {"key0": 0, "key1": 0}, typed(dt.int64)
    return [
        *_shape_errors({}, (np.int32(0), np.int32(4))),
        ErrorSample((np.array([2], np.int32), np.int32(5), np.int32(3), counter), key,
                    AttributeValueError, "Need minval < maxval, got 5 >= 3"),
        ErrorSample((typed(dt.int32, 2), typed(dt.int32, 2), np.int32(3), counter), key,
                    ShapeError, "minval must have rank 0"),
    ]


def _shuffle_samples() -> list[Sample]:
    return [Sample((value, np.int64(3)), {"key0": 1, "key1": 2}, grad=False)
            for value in (np.arange(14.0).reshape(7, 2), np.zeros((0, 2)), np.array(2.0))]


# --- declarations -----------------------------------------------------------------------------


def _float_op(name: str, body: Callable[..., Expr], reference: Callable[..., Any]) -> OpDef:
    return declare(
        name, "shape: S, counter: int64", attrs={**_KEY, "dtype": Attr("dtype")},
        infer=_float_type, reference=reference, grad=_NO_GRADIENT,
        lowering=Generate(body, scalars=(1,), keys=tuple(_KEY)), samples=_float_samples,
        errors=_float_errors, depth=2, S=dt.INDICES)


RANDOM_UNIFORM = _float_op("RandomUniform", draws.uniform_body, draws.uniform)
RANDOM_NORMAL = _float_op("RandomStandardNormal", draws.normal_body, draws.normal)
TRUNCATED_NORMAL = _float_op("TruncatedNormal", draws.truncated_body, draws.truncated)

RANDOM_UNIFORM_INT = declare(
    "RandomUniformInt", "shape: S, minval: T, maxval: T, counter: int64", attrs=dict(_KEY),
    infer=_integer_type, reference=draws.integer, grad=_NO_GRADIENT,
    lowering=Generate(
        draws.integer_body, scalars=(1, 2, 3),
        refuses=lambda b, minval, maxval, counter: b.ge(minval, maxval), keys=tuple(_KEY)),
    samples=_integer_samples, errors=_integer_errors, S=dt.INDICES, T=INTEGER_TYPES)

RANDOM_WORDS = declare(
    "RandomWords", "shape: S, counter: int64", attrs=dict(_KEY), infer=_word_type,
    reference=draws.bits, grad=_NO_GRADIENT,
    lowering=Generate(wide_word, scalars=(1,), keys=tuple(_KEY)), samples=_word_samples,
    errors=lambda: _shape_errors({}), S=dt.INDICES)


def _expand_shuffle(F: Any, value: Any, counter: Any, key0: int, key1: int) -> Any:
    """Rows in the order of random numbers, one for each; equal ones (if any) stay in order."""
    if value.shape.rank == 0:
        return F.identity(value)
    words = apply(RANDOM_WORDS, (F.shape(value)[:1], counter), {"key0": key0, "key1": key1})
    return F.gather(value, F.argsort(words))


def _of_unknown_rank(inputs: tuple[Any, ...], attrs: dict[str, Any]) -> bool:
    return inputs[0].shape.rank is None


RANDOM_SHUFFLE = declare(
    "RandomShuffle", "value: any, counter: int64", attrs=dict(_KEY), infer=same_as_input,
    reference=draws.shuffle, grad=NotDifferentiable("TensorFlow gives it no gradient either"),
    lowering=Composite(_expand_shuffle, refuses=_of_unknown_rank), samples=_shuffle_samples)


# --- public functions -------------------------------------------------------------------------


def _draw(
    opdef: OpDef, inputs: Sequence[Any], seed: int | None, scope: str, whole: bool, **attrs: Any
) -> Any:
    """One draw of a new random op; it is the `whole` of its scope, or a part named by its type."""
    (key0, key1), seeded = op_key(seed)
    counter = random_counter(
        (key0, key1), seeded, name=scope[:-1] if whole else f"{scope}{opdef.name}")
    attrs |= {"key0": key0, "key1": key1}
    return apply(opdef, (*inputs, counter), attrs, name=scope if whole else None)


def _checked_type(function: str, dtype: Any, types: Sequence[DType]) -> DType:
    dtype = as_dtype(dtype)
    if dtype not in types:
        raise failure(function, None, f"dtype must be one of {_listed(types)}, got {dtype.name}",
                      cls=DTypeError)
    return dtype


def _parameter(function: str, name: str | None, what: str, value: Any, dtype: DType) -> Any:
    try:
        return convert(value, dtype, what.removesuffix("val"))  # TensorFlow's names: min, max
    except DTypeError as error:
        raise failure(function, name, f"{what}: {error}", cls=DTypeError) from None


@op_function
def random_uniform(
    shape: Any, minval: Any = 0, maxval: Any = None, dtype: Any = dt.float32,
    seed: int | None = None, name: str | None = None,
) -> Any:
    """Uniform draws from [minval, maxval), as `tf.random_uniform`.

    shape: integer vector, static or computed. minval, maxval: of `dtype`; for floats they may
    broadcast against `shape` and gradients flow to them, for integers they are scalars.
    dtype: float16, bfloat16, float32, float64, int32 or int64. maxval: 1 by default for floats.
    Raises DTypeError for another dtype, AttributeValueError if an integer draw has no maxval or
    an empty range, InvalidArgumentError if a range turns out to be empty in a run.
    """
    dtype = _checked_type("random_uniform", dtype, (*FLOAT_TYPES, *INTEGER_TYPES))
    if maxval is None and dtype.is_integer:
        raise failure("random_uniform", name, f"Must specify maxval for {dtype.name}")
    graph: Any = current()
    with graph.name_scope(name or "random_uniform") as scope:
        shape = convert(shape_argument("random_uniform", name, shape), name="shape")
        low = _parameter("random_uniform", name, "minval", minval, dtype)
        high = _parameter("random_uniform", name, "maxval", 1 if maxval is None else maxval, dtype)
        if dtype.is_integer:
            return _draw(RANDOM_UNIFORM_INT, (shape, low, high), seed, scope, True)
        drawn = _draw(RANDOM_UNIFORM, (shape,), seed, scope, False, dtype=dtype)
        return F.add(drawn * (high - low), low, name=scope)


def _normal_like(
    opdef: OpDef, function: str, shape: Any, mean: Any, stddev: Any, dtype: Any,
    seed: int | None, name: str | None,
) -> Any:
    dtype = _checked_type(function, dtype, FLOAT_TYPES)
    graph: Any = current()
    with graph.name_scope(name or function) as scope:
        shape = convert(shape_argument(function, name, shape), name="shape")
        mean = _parameter(function, name, "mean", mean, dtype)
        stddev = _parameter(function, name, "stddev", stddev, dtype)
        drawn = _draw(opdef, (shape,), seed, scope, False, dtype=dtype)
        return F.add(drawn * stddev, mean, name=scope)


@op_function
def random_normal(
    shape: Any, mean: Any = 0.0, stddev: Any = 1.0, dtype: Any = dt.float32,
    seed: int | None = None, name: str | None = None,
) -> Any:
    """Normal draws, as `tf.random_normal`: mean + stddev · z with z by Box and Muller's method.

    shape: integer vector, static or computed. mean, stddev: of `dtype` (a float), broadcast
    against `shape`; gradients flow to both. Raises DTypeError for another dtype.
    """
    return _normal_like(
        RANDOM_NORMAL, "random_normal", shape, mean, stddev, dtype, seed, name)


@op_function
def truncated_normal(
    shape: Any, mean: Any = 0.0, stddev: Any = 1.0, dtype: Any = dt.float32,
    seed: int | None = None, name: str | None = None,
) -> Any:
    """Normal draws at most two standard deviations from the mean, as `tf.truncated_normal`.

    The distribution is that of redrawing what lies farther out; the method is the inverse of the
    normal distribution function on [Φ(−2), Φ(2)]. Arguments as in `random_normal`.
    """
    return _normal_like(
        TRUNCATED_NORMAL, "truncated_normal", shape, mean, stddev, dtype, seed, name)


@op_function
def random_shuffle(value: Any, seed: int | None = None, name: str | None = None) -> Any:
    """`value` with the rows of its first axis in a random order, each order equally likely.

    value: [N, …] of any dtype; a scalar passes. Not differentiable, as in TensorFlow.
    """
    graph: Any = current()
    value = convert(value)
    with graph.name_scope(name or "RandomShuffle") as scope:
        return _draw(RANDOM_SHUFFLE, (value,), seed, scope, True)
