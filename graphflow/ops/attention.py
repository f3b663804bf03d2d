"""Scaled dot-product attention, as one op and its gradient as another.

Their results are defined by matrices of scores and weights; a kernel need not store these
(`passes/attention.py` says when it does not). What the gradient needs of the weights is, for each
query, the logarithm of the sum that they are divided by.

Sources: Vaswani et al., "Attention is all you need", 2017, section 3.2.1; Dao et al.,
"FlashAttention", 2022, for the gradient from the logarithm of the sums.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import F, apply, convert, op_function
from graphflow.dims import Dim
from graphflow.errors import ShapeError
from graphflow.gradients import gradients
from graphflow.lowering import Composite
from graphflow.opdef import Attr, ErrorSample, Infer, Sample, TensorType
from graphflow.ops.arguments import failure
from graphflow.ops.declare import declare
from graphflow.ops.scope import scope
from graphflow.shapes import TensorShape, broadcast_shapes, unknown_shape

TYPES = (dt.float32, dt.float64)
HALVES = (dt.float16, dt.bfloat16)  # computed in float32, rounded once
# block_keys: how many keys the compiler's kernel takes together, set by the pass that decides it;
# 0: the op has no kernel of its own.
_ATTRS = {"scale": Attr("float", 1.0), "causal": Attr("bool", False),
          "block_keys": Attr("int", 0)}


# ---- inference --------------------------------------------------------------------------------


def _sizes(c: Infer, mask: int) -> tuple[TensorShape, Dim, Dim, Dim, Dim] | None:
    """The batch's sizes, queries, keys, and the lengths of a key and of a value.

    mask: the input number of the mask, if there is one. None if a rank is not known.
    """
    for i in range(3):
        c.require_rank(i, at_least=2)
    given = [0, 1, 2, *([mask] if len(c.types) > mask else [])]
    if any(c.shape(i).rank is None for i in given):
        return None
    query, key, value = (c.shape(i).sizes for i in range(3))
    depth = c.require_same(query[-1], key[-1], f"query and key vectors differ in length: "
                                               f"{c.show(0)}, {c.show(1)}")
    keys = c.require_same(key[-2], value[-2], f"there must be a value for each key: "
                                              f"{c.show(1)}, {c.show(2)}")
    batch = TensorShape.of(query[:-2])
    for i in given[1:]:
        both = broadcast_shapes(batch, TensorShape.of(c.shape(i).sizes[:-2]))
        if both is None:
            shown = ", ".join(map(c.show, given))
            raise c.error(f"the leading sizes cannot be broadcast together: {shown}",
                          "All sizes before the last two must be equal or 1.")
        batch = both
    if len(given) > 3:
        _require_mask(c, mask, TensorShape.of([query[-2], keys]))
    return batch, query[-2], keys, depth, value[-1]


def _require_mask(c: Infer, mask: int, scores: TensorShape) -> None:
    own = TensorShape.of(c.shape(mask).sizes[-2:])
    both = broadcast_shapes(own, scores)
    if both is None or (both.is_compatible_with(scores) is False):
        raise c.error(
            f"{c.show(mask)} does not broadcast to the scores of {c.show(0)} and {c.show(1)}",
            "Its last two sizes must be those of queries and keys, or 1.")


def _infer(c: Infer) -> list[TensorType]:
    found, kind = _sizes(c, 3), c.dtype(0)
    if found is None:
        return [TensorType(kind, unknown_shape()), TensorType(kind, unknown_shape())]
    batch, queries, _, _, length = found
    return [TensorType(kind, TensorShape.of((*batch.sizes, queries, length))),
            TensorType(kind, TensorShape.of((*batch.sizes, queries)))]


def _infer_grad(c: Infer) -> list[TensorType]:
    found, kind = _sizes(c, 6), c.dtype(0)
    if found is None:
        return [TensorType(kind, unknown_shape())] * 3
    batch, queries, keys, depth, length = found
    return [TensorType(kind, TensorShape.of((*batch.sizes, *last)))
            for last in ((queries, depth), (keys, depth), (keys, length))]


# ---- computation ------------------------------------------------------------------------------


def _hidden(dtype: Any) -> float:
    """The score of a key that a query must not see."""
    return float(dtype.min) / 2


def _scores_of(
    query: np.ndarray, key: np.ndarray, mask: tuple[np.ndarray, ...], scale: float, causal: bool
) -> np.ndarray:
    scores = np.matmul(query, np.swapaxes(key, -1, -2)) * query.dtype.type(scale)
    if mask:
        scores = scores + mask[0]
    if causal:
        later = np.arange(key.shape[-2]) > np.arange(query.shape[-2])[:, None]
        scores = np.where(later, query.dtype.type(_hidden(np.finfo(query.dtype))), scores)
    return scores


def _weights_of(scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The softmax of scores, and the logarithm of what it divides their exponentials by."""
    most = scores.max(-1, keepdims=True, initial=-np.inf)
    shift = np.where(np.isneginf(most), 0, most)
    total = np.exp(scores - shift).sum(-1, keepdims=True)
    return np.exp(scores - most) / total, (shift + np.log(total))[..., 0].astype(scores.dtype)


