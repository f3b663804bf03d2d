"""`cond`: an operation that holds two sub-graphs, one of which runs.

Each branch is traced into a `RegionGraph`; what it uses of the graph around it becomes an
explicit input. What a gradient could not recompute (a `py_func`'s result) is an extra output.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from graphflow import dtypes as dt
from graphflow.builder import convert, op_function
from graphflow.dims import fresh, same
from graphflow.errors import DTypeError, GraphError, describe
from graphflow.graph import Graph, get_default_graph
from graphflow.lowering import Region
from graphflow.opdef import Attr, Infer, TensorType
from graphflow.ops.declare import declare
from graphflow.ops.nests import Nest, Stateful
from graphflow.ops.traced_regions import REGION_ATTRS, add_saved, captured_inputs, set_outputs
from graphflow.regions import RegionGraph
from graphflow.shapes import UNKNOWN_SHAPE, TensorShape
from graphflow.tensor import Operation


def _merge(a: TensorShape, b: TensorShape) -> TensorShape:
    """The shape that both branches' results have, as far as it is one."""
    if a.rank is None or b.rank is None or a.rank != b.rank:
        return UNKNOWN_SHAPE
    return TensorShape.of(p if same(p, q) else fresh() for p, q in zip(a.sizes, b.sizes))


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
    attrs=REGION_ATTRS | {"then": Attr("object"), "orelse": Attr("object"), "results": Attr("int"),
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
        _set_results(then, then_nest, orelse)
        _set_results(orelse, else_nest, then)
        _check_branches(scope, then, orelse, then_nest, else_nest)
        results = len(then.outputs)
        saved = add_saved((then, orelse))
        captured = captured_inputs(graph, (then, orelse))
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
        return region, Nest(result, unpack=not strict)


def _set_results(region: RegionGraph, nest: Nest, other: RegionGraph) -> None:
    """Makes what a branch returned its outputs.

    The shape of a state that this branch has not written may be known from the other branch.
    """
    sources = [t for r in (region, other) for t in r.captures if not t.is_handle]
    with region.as_default():
        set_outputs(region, [
            v.settled(sources) if isinstance(v, Stateful) else v for v in nest.leaves])


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
