"""Steps of random graphs: ops of the registry as their samples use them, and usual ones."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import Any

import numpy as np
from contract_cases import Case, cases_of, ops_that
from random_graphs import MAX_ELEMENTS, RandomGraph

import graphflow as gf
from graphflow import dtypes as dt
from graphflow.builder import apply
from graphflow.lowering import Host, Leaf, Region, State
from graphflow.opdef import REGISTRY

# Their results are not determined by their inputs where eigenvalues are equal.
OWN_INPUTS = frozenset({"Svd", "SelfAdjointEigV2", "Qr"})


@cache
def catalogue() -> dict[str, list[Case]]:
    """The small cases of each op that has a kernel."""
    found = {}
    for name in ops_that(lambda o: not isinstance(o.lowering, (Host, Leaf, Region, State))):
        found[name] = [c for c in cases_of(REGISTRY[name]) if all(
            a.size <= MAX_ELEMENTS and a.dtype.kind != "O" for a in c.inputs)]
    return {name: cases for name, cases in found.items() if cases}


# ---- ops of the registry ------------------------------------------------------------------------

def registered(g: RandomGraph) -> None:
    """An op with one of its samples' attributes, over tensors of the pool where they fit."""
    name = g.pick(sorted(catalogue()))
    cases = catalogue()[name]
    x = g.any(floating=False)
    fitting = [] if x is None or name in OWN_INPUTS else [
        (c, i) for c in cases for i in range(len(c.inputs)) if _fits(g, c, i, x)]
    if fitting and g.chance(85):
        case, place = g.pick(fitting)
        if case.opdef.pointwise and g.attempt(lambda: _pointwise(g, case, place, x)):
            return
        if g.attempt(lambda: _applied(g, case, {place: x})):
            return
    case = g.pick(cases)
    if not g.attempt(lambda: _applied(g, case, {})):
        g.attempt(lambda: apply(case.opdef, [gf.constant(a, dtype=dt.array_dtype(a))
                                             for a in case.inputs], case.sample.attrs))


def _fits(g: RandomGraph, case: Case, i: int, x: Any) -> bool:
    """True if a tensor may stand for an input of a case; integers only within its range."""
    array, value = case.inputs[i], g.values[x]
    if dt.array_dtype(array) is not x.dtype:
        return False
    if case.opdef.pointwise:
        return True
    if array.ndim != value.ndim:
        return False
    return array.dtype.kind not in "iu" or (value.size == 0 or array.size > 0 and bool(
        value.min() >= array.min() and value.max() <= array.max()))


def _applied(g: RandomGraph, case: Case, given: dict[int, Any]) -> Any:
    """The op; inputs that are not given come from the pool if they have a sample's form."""
    inputs = []
    for i, array in enumerate(case.inputs):
        if i in given:
            inputs.append(given[i])
            continue
        same = None
        if case.opdef.name not in OWN_INPUTS and g.chance(40):
            same = g.any(0, partial(_may_replace, array), floating=False)
        number = case.opdef.arg(i).types == dt.INDICES
        inputs.append(same if same is not None else g.fed(array, 60 if number else 30))
        g.fixed.add(inputs[-1])  # its size goes with attributes and the other inputs
    return apply(case.opdef, inputs, case.sample.attrs)


def _pointwise(g: RandomGraph, case: Case, place: int, x: Any) -> Any:
    """The op with `x` as one input, and others of its shape or of one that is broadcast."""
    shape = g.values[x].shape
    alike = not case.opdef.broadcasts
    inputs = []
    for i, array in enumerate(case.inputs):
        if i == place:
            inputs.append(x)
            continue
        other = None
        if g.chance(50):
            other = g.any(0, partial(_goes_with, array.dtype, shape, alike), floating=False)
        if other is None:
            own = shape if alike else () if g.chance(30) else tuple(
                n if g.chance(80) else 1 for n in shape)
            count = int(np.prod(own))
            filled = np.resize(array, own) if array.size or not count else np.zeros(
                own, array.dtype)
            other = g.fed(filled.astype(array.dtype), 30)
        inputs.append(other)
    return apply(case.opdef, inputs, case.sample.attrs)