def _reference(
    query: np.ndarray, key: np.ndarray, value: np.ndarray, *mask: np.ndarray, scale: float,
    causal: bool, block_keys: int,
) -> tuple[np.ndarray, np.ndarray]:
    with np.errstate(all="ignore"):
        weights, logs = _weights_of(_scores_of(query, key, mask, scale, causal))
        out = np.matmul(weights, value)
        return out, np.array(np.broadcast_to(logs, out.shape[:-1]))


def _reference_grad(
    query: np.ndarray, key: np.ndarray, value: np.ndarray, logs: np.ndarray, along: np.ndarray,
    g: np.ndarray, *mask: np.ndarray, scale: float, causal: bool, block_keys: int,
) -> tuple[np.ndarray, ...]:
    with np.errstate(all="ignore"):
        weights, _ = _weights_of(_scores_of(query, key, mask, scale, causal))
        slopes = weights * (np.matmul(g, np.swapaxes(value, -1, -2)) - along[..., None])
        slopes = slopes * query.dtype.type(scale)
        if causal:
            later = np.arange(key.shape[-2]) > np.arange(query.shape[-2])[:, None]
            slopes = np.where(later, slopes.dtype.type(0), slopes)
        return (np.matmul(slopes, key), np.matmul(np.swapaxes(slopes, -1, -2), query),
                np.matmul(np.swapaxes(weights, -1, -2), g))


def _scores(F: Any, query: Any, key: Any, mask: tuple, scale: float, causal: bool) -> Any:
    scores = F.matmul(query, key, transpose_b=True)
    if scale != 1:
        scores = scores * scale
    if mask:
        scores = scores + mask[0]
    return _seen(F, query, key, scores, _hidden(query.dtype)) if causal else scores


def _seen(F: Any, query: Any, key: Any, scores: Any, otherwise: float) -> Any:
    """The scores of keys up to the query's place, and another number for all later ones."""
    rows, columns = (F.range(F.shape(x)[-2]) for x in (query, key))
    seen = F.greater_equal(F.expand_dims(rows, 1), columns)
    return F.where_v2(seen, scores, convert(otherwise, scores.dtype))


def _expand(
    F: Any, query: Any, key: Any, value: Any, *mask: Any, scale: float, causal: bool,
    block_keys: int,
) -> tuple[Any, Any]:
    scores = _scores(F, query, key, mask, scale, causal)
    out = F.matmul(F.softmax(scores), value)
    return out, F.reduce_logsumexp(scores, -1) + F.zeros_like(out[..., 0])


def _expand_grad(
    F: Any, query: Any, key: Any, value: Any, logs: Any, along: Any, g: Any, *mask: Any,
    scale: float, causal: bool, block_keys: int,
) -> tuple[Any, Any, Any]:
    weights = F.softmax(_scores(F, query, key, mask, scale, causal))
    slopes = (F.matmul(g, value, transpose_b=True) - F.expand_dims(along, -1)) * weights
    if causal:
        slopes = _seen(F, query, key, slopes, 0.0)
    if scale != 1:
        slopes = slopes * scale
    return (F.matmul(slopes, key), F.matmul(slopes, query, transpose_a=True),
            F.matmul(weights, g, transpose_a=True))


