"""`custom_gradient`: a function that brings its own gradient. (`RegisterGradient`: by name.)"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any

from graphflow.builder import apply, convert, publish
from graphflow.errors import DTypeError, GraphError
from graphflow.gradient_registry import RegisterGradient, not_differentiable
from graphflow.graph import Graph, get_default_graph
from graphflow.lowering import Composite
from graphflow.opdef import Infer, Sample, TensorType
from graphflow.ops.declare import declare
from graphflow.ops.initial_value import variable_of
from graphflow.ops.nests import Nest
from graphflow.regions import RegionGraph
from graphflow.tensor import Operation, Tensor

__all__ = [
    "IDENTITY_N", "RegisterGradient", "custom_gradient", "identity_n", "not_differentiable",
]


def _identities(c: Infer) -> list[TensorType]:
    return list(c.types)


def _identity_samples() -> list[Sample]:
    x, y = [[1.0, -2.0], [0.5, 3.0]], [4.0, 5.0]
    return [Sample((x,)), Sample((x, y)), Sample(([], y))]


IDENTITY_N = declare(
    "IdentityN", "input: *any", infer=_identities, reference=lambda *arrays: arrays,
    grad=lambda F, op, *gs: list(gs), lowering=Composite(lambda F, *values: values),
    samples=_identity_samples)


def identity_n(input: Sequence[Any], name: str | None = None) -> list[Any]:
    """Tensors with the values of `input`, each available when all of them are computed.

    Raises GraphError if `input` is empty.
    """
    if not input:
        raise GraphError("identity_n: input must hold at least one tensor.")
    outputs = apply(IDENTITY_N, list(input), name=name)
    return list(outputs) if isinstance(outputs, tuple) else [outputs]


publish(identity_n)


def custom_gradient(f: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator: gives a function of tensors a gradient of its own.

        @gf.custom_gradient
        def log1pexp(x):
            e = gf.exp(x)
            return gf.log(1 + e), lambda dy: dy * (1 - 1 / (1 + e))

    `f(*args)` gets tensors and gives (outputs, grad_fn): a tensor or a nest of them, and a
    function from the gradient of each output to the gradient of each argument. Where `f` reads
    trainable variables other than its arguments, grad_fn must take a keyword `variables` as well
    and give (gradients of the arguments, gradients of these variables). Gradients of gradients
    come from what grad_fn is made of.

    The decorated function takes no keyword arguments (GraphError, a ValueError). Raises
    DTypeError (a TypeError) if `f` does not give a pair, or if grad_fn should take `variables`
    and does not.
    """
    @functools.wraps(f)
    def decorated(*args: Any, **kwargs: Any) -> Any:
        if kwargs:
            raise GraphError(
                f"custom_gradient: '{f.__name__}' takes no keyword arguments when it is called, "
                f"got {', '.join(kwargs)}: each argument stands for one gradient.")
        return _call(f, [convert(a) for a in args])

    return decorated


def _call(f: Callable[..., Any], args: list[Tensor]) -> Any:
    graph = get_default_graph()
    start = graph.version
    result, grad_fn = _traced(f, args)
    nest = Nest(result)
    outputs = [convert(leaf) for leaf in nest.leaves]
    variables = _variables_read(graph, start, outputs, args)
    if variables and not _takes_variables(grad_fn):
        names = ", ".join(v.op.name for v in variables)
        raise DTypeError(
            f"custom_gradient: '{f.__name__}' uses variables ({names}), so its grad_fn must "
            "accept a 'variables' keyword argument: def grad_fn(*dys, variables=None): return "
            "grads_of_arguments, grads_of_variables.")
    if not outputs:
        return result
    operation = graph.add_operation(IDENTITY_N, [*outputs, *args, *variables], {})
    operation.gradient_override = _rule(f, operation, grad_fn, len(outputs), len(args), variables)
    return nest.rebuild(operation.outputs[:len(outputs)])


def _traced(f: Callable[..., Any], args: Sequence[Tensor]) -> tuple[Any, Callable[..., Any]]:
    pair = f(*args)
    if not (isinstance(pair, tuple) and len(pair) == 2 and callable(pair[1])):
        raise DTypeError(
            f"custom_gradient: '{f.__name__}' must return (outputs, grad_fn), got {pair!r}.")
    return pair


def _rule(
    f: Callable[..., Any], original: Operation, grad_fn: Callable[..., Any], results: int,
    arguments: int, variables: Sequence[Any],
) -> Callable[..., Any]:
    def rule(op: Operation, *grads: Any) -> list[Any]:
        backwards = grad_fn
        if op is not original:
            # A copy inside the backward pass of a loop or conditional: the tensors that grad_fn
            # closed over belong to the forward pass, so f is traced once more over the copy.
            backwards = _traced(f, op.inputs[results:results + arguments])[1]
        of_variables: Sequence[Any] = ()
        if variables:
            pair = backwards(*grads[:results], variables=list(variables))
            if not isinstance(pair, (tuple, list)) or len(pair) != 2:
                raise DTypeError(
                    f"custom_gradient: grad_fn of '{f.__name__}' must return (gradients of the "
                    f"arguments, gradients of the variables), got {pair!r}.")
            found, of_variables = pair[0], Nest(pair[1]).leaves
        else:
            found = backwards(*grads[:results])
        of_arguments = Nest(found).leaves
        _check_count(f, "argument", of_arguments, arguments)
        _check_count(f, "variable", of_variables, len(variables))
        return [*[None] * results, *of_arguments, *of_variables]

    return rule


def _check_count(f: Callable[..., Any], what: str, found: Sequence[Any], wanted: int) -> None:
    if len(found) != wanted:
        raise GraphError(
            f"custom_gradient: grad_fn of '{f.__name__}' must return a gradient for each "
            f"{what}: {wanted}, got {len(found)}.")


def _takes_variables(grad_fn: Callable[..., Any]) -> bool:
    parameters = inspect.signature(grad_fn).parameters.values()
    return any(p.name == "variables" or p.kind is p.VAR_KEYWORD for p in parameters)


def _variables_read(
    graph: Graph, start: int, outputs: Sequence[Tensor], args: Sequence[Tensor]
) -> list[Any]:
    """The trainable variables that operations made since `start` read on the way to `outputs`."""
    handles: dict[Tensor, None] = {}
    seen: set[Tensor] = set(args)
    pending = list(outputs)
    while pending:
        tensor = pending.pop()
        if tensor in seen:
            continue
        seen.add(tensor)
        if tensor.is_handle:
            handles[tensor] = None
        elif tensor.op.type == "ReadVariable":
            pending.append(tensor.op.inputs[0])
        elif tensor.op.graph is graph and tensor.op.id >= start:
            pending.extend(tensor.op.inputs)
    found = dict.fromkeys(variable_of(_outermost(h)) for h in handles)
    used = [v for v in found if v is not None and v.trainable]
    return sorted(used, key=lambda v: v.op.id)


def _outermost(handle: Tensor) -> Tensor:
    """The handle itself, where a region has a stand-in for it."""
    while isinstance(handle.graph, RegionGraph):
        captures = handle.graph.captures
        handle = next(outer for outer, inner in captures.items() if inner is handle)
    return handle
