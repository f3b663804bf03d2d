"""Matrix products: `matmul` over matrices and over batches of them, and `tensordot`.

One declaration serves the ops `MatMul` (two matrices) and `BatchMatMulV2` (leading batch axes,
which broadcast); the static ranks choose between them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import F as ops
from graphflow.builder import apply, convert, op_function
from graphflow.dims import Dim, same
from graphflow.errors import AttributeValueError, DTypeError, ShapeError
from graphflow.lowering import Contraction, LoweringContext
from graphflow.opdef import Attr, ErrorSample, Infer, Sample, TensorType
from graphflow.ops.arguments import failure, static_ints
from graphflow.ops.declare import declare
from graphflow.ops.precision import widened
from graphflow.ops.scope import scope
from graphflow.shapes import TensorShape, broadcast_shapes, unknown_shape

_ATTRS = {name: Attr("bool", False)
          for name in ("transpose_a", "transpose_b", "adjoint_a", "adjoint_b")}


def _turned(attrs: dict[str, Any], operand: str) -> bool:
    return attrs["transpose_" + operand] or attrs["adjoint_" + operand]


# ---- inference --------------------------------------------------------------------------------


def _infer(c: Infer) -> list[TensorType]:
    for i, operand in enumerate("ab"):
        if c.attrs["transpose_" + operand] and c.attrs["adjoint_" + operand]:
            raise c.error(f"transpose_{operand} and adjoint_{operand} are both True",
                          "Keep one of them.", AttributeValueError)
        _require_matrix(c, i)
    a, b = c.shape(0), c.shape(1)
    if a.rank is None or b.rank is None:
        rank = 2 if c.opdef.name == "MatMul" else None
        return [TensorType(c.dtype(0), unknown_shape(rank))]
    rows, inner_a = _matrix_sizes(a, _turned(c.attrs, "a"))
    inner_b, columns = _matrix_sizes(b, _turned(c.attrs, "b"))
    if same(inner_a, inner_b) is False:
        raise c.error(f"inner sizes differ: {c.show(0)}, {c.show(1)}", _inner_fix(c))
    batch = broadcast_shapes(a[:-2], b[:-2])
    if batch is None:
        raise c.error(f"batch sizes cannot be broadcast together: {c.show(0)}, {c.show(1)}",
                      "All sizes before the last two must be equal or 1.")
    return [TensorType(c.dtype(0), TensorShape.of((*batch.sizes, rows, columns)))]


def _matrix_sizes(shape: TensorShape, turned: bool) -> tuple[Dim, Dim]:
    rows, columns = shape.sizes[-2:]
    return (columns, rows) if turned else (rows, columns)


def _require_matrix(c: Infer, i: int) -> None:
    name, rank = c.arg_name(i), c.shape(i).rank
    if rank is None or rank == 2 or (rank > 2 and c.opdef.name != "MatMul"):
        return
    wanted = "a matrix (rank 2)" if c.opdef.name == "MatMul" else "of rank 2 or more"
    fix = ""
    if rank == 0:
        fix = f"To multiply by a number use `*`: a * b, not gf.matmul({name}=…)."
    elif rank == 1:
        size = c.shape(i).sizes[0]
        fix = (f"Make it a column [{size}, 1] with gf.expand_dims({name}, 1) or a row [1, {size}] "
               f"with gf.expand_dims({name}, 0) (gf.reshape({name}, […]) also does it); for a "
               "vector product use gf.tensordot(a, b, 1), for an elementwise one a * b.")
    raise c.error(f"{name} must be {wanted}, but has rank {rank}: {c.show(0)}, {c.show(1)}", fix)


def _inner_fix(c: Infer) -> str:
    """The one change of the call that would make the inner sizes fit, as a question."""
    turned = {operand: _turned(c.attrs, operand) for operand in "ab"}

    def fits(a: TensorShape, b: TensorShape, turn_a: bool, turn_b: bool) -> bool:
        inner = same(_matrix_sizes(a, turn_a)[1], _matrix_sizes(b, turn_b)[0])
        return inner is True

    a, b = c.shape(0), c.shape(1)
    for operand in "ba":
        flipped = {**turned, operand: not turned[operand]}
        if fits(a, b, flipped["a"], flipped["b"]):
            kind = "adjoint" if c.attrs["adjoint_" + operand] else "transpose"
            return f"Did you mean {kind}_{operand}={not turned[operand]}?"
    if not any(turned.values()) and fits(b, a, False, False):
        return "Did you mean gf.matmul(b, a)?"
    inner = _matrix_sizes(a, turned["a"])[1]
    need = f"[…, {inner}]" if turned["b"] else f"[{inner}, …]"
    return f"With this a, b must have the shape {need}."


# ---- computation ------------------------------------------------------------------------------


@widened
def _reference(
    a: np.ndarray, b: np.ndarray, transpose_a: bool, transpose_b: bool, adjoint_a: bool,
    adjoint_b: bool,
) -> np.ndarray:
    if transpose_a or adjoint_a:
        a = np.swapaxes(a, -1, -2)
    if transpose_b or adjoint_b:
        b = np.swapaxes(b, -1, -2)
    a = np.conj(a) if adjoint_a else a
    b = np.conj(b) if adjoint_b else b
    return np.matmul(a, b)


def _grad(F: Any, op: Any, g: Any) -> list[Any]:
    """With A', B' the operands as they enter the product: ∂A' = g·B'ᴴ, ∂B' = A'ᴴ·g.

    The gradient of an operand that enters turned is that product turned back, with the factors
    exchanged instead of the result transposed.
    """
    a, b = op.inputs
    turn_a, turn_b = _turned(op.attrs, "a"), _turned(op.attrs, "b")
    conj_a, conj_b = op.attrs["adjoint_a"], op.attrs["adjoint_b"]
    if turn_a:
        grad_a = _product(F, b, turn_b, conj_b == conj_a, g, True, conj_a)
    else:
        grad_a = _product(F, g, False, False, b, not turn_b, not conj_b)
    if turn_b:
        grad_b = _product(F, g, True, conj_b, a, turn_a, conj_a == conj_b)
    else:
        grad_b = _product(F, a, not turn_a, not conj_a, g, False, False)
    return [grad_a, grad_b]


def _product(
    F: Any, x: Any, turn_x: bool, conj_x: bool, y: Any, turn_y: bool, conj_y: bool
) -> Any:
    """x·y, each turned and conjugated as asked; real numbers need no conjugation."""
    flags = {}
    operands = []
    for value, operand, turn, conj in ((x, "a", turn_x, conj_x), (y, "b", turn_y, conj_y)):
        conj = conj and value.dtype.is_complex
        if conj and not turn:
            value = F.conj(value)
        flags["adjoint_" + operand] = turn and conj
        flags["transpose_" + operand] = turn and not conj
        operands.append(value)
    return F.matmul(*operands, **flags)


# ---- lowering ---------------------------------------------------------------------------------


def _inner_extent(ctx: LoweringContext) -> tuple:
    return (ctx.in_shapes[0][-2 if _turned(ctx.attrs, "a") else -1],)


def _batch_index(index: tuple, shape: tuple) -> tuple:
    """The index of `index`'s batch in an operand whose batch axes may be missing or 1."""
    offset = len(index) - len(shape)
    return tuple(
        0 if same(size, 1) else index[offset + axis] for axis, size in enumerate(shape[:-2]))


