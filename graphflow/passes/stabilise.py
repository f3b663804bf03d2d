"""Formulas that lose digits or overflow become ones that do not: better numbers, never worse.

The rules look at whole ops, so they run before composites are expanded, and at the signs that
`algebra` leaves: −(x · y) for (−x) · y, x − y for x + (−y). Where a formula was differentiated as
it was written, its gradient divides by what the formula took the logarithm of; the last rules
cancel that division.
"""

from __future__ import annotations

from typing import Any

from graphflow.builder import F, apply
from graphflow.ops.broadcasting import same_shape
from graphflow.ops.reduction import own_axes
from graphflow.passes.algebra import is_result
from graphflow.passes.base import Rebuilder
from graphflow.passes.patterns import op, uniform
from graphflow.passes.rules import Rules
from graphflow.program import Node, Value

rule = Rules(exact=False)


# ---- moments ------------------------------------------------------------------------------------


@rule(op("Moments", "x"), lambda F, x: F.moments(x, [-1])[1])
def moments_along_rows(x: Value, node: Node) -> tuple[Value, Value] | None:
    """Mean and variance over the last axes: the mean first, then the mean of squared distances.

    One pass that corrects the mean with each element divides three times for it; a row that lies
    in the cache is read twice sooner, and the sums have fewer roundings.
    """
    rank = x.shape.rank
    if not rank or x.dtype.size < 4:
        return None
    axes = own_axes(node.attrs["axis"], rank)
    if not axes or axes != tuple(range(rank - len(axes), rank)):
        return None
    mean = F.reduce_mean(x, list(axes), keepdims=True)
    variance = F.reduce_mean(F.square(x - mean), list(axes), keepdims=node.attrs["keepdims"])
    return (mean if node.attrs["keepdims"] else F.squeeze(mean, list(axes))), variance


# ---- logarithms and exponentials ----------------------------------------------------------------


@rule(op("Log", op("Softmax", "x", bind="p")), lambda F, x: F.log(F.softmax(x, 0)))
def log_of_softmax(x: Value, p: Value) -> Value:
    """log(softmax(x)) = log_softmax(x), finite where the softmax rounds to 0."""
    return F.log_softmax(x, p.node.attrs["axis"])


@rule(op("Log", op("Sigmoid", "x")), lambda F, x: F.log(F.sigmoid(x)))
def log_of_sigmoid(x: Value) -> Value | None:
    """log(sigmoid(x)) = −softplus(−x), finite where the sigmoid rounds to 0."""
    return F.negative(F.softplus(_negated(x))) if x.dtype.is_floating else None


@rule(op("Log", op("Sub", 1, op("Sigmoid", "x"))), lambda F, x: F.log(1 - F.sigmoid(x)))
def log_of_one_minus_sigmoid(x: Value, node: Node) -> Value | None:
    """log(1 − sigmoid(x)) = −softplus(x), finite where the sigmoid rounds to 1."""
    fits = x.dtype.is_floating and is_result(x, node)
    return F.negative(F.softplus(x)) if fits else None


@rule(op("Log", op("Exp", "x")), lambda F, x: F.log(F.exp(x)))
def log_of_exp(x: Value) -> Value | None:
    """log(eˣ) = x, without overflow. A complex logarithm would lose the turns."""
    return x if x.dtype.is_floating else None


@rule(op("Log", op("Add", "x", 1)), lambda F, x: F.log(1 + F.square(x)),
      lambda F, x: F.log(F.exp(x) + 1))
def log_of_one_plus(x: Value, node: Node) -> Value | None:
    """log(1 + x) = log1p(x), accurate near 0."""
    return F.log1p(x) if x.dtype.is_floating and is_result(x, node) else None


@rule(op("Log", op("Sub", 1, "x")), lambda F, x: F.log(1 - F.square(F.tanh(x))))
def log_of_one_minus(x: Value, node: Node) -> Value | None:
    """log(1 − x) = log1p(−x), accurate near 0."""
    return F.log1p(_negated(x)) if x.dtype.is_floating and is_result(x, node) else None


