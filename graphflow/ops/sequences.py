"""Sequences of different lengths in one tensor: `sequence_mask`, `reverse_sequence`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import F, apply, convert, op_function
from graphflow.errors import AttributeValueError, InvalidArgumentError, ShapeError
from graphflow.lowering import Gather, LoweringContext
from graphflow.opdef import Attr, ErrorSample, Infer, OpDef, RunError, Sample, TensorType
from graphflow.ops.arguments import failure, is_tensor, renamed, static_int, typed
from graphflow.ops.declare import declare
from graphflow.ops.scope import scope


@op_function
def sequence_mask(
    lengths: Any, maxlen: Any = None, dtype: Any = dt.bool_, name: str | None = None
) -> Any:
    """output[…, j] is True (or 1) for j < lengths[…].

    lengths: integers [i…]; maxlen: an integer scalar, the largest length if None → [i…, maxlen]
      of `dtype`. Raises ShapeError if `maxlen` is no scalar, DTypeError if lengths are no
      integers.
    """
    with scope(name, "SequenceMask"):
        lengths = convert(lengths)
        if maxlen is None:
            maxlen = F.maximum(F.reduce_max(lengths), 0)
        else:
            maxlen = convert(maxlen, None if is_tensor(maxlen) else lengths.dtype)
        if maxlen.shape.rank not in (0, None):
            raise failure("SequenceMask", name, f"maxlen must be a scalar, got {maxlen.shape}",
                          cls=ShapeError)
        places = F.range(F.cast(maxlen, lengths.dtype))
        mask = F.less(places, F.expand_dims(lengths, -1))
        wanted = dt.as_dtype(dtype)
        return mask if wanted is dt.bool_ else F.cast(mask, wanted)


# ---- reverse_sequence ------------------------------------------------------------------------


def _axes(c: Infer, rank: int) -> tuple[int, int]:
    seq = c.axis(c.attrs["seq_axis"], rank, "seq_axis")
    batch = c.axis(c.attrs["batch_axis"], rank, "batch_axis")
    if seq == batch:
        raise c.error(f"seq_axis and batch_axis are both {seq}", cls=AttributeValueError)
    return seq, batch


def _type(c: Infer) -> list[TensorType]:
    c.require_rank(1, 1)
    shape, lengths = c.shape(0), c.shape(1)
    if shape.rank is not None:
        seq, batch = _axes(c, shape.rank)
        if lengths.rank is not None:
            c.require_same(shape.sizes[batch], lengths.sizes[0],
                           f"there must be one length for each entry of axis {batch}: "
                           f"{c.show(0)}, {c.show(1)}")
        known, size = c.value(1), shape.sizes[seq]
        listed = [] if known is None else [n for n in known.tolist() if isinstance(n, int)]
        if isinstance(size, int) and any(not 0 <= n <= size for n in listed):
            raise c.error(f"seq_lengths {listed} are not all in [0, {size}], the size of axis "
                          f"{seq} of {c.show(0)}")
    return [TensorType(c.dtype(0), shape)]


def _reference(
    input: np.ndarray, seq_lengths: np.ndarray, seq_axis: int, batch_axis: int
) -> np.ndarray:
    if not all(-input.ndim <= a < input.ndim for a in (seq_axis, batch_axis)):
        raise RunError(InvalidArgumentError, f"seq_axis {seq_axis} and batch_axis {batch_axis} "
                                             f"are not both axes of input {list(input.shape)}")
    moved = np.moveaxis(input, (batch_axis, seq_axis), (0, 1))
    if len(seq_lengths) != len(moved):
        raise RunError(InvalidArgumentError,
                       f"{len(seq_lengths)} seq_lengths for {len(moved)} sequences")
    size = moved.shape[1]
    bad = np.flatnonzero((seq_lengths < 0) | (seq_lengths > size))
    if bad.size:
        raise RunError(InvalidArgumentError, f"seq_lengths[{bad[0]}] = {seq_lengths[bad[0]]} is "
                                             f"not in [0, {size}]")
    places = np.arange(size)[None, :]
    lengths = seq_lengths.astype(np.int64)[:, None]
    places = np.where(places < lengths, lengths - 1 - places, places)
    turned = moved[np.arange(len(moved))[:, None], places]
    return np.moveaxis(turned, (0, 1), (batch_axis, seq_axis))


def _source(i: tuple, load: Callable, ctx: LoweringContext) -> tuple:
    """Step s of a sequence of length n is step n − 1 − s, unless s ≥ n.

    With d = n − 1 − s, d // (size + 1) is 0 where 0 ≤ d ≤ size, and −1 where −size ≤ d < 0. A
    length beyond the size leads outside of the input at s = 0, which is an error, and so does a
    negative one, by the second term.
    """
    sizes = ctx.in_shapes[0]
    seq, batch = (ctx.attrs[a] % len(sizes) for a in ("seq_axis", "batch_axis"))
    s, n = i[seq], load(1, (i[batch],))
    inside = 1 + (n - 1 - s) // (sizes[seq] + 1)
    negative = n // (sizes[seq] + 1)
    place = s + inside * (n - 1 - 2 * s) + negative * (2 * sizes[seq] - s)
    return (*i[:seq], place, *i[seq + 1:])


def _samples() -> list[Sample]:
    x = np.arange(24.0).reshape(2, 3, 4) / 4
    return [
        Sample((x, np.array([2, 3], np.int64)), {"seq_axis": 1}),
        Sample((x, np.array([4, 0, 1], np.int32)), {"seq_axis": -1, "batch_axis": 1}),
        Sample((x, np.array([1, 2, 2, 0], np.int32)), {"seq_axis": 0, "batch_axis": 2}),
        Sample((np.zeros((0, 3)), np.zeros(0, np.int32)), {"seq_axis": 1}),
        Sample((np.zeros((2, 0)), np.zeros(2, np.int32)), {"seq_axis": 1})]


REVERSE_SEQUENCE: OpDef = declare(
    "ReverseSequence", "input: any, seq_lengths: I",
    attrs={"seq_axis": Attr("int"), "batch_axis": Attr("int", 0)}, infer=_type,
    reference=_reference,
    grad=lambda F, op, g: [apply(REVERSE_SEQUENCE, (g, op.inputs[1]), op.attrs), None],
    lowering=Gather(_source), samples=_samples,
    errors=lambda: [
        ErrorSample((typed(dt.float32, 2, 3), typed(dt.int32, 3)), {"seq_axis": 1}, ShapeError,
                    r"one length for each entry of axis 0: input \[2, 3\], seq_lengths \[3\]"),
        ErrorSample((typed(dt.float32, 2, 3), typed(dt.int32, 2)), {"seq_axis": 0},
                    AttributeValueError, "seq_axis and batch_axis are both 0"),
        ErrorSample((typed(dt.float32, 2, 3), np.array([1, 4])), {"seq_axis": 1}, ShapeError,
                    r"\[1, 4\] are not all in \[0, 3\]"),
        ErrorSample((typed(dt.float32, 2, 3), typed(dt.int32, 2)), {"seq_axis": 2},
                    AttributeValueError, "seq_axis 2 is outside")],
    I=dt.INDICES)


@op_function
def reverse_sequence(
    input: Any, seq_lengths: Any, seq_axis: Any = None, batch_axis: Any = None,
    name: str | None = None, seq_dim: Any = None, batch_dim: Any = None,
) -> Any:
    """The first `seq_lengths[b]` steps of each sequence in the opposite order, the rest as it is.

    input: any tensor whose axis `batch_axis` (0 by default) numbers the sequences and `seq_axis`
      their steps; seq_lengths: int32 or int64, one per sequence. seq_dim and batch_dim are the
      old names of the axes.
    Raises ShapeError or AttributeValueError if they do not fit; InvalidArgumentError at run time
    for a length that the axis does not have.
    """
    seq = renamed("ReverseSequence", "seq_axis", seq_axis, "seq_dim", seq_dim)
    batch = renamed("ReverseSequence", "batch_axis", batch_axis, "batch_dim", batch_dim)
    if seq is None:
        raise failure("ReverseSequence", name, "seq_axis is missing")
    attrs = {"seq_axis": static_int("ReverseSequence", name, "seq_axis", seq),
             "batch_axis": static_int("ReverseSequence", name, "batch_axis",
                                      0 if batch is None else batch)}
    return apply(REVERSE_SEQUENCE, (input, seq_lengths), attrs, name=name)
