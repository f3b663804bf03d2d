"""`cond` and `while_loop`: operations that hold sub-graphs, whose captures are explicit inputs.

A branch or body is traced into a `RegionGraph`. `While` can also give, for each loop variable,
the history of its values at the start of each iteration; the gradient is another loop that walks
the histories backwards and recomputes the body's intermediates from them. What cannot be
recomputed (a `py_func`'s result) is an extra output of the body and has a history of its own.
Histories cost nothing unless a gradient reads them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import F, apply, convert, op_function
from graphflow.dims import SymDim, fresh, same
from graphflow.errors import (
    DTypeError,
    GraphError,
    ShapeError,
    UnimplementedError,
    describe,
)
from graphflow.graph import Graph, get_default_graph
from graphflow.lowering import Gather, Region, Scatter
from graphflow.opdef import Attr, Infer, RunError, TensorType
from graphflow.ops.declare import declare
from graphflow.ops.inline import kept_handles, saved_tensors
from graphflow.ops.nests import Nest
from graphflow.regions import RegionGraph, settled
from graphflow.shapes import SCALAR, UNKNOWN_SHAPE, TensorShape, as_shape
from graphflow.tensor import Operation, Tensor

_COMMON = {
    "lead": Attr("int"), "loop_vars": Attr("int", 0), "carried": Attr("ints", ()),
    "iteration": Attr("int", None, optional=True),
}


def _merge(a: TensorShape, b: TensorShape) -> TensorShape:
    """The shape that both branches' results have, as far as it is one."""
    if a.rank is None or b.rank is None or a.rank != b.rank:
        return UNKNOWN_SHAPE
    return TensorShape.of(p if same(p, q) else fresh() for p, q in zip(a.sizes, b.sizes))


# ---- cond ---------------------------------------------------------------------------------------


def _if_type(c: Infer) -> list[TensorType]:
    c.require_rank(0, 0)
    then, orelse = c.attrs["then"].outputs, c.attrs["orelse"].outputs
    results = c.attrs["results"]
    types = [TensorType(t.dtype, _merge(t.shape, e.shape))
             for t, e in zip(then[:results], orelse[:results])]
    own_then, own_else = c.attrs["saved"]
    types += [TensorType(v.dtype, v.shape) for v in then[results:results + own_then]]
    types += [TensorType(v.dtype, v.shape) for v in orelse[results:results + own_else]]
    state = zip(then[results + own_then:], orelse[results + own_else:])
    return types + [TensorType(t.dtype, _merge(t.shape, e.shape)) for t, e in state]


def _run_if(
    body: Callable, used: Sequence[bool], inputs: Sequence[Any], attrs: dict[str, Any]
) -> list[Any]:
    pred, *arguments = inputs
    taken = bool(pred)
    outputs = body(attrs["then"] if taken else attrs["orelse"])(arguments)
    results, (own_then, own_else) = attrs["results"], attrs["saved"]
    own = own_then if taken else own_else
    saved = outputs[results:results + own]
    absent = [None] * (own_else if taken else own_then)
    saved = saved + absent if taken else absent + saved
    return [*outputs[:results], *saved, *outputs[results + own:]]


def _if_gradient(F: Any, op: Operation, *grads: Any) -> list[Any]:
    from graphflow.ops.cond_gradient import branch_gradients

    return branch_gradients(op, list(grads[:op.attrs["results"]]))


IF = declare(
    "If", "pred: bool, captured: *any",
    attrs=_COMMON | {"then": Attr("object"), "orelse": Attr("object"), "results": Attr("int"),
                     "saved": Attr("ints")},
    infer=_if_type, reference=_run_if, grad=_if_gradient, lowering=Region(("then", "orelse")))


