"""`learned_unigram_candidate_sampler`: candidates by how often classes were seen as true ones.

The counts are state of the session that needs no initialiser and starts at zero; a class's weight
is one more than its count. Distinct candidates are what drawing until enough different ones are
found would give, drawn at once: the order of Eₖ / wₖ with exponential numbers Eₖ is that in which
the classes would be found first (Efraimidis & Spirakis, "Weighted random sampling with a
reservoir", 2006), and the number of draws between two finds has a geometric distribution.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import F, apply, op_function
from graphflow.graph import get_default_graph
from graphflow.lowering import Leaf, State
from graphflow.opdef import Attr, NotDifferentiable, TensorType, same_as_input
from graphflow.ops.arguments import failure
from graphflow.ops.candidate_sampling import Sampled, checked_true_classes, expected_count
from graphflow.ops.declare import declare
from graphflow.ops.scope import scope
from graphflow.shapes import TensorShape

_INTEGERS = NotDifferentiable("counts are integers")

CLASS_COUNTS = declare(
    "ClassCounts", "",
    attrs={"zeros": Attr("int"), "shared_name": Attr("str"), "handle": Attr("bool", True)},
    infer=lambda c: [TensorType(dt.int64, TensorShape([c.attrs["zeros"]]))],
    reference=None, grad=_INTEGERS, lowering=Leaf())


def _counted(F: Any, current: Any, classes: Any) -> tuple[Any, tuple]:
    """The counts with these classes, and those before."""
    ones = F.ones_like(classes)
    return F.tensor_scatter_nd_add(current, F.expand_dims(classes, 1), ones), (current,)


COUNT_CLASSES = declare(
    "CountClasses", "ref: &int64, classes: int64", infer=same_as_input, reference=None,
    grad=_INTEGERS, lowering=State(_counted))


def _seen_before(name: str, classes: Any, range_max: int) -> Any:
    """How often each class was among `classes` in earlier runs: int64 [range_max]."""
    root = get_default_graph().root
    with root.as_default(), root.fresh_scopes(), root.name_scope(None):
        shared = root.unique_name(f"{name}/counts")
        handle = apply(CLASS_COUNTS, (), {"zeros": range_max, "shared_name": shared},
                       name=f"{shared}/")
    return apply(COUNT_CLASSES, (handle, classes))


def _distinct(weights: Any, total: Any, count: int, seed: int | None) -> tuple[Any, Any]:
    """(different classes in the order of being found, how many draws that took)."""
    uniform = F.random_uniform(F.shape(weights), dtype=dt.float64, seed=seed)
    first = F.top_k(F.log1p(-uniform) / weights, count).indices
    found = F.cumsum(F.gather(weights, first), exclusive=True)
    # Of so many draws, one in (total − found) / total is of a class that was not found yet.
    u = F.random_uniform([count], dtype=dt.float64, seed=None if seed is None else seed + 1)
    repeated = F.floor(F.log1p(-u) / F.log(found / total))
    return F.cast(first, dt.int64), F.cast(F.reduce_sum(1 + repeated), dt.int64)


@op_function
def learned_unigram_candidate_sampler(
    true_classes: Any, num_true: int, num_sampled: int, unique: bool, range_max: int,
    seed: int | None = None, name: str | None = None,
) -> Any:
    """Candidates by the frequencies of the true classes of all earlier runs in this session.

    P(k) = (1 + how often k was a true class) / (range_max + how many there were). The true classes
    of a run count from the next one on.
    Arguments, results and errors as in `uniform_candidate_sampler`; InvalidArgumentError when the
    graph runs for a true class that is not below range_max.
    """
    op = "LearnedUnigramCandidateSampler"
    if range_max < 1 or (unique and num_sampled > range_max):
        raise failure(op, name, f"Sampler's range is too small: it has {range_max} classes, but "
                                f"{num_sampled} different ones are asked for")
    if num_sampled < 1:
        raise failure(op, name, f"num_sampled must be positive, got {num_sampled}")
    with scope(name, op) as inner:
        true_classes = checked_true_classes(op, name, true_classes, num_true)
        counts = _seen_before((inner or op).rstrip("/"), F.reshape(true_classes, [-1]), range_max)
        weights = F.cast(counts, dt.float64) + 1
        sums = F.cumsum(weights)
        total, tries = sums[-1], num_sampled
        if unique:
            sampled, tries = _distinct(weights, total, num_sampled, seed)
        else:
            u = F.random_uniform([num_sampled], dtype=dt.float64, seed=seed)
            sampled = F.searchsorted(sums, u * total, side="right", out_type=dt.int64)
            sampled = F.minimum(sampled, np.int64(range_max - 1))
        expected = [expected_count(F.gather(weights, classes) / total, num_sampled, tries)
                    for classes in (true_classes, sampled)]
        return Sampled(sampled, *expected)
