"""Smaller functions of `tf.nn`: losses, normalisation, layers, dropout, accuracy."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import F as OPS
from graphflow.builder import apply, convert, op_function
from graphflow.dims import same
from graphflow.errors import AttributeValueError, DTypeError, ShapeError
from graphflow.lowering import Composite, Reduce
from graphflow.opdef import (
    Attr,
    ErrorSample,
    Infer,
    NotDifferentiable,
    Sample,
    TensorType,
    scalar_of,
)
from graphflow.ops.arguments import failure, is_tensor, renamed, static_int, typed
from graphflow.ops.declare import declare
from graphflow.ops.numerics import accumulator, widen
from graphflow.ops.scope import scope
from graphflow.shapes import TensorShape

# ---- l2_loss ----------------------------------------------------------------------------------


def _l2_reference(t: np.ndarray) -> np.ndarray:
    flat = widen(t).ravel()
    return np.asarray(np.dot(flat, flat) / 2).astype(t.dtype)


_HALF_SUM_OF_SQUARES = Reduce(
    axes=lambda ctx: tuple(range(len(ctx.in_shapes[0]))),
    init=lambda b, ctx: (b.const(0.0, accumulator(ctx.in_dtypes[0])),),
    lift=lambda b, x, position, ctx: (b.square(b.cast(x, accumulator(ctx.in_dtypes[0]))),),
    combine=lambda b, left, right: (left[0] + right[0],),
    finish=lambda b, total, count, ctx: (b.cast(total[0] / 2, ctx.out_dtypes[0]),))

L2_LOSS = declare(
    "L2Loss", "t: T", infer=lambda c: [scalar_of(c.dtype(0))], reference=_l2_reference,
    grad=lambda F, op, g: [op.inputs[0] * g], lowering=_HALF_SUM_OF_SQUARES,
    samples=lambda: [Sample((np.array([[1.5, -2.0, 3.0], [0.5, 4.0, -1.0]]),)),
                     Sample((np.array(2.0),)), Sample((np.zeros((0, 3)),))],
    errors=lambda: [ErrorSample((typed(dt.int32, 3),), {}, DTypeError, "t must be one of")],
    T=dt.FLOATS)


@op_function
def l2_loss(t: Any, name: str | None = None) -> Any:
    """Σ t² / 2, a scalar (half the square of the norm). t: floats of any shape."""
    return apply(L2_LOSS, (t,), name=name)


# ---- in_top_k ---------------------------------------------------------------------------------


def _in_top_k_type(c: Infer) -> list[TensorType]:
    c.require_rank(0, 2)
    c.require_rank(1, 1)
    if c.attrs["k"] < 0:
        raise c.error(f"k must not be negative, got {c.attrs['k']}", cls=AttributeValueError)
    predictions, targets = c.shape(0), c.shape(1)
    if predictions.rank is None or targets.rank is None:
        return [TensorType(dt.bool_, TensorShape([None]))]
    size = c.require_same(
        predictions.sizes[0], targets.sizes[0],
        f"predictions and targets must have one row each: {c.show(0)}, {c.show(1)}")
    return [TensorType(dt.bool_, TensorShape.of((size,)))]


def _in_top_k_reference(predictions: np.ndarray, targets: np.ndarray, k: int) -> np.ndarray:
    rows, classes = predictions.shape
    known = (targets >= 0) & (targets < classes)
    known &= np.isfinite(predictions).all(axis=1)
    if not rows or not classes:
        return np.zeros(rows, np.bool_)
    of_target = predictions[np.arange(rows), np.where(known, targets, 0)]
    return known & ((predictions > of_target[:, None]).sum(axis=1) < k)


def _expand_in_top_k(F: Any, predictions: Any, targets: Any, k: int) -> Any:
    classes = F.cast(F.shape(predictions)[1], targets.dtype)
    known = F.logical_and(targets >= 0, targets < classes)
    known = F.logical_and(known, F.reduce_all(F.is_finite(predictions), 1))
    chosen = F.where_v2(known, targets, F.zeros_like(targets))
    of_target = apply("PickLabel", (predictions, chosen))
    above = F.reduce_sum(F.cast(predictions > F.expand_dims(of_target, 1), dt.int32), 1)
    return F.logical_and(known, above < k)


def _in_top_k_samples() -> list[Sample]:
    scores = np.array([[0.1, 0.5, 0.4], [0.3, 0.3, 0.1], [2.0, np.inf, 1.0], [1.0, 2.0, 3.0]])
    targets = np.array([2, 1, 0, 7], np.int32)
    return [*(Sample((scores, targets), {"k": k}, (dt.float32,), grad=False) for k in (1, 2, 0)),
            Sample((np.zeros((0, 3)), targets[:0]), {"k": 1}, (dt.float32,), grad=False)]


IN_TOP_K = declare(
    "InTopKV2", "predictions: float32, targets: I", attrs={"k": Attr("int")},
    infer=_in_top_k_type, reference=_in_top_k_reference,
    grad=NotDifferentiable("the result is bool"), lowering=Composite(_expand_in_top_k),
    samples=_in_top_k_samples,
    errors=lambda: [
        ErrorSample((typed(dt.float32, 4, 3), typed(dt.int32, 5)), {"k": 1}, ShapeError,
                    r"one row each: predictions \[4, 3\], targets \[5\]"),
        ErrorSample((typed(dt.float32, 4), typed(dt.int32, 4)), {"k": 1}, ShapeError,
                    "predictions must have rank 2"),
        ErrorSample((typed(dt.float32, 4, 3), typed(dt.int32, 4)), {"k": -1},
                    AttributeValueError, "k must not be negative")],
    I=dt.INDICES)


@op_function
def in_top_k(predictions: Any, targets: Any, k: Any, name: str | None = None) -> Any:
    """Whether each target class is among the k best predictions of its row.

    predictions: float32 [rows, classes]; targets: int32 or int64 [rows] → bool [rows]. Classes
    that tie with the k-th best count as among them; a target outside [0, classes) and a row with
    an infinity or NaN give False. Raises ShapeError, DTypeError if the inputs do not fit.
    """
    return apply(IN_TOP_K, (predictions, targets), {"k": static_int("InTopKV2", name, "k", k)},
                 name=name, default_name="in_top_k")


# ---- compositions -----------------------------------------------------------------------------


@op_function
def l2_normalize(
    x: Any, axis: Any = None, epsilon: float = 1e-12, name: str | None = None, dim: Any = None
) -> Any:
    """x / √max(Σ x², ε), the sum over `axis` (dim, the old name; all axes by default).

    x: floats. Raises AttributeValueError for an axis that x does not have.
    """
    axis = renamed("l2_normalize", "axis", axis, "dim", dim)
    with scope(name, "l2_normalize") as outer:
        x = convert(x)
        total = OPS.reduce_sum(OPS.square(x), axis, keepdims=True)
        return OPS.multiply(x, OPS.rsqrt(OPS.maximum(total, epsilon)), name=outer)


@op_function
def zero_fraction(value: Any, name: str | None = None) -> Any:
    """The fraction of the elements of `value` (numbers) that are zero: a float32 scalar."""
    with scope(name, "zero_fraction"):
        value = convert(value)
        zeros = OPS.cast(OPS.equal(value, OPS.zeros_like(value)), dt.float32)
        return OPS.reduce_mean(zeros, name="fraction")


@op_function
def xw_plus_b(x: Any, weights: Any, biases: Any, name: str | None = None) -> Any:
    """x · weights + biases: x [rows, in], weights [in, out], biases [out] → [rows, out].

    Raises ShapeError, DTypeError if they do not fit.
    """
    with scope(name, "xw_plus_b") as outer:
        return OPS.bias_add(OPS.matmul(x, weights), biases, name=outer)


@op_function
def relu_layer(x: Any, weights: Any, biases: Any, name: str | None = None) -> Any:
    """relu(x · weights + biases); arguments and errors as in `xw_plus_b`."""
    with scope(name, "relu_layer") as outer:
        return OPS.relu(OPS.bias_add(OPS.matmul(x, weights), biases), name=outer)


# ---- dropout ----------------------------------------------------------------------------------

_NUMBER = (int, float, np.integer, np.floating)


@op_function
def dropout(
    x: Any,
    keep_prob: Any = None,
    noise_shape: Any = None,
    seed: int | None = None,
    name: str | None = None,
    rate: Any = None,
) -> Any:
    """x with a random fraction `rate` of its elements set to 0, the others divided by 1 − rate.

    x: floats of any shape. rate: a number in [0, 1) or a scalar tensor (0 gives x itself).
    keep_prob: 1 − rate, the old argument; a number in (0, 1] or a scalar tensor (such as a
      placeholder that is 1 for evaluation). noise_shape: the shape of the random choice, which
      broadcasts to x; None in it stands for x's size. seed: of the choice, as in
      `random_uniform`.
    Raises DTypeError if x is not of floats, AttributeValueError if neither or both of rate and
    keep_prob are given or are outside their range, ShapeError if rate is no scalar.
    """
    rate = _drop_rate(name, rate, keep_prob)
    with scope(name, "dropout") as outer:
        x = convert(x)
        if not x.dtype.is_floating:
            raise failure("dropout", name, f"x must be of floats, since it is scaled; got {x!r}",
                          "Use gf.cast(x, gf.float32).", DTypeError)
        if isinstance(rate, _NUMBER) and rate == 0:
            return x
        wide = accumulator(x.dtype)  # half types have too few numbers in [0, 1) to compare with
        rate = _scalar_rate(name, rate, x.dtype)
        drawn = OPS.random_uniform(_noise_shape(name, x, noise_shape), dtype=wide, seed=seed)
        kept = OPS.greater_equal(drawn, OPS.cast(rate, wide))
        return OPS.where_v2(kept, x * (1 / (1 - rate)), OPS.zeros_like(x), name=outer)


def _drop_rate(name: str | None, rate: Any, keep_prob: Any) -> Any:
    if (rate is None) == (keep_prob is None):
        problem = "needs a rate" if rate is None else "got both rate and keep_prob"
        raise failure("dropout", name, problem, "Give rate=…, the fraction to drop.")
    if keep_prob is None:
        if isinstance(rate, _NUMBER) and not 0 <= rate < 1:
            raise failure("dropout", name,
                          f"rate must be a scalar tensor or a number in [0, 1), got {rate!r}")
        return rate
    if isinstance(keep_prob, _NUMBER) and not 0 < keep_prob <= 1:
        raise failure("dropout", name, "keep_prob must be a scalar tensor or a number in (0, 1], "
                                       f"got {keep_prob!r}")
    if not isinstance(keep_prob, _NUMBER) and not is_tensor(keep_prob):
        raise failure("dropout", name, f"keep_prob must be a number or a tensor, got "
                                       f"{keep_prob!r}")
    return 1 - keep_prob


def _scalar_rate(name: str | None, rate: Any, dtype: Any) -> Any:
    rate = convert(rate, dtype)
    if rate.shape.rank not in (None, 0):
        raise failure("dropout", name, f"rate must be a scalar, got {rate!r}", "", ShapeError)
    # A placeholder without a shape is taken for a scalar, which the run checks: x keeps its shape.
    return OPS.reshape(rate, []) if rate.shape.rank is None else rate


def _noise_shape(name: str | None, x: Any, noise_shape: Any) -> Any:
    """`noise_shape` with x's sizes for None; x's own shape by default."""
    if noise_shape is None:
        return x.shape if x.shape.is_fully_defined() else OPS.shape(x)
    if is_tensor(noise_shape):
        return noise_shape
    given = noise_shape.as_list() if isinstance(noise_shape, TensorShape) else list(noise_shape)
    rank = x.shape.rank
    if rank is not None and len(given) > rank:
        raise failure("dropout", name, f"noise_shape {given} has more axes than x {x.shape}", "",
                      ShapeError)
    if rank is not None and len(given) == rank:
        for mine, size in zip(given, x.shape.sizes):
            if isinstance(mine, int) and mine != 1 and same(mine, size) is False:
                raise failure("dropout", name, f"noise_shape {given} does not broadcast to x "
                                               f"{x.shape}", "Each size must be 1 or x's.",
                              ShapeError)
    return [OPS.shape(x)[i] if size is None else size for i, size in enumerate(given)]
