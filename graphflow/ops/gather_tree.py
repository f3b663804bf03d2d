"""`gather_tree`: the sequences that a beam search found, from what it kept for each step."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import apply, op_function
from graphflow.errors import ShapeError
from graphflow.lowering import Library, LoweringContext
from graphflow.opdef import ErrorSample, Infer, NotDifferentiable, Sample, TensorType
from graphflow.ops.arguments import typed
from graphflow.ops.declare import declare
from graphflow.shapes import TensorShape


def _type(c: Infer) -> list[TensorType]:
    for i, rank in enumerate((3, 3, 1, 0)):
        c.require_rank(i, rank)
    ids, parents, lengths = (c.shape(i) for i in range(3))
    sizes = [c.require_same(a, b, f"step_ids and parent_ids differ: {c.show(0)}, {c.show(1)}")
             for a, b in zip(ids.with_rank(3).sizes, parents.with_rank(3).sizes)]
    if lengths.rank is not None:
        sizes[1] = c.require_same(
            sizes[1], lengths.sizes[0],
            f"max_sequence_lengths needs one element for each of the batch: {c.show(2)}, "
            f"{c.show(0)}")
    return [TensorType(dt.int32, TensorShape.of(sizes))]


def _reference(
    step_ids: np.ndarray, parent_ids: np.ndarray, max_sequence_lengths: np.ndarray,
    end_token: np.ndarray,
) -> np.ndarray:
    times, batch, beams = step_ids.shape
    out = np.full_like(step_ids, end_token, order="C")
    for row in range(batch):
        length = min(times, int(max_sequence_lengths[row]))
        source = np.arange(beams)
        for time in reversed(range(length)):
            there = (source >= 0) & (source < beams)
            out[time, row, there] = step_ids[time, row, source[there]]
            source[there] = parent_ids[time, row, source[there]]
        over = np.zeros(beams, bool)
        for time in range(max(length, 0)):
            out[time, row, over] = end_token
            over |= out[time, row] == end_token
    return out


def _sizes(ctx: LoweringContext) -> tuple:
    return tuple(ctx.in_shapes[0])


def _samples() -> list[Sample]:
    rng = np.random.default_rng(0)

    def sample(times: int, batch: int, beams: int, lengths: Any) -> Sample:
        return Sample((
            rng.integers(0, 5, (times, batch, beams)).astype(np.int32),
            rng.integers(0, max(beams, 1), (times, batch, beams)).astype(np.int32),
            np.array(lengths, np.int32), np.int32(4)), grad=False)

    return [sample(5, 3, 4, [5, 2, 9]), sample(1, 1, 1, [1]), sample(4, 2, 3, [0, 4]),
            sample(0, 2, 3, [0, 0]), sample(3, 0, 2, [])]


GATHER_TREE = declare(
    "GatherTree", "step_ids: int32, parent_ids: int32, max_sequence_lengths: int32, "
    "end_token: int32", infer=_type, reference=_reference,
    grad=NotDifferentiable("symbols are integers"), lowering=Library("gather_tree", _sizes),
    samples=_samples,
    errors=lambda: [
        ErrorSample((typed(dt.int32, 2, 3), typed(dt.int32, 2, 3, 4), typed(dt.int32, 3),
                     typed(dt.int32)), {}, ShapeError, "step_ids must have rank 3"),
        ErrorSample((typed(dt.int32, 2, 3, 4), typed(dt.int32, 2, 3, 5), typed(dt.int32, 3),
                     typed(dt.int32)), {}, ShapeError, "step_ids and parent_ids differ"),
        ErrorSample((typed(dt.int32, 2, 3, 4), typed(dt.int32, 2, 3, 4), typed(dt.int32, 2),
                     typed(dt.int32)), {}, ShapeError, "one element for each of the batch")])


@op_function
def gather_tree(
    step_ids: Any, parent_ids: Any, max_sequence_lengths: Any, end_token: Any,
    name: str | None = None,
) -> Any:
    """The whole sequences of a beam search: int32 [time, batch, beams].

    step_ids: int32 [time, batch, beams], the symbols that were chosen in each step; parent_ids:
    the beam of the step before that each one continues; max_sequence_lengths: int32 [batch];
    end_token: int32 scalar. After the first end token of a sequence, and beyond its row's length,
    there are only end tokens; a parent that does not exist makes the sequence one of end tokens.
    Raises ShapeError for shapes that do not go together.
    """
    return apply(GATHER_TREE, (step_ids, parent_ids, max_sequence_lengths, end_token), name=name)
