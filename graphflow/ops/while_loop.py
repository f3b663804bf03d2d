"""`while_loop`: an operation that holds two sub-graphs, the condition and the body of a loop.

`While` can also give, for each loop variable, the history of its values at the start of each
iteration; the gradient is another loop that walks the histories backwards and recomputes the
body's intermediates from them. What cannot be recomputed (a `py_func`'s result), or would take
long (a product), is an extra output of the body and has a history of its own. Histories cost
nothing unless a gradient reads them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import F, convert, op_function
from graphflow.dims import Dim, SymDim, fresh, same
from graphflow.errors import DTypeError, GraphError, ShapeError, describe
from graphflow.graph import Graph, get_default_graph
from graphflow.lowering import Region
from graphflow.opdef import Attr, Infer, TensorType
from graphflow.ops.declare import declare
from graphflow.ops.inline import saved_work
from graphflow.ops.loop_history import as_history
from graphflow.ops.loop_turns import loop_turns
from graphflow.ops.nests import Nest, Stateful
from graphflow.ops.traced_regions import REGION_ATTRS, add_saved, captured_inputs, set_outputs
from graphflow.regions import RegionGraph, refresh_types, settled
from graphflow.shapes import SCALAR, UNKNOWN_SHAPE, TensorShape, as_shape
from graphflow.tensor import Operation, Tensor


def _while_type(c: Infer) -> list[TensorType]:
    body = c.attrs["body"]
    count, saved = c.attrs["loop_vars"], c.attrs["saved"]
    variables = _loop_types(body, count)
    outputs = body.outputs
    turns = loop_turns(c.attrs, c.values)
    # Sizes that change are other unknowns in the history than after the loop.
    history = [TensorType(t.dtype, _stacked(t.shape, turns)) for t in _loop_types(body, count)]
    constant = [] if isinstance(body, RegionGraph) else [
        t for k, t in enumerate(body.inputs) if k not in c.attrs["carried"]]
    history += [TensorType(v.dtype, _stacked(v.shape, turns)
                           if _lasts(v.shape, [*variables, *constant]) else UNKNOWN_SHAPE)
                for v in outputs[count:count + saved]]
    state = [TensorType(v.dtype, v.shape) for v in outputs[count + saved:]]
    return [*variables, TensorType(dt.int64, SCALAR), *history, *state]


def _loop_types(body: Any, count: int) -> list[TensorType]:
    """The loop variables' types after the loop: sizes that a turn changes are new unknowns."""
    return [TensorType(t.dtype, settled(t.shape, o.shape))
            for t, o in zip(body.inputs[:count], body.outputs)]


def _lasts(shape: TensorShape, variables: Sequence[TensorType]) -> bool:
    """True if a shape is surely the same in each turn: its sizes are those of loop variables."""
    sizes = {d for t in variables if t.shape.rank is not None for d in t.shape.sizes}
    return shape.rank is not None and all(isinstance(d, int) or d in sizes for d in shape.sizes)


def _add_work(step: RegionGraph, count: int) -> int:
    """Adds what a gradient need not compute again to the outputs; gives how many there are."""
    variables = _loop_types(step, count)
    saved = [t for t in saved_work(step) if _lasts(t.shape, variables)]
    step.outputs.extend(saved)
    return len(saved)


def _stacked(shape: TensorShape, turns: Dim | None) -> TensorShape:
    length = fresh() if turns is None else turns
    return UNKNOWN_SHAPE if shape.rank is None else TensorShape.of((length, *shape.sizes))


def _symbolic(c: Infer) -> list[Any]:
    """The number of turns is known where the condition counts."""
    known: list[Any] = [None] * (len(c.attrs["body"].outputs) + c.attrs["loop_vars"] + 1)
    turns = loop_turns(c.attrs, c.values)
    if turns is not None:
        known[c.attrs["loop_vars"]] = np.array(turns, None if isinstance(turns, int) else object)
    return known


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
    histories = [None if h is None else as_history(h, f) for h, f in zip(kept, first)]
    return [*final[:count], np.asarray(trips, np.int64), *histories, *final[count:]]


def _while_gradient(F: Any, op: Operation, *grads: Any) -> list[Any]:
    from graphflow.ops.loop_gradient import backward_loop

    return backward_loop(op, grads)


WHILE = declare(
    "While", "captured: *any",
    attrs=REGION_ATTRS | {
        "condition": Attr("object"), "body": Attr("object"), "saved": Attr("int")},
    infer=_while_type, symbolic=_symbolic, reference=_run_while, grad=_while_gradient,
    lowering=Region(("condition", "body")))