@op_function
def cond(
    pred: Any, true_fn: Any = None, false_fn: Any = None, strict: bool = False,
    name: str | None = None, fn1: Any = None, fn2: Any = None,
) -> Any:
    """The results of `true_fn()` if `pred`, else those of `false_fn()`; only that one runs.

    pred: bool scalar. Both functions give the same nest of tensors, or operations (which give
    None). Unless `strict`, a nest of one element is unpacked, as in TensorFlow 1.
    Raises DTypeError if a function is not callable or the results' types differ; GraphError if
    their numbers differ.
    """
    true_fn, false_fn = fn1 if true_fn is None else true_fn, fn2 if false_fn is None else false_fn
    for which, function in (("true_fn", true_fn), ("false_fn", false_fn)):
        if not callable(function):
            raise DTypeError(f"cond: {which} must be a function without arguments, got "
                             f"{function!r}.")
    if isinstance(pred, bool):
        raise DTypeError("cond: pred must be a bool tensor, got a Python bool; use Python's `if`.")
    graph = get_default_graph()
    with graph.name_scope(name or "cond") as scope:
        pred = convert(pred, dt.bool_)
        then, then_nest = _trace_branch(graph, "true_fn", true_fn, scope, strict)
        orelse, else_nest = _trace_branch(graph, "false_fn", false_fn, scope, strict)
        _check_branches(scope, then, orelse, then_nest, else_nest)
        results = len(then.outputs)
        saved = _add_saved((then, orelse))
        captured = _captured(graph, (then, orelse))
        with graph.control_dependencies([*then.outer_controls, *orelse.outer_controls]):
            op = graph.add_operation(
                IF, [pred, *captured],
                {"lead": 1, "then": then, "orelse": orelse, "results": results,
                 "saved": saved}, "If")
    return then_nest.rebuild(op.outputs[:results])


def _trace_branch(
    graph: Graph, which: str, function: Callable[[], Any], scope: str, strict: bool
) -> tuple[RegionGraph, Nest]:
    region = RegionGraph(graph, scope.rstrip("/"))
    with region.as_default():
        result = function()
        if result is None:
            raise GraphError(describe(
                "cond", scope.rstrip("/"), f"{which} returned None",
                fix="Return a tensor or an operation from both functions."))
        nest = Nest(result, unpack=not strict)
        _set_outputs(region, nest.leaves)
    return region, nest


def _set_outputs(region: RegionGraph, leaves: Sequence[Any]) -> None:
    """Makes what a traced function returned the region's outputs; an operation gives True."""
    region.outputs = []
    for leaf in leaves:
        if isinstance(leaf, Operation):
            with region.control_dependencies([leaf]):
                region.outputs.append(F.identity(True))
        else:
            region.outputs.append(F.identity(leaf))


def _check_branches(
    scope: str, then: RegionGraph, orelse: RegionGraph, then_nest: Nest, else_nest: Nest
) -> None:
    name = scope.rstrip("/")
    if len(then.outputs) != len(orelse.outputs) or not then_nest.same_structure(else_nest):
        raise GraphError(describe(
            "cond", name,
            f"true_fn and false_fn must return the same structure: true_fn gives "
            f"{then_nest.describe()}, false_fn {else_nest.describe()}"))
    for i, (t, e) in enumerate(zip(then.outputs, orelse.outputs)):
        if t.dtype is not e.dtype:
            raise DTypeError(describe(
                "cond", name,
                f"result {i} is {t.dtype.name} from true_fn and {e.dtype.name} from false_fn",
                fix=f"Use gf.cast(x, gf.{t.dtype.name}) in one of them."))


def _add_saved(regions: Sequence[RegionGraph]) -> tuple[int, ...]:
    """Adds what a gradient could not recompute to the outputs; gives the number for each region.

    The condition of a loop is never recomputed; it is left as it is.
    """
    kept = kept_handles(regions)
    numbers = []
    for region in regions:
        saved = [] if region.is_condition else saved_tensors(region, kept)
        region.outputs.extend(saved)
        numbers.append(len(saved))
    return tuple(numbers)


def _captured(graph: Graph, regions: Sequence[RegionGraph]) -> list[Tensor]:
    """The inputs that stand behind the stand-ins: values, and handles of written variables."""
    kept = kept_handles(regions)
    return [graph.read(outer) if outer.is_handle and outer not in kept else outer
            for region in regions for outer in region.captures]


# ---- while_loop ---------------------------------------------------------------------------------


def _while_type(c: Infer) -> list[TensorType]:
    body = c.attrs["body"]
    count, saved = c.attrs["loop_vars"], c.attrs["saved"]
    variables = _loop_types(body, count)
    outputs = body.outputs
    # Sizes that change are other unknowns in the history than after the loop.
    history = [TensorType(t.dtype, _stacked(t.shape)) for t in _loop_types(body, count)]
    history += [TensorType(v.dtype, UNKNOWN_SHAPE) for v in outputs[count:count + saved]]
    state = [TensorType(v.dtype, v.shape) for v in outputs[count + saved:]]
    return [*variables, TensorType(dt.int64, SCALAR), *history, *state]