@rule(op("Log1p", op("Exp", "x")), lambda F, x: F.log1p(F.exp(x)))
def softplus_written_out(x: Value) -> Value | None:
    """log1p(eˣ) = softplus(x), without overflow."""
    return F.softplus(x) if x.dtype.is_floating else None


@rule(op("Sub", op("Exp", "x"), 1), lambda F, x: F.exp(x) - 1)
def exp_minus_one(x: Value, node: Node) -> Value | None:
    """eˣ − 1 = expm1(x), accurate near 0."""
    return F.expm1(x) if x.dtype.is_floating and is_result(x, node) else None


@rule(op("Add", op("Exp", "x"), -1), lambda F, x: -1 + F.exp(x))
def exp_plus_minus_one(x: Value, node: Node) -> Value | None:
    """eˣ + (−1) = expm1(x), accurate near 0."""
    return F.expm1(x) if x.dtype.is_floating and is_result(x, node) else None


@rule(op("Log", op("Sum", op("Exp", "x"), bind="total")),
      lambda F, x: F.log(F.reduce_sum(F.exp(x), 1, keepdims=True)),
      lambda F, x: F.log(F.reduce_sum(F.exp(x))))
def log_of_sum_of_exp(x: Value, total: Value) -> Value | None:
    """log Σeˣ = reduce_logsumexp(x), without overflow; where x is shifted already, all is well."""
    if not x.dtype.is_floating or _is_shifted(x, total):
        return None
    return apply("LogSumExp", (x,), total.node.attrs)


def _is_shifted(x: Value, total: Value) -> bool:
    """True if x = z − max(z) over the axes of `total`."""
    if x.node.opdef.name != "Sub":
        return False
    z, top = x.node.inputs
    return (top.node.opdef.name == "Max" and top.node.inputs[0] is z
            and _axes_of(top) == _axes_of(total))


@rule(op("Sqrt", op("Square", "x")), lambda F, x: F.sqrt(F.square(x)))
def root_of_square(x: Value) -> Value | None:
    """√(x²) = |x|, without overflow."""
    return F.abs(x) if x.dtype.is_floating else None


# ---- softmax and sigmoid ------------------------------------------------------------------------


@rule(op("RealDiv", op("Exp", "x"), op("Sum", op("Exp", "x"), keepdims=True, bind="total")),
      lambda F, x: F.exp(x) / F.reduce_sum(F.exp(x), 1, keepdims=True))
def softmax_written_out(x: Value, total: Value) -> Value | None:
    """eˣ / Σeˣ = softmax(x), without overflow."""
    axes = _axes_of(total)
    if axes is None or len(axes) != 1 or not x.dtype.is_floating or _is_shifted(x, total):
        return None
    return F.softmax(x, axes[0])


@rule(op("Softmax", op("Sub", "x", op("Max", "x", keepdims=True, bind="top")), bind="p"),
      lambda F, x: F.softmax(x - F.reduce_max(x, 1, keepdims=True)))
def softmax_of_shifted(x: Value, top: Value, p: Value) -> Value | None:
    """softmax(x − max(x)) = softmax(x), which subtracts the maximum itself."""
    return F.softmax(x, p.node.attrs["axis"]) if _axes_of(top) == _axis_of(p) else None


@rule(op("RealDiv", 1, op("Add", 1, op("Exp", op("Neg", "x")))),
      lambda F, x: 1 / (1 + F.exp(-x)))
def sigmoid_written_out(x: Value, node: Node) -> Value | None:
    """1 / (1 + e⁻ˣ) = sigmoid(x), without overflow."""
    return F.sigmoid(x) if x.dtype.is_floating and is_result(x, node) else None


@rule(op("Sub", 1, op("Sigmoid", "x", bind="y")), lambda F, x: 1 - F.sigmoid(x))
def one_minus_sigmoid(x: Value, y: Value, node: Node, rebuilder: Rebuilder) -> Value | None:
    """1 − sigmoid(x) = sigmoid(−x); no cancellation for large x.

    Not in the slope y · (1 − y): that product is as small as y is close to 1 either way, and needs
    no other value than y.
    """
    if not x.dtype.is_floating or not is_result(x, node):
        return None
    if any(map(_is_slope, rebuilder.users(node.outputs[0]))):
        return None
    return F.sigmoid(_negated(x))