def _may_replace(array: np.ndarray, value: np.ndarray) -> bool:
    """True if a value has a sample's form; integers only if they are the same."""
    return value.shape == array.shape and value.dtype == array.dtype and (
        array.dtype.kind not in "iu" or np.array_equal(value, array))


def _goes_with(
    dtype: np.dtype, shape: tuple[int, ...], alike: bool, value: np.ndarray
) -> bool:
    return value.dtype == dtype and (
        value.shape == shape or not alike and _broadcast(value.shape, shape))


def _broadcast(a: tuple[int, ...], c: tuple[int, ...]) -> bool:
    return all(m == n or 1 in (m, n) for m, n in zip(reversed(a), reversed(c)))


# ---- usual ops ----------------------------------------------------------------------------------

UNARY: tuple[Callable[[Any], Any], ...] = (
    gf.tanh, gf.sigmoid, gf.sin, gf.nn.relu, gf.abs, gf.square, gf.negative,
    lambda x: gf.exp(-gf.square(x)), lambda x: x * 0.5 + 0.25,
    lambda x: gf.sqrt(gf.abs(x) + 1.0), lambda x: gf.where(x > 0.1, x, x * 0.1),
    lambda x: gf.cast(gf.cast(x, gf.float32), x.dtype), gf.nn.softplus, gf.identity)
BINARY: tuple[Callable[[Any, Any], Any], ...] = (
    gf.add, gf.subtract, gf.multiply, gf.maximum, gf.minimum,
    lambda x, y: x / (gf.abs(y) + 1.0), lambda x, y: gf.where_v2(x > y, x, y * 0.5))
REDUCTIONS = (gf.reduce_sum, gf.reduce_mean, gf.reduce_max, gf.reduce_min, gf.reduce_logsumexp)
CAST = (gf.float32, gf.float64, gf.float16, gf.bfloat16, gf.int32)


def not_empty(value: np.ndarray) -> bool:
    return value.size > 0


def unary(g: RandomGraph) -> None:
    x = g.any()
    if x is not None:
        g.attempt(lambda: g.pick(UNARY)(x))


def binary(g: RandomGraph) -> None:
    x = g.any()
    y = None if x is None else g.any(
        fits=lambda v: _broadcast(v.shape, g.values[x].shape), like=x)
    if y is not None:
        one, other = (x, y) if g.chance(50) else (y, x)
        g.attempt(lambda: g.pick(BINARY)(one, other))


def cast(g: RandomGraph) -> None:
    x = g.any(floating=False)
    if x is not None:
        g.attempt(lambda: gf.cast(x, g.pick(CAST)))


def reduce(g: RandomGraph) -> None:
    x = g.any(fits=not_empty)
    if x is not None:
        axes = [a for a in range(g.values[x].ndim) if g.chance(50)]
        g.attempt(lambda: g.pick(REDUCTIONS)(x, axes, keepdims=g.chance(50)))


def softmax(g: RandomGraph) -> None:
    x = g.any(1, not_empty)
    if x is not None:
        g.attempt(lambda: g.pick((gf.nn.softmax, gf.nn.log_softmax))(x))


def normalise(g: RandomGraph) -> None:
    x = g.any(1, not_empty)

    def build() -> Any:
        mean, variance = gf.nn.moments(x, [-1], keepdims=True)
        return (x - mean) * gf.rsqrt(variance + 0.5)

    if x is not None:
        g.attempt(build)


def transpose(g: RandomGraph) -> None:
    x = g.any(2, floating=False)
    if x is not None:
        order = list(range(g.values[x].ndim))
        g.r.shuffle(order)
        g.attempt(lambda: gf.transpose(x, order))