def _left(out: tuple, inner: tuple, ctx: LoweringContext) -> tuple:
    pair = (inner[0], out[-2]) if _turned(ctx.attrs, "a") else (out[-2], inner[0])
    return (*_batch_index(out, ctx.in_shapes[0]), *pair)


def _right(out: tuple, inner: tuple, ctx: LoweringContext) -> tuple:
    pair = (out[-1], inner[0]) if _turned(ctx.attrs, "b") else (inner[0], out[-1])
    return (*_batch_index(out, ctx.in_shapes[1]), *pair)


_LOWERING = Contraction(
    extents=_inner_extent, left=_left, right=_right,
    conjugate=lambda ctx: (ctx.attrs["adjoint_a"], ctx.attrs["adjoint_b"]))


# ---- declarations -----------------------------------------------------------------------------


def _ramp(*sizes: int) -> np.ndarray:
    """Distinct small numbers of both signs."""
    count = int(np.prod(sizes))
    return (np.arange(count, dtype=np.float64) * 7 % 11 - 5).reshape(sizes) / 2


def _matrix_samples() -> list[Sample]:
    z = _ramp(3, 2) + 1j * _ramp(3, 2)[::-1]
    w = _ramp(4, 3) - 1j * _ramp(4, 3)[:, ::-1]
    return [
        Sample((_ramp(2, 3), _ramp(3, 4))),
        Sample((_ramp(3, 2), _ramp(3, 4)), {"transpose_a": True}),
        Sample((_ramp(2, 3), _ramp(4, 3)), {"transpose_b": True}),
        Sample((_ramp(3, 2), _ramp(4, 3)), {"transpose_a": True, "transpose_b": True}),
        Sample((z, w), {"adjoint_a": True, "adjoint_b": True}, dt.COMPLEX),
        Sample((z, w), {"transpose_a": True, "adjoint_b": True}, dt.COMPLEX),
        Sample((z, w.T), {"adjoint_a": True}, dt.COMPLEX),
        Sample((_ramp(1, 1), _ramp(1, 1))),
        Sample((np.zeros((2, 0)), np.zeros((0, 3)))),
        Sample((np.zeros((0, 2)), _ramp(2, 3))),
    ]