def _loop_types(body: Any, count: int) -> list[TensorType]:
    """The loop variables' types after the loop: sizes that a turn changes are new unknowns."""
    return [TensorType(t.dtype, settled(t.shape, o.shape))
            for t, o in zip(body.inputs[:count], body.outputs)]


def _stacked(shape: TensorShape) -> TensorShape:
    return UNKNOWN_SHAPE if shape.rank is None else TensorShape.of((fresh(), *shape.sizes))


class Ragged(list):
    """The history of a loop variable whose shape changes: one array per iteration."""


def _as_history(values: list[Any], first: np.ndarray) -> Any:
    if not values:
        return np.zeros((0, *np.shape(first)), np.asarray(first).dtype)
    if any(np.shape(v) != np.shape(values[0]) for v in values):
        return Ragged(values)
    return np.stack(values)


def _run_while(
    body: Callable, used: Sequence[bool], arguments: Sequence[Any], attrs: dict[str, Any]
) -> list[Any]:
    count, saved = attrs["loop_vars"], attrs["saved"]
    condition, step = body(attrs["condition"]), body(attrs["body"])
    current = list(arguments)
    kept: list[Any] = [[] if used[count + 1 + i] else None for i in range(count + saved)]
    trips = 0
    while True:
        if attrs["iteration"] is not None:
            current[attrs["iteration"]] = np.asarray(trips, np.int64)
        if not bool(condition(current)[0]):
            break
        outputs = step(current)
        for history, value in zip(kept, [*current[:count], *outputs[count:count + saved]]):
            if history is not None:
                history.append(value)
        values = [*outputs[:count], *outputs[count + saved:]]
        for position, value in zip(attrs["carried"], values):
            current[position] = value
        trips += 1
    final = [current[position] for position in attrs["carried"]]
    first = [*arguments[:count], *(np.zeros(()) for _ in range(saved))]
    histories = [None if h is None else _as_history(h, f) for h, f in zip(kept, first)]
    return [*final[:count], np.asarray(trips, np.int64), *histories, *final[count:]]


def _while_gradient(F: Any, op: Operation, *grads: Any) -> list[Any]:
    from graphflow.ops.loop_gradient import backward_loop

    return backward_loop(op, grads)


WHILE = declare(
    "While", "captured: *any",
    attrs=_COMMON | {"condition": Attr("object"), "body": Attr("object"), "saved": Attr("int")},
    infer=_while_type, reference=_run_while, grad=_while_gradient,
    lowering=Region(("condition", "body")))


def _element_type(c: Infer) -> list[TensorType]:
    shape = c.shape(0)
    return [TensorType(c.dtype(0), UNKNOWN_SHAPE if shape.rank is None else shape[1:])]


HISTORY_READ = declare(
    "HistoryRead", "history: T, iteration: int64", infer=_element_type,
    reference=lambda history, iteration: np.asarray(history[int(iteration)]),
    grad=lambda F, op, g: [F.history_scatter(g, op.inputs[1], op.inputs[0]), None],
    lowering=Gather(lambda i, load, ctx: (load(1, ()), *i)), T=dt.ALL)


@op_function
def history_read(history: Any, iteration: Any) -> Any:
    """The value that a loop variable had at the start of `iteration`."""
    return apply(HISTORY_READ, (history, iteration))


def _scattered(g: np.ndarray, iteration: np.ndarray, history: Any) -> np.ndarray:
    if isinstance(history, Ragged):
        raise RunError(UnimplementedError, "second derivatives through a loop variable whose "
                       "shape changes are not supported", "Keep the shape constant.")
    out = np.zeros_like(history)
    out[int(iteration)] = g
    return out


HISTORY_SCATTER = declare(
    "HistoryScatter", "g: T, iteration: int64, history: T",
    infer=lambda c: [TensorType(c.dtype(0), c.shape(2))], reference=_scattered,
    grad=lambda F, op, g: [F.history_read(g, op.inputs[1]), None, None],
    lowering=Scatter(
        lambda i, load, ctx: (load(1, ()), *i), updates=0, combine="set", initial=lambda ctx: 0),
    T=dt.INEXACT)