@op_function
def while_loop(
    cond: Any, body: Any, loop_vars: Any, shape_invariants: Any = None,
    parallel_iterations: int = 10, back_prop: bool = True, swap_memory: bool = False,
    name: str | None = None, maximum_iterations: Any = None,
    return_same_structure: bool = False,
) -> Any:
    """Repeats `loop_vars = body(*loop_vars)` while `cond(*loop_vars)`.

    loop_vars: a nest of tensors and TensorArrays; body gives the same nest, with the same types
    and shapes (or shapes that fit `shape_invariants`). `maximum_iterations`: an int or scalar
    tensor.
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
        given: Sequence[Any] = [
            v if isinstance(v, Stateful) else _converted(scope, f"loop variable {i}", v)
            for i, v in enumerate(nest.leaves)]
        shapes: list[TensorShape] | None = _invariants(scope, given, nest, shape_invariants)
        start: Sequence[Tensor] = ()
        while shapes is not None:
            test = _trace_condition(graph, cond, nest, given, shapes, scope, maximum_iterations)
            step = _trace_body(graph, body, nest, given, shapes, scope)
            start = given = _settled(given, shapes, (test, step))
            shapes = _changed(start, shapes, step.outputs)
        count = len(start)
        _, saved = add_saved((test, step))
        if back_prop:
            saved += _add_work(step, count)
        captured = captured_inputs(graph, (test, step))
        with graph.control_dependencies([*test.outer_controls, *step.outer_controls]):
            op = graph.add_operation(
                WHILE, [*start, *captured],
                {"lead": 0, "loop_vars": count, "condition": test, "body": step, "saved": saved},
                "While")
    outputs = list(op.outputs[:count])
    if not back_prop:
        outputs = [F.stop_gradient(t) for t in outputs]
    last = nest.rebuild(outputs)
    if count == 1 and not return_same_structure and not isinstance(loop_vars[0], (list, tuple)):
        return last[0]
    return last


def _converted(scope: str, what: str, value: Any, dtype: Any = None) -> Tensor:
    """`value` as a tensor. Raises DTypeError or GraphError that says what it should have been."""
    try:
        return convert(value, dtype)
    except (DTypeError, GraphError) as error:
        raise type(error)(describe("while_loop", scope.rstrip("/"), f"{what}: {error}")) from None


def _settled(
    given: Sequence[Any], shapes: list[TensorShape], regions: Sequence[RegionGraph]
) -> list[Tensor]:
    """The loop variables at the start, states whose shape only the body has shown among them.

    `shapes` and the regions get to know these shapes too.
    """
    start = list(given)
    for k, value in enumerate(given):
        if not isinstance(value, Stateful):
            continue
        sources = [t for t in start if isinstance(t, Tensor)]
        sources += [t for region in regions for t in region.captures if not t.is_handle]
        start[k] = value.settled(sources)
        shapes[k] = value.loop_shape(start[k])
        for region in regions:
            region.inputs[k].narrow(shapes[k])
            refresh_types(region, {region.inputs[k]})
    return start


def _invariants(
    scope: str, start: Sequence[Any], nest: Nest, shape_invariants: Any
) -> list[TensorShape]:
    """The shape of each loop variable at any turn; states see to theirs themselves."""
    shapes = _given_invariants(
        scope, [v if isinstance(v, Tensor) else None for v in start], shape_invariants)
    for k, (value, owner) in enumerate(zip(start, nest.owners)):
        if owner is not None:
            shapes[k] = owner.loop_shape(value) if isinstance(value, Tensor) else UNKNOWN_SHAPE
    return shapes


def _given_invariants(
    scope: str, start: Sequence[Tensor | None], shape_invariants: Any
) -> list[TensorShape]:
    if shape_invariants is None:
        return [UNKNOWN_SHAPE if t is None else t.shape for t in start]
    shapes = [as_shape(s) for s in _flat_shapes(shape_invariants)]
    if len(shapes) != len(start):
        raise GraphError(describe(
            "while_loop", scope.rstrip("/"),
            f"shape_invariants has {len(shapes)} shapes for {len(start)} loop variables"))
    for i, (tensor, shape) in enumerate(zip(start, shapes)):
        if tensor is not None and not tensor.shape.is_compatible_with(shape):
            raise ShapeError(describe(
                "while_loop", scope.rstrip("/"),
                f"loop variable {i} starts with shape {tensor.shape}, its invariant is {shape}"))
    return [shape if tensor is None else _entered(tensor.shape, shape)
            for tensor, shape in zip(start, shapes)]


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
    graph: Graph, start: Sequence[Any], shapes: Sequence[TensorShape], scope: str
) -> RegionGraph:
    region = RegionGraph(graph, scope.rstrip("/"))
    region.inputs = [
        region.leaf(TensorType(t.dtype, s),
                    f"{t.op.name}/loop" if isinstance(t, Tensor) else "state/loop")
        for t, s in zip(start, shapes)]
    with graph.fresh_scopes():
        zero = graph.convert(np.int64(0))
    region.iteration = region.stand_in(zero, "iteration", SCALAR)
    return region


def _trace_condition(
    graph: Graph, cond: Callable, nest: Nest, start: Sequence[Any],
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
    graph: Graph, body: Callable, nest: Nest, start: Sequence[Any],
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
            v.settled(region.inputs) if isinstance(v, Stateful) else
            _converted(scope, f"body's result {i}", v, None if hasattr(v, "dtype") else t.dtype)
            for i, (v, t) in enumerate(zip(made.leaves, start))]
        for i, (value, inner) in enumerate(zip(values, region.inputs)):
            _check_turn(name, i, value, inner)
        set_outputs(region, values)
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