def _is_slope(node: Node) -> bool:
    """True for y · (1 − y)."""
    if node.opdef.name != "Mul":
        return False
    return any(_is_one_minus(q, p) for p, q in (node.inputs, node.inputs[::-1]))


def _is_one_minus(q: Value, p: Value) -> bool:
    """True if q = 1 − p."""
    return (q.node.opdef.name == "Sub" and q.node.inputs[1] is p
            and uniform(q.node.inputs[0]) == 1)


def _negated(x: Value) -> Value:
    return x.node.inputs[0] if x.node.opdef.name == "Neg" else F.negative(x)


def _axes_of(reduced: Value) -> tuple[int, ...] | None:
    """The axes of a reduction; None if the rank of its input is not known."""
    node = reduced.node
    rank = node.inputs[0].shape.rank
    return None if rank is None else own_axes(node.attrs["axis"], rank)


def _axis_of(softmax: Value) -> tuple[int, ...] | None:
    """The one axis of a softmax, in the form of `_axes_of`."""
    rank = softmax.shape.rank
    return None if rank is None else (softmax.node.attrs["axis"] % rank,)


# ---- cross-entropies ----------------------------------------------------------------------------

_LOG_TIMES = op("Mul", "y", op("LogSoftmax", "z", bind="logs"))


@rule(op("Sum", _LOG_TIMES, keepdims=False, bind="total"),
      lambda F, y, z: -F.reduce_sum(y * F.log_softmax(z), 1))
def softmax_cross_entropy(y: Value, z: Value, logs: Value, total: Value) -> Value | None:
    """Σ y · log_softmax(z) = −softmax_cross_entropy(y, z) along the axis of the softmax."""
    found = _cross_entropy(y, z, logs, total)
    return None if found is None else F.negative(found)


@rule(op("Sum", op("Neg", _LOG_TIMES), keepdims=False, bind="total"),
      lambda F, y, z: F.reduce_sum(-(y * F.log_softmax(z, 0)), 0))
def softmax_cross_entropy_negated(y: Value, z: Value, logs: Value, total: Value) -> Value | None:
    """Σ −(y · log_softmax(z)) = softmax_cross_entropy(y, z) along the axis of the softmax."""
    return _cross_entropy(y, z, logs, total)


def _cross_entropy(y: Value, z: Value, logs: Value, total: Value) -> Value | None:
    axis = _axis_of(logs)
    if axis is None or _axes_of(total) != axis or not same_shape(y.shape, z.shape):
        return None
    return apply("SoftmaxCrossEntropyWithLogits", (z, y), {"axis": axis[0]})


def _binary(F: Any, z: Any, x: Any) -> tuple[Any, Any]:
    """The two terms of a cross-entropy with sigmoid(x), for examples."""
    return z * F.softplus(-x), (1 - z) * F.softplus(x)


_IF_TRUE = op("Mul", "z", op("Softplus", "a"))
_IF_FALSE = op("Mul", op("Sub", 1, "z"), op("Softplus", "b"))


@rule(op("Add", _IF_TRUE, _IF_FALSE), lambda F, z, x: sum(_binary(F, z, x)[1:],
                                                          _binary(F, z, x)[0]))
def sigmoid_cross_entropy(z: Value, a: Value, b: Value, node: Node) -> Value | None:
    """z · softplus(−x) + (1 − z) · softplus(x) = sigmoid_cross_entropy(z, x)."""
    opposite = _is_negation(a, b) or _is_negation(b, a)
    if not opposite or not same_shape(z.shape, b.shape) or not is_result(b, node):
        return None
    return apply("SigmoidCrossEntropyWithLogits", (b, z))


@rule(op("Sub", op("Neg", _IF_TRUE), _IF_FALSE),
      lambda F, z, x: -_binary(F, z, x)[0] - _binary(F, z, x)[1])
def sigmoid_cross_entropy_negated(z: Value, a: Value, b: Value, node: Node) -> Value | None:
    """−z · softplus(−x) − (1 − z) · softplus(x) = −sigmoid_cross_entropy(z, x)."""
    found = sigmoid_cross_entropy(z, a, b, node)
    return None if found is None else F.negative(found)