def _batch_samples() -> list[Sample]:
    z = _ramp(2, 3, 2) + 1j * _ramp(2, 3, 2)[::-1]
    return [
        Sample((_ramp(2, 2, 3), _ramp(2, 3, 2))),
        Sample((_ramp(2, 1, 2, 3), _ramp(2, 3, 1))),
        Sample((_ramp(3, 2), _ramp(2, 3, 2)), {"transpose_a": True}),
        Sample((_ramp(2, 2, 3), _ramp(2, 3)), {"transpose_b": True}),
        Sample((_ramp(1, 3, 2), _ramp(2, 4, 3)), {"transpose_a": True, "transpose_b": True}),
        Sample((z, z), {"adjoint_b": True}, dt.COMPLEX),
        Sample((z, z), {"adjoint_a": True}, dt.COMPLEX),
        Sample((np.zeros((0, 2, 3)), _ramp(3, 2))),
    ]


def _matrix_errors() -> list[ErrorSample]:
    return [
        *_shared_errors(),
        ErrorSample((_ramp(2, 2, 2), _ramp(2, 2)), {}, ShapeError, r"a must be a matrix"),
    ]


def _batch_errors() -> list[ErrorSample]:
    return [
        *_shared_errors(),
        ErrorSample((_ramp(2, 2, 3), _ramp(3, 3, 2)), {}, ShapeError,
                    r"batch sizes cannot be broadcast together: a \[2, 2, 3\], b \[3, 3, 2\]"),
    ]


def _shared_errors() -> list[ErrorSample]:
    return [
        ErrorSample((_ramp(2, 3), _ramp(4, 3)), {}, ShapeError,
                    r"inner sizes differ: a \[2, 3\], b \[4, 3\].*Did you mean transpose_b=True"),
        ErrorSample((_ramp(3, 2), _ramp(3, 4)), {}, ShapeError, "Did you mean transpose_a=True"),
        ErrorSample((_ramp(2, 3), _ramp(4, 5)), {}, ShapeError, r"b must have the shape \[3, …\]"),
        ErrorSample((_ramp(2, 3), _ramp(3)), {}, ShapeError,
                    r"b .* has rank 1: a \[2, 3\], b \[3\].*gf.expand_dims\(b, 1\)"),
        ErrorSample((_ramp(2, 3), np.array(2.0)), {}, ShapeError, "b .* has rank 0.*use `[*]`"),
        ErrorSample((_ramp(2, 2), _ramp(2, 2)), {"transpose_a": True, "adjoint_a": True},
                    AttributeValueError, "transpose_a and adjoint_a are both True"),
        ErrorSample((_ramp(2, 2), _ramp(2, 2).astype(np.float32)), {}, DTypeError, "same dtype"),
    ]


MATMUL = declare(
    "MatMul", "a: T, b: T", attrs=_ATTRS, infer=_infer, reference=_reference, grad=_grad,
    lowering=_LOWERING, samples=_matrix_samples, errors=_matrix_errors, T=dt.NUMBERS)

BATCH_MATMUL = declare(
    "BatchMatMulV2", "a: T, b: T", attrs=_ATTRS, infer=_infer, reference=_reference, grad=_grad,
    lowering=_LOWERING, broadcasts=True, samples=_batch_samples, errors=_batch_errors,
    T=dt.NUMBERS)


@op_function
def matmul(
    a: Any,
    b: Any,
    transpose_a: bool = False,
    transpose_b: bool = False,
    adjoint_a: bool = False,
    adjoint_b: bool = False,
    a_is_sparse: bool = False,
    b_is_sparse: bool = False,
    name: str | None = None,
) -> Any:
    """The matrix product a · b: a [..., M, K], b [..., K, N] → [..., M, N].

    a, b: numbers of one dtype, rank 2 or more; the leading (batch) axes broadcast. float16 and
      bfloat16 are summed in float32.
    transpose_a, transpose_b: the operand is transposed (last two axes) before the product.
    adjoint_a, adjoint_b: it is transposed and conjugated.
    a_is_sparse, b_is_sparse: hints of TensorFlow 1, accepted and not needed.
    Raises ShapeError if the K or the batch sizes differ or an operand has fewer than two axes,
    DTypeError if the dtypes differ, AttributeValueError for transpose and adjoint of one operand.
    """
    a, b = _convert_pair(a, b)
    turned = {"transpose_a": bool(transpose_a), "transpose_b": bool(transpose_b),
              "adjoint_a": bool(adjoint_a), "adjoint_b": bool(adjoint_b)}
    if not a.dtype.is_complex:
        turned = {"transpose_a": bool(transpose_a or adjoint_a),
                  "transpose_b": bool(transpose_b or adjoint_b)}
    batched = any(t.shape.rank is None or t.shape.rank > 2 for t in (a, b))
    opdef = BATCH_MATMUL if batched else MATMUL
    return apply(opdef, (a, b), turned, name=name, default_name="MatMul")


