"""Choice among several functions: `case` and `switch_case`, chains of `cond`."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from graphflow import dtypes as dt
from graphflow.builder import F, convert, op_function
from graphflow.errors import AttributeValueError, DTypeError
from graphflow.graph import get_default_graph
from graphflow.ops.nests import Nest, Stateful
from graphflow.tensor import Operation


@op_function
def case(
    pred_fn_pairs: Any, default: Any = None, exclusive: bool = False, strict: bool = False,
    name: str = "case",
) -> Any:
    """The results of the first function whose predicate is true, else those of `default()`.

    pred_fn_pairs: (bool scalar, function without arguments) pairs, in a list or a dict (which is
      sorted by the tensors' names unless it is an OrderedDict). All functions give the same nest
      of tensors; only one of them runs. exclusive: at most one predicate may be true.
    Raises DTypeError for what is no such pair; InvalidArgumentError when the graph runs if no
    predicate is true and there is no default, or if several are true though exclusive.
    """
    pairs = _checked_pairs(pred_fn_pairs)
    if default is not None and not callable(default):
        raise DTypeError(f"case: default must be a function, got {default!r}.")
    graph = get_default_graph()
    with graph.name_scope(name):
        predicates = [convert(p, dt.bool_) for p, _ in pairs]
        checks = []
        if exclusive:
            true_count = F.reduce_sum(F.cast(F.stack(predicates), dt.int32))
            checks.append(F.Assert(F.less_equal(true_count, 1), [
                "case: more than one predicate is true", *predicates]))
        branches = [fn for _, fn in pairs]
        if default is None:
            checks.append(F.Assert(F.reduce_any(F.stack(predicates)), [
                "case: no predicate is true, and there is no default", *predicates]))
            *branches, default = branches
        with graph.control_dependencies(checks):
            return _chain(list(zip(predicates, branches)), default, strict)


def _checked_pairs(given: Any) -> list[tuple[Any, Callable[[], Any]]]:
    if isinstance(given, Mapping):
        items = list(given.items())
        pairs = items if isinstance(given, OrderedDict) else sorted(
            items, key=lambda item: item[0].name)
    elif isinstance(given, (list, tuple)):
        pairs = list(given)
    else:
        raise DTypeError(f"case: pred_fn_pairs must be a list or dict, got {given!r}.")
    for pair in pairs:
        if not isinstance(pair, tuple) or len(pair) != 2 or not callable(pair[1]):
            raise DTypeError("case: pred_fn_pairs must hold pairs (bool scalar, function), got "
                             f"{pair!r}.")
    if not pairs:
        raise DTypeError("case: pred_fn_pairs must hold at least one pair.")
    return pairs


def _chain(
    pairs: Sequence[tuple[Any, Callable[[], Any]]], default: Callable[[], Any], strict: bool
) -> Any:
    """cond(p₀, f₀, cond(p₁, f₁, … default))."""
    if not pairs:
        nest = Nest(default(), unpack=not strict)
        return nest.rebuild([
            leaf if isinstance(leaf, (Operation, Stateful)) else F.identity(leaf)
            for leaf in nest.leaves])
    predicate, function = pairs[0]
    return F.cond(predicate, function, lambda: _chain(pairs[1:], default, strict), strict=strict)


@op_function
def switch_case(
    branch_index: Any, branch_fns: Any, default: Any = None, name: str = "switch_case"
) -> Any:
    """The results of `branch_fns[branch_index]()`, or those of `default()` for another index.

    branch_index: int32 scalar. branch_fns: functions without arguments, (index, function) pairs,
      or a dict of them; all give the same nest of tensors, and only one runs. Without a default
      the function of the largest index takes its place.
    Raises DTypeError for what is no function, AttributeValueError unless the indices are all of
    0, 1, 2 ….
    """
    branches = _indexed(branch_fns)
    if default is not None and not callable(default):
        raise DTypeError(f"switch_case: default must be a function, got {default!r}.")
    if default is None:
        _, default = branches.pop()
    graph = get_default_graph()
    with graph.name_scope(name):
        index = convert(branch_index, dt.int32)
        return _chain([(F.equal(index, i), fn) for i, fn in branches], default, False)


def _indexed(given: Any) -> list[tuple[int, Callable[[], Any]]]:
    """(index, function) pairs in the order of their indices."""
    pairs = list(given.items()) if isinstance(given, Mapping) else list(given)
    if all(callable(p) for p in pairs):
        pairs = list(enumerate(pairs))
    for pair in pairs:
        if not (isinstance(pair, tuple) and len(pair) == 2 and isinstance(pair[0], int)
                and callable(pair[1])):
            raise DTypeError("switch_case: branch_fns must hold functions, or pairs (int, "
                             f"function), got {pair!r}.")
    pairs.sort(key=lambda pair: pair[0])
    if not pairs or [i for i, _ in pairs] != list(range(len(pairs))):
        raise AttributeValueError("switch_case: the indices of branch_fns must be 0, 1, 2 …, got "
                                  f"{[i for i, _ in pairs]}.")
    return pairs