def _grad(F: Any, op: Any, g: Any, g_logs: Any) -> list[Any]:
    """With P the weights, dP = g·Vᵀ and dS = P ∘ (dP − Σ g·out + dlogs): see `AttentionGrad`."""
    query, key, value, *mask = op.inputs
    out, logs = op.outputs
    along = F.reduce_sum(g * out, -1) - g_logs
    found = list(apply(GRAD, (query, key, value, logs, along, g, *mask), op.attrs))
    if mask:
        found.append(_slopes(F, op.inputs, along, g, op.attrs))
    return found


def _slopes(F: Any, inputs: Any, along: Any, g: Any, attrs: dict[str, Any]) -> Any:
    """The gradient of the scores as a whole matrix: that of a mask."""
    query, key, value, *mask = inputs
    scores = _scores(F, query, key, tuple(mask), attrs["scale"], attrs["causal"])
    slopes = (F.matmul(g, value, transpose_b=True) - F.expand_dims(along, -1)) * F.softmax(scores)
    return _seen(F, query, key, slopes, 0.0) if attrs["causal"] else slopes


def _second(F: Any, op: Any, *gs: Any) -> list[Any]:
    """The gradient's gradient is that of the formulas that it stands for."""
    made = _expand_grad(F, *op.inputs, **op.attrs)
    return gradients(
        list(made), list(op.inputs), grad_ys=list(gs), stop_gradients=list(op.inputs))


# ---- declarations -----------------------------------------------------------------------------


def _drawn(*sizes: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, sizes)


def _cases() -> list[tuple[tuple[np.ndarray, ...], dict[str, Any]]]:
    """(query, key, value and mask, attributes)."""
    many = _drawn(2, 5, 4), _drawn(2, 70, 4, seed=1), _drawn(2, 70, 3, seed=2)
    few = _drawn(2, 1, 3, 2), _drawn(2, 4, 2, seed=1), _drawn(1, 1, 4, 3, seed=2)
    half = np.where(_drawn(3, 4, seed=4) < 0.3, -1e4, 0.0)
    square = tuple(_drawn(6, n, seed=5 + i) for i, n in enumerate((4, 4, 3)))
    return [
        ((_drawn(3, 2), _drawn(4, 2, seed=1), _drawn(4, 3, seed=2)), {}),
        (many, {"scale": 0.5}),
        ((*few, half), {"scale": 0.7}),
        ((*few, _drawn(2, 1, 3, 1, seed=3)), {}),
        (square, {"causal": True, "scale": 0.3}),
        ((_drawn(1, 2), _drawn(1, 2, seed=1), _drawn(1, 1, seed=2)), {}),
        ((np.zeros((2, 0, 3)), _drawn(2, 4, 3), _drawn(2, 4, 2)), {}),
        ((_drawn(2, 3), np.zeros((0, 3)), np.zeros((0, 2))), {}),
    ]


def _moves(inputs: tuple[np.ndarray, ...]) -> bool:
    """False without keys, and for a mask with one number for all of a query's: it changes nothing.
    """
    return bool(inputs[1].size) and not (len(inputs) > 3 and inputs[3].shape[-1] == 1)


def _samples() -> list[Sample]:
    return [Sample(inputs, attrs, grad=_moves(inputs)) for inputs, attrs in _cases()]


def _grad_samples() -> list[Sample]:
    found = []
    for sample in _samples():
        attrs = {"scale": 1.0, "causal": False, "block_keys": 0, **sample.attrs}
        out, logs = _reference(*sample.inputs, **attrs)
        g = _drawn(*out.shape, seed=9)
        found.append(Sample(
            (*sample.inputs[:3], logs, (g * out).sum(-1), g, *sample.inputs[3:]), sample.attrs,
            grad=sample.grad))
    return found