def _convert_pair(a: Any, b: Any) -> tuple[Any, Any]:
    """Both as tensors; an operand that is not one yet takes the other's dtype."""
    if not _has_graph_dtype(a) and _has_graph_dtype(b):
        b = convert(b)
        return convert(a, b.dtype), b
    a = convert(a)
    return a, convert(b, None if _has_graph_dtype(b) else a.dtype)


def _has_graph_dtype(value: Any) -> bool:
    """True for tensors and variables; False for NumPy arrays, which can still be cast."""
    return hasattr(value, "dtype") and not isinstance(value, (np.ndarray, np.generic))


@op_function
def tensordot(a: Any, b: Any, axes: int | Sequence[Any], name: str | None = None) -> Any:
    """The sum of products over `axes` of a and b, with the other axes of a, then those of b.

    axes: a number N (the last N axes of a with the first N of b), or a pair of lists of axes.
    a, b: numbers of one dtype, of known rank. Raises ShapeError if paired sizes differ or a rank
    is unknown, AttributeValueError for axes that a or b does not have.
    """
    a, b = _convert_pair(a, b)
    with scope(name, "Tensordot") as outer:
        if a.shape.rank is None or b.shape.rank is None:
            raise failure("tensordot", name, f"ranks must be known, got a {a.shape}, b {b.shape}",
                          "Use set_shape, or gf.matmul.", ShapeError)
        axes_a, axes_b = _paired_axes(name, axes, a.shape, b.shape)
        rest_a = [i for i in range(a.shape.rank) if i not in axes_a]
        rest_b = [i for i in range(b.shape.rank) if i not in axes_b]
        left = _as_matrix(a, rest_a, axes_a)
        right = _as_matrix(b, axes_b, rest_b)
        sizes = [*_sizes(a, rest_a), *_sizes(b, rest_b)]
        shape = ops.stack(sizes) if sizes else np.zeros(0, np.int32)
        return ops.reshape(matmul(left, right), shape, name=outer)


def _paired_axes(
    name: str | None, axes: Any, a: TensorShape, b: TensorShape
) -> tuple[list[int], list[int]]:
    ranks = (len(a), len(b))
    if isinstance(axes, (int, np.integer)):
        if not 0 <= axes <= min(ranks):
            raise failure("tensordot", name,
                          f"axes={axes} is outside [0, {min(ranks)}] for a {a}, b {b}")
        pair = [list(range(ranks[0] - axes, ranks[0])), list(range(axes))]
    else:
        pair = [list(static_ints("tensordot", name, "axes", part)) for part in axes]
    for part, rank, operand in zip(pair, ranks, (f"a {a}", f"b {b}")):
        if any(not -rank <= i < rank for i in part):
            raise failure("tensordot", name,
                          f"axes {part} are outside [{-rank}, {rank}) for {operand}")
    first, second = ([i % rank for i in part] for part, rank in zip(pair, ranks))
    if len(first) != len(second):
        raise failure("tensordot", name, f"axes name {len(first)} axes of a, {len(second)} of b")
    for i, j in zip(first, second):
        if same(a.sizes[i], b.sizes[j]) is False:
            raise failure("tensordot", name, f"sizes differ: axis {i} of a {a}, axis {j} of b {b}",
                          "", ShapeError)
    return first, second


def _sizes(x: Any, axes: Sequence[int]) -> list[Any]:
    known = x.shape.as_list()
    return [known[i] if known[i] is not None else ops.shape(x)[i] for i in axes]


def _as_matrix(x: Any, row_axes: Sequence[int], column_axes: Sequence[int]) -> Any:
    """x with `row_axes` collapsed into its rows and `column_axes` into its columns."""
    x = ops.transpose(x, [*row_axes, *column_axes])
    split = len(row_axes)
    sizes = _sizes(x, range(split + len(column_axes)))

    def count(part: Sequence[Any]) -> Any:
        total: Any = 1
        for size in part:
            total = total * size
        return total

    return ops.reshape(x, ops.stack([count(sizes[:split]), count(sizes[split:])]))
