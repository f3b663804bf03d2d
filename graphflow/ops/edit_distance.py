"""`edit_distance`: how many insertions, deletions and replacements part two sequences.

The algorithm is Wagner and Fischer's ("The string-to-string correction problem", JACM 21, 1974).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import apply, op_function
from graphflow.dims import fresh
from graphflow.errors import InvalidArgumentError, ShapeError
from graphflow.lowering import Host
from graphflow.opdef import (
    Attr,
    ErrorSample,
    Infer,
    NotDifferentiable,
    RunError,
    Sample,
    TensorType,
)
from graphflow.ops.arguments import typed
from graphflow.ops.declare import declare
from graphflow.shapes import UNKNOWN_SHAPE, TensorShape, unknown_shape
from graphflow.sparse_tensor import as_sparse

_VALUES = tuple(t for t in dt.ALL if not t.is_complex)


def _type(c: Infer) -> list[TensorType]:
    ranks = set()
    for first in (0, 3):
        c.require_rank(first, 2)
        c.require_rank(first + 1, 1)
        c.require_rank(first + 2, 1)
        shape = c.shape(first + 2)
        if shape.rank is not None and isinstance(shape.sizes[0], int):
            ranks.add(shape.sizes[0])
    if len(ranks) > 1 or 0 in ranks:
        raise c.error(f"hypothesis and truth must have one rank of at least 1, got {c.show(2)}, "
                      f"{c.show(5)}")
    if not ranks:
        return [TensorType(dt.float32, UNKNOWN_SHAPE)]
    known = [c.value(2), c.value(5)]
    rank = ranks.pop() - 1
    if any(v is None or v.dtype == object for v in known):
        return [TensorType(dt.float32, unknown_shape(rank))]
    sizes = [max(pair) for pair in zip(*(v.tolist()[:-1] for v in known if v is not None))]
    return [TensorType(dt.float32, TensorShape.of(sizes if sizes or rank == 0 else [fresh()]))]


def _sequences(indices: np.ndarray, values: np.ndarray) -> dict[tuple[int, ...], list[Any]]:
    found: dict[tuple[int, ...], list[Any]] = {}
    for place, value in zip(indices[:, :-1].tolist(), values.tolist()):
        found.setdefault(tuple(place), []).append(value)
    return found


def _distance(a: list[Any], b: list[Any]) -> int:
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        before, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (x != y))
    return row[-1]


def _reference(
    hypothesis_indices: np.ndarray, hypothesis_values: np.ndarray, hypothesis_shape: np.ndarray,
    truth_indices: np.ndarray, truth_values: np.ndarray, truth_shape: np.ndarray, normalize: bool,
) -> np.ndarray:
    if len(hypothesis_shape) != len(truth_shape):
        raise RunError(InvalidArgumentError, f"hypothesis has rank {len(hypothesis_shape)}, truth "
                                             f"{len(truth_shape)}")
    out = np.zeros(np.maximum(hypothesis_shape, truth_shape)[:-1], np.float32)
    guesses = _sequences(hypothesis_indices, hypothesis_values)
    truths = _sequences(truth_indices, truth_values)
    for place in {**guesses, **truths}:
        guess, truth = guesses.get(place, []), truths.get(place, [])
        distance: float = _distance(guess, truth)
        if normalize:
            distance = distance / len(truth) if truth else np.inf
        out[place] = distance
    return out


def _samples() -> list[Sample]:
    guess = (np.array([[0, 0], [0, 1], [2, 0]]), np.array([1.0, 2.0, 3.0]), np.array([3, 2]))
    truth = (np.array([[0, 0], [0, 1], [0, 2], [1, 0]]), np.array([1.0, 3.0, 2.0, 4.0]),
             np.array([3, 3]))
    none = (np.zeros((0, 2), np.int64), np.zeros(0), np.array([0, 0]))
    return [Sample((*guess, *truth)), Sample((*guess, *truth), {"normalize": False}),
            Sample((*none, *none)), Sample((
                np.array([[0], [1]]), np.array([1.0, 2.0]), np.array([2]),
                np.array([[0]]), np.array([2.0]), np.array([1])))]


EDIT_DISTANCE = declare(
    "EditDistance",
    "hypothesis_indices: int64, hypothesis_values: T, hypothesis_shape: int64, "
    "truth_indices: int64, truth_values: T, truth_shape: int64",
    attrs={"normalize": Attr("bool", True)}, infer=_type, reference=_reference,
    grad=NotDifferentiable("a distance of sequences is a whole number"),
    lowering=Host(effect=False), samples=_samples,
    errors=lambda: [ErrorSample(
        (typed(dt.int64, 3, 2), typed(dt.int32, 3), np.array([3, 2]),
         typed(dt.int64, 3, 3), typed(dt.int32, 3), np.array([3, 2, 2])), {}, ShapeError,
        r"one rank of at least 1, got hypothesis_shape \[2\], truth_shape \[3\]")],
    T=_VALUES)


@op_function
def edit_distance(
    hypothesis: Any, truth: Any, normalize: bool = True, name: str | None = "edit_distance"
) -> Any:
    """The Levenshtein distance of the sequences along the last axis of two sparse tensors.

    hypothesis, truth: SparseTensors [b…, length] of one dtype, their elements in row-major order
      → float32 [b…]. normalize: divided by the length of the truth (∞ where that is empty, but
      the hypothesis is not).
    Raises DTypeError for what is no SparseTensor, or for other dtypes.
    """
    sparse = [as_sparse(v) for v in (hypothesis, truth)]
    parts = [t for s in sparse for t in (s.indices, s.values, s.dense_shape)]
    return apply(EDIT_DISTANCE, parts, {"normalize": bool(normalize)}, name=name)
