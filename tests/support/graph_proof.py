"""Runs a random graph compiled and by the reference, and says where they differ.

Results may differ by a few roundings, and by what the program makes of roundings
(`rounding_errors`). Integers and booleans must be equal, unless roundings decide about them.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any

import numpy as np
from both_devices import quiet
from guarded_memory import guarded_memory
from interpreted_kernels import KernelFailed, interpreted_kernels
from random_control import CONTROL, STATE
from random_graphs import Drawn, RandomGraph
from random_ops import USUAL, registered
from rounding_errors import eps, rounding_errors

import graphflow as gf
from graphflow.errors import InvalidArgumentError, ShapeError

EXECUTORS: dict[str, Callable[[], AbstractContextManager[None]]] = {
    "native": nullcontext, "interpreted": interpreted_kernels}


def draw_graph(r: random.Random, steps: int) -> Drawn | None:
    """A graph of up to `steps` steps; None if nothing came of them."""
    with gf.Graph().as_default() as graph:
        g = RandomGraph(r, graph)
        for _ in range(g.r.randint(1, 3)):
            g.feed()
        flavour = g.r.randint(0, 9)
        for _ in range(g.r.randint(1, steps)):
            kind = g.r.randint(0, 9)
            if kind < 5:
                registered(g)
            elif kind >= 8 and flavour < 3:
                g.pick(CONTROL)(g)
            elif kind >= 7 and flavour in (3, 4):
                g.pick(STATE)(g)
            else:
                g.pick(USUAL)(g)
        return g.finish()


# ---- running ------------------------------------------------------------------------------------

# What each run of a session gave: arrays, or the error that it ended with. At last the variables.
Outcome = list[list[np.ndarray] | Exception]


def outcome(drawn: Drawn, device: str) -> Outcome:
    """All runs of a graph in one session."""
    found: Outcome = []
    with gf.Session(graph=drawn.graph, options=quiet(device)) as session:
        if drawn.variables:
            session.run([v.initializer for v in drawn.variables])
        for feeds in [drawn.feeds, *(drawn.later or [drawn.feeds] * (drawn.runs - 1))]:
            try:
                found.append([*map(np.asarray, session.run(drawn.fetches, feeds))])
            except Exception as error:
                found.append(error)
        found.append([*map(np.asarray, session.run(drawn.variables))])
    return found


def compiled(drawn: Drawn, executor: str) -> Outcome:
    """The outcome of the compiled program; raises what its memory guards say."""
    with guarded_memory(), EXECUTORS[executor]():
        return outcome(drawn, "cpu")


def erring(drawn: Drawn, count: int, seed: int) -> list[Outcome]:
    """Outcomes of the reference with roundings that went otherwise."""
    found = []
    for k in range(count):
        with rounding_errors(np.random.default_rng([seed, k])):
            found.append(outcome(drawn, "reference"))
    return found


# ---- comparing ----------------------------------------------------------------------------------

def disagreement(drawn: Drawn, executor: str) -> str | None:
    """How compiled and reference results differ; None if they do not."""
    expected = outcome(drawn, "reference")
    try:
        actual = compiled(drawn, executor)
    except (AssertionError, KernelFailed) as error:
        return f"{type(error).__name__}: {error}"
    problem = None
    for samples in (2, 24):  # many only where few do not explain a difference
        problem = _difference(drawn, actual, expected, erring(drawn, samples, samples))
        if problem is None:
            return None
    return problem


def _difference(
    drawn: Drawn, actual: Outcome, expected: Outcome, others: Sequence[Outcome]
) -> str | None:
    fetches: Sequence[Any] = drawn.fetches
    for number, (one, other) in enumerate(zip(actual, expected, strict=True)):
        moved = [o[number] for o in others]
        if any(isinstance(m, Exception) != isinstance(other, Exception) for m in moved):
            return None  # roundings decide whether the run fails
        if isinstance(one, Exception) or isinstance(other, Exception):
            if not _same_error(one, other):
                return f"run {number}: compiled: {_shown(one)}\nreference: {_shown(other)}"
            continue
        fetches = drawn.fetches if number + 1 < len(expected) else drawn.variables
        for place, fetch in enumerate(fetches):
            problem = _unequal(one[place], other[place], [m[place] for m in moved])
            if problem:
                return f"{fetch}, run {number}: {problem}"
    return None


def _same_error(one: Any, other: Any) -> bool:
    """True for errors of one kind and wording.

    Sizes that contradict may be refused while the program is compiled for them, or by an op.
    """
    sizes = isinstance(one, ShapeError) and isinstance(other, (ShapeError, InvalidArgumentError))
    return sizes or _shown(one) == _shown(other)


def _shown(result: list[np.ndarray] | Exception) -> str:
    return f"{type(result).__name__}: {result}" if isinstance(result, Exception) else "no error"


def _unequal(actual: np.ndarray, expected: np.ndarray, others: Sequence[np.ndarray]) -> str:
    """How two arrays differ by more than the others explain; empty if they do not."""
    if any(o.shape != expected.shape for o in others):
        return ""  # roundings decide about sizes
    if actual.dtype != expected.dtype or actual.shape != expected.shape:
        return f"{actual.dtype} {actual.shape} is not {expected.dtype} {expected.shape}"
    unit = eps(expected.dtype)
    with np.printoptions(threshold=40):
        shown = f"\n{actual}\nis not\n{expected}"
    if not unit:
        steady = np.ones(expected.shape, bool)
        for other in others:
            steady &= other == expected
        return "" if np.array_equal(actual[steady], expected[steady]) else shown
    wide = np.complex128 if expected.dtype.kind == "c" else np.float64
    with np.errstate(all="ignore"):
        one, other = actual.astype(wide), expected.astype(wide)
        moved = [np.abs(o.astype(wide) - other) for o in others]
        steady = np.isfinite(other) & np.all(np.isfinite(np.array(moved)), axis=0)
        if not np.any(steady):
            return ""
        off = np.abs(one - other)[steady]
        moves = np.array(moved)[:, steady]
        spread = np.max(moves, axis=0) + 0.5 * np.sqrt(np.mean(moves**2))
        size = np.abs(other[steady])
        allowed = 8 * spread + unit * (8 * size + 4 * np.max(size)) + _tiny(expected.dtype)
        if np.all(off <= allowed):
            return ""
        return f"off by {np.nanmax(off):.3g}, where {np.max(allowed):.3g} is allowed{shown}"


def _tiny(dtype: np.dtype) -> float:
    """Beneath it numbers have few digits, or none where they are flushed."""
    return {"float16": 1e-7, "bfloat16": 1e-37, "float32": 1e-37, "complex64": 1e-37}.get(
        dtype.name, 1e-300)


# ---- minimising ---------------------------------------------------------------------------------

def minimised(drawn: Drawn, executor: str) -> tuple[Drawn, str]:
    """A smaller run of the same graph that disagrees too, and how it does.

    Fewer fetches; one that comes earlier; then tensors are fed with their values, so that what
    they are computed from falls away.
    """
    problem = disagreement(drawn, executor) or ""
    drawn = _with_needed_feeds(drawn)
    for change in (_fewer_fetches, _earlier_fetch, _fed_tensors):
        for candidate in change(drawn):
            found = disagreement(candidate, executor)
            if found:
                drawn, problem = candidate, found
                break
    progress = True
    while progress:
        progress = False
        for candidate in _fed_tensors(drawn):
            found = disagreement(candidate, executor)
            if found:
                drawn, problem, progress = candidate, found, True
                break
    return drawn, problem


def _fewer_fetches(drawn: Drawn) -> list[Drawn]:
    """One fetch, one run if that is enough."""
    once = [replace(drawn, fetches=[f], feeds=feeds, later=[], runs=1)
            for feeds in (drawn.feeds, *drawn.later) for f in drawn.fetches]
    return [*once, *(replace(drawn, fetches=[f]) for f in drawn.fetches)]


def _ancestors(drawn: Drawn) -> list[Any]:
    """The tensors that the fetches are computed from, in order of creation."""
    found: dict[Any, None] = {}
    todo = [f for f in drawn.fetches if isinstance(f, gf.Tensor)]
    while todo:
        t = todo.pop()
        if t in found or t in drawn.feeds:
            continue
        found[t] = None
        todo += [i for i in t.op.inputs if not i.is_handle]
    order = {op: k for k, op in enumerate(drawn.graph.get_operations())}
    return sorted(found, key=lambda t: order[t.op])


def _earlier_fetch(drawn: Drawn) -> list[Drawn]:
    found = [replace(drawn, fetches=[t]) for t in _ancestors(drawn) if t.op.type != "While"]
    return [d for d in found if not any(
        isinstance(run, Exception) for run in outcome(d, "reference"))]


def _fed_tensors(drawn: Drawn) -> list[Drawn]:
    """The same run with one more tensor fed; what feeds it only is fed no more."""
    inner = [t for t in _ancestors(drawn) if t not in drawn.fetches
             and t.op.type not in ("Const", "Placeholder")]
    values = {}
    for t in inner:
        found = outcome(replace(drawn, fetches=[t], runs=1, later=[]), "reference")[0]
        if not isinstance(found, Exception):
            values[t] = found[0]
    return [_with_needed_feeds(replace(drawn, feeds={**drawn.feeds, t: values[t]}, later=[]))
            for t in reversed(list(values))]


def _with_needed_feeds(drawn: Drawn) -> Drawn:
    """The run without the feeds that nothing of it looks at."""
    needed = {i for t in _ancestors(drawn) for i in t.op.inputs} | set(drawn.fetches)
    return replace(drawn, **{
        "feeds": {k: v for k, v in drawn.feeds.items() if k in needed},
        "later": [{k: v for k, v in feeds.items() if k in needed} for feeds in drawn.later]})


def program_text(drawn: Drawn) -> str:
    """The graph that the fetches need, one line for each operation, with the feeds."""
    tensors = _ancestors(drawn)
    used = {t.op for t in [*tensors, *drawn.feeds, *(i for t in tensors for i in t.op.inputs)]}
    lines = []
    for op in drawn.graph.get_operations():
        if op not in used:
            continue
        if op.outputs and op.outputs[0] in drawn.feeds:
            t = op.outputs[0]
            lines.append(f"{t.name} {t.dtype.name} {t.shape} = fed "
                         f"{np.array2string(drawn.feeds[t], threshold=64, separator=', ')}")
            continue
        lines.append(f"{', '.join(f'{t.name} {t.dtype.name} {t.shape}' for t in op.outputs)} = "
                     f"{op.type}({', '.join(t.name for t in op.inputs)}) {op.attrs}")
    lines += [f"then fed {feeds}" for feeds in drawn.later]
    return "\n".join([*lines, f"fetch {[str(f) for f in drawn.fetches]}, {drawn.runs} runs"])