def _errors() -> list[ErrorSample]:
    q, k, v = _drawn(3, 2), _drawn(4, 2), _drawn(4, 5)
    return [
        ErrorSample((q[0], k, v), {}, ShapeError, "query must have rank at least 2"),
        ErrorSample((q, _drawn(4, 3), v), {}, ShapeError, "vectors differ in length"),
        ErrorSample((q, k, v[:2]), {}, ShapeError, "a value for each key"),
        ErrorSample((_drawn(2, 3, 2), _drawn(3, 4, 2), v), {}, ShapeError, "leading sizes"),
        ErrorSample((q, k, v, _drawn(2, 4)), {}, ShapeError, "does not broadcast to the scores"),
    ]


def _grad_errors() -> list[ErrorSample]:
    q, k, v = _drawn(3, 2), _drawn(4, 3), _drawn(4, 5)
    return [ErrorSample((q, k, v, q[:, 0], q[:, 0], _drawn(3, 5)), {}, ShapeError,
                        "vectors differ in length")]


def _kept(inputs: tuple, attrs: dict[str, Any]) -> bool:
    return bool(attrs["block_keys"])


GRAD = declare(
    "AttentionGrad", "query: T, key: T, value: T, logs: T, along: T, g: T, mask: *T", T=TYPES,
    attrs=_ATTRS, infer=_infer_grad, reference=_reference_grad, grad=_second, broadcasts=True,
    lowering=Composite(_expand_grad, refuses=_kept, kernel=True), samples=_grad_samples,
    errors=_grad_errors)

ATTENTION = declare(
    "Attention", "query: T, key: T, value: T, mask: *T", T=TYPES, attrs=_ATTRS, infer=_infer,
    reference=_reference, grad=_grad, broadcasts=True,
    lowering=Composite(_expand, refuses=_kept, kernel=True), samples=_samples, errors=_errors)


# ---- the public function ----------------------------------------------------------------------


@op_function
def scaled_dot_product_attention(
    query: Any, key: Any, value: Any, mask: Any = None, causal: bool = False,
    scale: float | None = None, name: str | None = None,
) -> Any:
    """softmax(query · keyᵀ · scale) · value, over the last two axes.

    query: floats [..., q, d], key [..., k, d], value [..., k, e] → [..., q, e]; the leading axes
      broadcast.
    mask: broadcasts to [..., q, k]; bool (False hides a key), or floats added to the scores.
    causal: query i sees the keys 0 … i only.
    scale: 1 / √d by default.
    Half types are float32 from the products to the result, which is rounded once.
    A query that sees no key gives the mean of all values. The compiled program keeps no matrix
    [q, k] in memory where that is faster. Raises ShapeError if ranks or sizes do not fit.
    """
    op = "scaled_dot_product_attention"
    with scope(name, op) as last:
        query, key, value = convert(query), convert(key), convert(value)
        for what, x in (("query", query), ("key", key), ("value", value)):
            if x.shape.rank is not None and x.shape.rank < 2:
                raise failure(op, name, f"{what} must have rank 2 or more, got {x.shape}",
                              cls=ShapeError)
        added = [] if mask is None else [_added(convert(mask), query.dtype)]
        if scale is None:
            depth = query.shape.as_list()[-1] if query.shape.rank is not None else None
            if depth is None:
                query = query * F.rsqrt(F.cast(F.shape(query)[-1], query.dtype))
            scale = 1.0 if depth is None else 1 / math.sqrt(max(depth, 1))
        kind = query.dtype
        if kind in HALVES:
            query, key, value, *added = (
                F.cast(x, dt.float32) for x in (query, key, value, *added))
        if query.dtype not in TYPES:
            scores = _scores(F, query, key, tuple(added), float(scale), bool(causal))
            return F.matmul(F.softmax(scores), value, name=last)
        attrs = {"scale": float(scale), "causal": bool(causal)}
        if kind not in HALVES:
            return apply(ATTENTION, (query, key, value, *added), attrs, name=last)[0]
        return F.cast(apply(ATTENTION, (query, key, value, *added), attrs)[0], kind, name=last)


def _added(mask: Any, dtype: Any) -> Any:
    """What is added to the scores."""
    if mask.dtype is not dt.bool_:
        return mask
    return F.where_v2(mask, convert(0.0, dtype), convert(_hidden(dtype), dtype))