@op_function
def history_scatter(g: Any, iteration: Any, history: Any) -> Any:
    """Zeros of the history's shape, with `g` at `iteration`."""
    return apply(HISTORY_SCATTER, (g, iteration, history))


@op_function
def while_loop(
    cond: Any, body: Any, loop_vars: Any, shape_invariants: Any = None,
    parallel_iterations: int = 10, back_prop: bool = True, swap_memory: bool = False,
    name: str | None = None, maximum_iterations: Any = None,
    return_same_structure: bool = False,
) -> Any:
    """Repeats `loop_vars = body(*loop_vars)` while `cond(*loop_vars)`.

    loop_vars: a nest of tensors; body gives the same nest, with the same types and shapes (or
    shapes that fit `shape_invariants`). `maximum_iterations`: an int or scalar tensor.
    `parallel_iterations` and `swap_memory` are accepted for TensorFlow's sake; with
    `back_prop=False` no gradient flows through the loop.
    Raises DTypeError, ShapeError or GraphError if body's results do not fit the loop variables.
    """
    if not callable(cond) or not callable(body):
        raise DTypeError("while_loop: cond and body must be functions.")
    if not isinstance(loop_vars, (list, tuple)) or not loop_vars:
        raise GraphError("while_loop: loop_vars must be a list or tuple with at least one tensor.")
    graph = get_default_graph()
    nest = Nest(loop_vars)
    with graph.name_scope(name or "while") as scope:
        start = [_converted(scope, f"loop variable {i}", v) for i, v in enumerate(nest.leaves)]
        shapes: Sequence[TensorShape] | None = _invariants(scope, start, shape_invariants)
        while shapes is not None:
            test = _trace_condition(graph, cond, nest, start, shapes, scope, maximum_iterations)
            step = _trace_body(graph, body, nest, start, shapes, scope)
            shapes = _changed(start, shapes, step.outputs)
        count = len(start)
        _, saved = _add_saved((test, step))
        captured = _captured(graph, (test, step))
        with graph.control_dependencies([*test.outer_controls, *step.outer_controls]):
            op = graph.add_operation(
                WHILE, [*start, *captured],
                {"lead": 0, "loop_vars": count, "condition": test, "body": step, "saved": saved},
                "While")
    outputs = list(op.outputs[:count])
    if not back_prop:
        outputs = [F.stop_gradient(t) for t in outputs]
    if count == 1 and not return_same_structure and not isinstance(loop_vars[0], (list, tuple)):
        return outputs[0]
    return nest.rebuild(outputs)


def _converted(scope: str, what: str, value: Any, dtype: Any = None) -> Tensor:
    """`value` as a tensor. Raises DTypeError or GraphError that says what it should have been."""
    try:
        return convert(value, dtype)
    except (DTypeError, GraphError) as error:
        raise type(error)(describe("while_loop", scope.rstrip("/"), f"{what}: {error}")) from None


def _invariants(
    scope: str, start: Sequence[Tensor], shape_invariants: Any
) -> list[TensorShape]:
    if shape_invariants is None:
        return [t.shape for t in start]
    shapes = [as_shape(s) for s in _flat_shapes(shape_invariants)]
    if len(shapes) != len(start):
        raise GraphError(describe(
            "while_loop", scope.rstrip("/"),
            f"shape_invariants has {len(shapes)} shapes for {len(start)} loop variables"))
    for i, (tensor, shape) in enumerate(zip(start, shapes)):
        if not tensor.shape.is_compatible_with(shape):
            raise ShapeError(describe(
                "while_loop", scope.rstrip("/"),
                f"loop variable {i} starts with shape {tensor.shape}, its invariant is {shape}"))
    return [_entered(tensor.shape, shape) for tensor, shape in zip(start, shapes)]


def _entered(start: TensorShape, invariant: TensorShape) -> TensorShape:
    """The invariant; where it leaves a size open that the start leaves open too, that size."""
    if start.rank is None or invariant.rank is None:
        return invariant.renewed()
    return TensorShape.of(
        b if isinstance(b, int) else fresh() if isinstance(a, int) else a
        for a, b in zip(start.sizes, invariant.sizes))


