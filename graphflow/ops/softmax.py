"""`softmax` and `log_softmax` along any axis, computed from x − max(x), which cannot overflow."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import apply, convert, op_function
from graphflow.errors import AttributeValueError, ShapeError
from graphflow.lowering import Composite
from graphflow.opdef import Attr, ErrorSample, Infer, OpDef, Sample, TensorType
from graphflow.ops.arguments import renamed, static_int, typed
from graphflow.ops.declare import declare
from graphflow.ops.numerics import accumulator
from graphflow.ops.precision import widened


def shifted(x: np.ndarray, axis: int) -> np.ndarray:
    """x − max(x) along `axis`, as a new array."""
    if not x.size:
        return x.copy()
    return x - x.max(axis=axis, keepdims=True)


@widened
def softmax_array(logits: np.ndarray, axis: int) -> np.ndarray:
    """The softmax of an array."""
    e = shifted(logits, axis)
    np.exp(e, out=e)
    e /= e.sum(axis=axis, keepdims=True)
    return e


@widened
def log_softmax_array(logits: np.ndarray, axis: int) -> np.ndarray:
    """The logarithm of the softmax of an array."""
    s = shifted(logits, axis)
    s -= np.log(np.exp(s).sum(axis=axis, keepdims=True))
    return s


def _infer(c: Infer) -> list[TensorType]:
    rank = c.require_rank(0, at_least=1)
    if rank is not None:
        c.axis(c.attrs["axis"], rank)
    return [TensorType(c.dtype(0), c.shape(0))]


def _softmax_grad(F: Any, op: Any, g: Any) -> list[Any]:
    y, axis = op.outputs[0], op.attrs["axis"]
    return [(g - F.reduce_sum(g * y, axis, keepdims=True)) * y]


def _log_softmax_grad(F: Any, op: Any, g: Any) -> list[Any]:
    y, axis = op.outputs[0], op.attrs["axis"]
    return [g - F.reduce_sum(g, axis, keepdims=True) * F.exp(y)]


def _expand_softmax(F: Any, logits: Any, axis: int) -> Any:
    x = F.cast(logits, accumulator(logits.dtype))
    e = F.exp(x - F.reduce_max(x, axis, keepdims=True))
    return F.cast(e / F.reduce_sum(e, axis, keepdims=True), logits.dtype)


def _expand_log_softmax(F: Any, logits: Any, axis: int) -> Any:
    x = F.cast(logits, accumulator(logits.dtype))
    s = x - F.reduce_max(x, axis, keepdims=True)
    return F.cast(s - F.log(F.reduce_sum(F.exp(s), axis, keepdims=True)), logits.dtype)


def _samples() -> list[Sample]:
    x = np.array([[1.0, -2.0, 0.5, 3.0], [0.0, 0.25, -1.5, 2.0]])
    return [
        Sample((x,)), Sample((x,), {"axis": 0}), Sample((x.reshape(2, 2, 2),), {"axis": -2}),
        Sample((x[0],)), Sample((x[:, :1],)),
        Sample((np.array([[1e4, -1e4, 0.0], [1e4, 1e4, -1e4]]),), {},
               (dt.float32, dt.float64, dt.float16), grad=False),
        Sample((np.zeros((0, 3)),)), Sample((np.zeros((2, 0)),)),
    ]


def _errors() -> list[ErrorSample]:
    return [
        ErrorSample((typed(dt.float32),), {}, ShapeError, "rank at least 1"),
        ErrorSample((typed(dt.float32, 2, 3),), {"axis": 2}, AttributeValueError,
                    r"axis 2 is outside \[-2, 2\) for logits \[2, 3\]"),
    ]


SOFTMAX = declare(
    "Softmax", "logits: T", attrs={"axis": Attr("int", -1)}, infer=_infer,
    reference=softmax_array, grad=_softmax_grad, lowering=Composite(_expand_softmax),
    samples=_samples, errors=_errors, T=dt.FLOATS)

LOG_SOFTMAX = declare(
    "LogSoftmax", "logits: T", attrs={"axis": Attr("int", -1)}, infer=_infer,
    reference=log_softmax_array, grad=_log_softmax_grad, lowering=Composite(_expand_log_softmax),
    samples=_samples, errors=_errors, T=dt.FLOATS)


@op_function
def softmax(logits: Any, axis: Any = None, name: str | None = None, dim: Any = None) -> Any:
    """exp(x) / Σ exp(x) along `axis` (dim, the old name; −1, the last, by default).

    logits: floats of rank 1 or more → probabilities of the same shape, for logits of any size.
    Raises ShapeError for a scalar, AttributeValueError for an axis that logits does not have.
    """
    return _along(SOFTMAX, logits, axis, name, dim)


@op_function
def log_softmax(logits: Any, axis: Any = None, name: str | None = None, dim: Any = None) -> Any:
    """log(softmax(x)) = x − log Σ exp(x) along `axis`; exact where the softmax is tiny.

    Arguments, shapes and errors as in `softmax`.
    """
    return _along(LOG_SOFTMAX, logits, axis, name, dim)


def _along(opdef: OpDef, logits: Any, axis: Any, name: str | None, dim: Any) -> Any:
    axis = renamed(opdef.name, "axis", axis, "dim", dim)
    number = -1 if axis is None else static_int(opdef.name, name, "axis", axis)
    return apply(opdef, (convert(logits),), {"axis": number}, name=name)
