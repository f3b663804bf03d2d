"""Decoding for connectionist temporal classification: the best labels of each sequence.

Source: Graves, "Supervised sequence labelling with recurrent neural networks", 2012, section 7.5:
best path decoding, and prefix search with a beam of fixed width.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import F, apply, convert, op_function
from graphflow.errors import AttributeValueError, InvalidArgumentError, ShapeError
from graphflow.lowering import Host
from graphflow.opdef import (
    MAX_OUTPUTS,
    Attr,
    ErrorSample,
    Infer,
    NotDifferentiable,
    RunError,
    Sample,
    TensorType,
)
from graphflow.ops.arguments import failure, typed
from graphflow.ops.declare import declare
from graphflow.ops.scope import scope
from graphflow.shapes import TensorShape
from graphflow.sparse_tensor import SparseTensor

# ---- the best class at each time --------------------------------------------------------------


@op_function
def ctc_greedy_decoder(
    inputs: Any, sequence_length: Any, merge_repeated: bool = True
) -> tuple[list[Any], Any]:
    """([decoded], neg_sum_logits): the labels of the likeliest class at each time.

    inputs: float32 or float64 logits [time, batch, classes], the last class being the blank;
      sequence_length: int32 [batch].
    decoded: a SparseTensor of int64 labels [batch, longest], without blanks and (merge_repeated)
      without repeats in a row. neg_sum_logits [batch, 1]: −Σ of the largest logits.
    Raises ShapeError if inputs have another rank.
    """
    op = "CTCGreedyDecoder"
    with scope(None, op):
        logits = convert(inputs)
        if logits.shape.rank not in (None, 3):
            raise failure(op, None, f"inputs must be [time, batch, classes], got {logits.shape}",
                          cls=ShapeError)
        time, batch, classes = F.unstack(F.shape(logits), 3)
        used = F.sequence_mask(F.cast(convert(sequence_length), dt.int32), time)
        best = F.transpose(F.argmax(logits, 2, output_type=dt.int64))
        largest = F.transpose(F.reduce_max(logits, 2))
        score = F.reduce_sum(F.where_v2(used, largest, F.zeros_like(largest)), 1, keepdims=True)
        kept = F.logical_and(used, F.not_equal(best, F.cast(classes - 1, dt.int64)))
        if merge_repeated:
            before = F.pad(best, [[0, 0], [1, 0]], constant_values=-1)[:, :-1]
            kept = F.logical_and(kept, F.not_equal(best, before))
        places = F.where(kept)
        columns = F.cumsum(F.cast(kept, dt.int64), 1) - 1
        indices = F.stack([places[:, 0], F.gather_nd(columns, places)], 1)
        lengths = F.reduce_sum(F.cast(kept, dt.int64), 1)
        longest = F.reduce_max(F.concat([lengths, np.zeros(1, np.int64)], 0))
        shape = F.stack([F.cast(batch, dt.int64), longest])
        return [SparseTensor(indices, F.gather_nd(best, places), shape)], -score


# ---- prefix search with a beam ----------------------------------------------------------------


def _prefix_search(
    logits: np.ndarray, width: int, paths: int
) -> list[tuple[tuple[int, ...], float]]:
    """The likeliest prefixes and their log-probabilities; logits [time, classes], blank last.

    For each prefix stand the logarithms of its probability so far with a blank at the end and
    with its last label at the end.
    """
    top = logits.max(1, keepdims=True)
    scores = logits - top - np.log(np.exp(logits - top).sum(1, keepdims=True))
    blank = logits.shape[1] - 1
    beam: dict[tuple[int, ...], tuple[float, float]] = {(): (0.0, -np.inf)}
    for now in scores:
        grown: dict[tuple[int, ...], tuple[float, float]] = {}
        for prefix, (with_blank, with_label) in beam.items():
            total = float(np.logaddexp(with_blank, with_label))
            label = -np.inf
            if prefix:
                label = with_label
                parent = beam.get(prefix[:-1])
                if parent is not None:
                    doubled = len(prefix) > 1 and prefix[-2] == prefix[-1]
                    arrived = parent[0] if doubled else np.logaddexp(*parent)
                    label = np.logaddexp(label, arrived)
                label += now[prefix[-1]]
            grown[prefix] = (total + now[blank], float(label))
            for c in range(blank):
                if (*prefix, c) not in beam:
                    start = with_blank if prefix and prefix[-1] == c else total
                    grown[(*prefix, c)] = (-np.inf, float(start + now[c]))
        kept = sorted(grown.items(), key=lambda item: -np.logaddexp(*item[1]))[:width]
        beam = dict(kept)
    found = [(prefix, float(np.logaddexp(*pair))) for prefix, pair in beam.items()]
    return sorted(found, key=lambda item: -item[1])[:paths]


def _decode(
    inputs: np.ndarray, sequence_length: np.ndarray, beam_width: int, top_paths: int,
    merge_repeated: bool,
) -> tuple[np.ndarray, ...]:
    time, batch, _ = inputs.shape
    if sequence_length.size and sequence_length.max() > time:
        raise RunError(InvalidArgumentError, f"sequence_length is up to {sequence_length.max()}, "
                                             f"but inputs have {time} times")
    scores = np.full((batch, top_paths), -np.inf, inputs.dtype)
    rows: list[list[list[int]]] = [[] for _ in range(top_paths)]
    for b, length in enumerate(sequence_length):
        found = _prefix_search(inputs[:length, b].astype(np.float64), beam_width, top_paths)
        if len(found) < top_paths:
            raise RunError(InvalidArgumentError,
                           f"top_paths is {top_paths}, but sequence {b} has {len(found)} paths")
        for path, (prefix, score) in enumerate(found):
            labels = [c for i, c in enumerate(prefix)
                      if not (merge_repeated and i and prefix[i - 1] == c)]
            rows[path].append(labels)
            scores[b, path] = score
    indices, values, shapes = [], [], []
    for labels_of in rows:
        places = [(b, i) for b, labels in enumerate(labels_of) for i in range(len(labels))]
        indices.append(np.array(places, np.int64).reshape(-1, 2))
        values.append(np.array([c for labels in labels_of for c in labels], np.int64))
        longest = max(map(len, labels_of), default=0)
        shapes.append(np.array([batch, longest], np.int64))
    return (*indices, *values, *shapes, scores)


def _type(c: Infer) -> list[TensorType]:
    c.require_rank(0, 3)
    c.require_rank(1, 1)
    paths, width = c.attrs["top_paths"], c.attrs["beam_width"]
    if not 1 <= paths <= width:
        raise c.error(f"top_paths must be from 1 to beam_width {width}, got {paths}",
                      cls=AttributeValueError)
    shape = c.shape(0)
    batch = shape.sizes[1] if shape.rank is not None else None
    counts = [TensorShape([None]).sizes[0] for _ in range(paths)]  # the values decide
    return [*(TensorType(dt.int64, TensorShape.of((n, 2))) for n in counts),
            *(TensorType(dt.int64, TensorShape.of((n,))) for n in counts),
            *(TensorType(dt.int64, TensorShape([2])) for _ in counts),
            TensorType(c.dtype(0), TensorShape([batch, paths]))]


def _samples() -> list[Sample]:
    x = np.random.default_rng(2).normal(size=(4, 2, 3))
    lengths = np.array([4, 3], np.int32)
    return [
        Sample((x, lengths), {"beam_width": 5, "top_paths": 2}, grad=False),
        Sample((x, lengths), {"merge_repeated": False}, grad=False),
        Sample((x[:, :0], lengths[:0]), grad=False)]


BEAM_SEARCH = declare(
    "CTCBeamSearchDecoder", "inputs: T, sequence_length: int32",
    attrs={"beam_width": Attr("int", 100), "top_paths": Attr("int", 1, most=MAX_OUTPUTS),
           "merge_repeated": Attr("bool", True)},
    infer=_type, reference=_decode, grad=NotDifferentiable("labels are integers"),
    lowering=Host(effect=False), samples=_samples,
    errors=lambda: [
        ErrorSample((typed(dt.float32, 4, 3), typed(dt.int32, 3)), {}, ShapeError,
                    "inputs must have rank 3"),
        ErrorSample((typed(dt.float32, 4, 2, 3), typed(dt.int32, 2)),
                    {"top_paths": 3, "beam_width": 2}, AttributeValueError,
                    "top_paths must be from 1 to beam_width 2")],
    T=(dt.float32, dt.float64))


@op_function
def ctc_beam_search_decoder(
    inputs: Any, sequence_length: Any, beam_width: int = 100, top_paths: int = 1,
    merge_repeated: bool = True,
) -> tuple[list[Any], Any]:
    """(decoded, log_probability): the likeliest label sequences, by prefix search.

    inputs: float32 or float64 logits [time, batch, classes], the last class being the blank;
      sequence_length: int32 [batch]. Only the beam_width likeliest prefixes are kept.
    decoded: top_paths SparseTensors of int64 labels [batch, longest]; merge_repeated leaves out
      repeats in the result. log_probability: [batch, top_paths].
    It runs on the host. Raises ShapeError, AttributeValueError for arguments that do not fit;
    InvalidArgumentError when the graph runs if there are fewer than top_paths sequences.
    """
    attrs = {"beam_width": int(beam_width), "top_paths": int(top_paths),
             "merge_repeated": bool(merge_repeated)}
    lengths = F.cast(convert(sequence_length), dt.int32)
    outputs = apply(BEAM_SEARCH, (inputs, lengths), attrs)
    parts = (outputs[i * top_paths:(i + 1) * top_paths] for i in range(3))
    return [SparseTensor(*triple) for triple in zip(*parts)], outputs[-1]


@op_function
def ctc_beam_search_decoder_v2(
    inputs: Any, sequence_length: Any, beam_width: int = 100, top_paths: int = 1
) -> tuple[list[Any], Any]:
    """`ctc_beam_search_decoder` that keeps repeated labels."""
    return ctc_beam_search_decoder(inputs, sequence_length, beam_width, top_paths, False)
