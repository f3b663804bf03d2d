"""`assert_equal` and its kin: comparisons that must hold for every element.

What is known while building is checked at once: a comparison that fails raises
InvalidArgumentError at the line that built it, one that holds costs nothing in the graph.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import F, convert, current, op_function
from graphflow.errors import DTypeError, InvalidArgumentError, describe
from graphflow.ops.arguments import failure, is_tensor, static_value
from graphflow.ops.checks import Assert, assertion_text
from graphflow.ops.value_text import flat_text
from graphflow.sites import user_site

STATICALLY_TRUE = "static_checks_determined_all_ok"


def known_value(tensor: Any) -> np.ndarray | None:
    """The value of a constant tensor, or of integers that follow from shapes; else None."""
    operation = getattr(tensor, "op", None)
    if operation is not None and operation.type == "Const":
        return operation.attrs["value"].array
    return static_value(tensor)


def fail_statically(function: str, name: str, data: Sequence[Any], summarize: int | None) -> None:
    """Raises InvalidArgumentError for a check that fails while building; `data` as in Assert."""
    shown = []
    for item in data:
        value = known_value(item) if is_tensor(item) else None
        if value is None and is_tensor(item):
            shown.append(np.array(repr(item).encode(), object))
        else:
            shown.append(np.asarray(item if value is None else value))
    site = user_site()
    text = assertion_text(shown, 3 if summarize is None else summarize)
    raise InvalidArgumentError(None, None, describe(
        function, name, text, site=str(site) if site else None))


def _require(
    function: str, scope: str, holds: bool | None, condition: Callable[[], Any],
    data: Sequence[Any], summarize: int | None,
) -> Any:
    """The Operation of a check that holds, fails, or (None) is decided when it runs."""
    if holds:
        return F.no_op(name=STATICALLY_TRUE)
    if holds is False:
        fail_statically(function, scope[:-1], data, summarize)
    return Assert(F.reduce_all(condition()), data, summarize=summarize)


def _with_message(
    message: str | None, data: Sequence[Any] | None, default: Sequence[Any]
) -> list[Any]:
    return [*([message] if message else []), *(default if data is None else data)]


def _compare(
    function: str, symbol: str, compare: str, static: Callable[..., Any], x: Any, y: Any,
    data: Sequence[Any] | None, summarize: int | None, message: str | None, name: str | None,
) -> Any:
    graph: Any = current()
    with graph.name_scope(name or function) as scope:
        x, y = _converted_pair(x, y)
        known_x, known_y = known_value(x), known_value(y)
        holds = None
        if known_x is not None and known_y is not None and _broadcast(known_x, known_y):
            holds = bool(np.all(static(known_x, known_y)))
        shown = _with_message(message, data, [
            f"Condition x {symbol} y did not hold element-wise:",
            f"x ({x.name}) = ", x, f"y ({y.name}) = ", y])
        return _require(
            function, scope, holds, lambda: getattr(F, compare)(x, y), shown, summarize)


def _converted_pair(x: Any, y: Any) -> tuple[Any, Any]:
    """Both as tensors; a Python value takes the type of the tensor beside it."""
    if is_tensor(x) or not is_tensor(y):
        x = convert(x, name="x")
        return x, convert(y, None if is_tensor(y) else x.dtype, "y")
    y = convert(y, name="y")
    return convert(x, y.dtype, "x"), y


def _broadcast(x: np.ndarray, y: np.ndarray) -> bool:
    try:
        np.broadcast_shapes(x.shape, y.shape)
    except ValueError:
        return False  # the comparison itself then says so, with its own message
    return True


def _compare_with_zero(
    function: str, symbol: str, compare: str, static: Callable[..., Any], x: Any,
    data: Sequence[Any] | None, summarize: int | None, message: str | None, name: str | None,
) -> Any:
    graph: Any = current()
    with graph.name_scope(name or function) as scope:
        x = convert(x, name="x")
        known = known_value(x)
        holds = None if known is None else bool(np.all(static(known, known.dtype.type(0))))
        shown = _with_message(message, data, [
            f"Condition x {symbol} 0 did not hold element-wise:", f"x ({x.name}) = ", x])
        return _require(
            function, scope, holds, lambda: getattr(F, compare)(x, 0), shown, summarize)


_PAIR_DOC = """An Operation that raises InvalidArgumentError unless x {symbol} y for every element.

    x, y: numbers of one dtype, broadcast against each other; True if there is no element.
    data, summarize: what the message shows, as in `Assert`. message: put before it.
    If both are known while building, raises at once or gives an operation that does nothing.
    """
_ZERO_DOC = """An Operation that raises InvalidArgumentError unless x {symbol} 0 for every element.

    x: numbers of any shape. data, summarize, message: as in `assert_equal`.
    If x is known while building, raises at once or gives an operation that does nothing.
    """


def _pair(function: str, symbol: str, compare: str, static: Callable[..., Any]) -> Any:
    def check(
        x: Any, y: Any, data: Sequence[Any] | None = None, summarize: int | None = None,
        message: str | None = None, name: str | None = None,
    ) -> Any:
        return _compare(
            function, symbol, compare, static, x, y, data, summarize, message, name)

    check.__name__ = check.__qualname__ = function
    check.__doc__ = _PAIR_DOC.format(symbol=symbol)
    return op_function(check)


def _zero(function: str, symbol: str, compare: str, static: Callable[..., Any]) -> Any:
    def check(
        x: Any, data: Sequence[Any] | None = None, summarize: int | None = None,
        message: str | None = None, name: str | None = None,
    ) -> Any:
        return _compare_with_zero(
            function, symbol, compare, static, x, data, summarize, message, name)

    check.__name__ = check.__qualname__ = function
    check.__doc__ = _ZERO_DOC.format(symbol=symbol)
    return op_function(check)


assert_equal = _pair("assert_equal", "==", "equal", np.equal)
assert_none_equal = _pair("assert_none_equal", "!=", "not_equal", np.not_equal)
assert_less = _pair("assert_less", "<", "less", np.less)
assert_less_equal = _pair("assert_less_equal", "<=", "less_equal", np.less_equal)
assert_greater = _pair("assert_greater", ">", "greater", np.greater)
assert_greater_equal = _pair("assert_greater_equal", ">=", "greater_equal", np.greater_equal)
assert_positive = _zero("assert_positive", ">", "greater", np.greater)
assert_negative = _zero("assert_negative", "<", "less", np.less)
assert_non_negative = _zero("assert_non_negative", ">=", "greater_equal", np.greater_equal)
assert_non_positive = _zero("assert_non_positive", "<=", "less_equal", np.less_equal)


@op_function
def assert_near(
    x: Any, y: Any, rtol: Any = None, atol: Any = None, data: Sequence[Any] | None = None,
    summarize: int | None = None, message: str | None = None, name: str | None = None,
) -> Any:
    """An Operation that raises InvalidArgumentError unless |x − y| < atol + rtol · |y| throughout.

    x, y: one float type, broadcast against each other. rtol, atol: numbers or tensors of that
    type, 10 times its machine epsilon by default. The rest as in `assert_equal`.
    """
    graph: Any = current()
    with graph.name_scope(name or "assert_near") as scope:
        x, y = _converted_pair(x, y)
        if not x.dtype.is_floating:
            raise failure("assert_near", name, f"x must be of a float type, got {x.dtype.name}",
                          "Use assert_equal for integers.", DTypeError)
        tolerance = 10 * float(_epsilon(x.dtype))
        rtol = convert(tolerance if rtol is None else rtol, x.dtype, "rtol")
        atol = convert(tolerance if atol is None else atol, x.dtype, "atol")
        known = [v for v in map(known_value, (x, y, rtol, atol)) if v is not None]
        holds = None
        if len(known) == 4 and _broadcast(known[0], known[1]):
            holds = bool(np.all(_near(*known)))
        shown = _with_message(message, data, [
            f"x and y not equal to tolerance rtol = {_shown(rtol)}, atol = {_shown(atol)}",
            f"x ({x.name}) = ", x, f"y ({y.name}) = ", y])
        return _require(
            "assert_near", scope, holds,
            lambda: F.less(F.abs(x - y), atol + rtol * F.abs(y)), shown, summarize)


def _near(x: np.ndarray, y: np.ndarray, rtol: np.ndarray, atol: np.ndarray) -> np.ndarray:
    return np.abs(x - y) < atol + rtol * np.abs(y)


def _shown(tensor: Any) -> str:
    value = known_value(tensor)
    return tensor.name if value is None else flat_text(value, 3)


def _epsilon(dtype: dt.DType) -> Any:
    import ml_dtypes

    return ml_dtypes.finfo(dtype.numpy).eps