def reshape(g: RandomGraph) -> None:
    x = g.any(1, not_empty, floating=False)
    if x is None:
        return
    shape = g.values[x].shape
    target = list(g.pick([(int(np.prod(shape)),), (1, *shape), (*shape, 1),
                          (int(np.prod(shape[:-1])), shape[-1])]))
    target[g.r.randint(0, len(target) - 1)] = -1
    g.attempt(lambda: gf.reshape(x, target))


def concat(g: RandomGraph) -> None:
    x = g.any(1, floating=False)
    if x is None:
        return
    shape = g.values[x].shape
    axis = g.r.randint(0, len(shape) - 1)
    y = g.any(1, lambda v: v.ndim == len(shape) and all(
        a == axis or m == n for a, (m, n) in enumerate(zip(v.shape, shape))), False, like=x)
    g.attempt(lambda: gf.concat([x, y], axis))


def slices(g: RandomGraph) -> None:
    x = g.any(1, floating=False)
    if x is not None:
        first = g.r.randint(0, g.values[x].shape[0])
        step = g.pick([1, 2, -1])
        g.attempt(lambda: x[first:] if step == 1 else x[::step])


def gather(g: RandomGraph) -> None:
    x = g.any(1, lambda v: v.shape[0] > 0, floating=False)
    if x is not None:
        at = g.numbers.integers(0, g.values[x].shape[0], g.r.randint(0, 5)).astype(np.int32)
        g.attempt(lambda: gf.gather(x, g.fed(at, 20)))


def matmul(g: RandomGraph) -> None:
    x = g.any(2)
    if x is None:
        return
    *lead, _, k = g.values[x].shape
    y = g.any(2, lambda v: v.shape[-2] == k and v.shape[:-2] == tuple(lead), like=x)
    if y is None:
        g.attempt(lambda: gf.matmul(x, x, transpose_b=True) * 0.25)
    else:
        g.attempt(lambda: gf.matmul(x, y) * 0.25)


def pad(g: RandomGraph) -> None:
    x = g.any(1, floating=False)
    if x is not None and not x.dtype.is_bool:
        widths = [[g.r.randint(0, 2), g.r.randint(0, 2)] for _ in g.values[x].shape]
        g.attempt(lambda: gf.pad(x, widths))


def stack(g: RandomGraph) -> None:
    x = g.any(floating=False)
    if x is not None:
        y = g.any(0, lambda v: v.shape == g.values[x].shape, False, like=x)
        g.attempt(lambda: gf.stack([x, y, x], g.r.randint(0, g.values[x].ndim)))


def tile(g: RandomGraph) -> None:
    x = g.any(1, floating=False)
    if x is not None:
        g.attempt(lambda: gf.tile(x, [g.r.randint(0, 2) for _ in g.values[x].shape]))


def one_hot(g: RandomGraph) -> None:
    x = g.any(1, lambda v: v.shape[-1] > 0)
    if x is not None:
        g.attempt(lambda: gf.one_hot(gf.argmax(x, -1), 4, dtype=x.dtype))


def cross_entropy(g: RandomGraph) -> None:
    x = g.any(2, lambda v: v.ndim == 2 and v.shape[-1] > 0)
    if x is not None:
        rows, classes = g.values[x].shape
        at = g.numbers.integers(0, classes, rows).astype(np.int32)
        g.attempt(lambda: gf.nn.sparse_softmax_cross_entropy_with_logits(
            labels=g.fed(at, 20), logits=x))


def segments(g: RandomGraph) -> None:
    x = g.any(1)
    if x is not None:
        at = g.numbers.integers(-1, 3, g.values[x].shape[0]).astype(np.int32)
        g.attempt(lambda: gf.unsorted_segment_sum(x, g.fed(at, 20), 3))


def noise(g: RandomGraph) -> None:
    shape = g.shape()
    g.attempt(lambda: gf.random.uniform(shape, seed=g.r.randint(0, 9)))


USUAL: tuple[Callable[[RandomGraph], None], ...] = (
    unary, unary, binary, binary, binary, cast, reduce, softmax, normalise, transpose, reshape,
    concat, slices, gather, matmul, pad, stack, tile, one_hot, cross_entropy, segments, noise)
