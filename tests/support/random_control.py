"""Steps of random graphs with branches, loops and variables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np
from contract_cases import Case
from random_graphs import RandomGraph
from random_ops import catalogue

import graphflow as gf
from graphflow.builder import apply

# Functions of two tensors of one shape and type that give a third.
STEPS: tuple[Callable[[Any, Any], Any], ...] = (
    lambda a, c: gf.tanh(a) + c * 0.5, lambda a, c: a * 0.5 + c * 0.25,
    lambda a, c: gf.where_v2(a > c, a, c * 0.5), lambda a, c: gf.sigmoid(a) * c,
    lambda a, c: gf.maximum(a, c) - 0.25, lambda a, c: a - gf.reduce_mean(a) * 0.5,
    lambda a, c: gf.cond(gf.reduce_sum(a) > 0.5, lambda: a * 0.5, lambda: c + 0.125),
    lambda a, c: gf.reverse(a, [0]) if a.shape.rank else c,
    lambda a, c: c, lambda a, c: in_python(a))


def in_python(x: Any) -> Any:
    """A step that Python computes; in a branch or loop, Python drives that."""
    y = gf.py_func(lambda a: np.tanh(a).astype(a.dtype), [x], x.dtype)
    y.set_shape(x.shape)
    return y


def step(g: RandomGraph) -> Callable[[Any, Any], Any]:
    """One of STEPS, or an elementwise op of the registry."""
    if g.chance(70):
        return g.pick(STEPS)
    case = g.pick(g.pick(elementwise()))

    def apply_to(a: Any, c: Any) -> Any:
        return apply(case.opdef, [a, c][:len(case.inputs)], case.sample.attrs)

    return apply_to


@cache
def elementwise() -> list[list[Case]]:
    """The cases of ops that make one float tensor of one or two of its type."""
    found = [[c for c in cases if c.opdef.pointwise and 0 < len(c.inputs) < 3 and all(
        a.dtype == np.float64 for a in c.inputs)] for _, cases in sorted(catalogue().items())]
    return [cases for cases in found if cases]


def host(g: RandomGraph) -> None:
    """A step in Python between kernels."""
    x = g.any()
    if x is not None:
        g.attempt(lambda: in_python(x))


def conditional(g: RandomGraph) -> None:
    """cond over tensors of the pool; now and then its branches differ in size."""
    x = g.any()
    if x is None:
        return
    y = g.any(0, lambda v: v.shape == g.values[x].shape, like=x)
    one, other = step(g), step(g)

    def build() -> Any:
        chosen = g.fed(np.array(g.chance(50))) if g.chance(50) else gf.reduce_sum(x) > 0.25
        longer = g.values[x].ndim == 1 and g.chance(30)
        return gf.cond(chosen, lambda: one(x, y),
                       lambda: gf.concat([x, y], 0) if longer else [other(y, x)][0])

    g.attempt(build)


def loop(g: RandomGraph) -> None:
    """while_loop that carries one to three tensors, counted or until a value is reached."""
    x = g.any()
    if x is None:
        return
    same = [g.any(0, lambda v: v.shape == g.values[x].shape, like=x) for _ in range(3)]
    carried = [x, *same[:g.r.randint(0, 2)]]
    steps = [step(g) for _ in carried]
    turns, is_open = g.r.randint(0, 4), g.chance(35)

    def build() -> Any:
        limit = g.fed(np.array(turns, np.int32), 50)

        def condition(i: Any, *state: Any) -> Any:
            if not is_open:
                return i < limit
            return gf.logical_and(i < 5, gf.reduce_sum(gf.abs(state[0])) < 4.0)

        def body(i: Any, *state: Any) -> Any:
            others = [*state[1:], same[-1]]
            return (i + 1, *(do(a, c) for do, a, c in zip(steps, state, others)))

        return gf.while_loop(condition, body, [gf.constant(0), *carried])

    g.attempt(build)


def growing(g: RandomGraph) -> None:
    """while_loop whose variable gets longer in each turn."""
    x = g.any(1, lambda v: 0 < v.shape[0] < 8)
    if x is not None:
        turns = g.r.randint(0, 3)
        g.attempt(lambda: gf.while_loop(
            lambda i, a: i < turns, lambda i, a: (i + 1, gf.concat([a, a[:1] * 0.5], 0)),
            [gf.constant(0), x],
            shape_invariants=[gf.TensorShape([]),
                              gf.TensorShape([None, *g.values[x].shape[1:]])])[1])


def over_elements(g: RandomGraph) -> None:
    """map_fn, scan or foldl along the first axis."""
    x = g.any(1, lambda v: 0 < v.shape[0] < 8)
    if x is None:
        return
    do, kind = step(g), g.r.randint(0, 3)
    start = g.any(0, lambda v: v.shape == g.values[x].shape[1:], like=x)

    def build() -> Any:
        if kind == 0:
            return gf.map_fn(lambda a: do(a, a * 0.5), x)
        if kind == 1:
            return gf.scan(do, x, initializer=start)
        if kind == 2:
            return gf.scan(do, x, reverse=True)
        return gf.foldl(do, x, initializer=start)

    g.attempt(build)


# ---- variables ----------------------------------------------------------------------------------

ROW_UPDATES = (gf.scatter_add, gf.scatter_update, gf.scatter_sub, gf.scatter_min, gf.scatter_max)


def read(g: RandomGraph) -> None:
    if not g.drawn.variables:
        g.variable()
    v = g.pick(g.drawn.variables)
    g.attempt(lambda: g.pick((lambda: v.read_value(), lambda: v * v, lambda: v + 1))())


def update(g: RandomGraph) -> None:
    """assign, assign_add or assign_sub, sometimes only if a condition holds."""
    if not g.drawn.variables:
        return read(g)
    v = g.pick(g.drawn.variables)
    shape = tuple(v.shape.as_list())
    value = g.any(0, lambda a: a.shape == shape, False, like=v)
    change = g.pick((gf.assign, gf.assign_add, gf.assign_sub))

    def build() -> Any:
        new = g.fed(g.array(v.dtype, shape), 30) if value is None else value
        if g.chance(25):
            return gf.cond(gf.reduce_sum(new) > 0, lambda: change(v, new), v.read_value)
        return change(v, new)

    g.attempt(build, updates=True)
    return None


def row_update(g: RandomGraph) -> None:
    """Rows of a variable change."""
    found = [v for v in g.drawn.variables if v.shape.rank and v.shape.as_list()[0]]
    if not found:
        return read(g)
    v = g.pick(found)
    rows, *rest = v.shape.as_list()
    at = g.numbers.integers(0, rows, g.r.randint(0, 4)).astype(np.int32)
    g.attempt(lambda: g.pick(ROW_UPDATES)(
        v, g.fed(at, 20), g.fed(g.array(v.dtype, (len(at), *rest)), 30)), updates=True)
    return None


CONTROL: Sequence[Callable[[RandomGraph], None]] = (
    conditional, conditional, loop, loop, loop, growing, over_elements, over_elements, host)
STATE: Sequence[Callable[[RandomGraph], None]] = (read, update, update, row_update)