@rule(op("Sub", op("Neg", _IF_FALSE), _IF_TRUE),
      lambda F, z, x: -_binary(F, z, x)[1] - _binary(F, z, x)[0])
def sigmoid_cross_entropy_turned(z: Value, a: Value, b: Value, node: Node) -> Value | None:
    """−(1 − z) · softplus(x) − z · softplus(−x) = −sigmoid_cross_entropy(z, x)."""
    return sigmoid_cross_entropy_negated(z, a, b, node)


def _is_negation(x: Value, y: Value) -> bool:
    return x.node.opdef.name == "Neg" and x.node.inputs[0] is y


# ---- their gradients ----------------------------------------------------------------------------

_POSITIVE = {"Softmax", "Sigmoid", "Exp"}


def _positive(p: Value) -> bool:
    """True if p is above 0, or too small for its type: softmax, sigmoid, 1 − sigmoid."""
    node = p.node
    if not p.dtype.is_floating:
        return False
    return node.opdef.name in _POSITIVE or (
        node.opdef.name == "Sub" and node.inputs[1].node.opdef.name == "Sigmoid"
        and _is_one_minus(p, node.inputs[1]))


_OVER_P = op("Mul", "a", op("Reciprocal", "p"))
_OVER_Q = op("Mul", "b", op("Reciprocal", "q"))


@rule(op("Mul", _OVER_P, "p"), lambda F, a, x: a * F.reciprocal(F.softmax(x)) * F.softmax(x))
def divided_and_multiplied(a: Value, p: Value, node: Node) -> Value | None:
    """(a / p) · p = a where p > 0, also where p is too small to be divided by."""
    return a if _positive(p) and is_result(a, node) else None


@rule(op("Mul", _OVER_P, op("Mul", "p", "q")),
      lambda F, a, x: a * F.reciprocal(F.sigmoid(x)) * (F.sigmoid(x) * (1 - F.sigmoid(x))))
def divided_and_multiplied_twice(a: Value, p: Value, q: Value) -> Value | None:
    """(a / p) · (p · q) = a · q where p > 0: the gradient of log(sigmoid(x))."""
    return a * q if _positive(p) and same_shape(a.shape, p.shape) else None


@rule(op("Mul", op("Sub", _OVER_P, "s"), "p"), lambda F, a, x, s: (
    a * F.reciprocal(F.softmax(x)) - s) * F.softmax(x))
def log_softmax_gradient(a: Value, p: Value, s: Value) -> Value | None:
    """(a / p − s) · p = a − s · p where p > 0: the gradient of log(softmax(x))."""
    return a - s * p if _positive(p) and same_shape(a.shape, p.shape) else None


@rule(op("Mul", op("Sub", op("Neg", _OVER_P), "s"), "p"), lambda F, a, x, s: (
    -(a * F.reciprocal(F.softmax(x))) - s) * F.softmax(x))
def log_softmax_gradient_negated(a: Value, p: Value, s: Value) -> Value | None:
    """(−a / p − s) · p = −a − s · p where p > 0: the gradient of −log(softmax(x))."""
    fits = _positive(p) and same_shape(a.shape, p.shape)
    return F.negative(a) - s * p if fits else None


def _log_odds(F: Any, a: Any, b: Any, x: Any) -> Any:
    """The gradient of a · log(y) + b · log(1 − y) with y = sigmoid(x), for the example."""
    y = F.sigmoid(x)
    return (a * F.reciprocal(y) - b * F.reciprocal(1 - y)) * (y * (1 - y))


@rule(op("Mul", op("Sub", _OVER_P, _OVER_Q), op("Mul", "p", "q")), _log_odds)
def sigmoid_cross_entropy_gradient(a: Value, b: Value, p: Value, q: Value) -> Value | None:
    """(a / p − b / q) · (p · q) = a · q − b · p where p, q > 0."""
    fits = (_positive(p) and _positive(q) and same_shape(a.shape, p.shape)
            and same_shape(b.shape, q.shape))
    return a * q - b * p if fits else None


STABILISE = rule.as_pass("stabilise", "stabilise", __doc__)
