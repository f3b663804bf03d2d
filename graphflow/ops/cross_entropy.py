"""The cross-entropies of logits: with distributions, with class numbers, with sigmoids.

All are computed from the logits themselves, so that no probability that rounds to 0 or 1 spoils
them, and all differentiate to any order.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import F as OPS
from graphflow.builder import apply, convert, op_function
from graphflow.dims import same
from graphflow.errors import (
    AttributeValueError,
    DTypeError,
    InvalidArgumentError,
    ShapeError,
)
from graphflow.lowering import Composite, Gather, LoweringContext, Pointwise
from graphflow.opdef import Attr, ErrorSample, Infer, RunError, Sample, TensorType
from graphflow.ops.arguments import failure, is_tensor, renamed, static_int, typed
from graphflow.ops.declare import declare
from graphflow.ops.precision import widened
from graphflow.ops.scope import scope
from graphflow.ops.softmax import log_softmax_array, shifted
from graphflow.shapes import UNKNOWN_SHAPE, TensorShape

# ---- distributions ----------------------------------------------------------------------------


def _dense_type(c: Infer) -> list[TensorType]:
    shape = _one_shape(c, "For class numbers use sparse_softmax_cross_entropy_with_logits.")
    rank = c.require_rank(0, at_least=1) if shape.rank is None else shape.rank
    if rank is None:
        return [TensorType(c.dtype(0), UNKNOWN_SHAPE)]
    if rank == 0:
        raise c.error(f"logits must have rank at least 1, got {c.show(0)}")
    axis = c.axis(c.attrs["axis"], rank)
    sizes = shape.sizes
    return [TensorType(c.dtype(0), TensorShape.of(sizes[:axis] + sizes[axis + 1:]))]


def _one_shape(c: Infer, fix: str = "") -> TensorShape:
    if not c.shape(0).is_compatible_with(c.shape(1)):
        raise c.error(f"logits and labels must have the same shape: {c.show(0)}, {c.show(1)}",
                      fix)
    return c.shape(0).merge_with(c.shape(1))


@widened
def _dense(logits: np.ndarray, labels: np.ndarray, axis: int) -> np.ndarray:
    return -(labels * log_softmax_array(logits, axis=axis)).sum(axis=axis)


def _dense_grad(F: Any, op: Any, g: Any) -> list[Any]:
    """∂/∂logits = softmax · Σ labels − labels (Σ labels is 1 for distributions)."""
    logits, labels = op.inputs
    axis = op.attrs["axis"]
    g = F.expand_dims(g, axis)
    total = F.reduce_sum(labels, axis, keepdims=True)
    return [g * (F.softmax(logits, axis) * total - labels), -g * F.log_softmax(logits, axis)]


def _expand_dense(F: Any, logits: Any, labels: Any, axis: int) -> Any:
    return -F.reduce_sum(labels * F.log_softmax(logits, axis), axis)


def _dense_samples() -> list[Sample]:
    x = np.array([[1.0, -2.0, 0.5], [0.0, 0.25, -1.5]])
    z = np.array([[0.2, 0.5, 0.3], [1.0, 0.0, 0.0]])
    return [
        Sample((x, z)), Sample((x, 2 * z + 1), {"axis": 0}), Sample((x[0], z[0])),
        Sample((x.reshape(2, 3, 1), z.reshape(2, 3, 1)), {"axis": -2}),
        Sample((np.array([[1e4, -1e4]]), np.array([[0.0, 1.0]])), {}, (dt.float32, dt.float64),
               grad=False),
        Sample((np.zeros((0, 3)), np.zeros((0, 3)))), Sample((np.zeros((2, 0)), np.zeros((2, 0)))),
    ]


def _dense_errors() -> list[ErrorSample]:
    return [
        ErrorSample((typed(dt.float32, 4, 3), typed(dt.float32, 4)), {}, ShapeError,
                    r"same shape: logits \[4, 3\], labels \[4\].*sparse_softmax"),
        ErrorSample((typed(dt.float32), typed(dt.float32)), {}, ShapeError, "rank at least 1"),
        ErrorSample((typed(dt.float32, 4, 3), typed(dt.float32, 4, 3)), {"axis": 2},
                    AttributeValueError, "axis 2 is outside"),
        ErrorSample((typed(dt.float32, 4, 3), typed(dt.float64, 4, 3)), {}, DTypeError,
                    "same dtype"),
    ]


DENSE = declare(
    "SoftmaxCrossEntropyWithLogits", "logits: T, labels: T", attrs={"axis": Attr("int", -1)},
    infer=_dense_type, reference=_dense, grad=_dense_grad, lowering=Composite(_expand_dense),
    samples=_dense_samples, errors=_dense_errors, T=dt.FLOATS)


# ---- class numbers ----------------------------------------------------------------------------


def _sparse_type(c: Infer) -> list[TensorType]:
    logits, labels = c.shape(0), c.shape(1)
    if logits.rank is None or labels.rank is None:
        c.require_rank(0, at_least=1)
        return [TensorType(c.dtype(0), labels if logits.rank is None else logits[:-1])]
    if logits.rank == 0 or labels.rank != logits.rank - 1:
        fix = ""
        if labels.rank == logits.rank and labels.rank:
            fix = ("For one row of probabilities per example use "
                   "softmax_cross_entropy_with_logits.")
            if same(labels.sizes[-1], 1):
                fix = "Use gf.squeeze(labels, -1)."
        raise c.error("labels must have one axis less than logits (their last is the classes): "
                      f"{c.show(0)}, {c.show(1)}", fix)
    if not logits[:-1].is_compatible_with(labels):
        raise c.error(f"labels must have the shape {logits[:-1]} of logits without its last axis: "
                      f"{c.show(0)}, {c.show(1)}")
    return [TensorType(c.dtype(0), logits[:-1].merge_with(labels))]


def _check_labels(logits: np.ndarray, labels: np.ndarray) -> None:
    """Raises InvalidArgumentError, naming the first label that is no class number."""
    classes = logits.shape[-1]
    wrong = (labels < 0) | (labels >= classes)
    if wrong.any():
        first = np.unravel_index(int(np.argmax(wrong)), labels.shape)
        place = ", ".join(str(int(i)) for i in first)
        raise RunError(
            InvalidArgumentError,
            f"labels[{place}] is {int(labels[first])}, outside the valid range [0, {classes}): "
            f"logits {list(logits.shape)} has {classes} classes",
            "Class numbers start at 0; the last layer needs one output per class.")


def _at_labels(values: np.ndarray, labels: np.ndarray) -> np.ndarray:
    _check_labels(values, labels)
    if not labels.size:
        return np.zeros(labels.shape, values.dtype)
    return np.take_along_axis(values, labels[..., None].astype(np.int64), -1)[..., 0]


@widened
def _sparse(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    s = shifted(logits, -1)
    of_label = _at_labels(s, labels)
    return np.log(np.exp(s).sum(axis=-1)) - of_label


def _classes(F: Any, logits: Any) -> Any:
    known = None if logits.shape.rank is None else logits.shape.as_list()[-1]
    return F.shape(logits)[-1] if known is None else known


def _sparse_grad(F: Any, op: Any, g: Any) -> list[Any]:
    logits, labels = op.inputs
    chosen = F.one_hot(labels, _classes(F, logits), dtype=logits.dtype)
    return [F.expand_dims(g, -1) * (F.softmax(logits) - chosen), None]


def _expand_sparse(F: Any, logits: Any, labels: Any) -> Any:
    return -apply("PickLabel", (F.log_softmax(logits), labels))


def _pick_grad(F: Any, op: Any, g: Any) -> list[Any]:
    values, labels = op.inputs
    chosen = F.one_hot(labels, _classes(F, values), dtype=values.dtype)
    return [F.expand_dims(g, -1) * chosen, None]


def _label_place(index: tuple, load: Any, ctx: LoweringContext) -> tuple:
    return (*index, load(1, index))


def _sparse_samples() -> list[Sample]:
    x = np.array([[1.0, -2.0, 0.5], [0.0, 0.25, -1.5], [2.0, 1.0, 0.0], [-1.0, 3.0, 0.5]])
    labels = np.array([2, 0, 1, 1], np.int32)
    return [
        Sample((x, labels)), Sample((x[0], np.array(1, np.int64))),
        Sample((x.reshape(2, 2, 3), labels.reshape(2, 2))),
        Sample((np.zeros((0, 3)), np.zeros(0, np.int32))),
    ]


def _sparse_errors() -> list[ErrorSample]:
    logits = typed(dt.float32, 4, 3)
    return [
        ErrorSample((logits, typed(dt.int32, 4, 3)), {}, ShapeError,
                    r"one axis less.*labels \[4, 3\].*Use gf.cast|softmax_cross_entropy"),
        ErrorSample((logits, typed(dt.int32, 4, 1)), {}, ShapeError, r"gf.squeeze\(labels, -1\)"),
        ErrorSample((logits, typed(dt.int32, 5)), {}, ShapeError,
                    r"labels must have the shape \[4\]"),
        ErrorSample((logits, typed(dt.float32, 4)), {}, DTypeError, "labels must be one of int32"),
        ErrorSample((typed(dt.float32), typed(dt.int32)), {}, ShapeError, "one axis less"),
    ]


SPARSE = declare(
    "SparseSoftmaxCrossEntropyWithLogits", "logits: T, labels: I", infer=_sparse_type,
    reference=_sparse, grad=_sparse_grad, lowering=Composite(_expand_sparse),
    samples=_sparse_samples, errors=_sparse_errors, T=dt.FLOATS, I=dt.INDICES)

PICK_LABEL = declare(
    "PickLabel", "logits: T, labels: I", infer=_sparse_type, reference=_at_labels,
    grad=_pick_grad, lowering=Gather(_label_place), samples=_sparse_samples,
    errors=_sparse_errors, T=dt.FLOATS, I=dt.INDICES)


# ---- sigmoids ---------------------------------------------------------------------------------


def _sigmoid_type(c: Infer) -> list[TensorType]:
    return [TensorType(c.dtype(0), _one_shape(c))]


def _sigmoid_body(b: Any, x: Any, z: Any) -> Any:
    return b.max(x, 0) - x * z + b.log1p(b.exp(-b.abs(x)))


@widened
def _sigmoid(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    tail = np.log1p(np.exp(-np.abs(logits)))
    return np.maximum(logits, logits.dtype.type(0)) - logits * labels + tail


def _sigmoid_grad(F: Any, op: Any, g: Any) -> list[Any]:
    logits, labels = op.inputs
    return [g * (F.sigmoid(logits) - labels), -g * logits]


def _sigmoid_samples() -> list[Sample]:
    x, z = np.array([[1.0, -2.0, 0.0], [4.0, -7.5, 0.25]]), np.array([[0.0, 1.0, 0.5]] * 2)
    return [Sample((x, z)), Sample((np.array(1.5), np.array(1.0))),
            Sample((np.array([1e4, -1e4, 30.0]), np.array([1.0, 0.0, 1.0])), {},
                   (dt.float32, dt.float64), grad=False),
            Sample((np.zeros((0, 2)), np.zeros((0, 2))))]


def _sigmoid_errors() -> list[ErrorSample]:
    return [ErrorSample((typed(dt.float32, 4, 1), typed(dt.float32, 4)), {}, ShapeError,
                        r"same shape: logits \[4, 1\], labels \[4\]")]


SIGMOID = declare(
    "SigmoidCrossEntropyWithLogits", "logits: T, labels: T", infer=_sigmoid_type,
    reference=_sigmoid, grad=_sigmoid_grad, lowering=Pointwise(_sigmoid_body),
    samples=_sigmoid_samples, errors=_sigmoid_errors, T=dt.FLOATS)


# ---- public functions -------------------------------------------------------------------------


def _check_named(function: str, sentinel: Any, labels: Any, logits: Any) -> None:
    """Refuses positional arguments, whose order other libraries exchange (as TensorFlow does)."""
    if sentinel is not None:
        raise failure(function, None, f"Only call `{function}` with named arguments "
                                      "(labels=..., logits=..., ...)")
    if labels is None or logits is None:
        raise failure(function, None, "Both labels and logits must be provided")


def _check_probabilities(function: str, name: str | None, labels: Any) -> None:
    if is_tensor(labels) and labels.dtype.is_integer:
        raise failure(
            function, name, f"labels must be probabilities of logits' dtype, got {labels!r}",
            "For class numbers use sparse_softmax_cross_entropy_with_logits; for one-hot rows "
            "gf.cast(labels, gf.float32).", DTypeError)


def _class_axis(function: str, name: str | None, axis: Any, dim: Any) -> dict[str, Any]:
    """The attributes of the dense loss from `axis` or its old name `dim`."""
    axis = renamed(function, "axis", axis, "dim", dim)
    return {"axis": -1 if axis is None else static_int(function, name, "axis", axis)}


@op_function
def softmax_cross_entropy_with_logits_v2(
    labels: Any, logits: Any, axis: Any = None, name: str | None = None, dim: Any = None
) -> Any:
    """−Σ labels · log(softmax(logits)) along `axis` (dim, the old name; the last by default).

    logits: floats [..., classes]; labels: probabilities of the same shape and dtype → [...].
    Gradients flow to both. Raises ShapeError if the shapes differ, DTypeError if the dtypes do,
    AttributeValueError for an axis that logits does not have.
    """
    function = "softmax_cross_entropy_with_logits_v2"
    _check_named(function, None, labels, logits)
    _check_probabilities(function, name, labels)
    attrs = _class_axis(function, name, axis, dim)
    default = "softmax_cross_entropy_with_logits"
    return apply(DENSE, (logits, labels), attrs, name=name, default_name=default)


@op_function
def softmax_cross_entropy_with_logits(
    _sentinel: Any = None, labels: Any = None, logits: Any = None, dim: Any = -1,
    name: str | None = None, axis: Any = None,
) -> Any:
    """As `softmax_cross_entropy_with_logits_v2`, but labels are constants for differentiation.

    Call it with named arguments. Raises AttributeValueError if labels or logits are missing or
    given by position, else as the other.
    """
    function = "softmax_cross_entropy_with_logits"
    _check_named(function, _sentinel, labels, logits)
    _check_probabilities(function, name, labels)
    if axis is not None and dim == -1:
        dim = None
    attrs = _class_axis(function, name, axis, dim)
    with scope(name, function + "_sg") as outer:
        if is_tensor(labels):
            labels = OPS.stop_gradient(labels, name="labels_stop_gradient")
        return apply(DENSE, (logits, labels), attrs, name=outer, default_name=function)


@op_function
def sparse_softmax_cross_entropy_with_logits(
    _sentinel: Any = None, labels: Any = None, logits: Any = None, name: str | None = None
) -> Any:
    """−log(softmax(logits)) at the class that each label names.

    logits: floats [..., classes]; labels: int32 or int64 class numbers in [0, classes), of shape
    [...] → floats [...]. Call it with named arguments. Raises ShapeError if the shapes do not fit,
    DTypeError for other labels; InvalidArgumentError in a run for a label outside the range.
    """
    _check_named("sparse_softmax_cross_entropy_with_logits", _sentinel, labels, logits)
    return apply(SPARSE, (logits, labels), name=name)


@op_function
def sigmoid_cross_entropy_with_logits(
    _sentinel: Any = None, labels: Any = None, logits: Any = None, name: str | None = None
) -> Any:
    """−z·log(σ(x)) − (1 − z)·log(1 − σ(x)) for logits x and labels z, elementwise.

    Computed as max(x, 0) − x·z + log(1 + exp(−|x|)). logits, labels: floats of one shape and
    dtype. Call it with named arguments. Raises ShapeError, DTypeError if shapes or dtypes differ.
    """
    _check_named("sigmoid_cross_entropy_with_logits", _sentinel, labels, logits)
    return apply(SIGMOID, (logits, labels), name=name, default_name="logistic_loss")


@op_function
def weighted_cross_entropy_with_logits(
    labels: Any = None, logits: Any = None, pos_weight: Any = None, name: str | None = None,
    targets: Any = None,
) -> Any:
    """Sigmoid cross-entropy with positive labels counted `pos_weight` times, elementwise.

    (1 − z)·x + (1 + (w − 1)·z)·log(1 + exp(−x)) for logits x, labels (or targets) z, weight w.
    Raises ShapeError, DTypeError if the shapes or dtypes of logits and labels differ.
    """
    labels = renamed("weighted_cross_entropy_with_logits", "labels", labels, "targets", targets)
    _check_named("weighted_cross_entropy_with_logits", None, labels, logits)
    with scope(name, "logistic_loss") as outer:
        logits = convert(logits)
        labels = convert(labels, logits.dtype)
        if not logits.shape.is_compatible_with(labels.shape):
            raise failure("weighted_cross_entropy_with_logits", name,
                          "logits and labels must have the same shape: "
                          f"logits {logits.shape}, labels {labels.shape}", "", ShapeError)
        weight = (pos_weight - 1) * labels + 1
        return OPS.add((1 - labels) * logits, weight * OPS.softplus(-logits), name=outer)