def _changed(
    start: Sequence[Tensor], shapes: Sequence[TensorShape], after: Sequence[Tensor]
) -> list[TensorShape] | None:
    """The shapes to trace again with, because a turn changes a size that was taken for the
    start's; None if there is none."""
    new = []
    for tensor, shape, value in zip(start, shapes, after):
        if shape.rank is None or tensor.shape.rank is None or value.shape.rank is None:
            new.append(shape)
            continue
        new.append(TensorShape.of(
            fresh() if d is s and isinstance(d, SymDim) and not same(d, v) else d
            for d, s, v in zip(shape.sizes, tensor.shape.sizes, value.shape.sizes)))
    return new if any(a != b for a, b in zip(new, shapes)) else None


def _flat_shapes(value: Any) -> list[Any]:
    if isinstance(value, TensorShape) or value is None:
        return [value]
    if isinstance(value, dict):
        return [s for key in sorted(value, key=str) for s in _flat_shapes(value[key])]
    if isinstance(value, (list, tuple)):
        return [s for item in value for s in _flat_shapes(item)]
    raise DTypeError(
        f"while_loop: a shape invariant must be a TensorShape, got {value!r}. Write "
        "shape_invariants=[gf.TensorShape([None, 3]), …], one per loop variable.")


def _enter(
    graph: Graph, start: Sequence[Tensor], shapes: Sequence[TensorShape], scope: str
) -> RegionGraph:
    region = RegionGraph(graph, scope.rstrip("/"))
    region.inputs = [region.stand_in(t, f"{t.op.name}/loop", s) for t, s in zip(start, shapes)]
    with graph.fresh_scopes():
        zero = graph.convert(np.int64(0))
    region.iteration = region.stand_in(zero, "iteration", SCALAR)
    return region


def _trace_condition(
    graph: Graph, cond: Callable, nest: Nest, start: Sequence[Tensor],
    shapes: Sequence[TensorShape], scope: str, maximum_iterations: Any,
) -> RegionGraph:
    region = _enter(graph, start, shapes, scope)
    region.is_condition = True
    with region.as_default():
        test = _converted(scope, "the result of cond", cond(*nest.rebuild(region.inputs)))
        if test.dtype is not dt.bool_ or test.shape.rank not in (0, None):
            raise DTypeError(describe(
                "while_loop", scope.rstrip("/"),
                f"cond must give a bool scalar, got {test.dtype.name} {test.shape}"))
        if maximum_iterations is not None:
            limit = F.cast(convert(maximum_iterations), dt.int64)
            test = F.logical_and(region.iteration < limit, test)
        region.outputs = [test]
    return region


def _trace_body(
    graph: Graph, body: Callable, nest: Nest, start: Sequence[Tensor],
    shapes: Sequence[TensorShape], scope: str,
) -> RegionGraph:
    region = _enter(graph, start, shapes, scope)
    name = scope.rstrip("/")
    with region.as_default():
        result = body(*nest.rebuild(region.inputs))
        if not isinstance(result, (list, tuple)) or (
            len(nest.value) == 1 and not isinstance(result, type(nest.value))
            and isinstance(nest.value[0], (list, tuple))
        ):
            result = [result]
        made = Nest(result)
        if len(made.leaves) != len(start):
            raise GraphError(describe(
                "while_loop", name,
                f"body must give the structure of loop_vars: {nest.describe()}, got "
                f"{made.describe()}"))
        values = [
            _converted(scope, f"body's result {i}", v, None if hasattr(v, "dtype") else t.dtype)
            for i, (v, t) in enumerate(zip(made.leaves, start))]
        for i, (value, inner) in enumerate(zip(values, region.inputs)):
            _check_turn(name, i, value, inner)
        _set_outputs(region, values)
    return region


def _check_turn(name: str, i: int, value: Tensor, inner: Tensor) -> None:
    if value.dtype is not inner.dtype:
        raise DTypeError(describe(
            "while_loop", name,
            f"loop variable {i} is {inner.dtype.name}, body gives {value.dtype.name}",
            fix=f"Use gf.cast(x, gf.{inner.dtype.name})."))
    old, new = inner.shape, value.shape
    grows = old.rank is not None and new.rank is not None and (
        old.rank != new.rank or any(
            isinstance(a, int) and same(a, b) is not True for a, b in zip(old.sizes, new.sizes)))
    if grows or (old.rank is not None and new.rank is None):
        raise ShapeError(describe(
            "while_loop", name,
            f"loop variable {i} enters a turn with shape {old} and leaves it with {new}",
            fix="Pass shape_invariants with None for sizes that change."))
