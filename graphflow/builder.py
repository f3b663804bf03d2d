"""The op namespace: what gradient rules, composites, rewrites and public functions write against.

A `Builder` makes nodes of one kind: a `Graph` makes Operations, a Program's builder interned SSA
nodes. Public functions call `apply`, which goes to the builder in force; `F` is the namespace of
all public functions, so that `F.tanh(x)` in a rule serves Graph and Program alike.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

from graphflow.errors import GraphError
from graphflow.opdef import OpDef, lookup


class Builder(ABC):
    """Makes nodes from op declarations."""

    @abstractmethod
    def apply(
        self,
        opdef: OpDef,
        inputs: Sequence[Any],
        attrs: dict[str, Any],
        *,
        name: str | None = None,
        default_name: str | None = None,
    ) -> Any:
        """One node of `opdef`; gives the tuple of its output values.

        Python numbers, lists and arrays among `inputs` become constants of the element type that
        the schema asks for.
        """

    @abstractmethod
    def convert(self, value: Any, dtype: Any = None, name: str | None = None) -> Any:
        """`value` as a value of this builder: itself, or a constant."""


_local = threading.local()
_default: list[Callable[[Sequence[Any]], Builder]] = []


def set_default(get: Callable[[Sequence[Any]], Builder]) -> None:
    """Names the function that gives the builder for some inputs when no `using` block is open."""
    _default[:] = [get]


class using:
    """Context manager: nodes made inside go to `builder`."""

    def __init__(self, builder: Builder) -> None:
        self._builder = builder

    def __enter__(self) -> Builder:
        self._outer = getattr(_local, "builder", None)
        _local.builder = self._builder
        return self._builder

    def __exit__(self, *_: object) -> None:
        _local.builder = self._outer


def current() -> Builder:
    """The builder in force in this thread."""
    builder = getattr(_local, "builder", None)
    return builder if builder is not None else _default[0](())


def builder_for(inputs: Sequence[Any]) -> Builder:
    """The builder in force, or the one that `inputs` belong to if that is another graph."""
    builder = getattr(_local, "builder", None)
    return builder if builder is not None else _default[0](inputs)


def apply(
    opdef: OpDef | str,
    inputs: Sequence[Any],
    attrs: dict[str, Any] | None = None,
    *,
    name: str | None = None,
    default_name: str | None = None,
) -> Any:
    """One node of the builder in force: its output, or the tuple of them if there are several."""
    opdef = lookup(opdef) if isinstance(opdef, str) else opdef
    outputs = builder_for(inputs).apply(
        opdef, inputs, attrs or {}, name=name, default_name=default_name)
    return outputs[0] if len(outputs) == 1 else outputs


def convert(value: Any, dtype: Any = None, name: str | None = None) -> Any:
    """`value` as a value of the builder in force."""
    return current().convert(value, dtype, name)


class Namespace:
    """`F`: the public op functions by name."""

    def __init__(self) -> None:
        object.__setattr__(self, "_functions", {})

    def __getattr__(self, name: str) -> Any:
        try:
            return self._functions[name]
        except KeyError:
            raise AttributeError(f"There is no op function named {name!r}.") from None

    def __contains__(self, name: str) -> bool:
        return name in self._functions

    def __dir__(self) -> list[str]:
        return sorted(self._functions)


F = Namespace()


def publish(function: Callable[..., Any], name: str | None = None) -> Callable[..., Any]:
    """Adds a public function to `F` under its own (or the given) name.

    Raises GraphError if the name is taken.
    """
    key = name or function.__name__
    if F._functions.setdefault(key, function) is not function:
        raise GraphError(f"Two op functions are named {key!r}.")
    return function


def op_function(function: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator: adds a public function to `F` under its own name."""
    return publish(function)


class Arithmetic:
    """Python's operators on values, by way of the builder that made them.

    Shared by Graph tensors and Program values; the functions are found in `F` when used, so that
    this room does not depend on the ops.
    """

    __slots__ = ()
    __array_priority__ = 100

    def __add__(self, other: Any) -> Any:
        return F.add(self, other, name="add")

    def __radd__(self, other: Any) -> Any:
        return F.add(other, self, name="add")

    def __sub__(self, other: Any) -> Any:
        return F.subtract(self, other, name="sub")

    def __rsub__(self, other: Any) -> Any:
        return F.subtract(other, self, name="sub")

    def __mul__(self, other: Any) -> Any:
        return F.multiply(self, other, name="mul")

    def __rmul__(self, other: Any) -> Any:
        return F.multiply(other, self, name="mul")

    def __truediv__(self, other: Any) -> Any:
        return F.truediv(self, other)

    def __rtruediv__(self, other: Any) -> Any:
        return F.truediv(other, self)

    __div__ = __truediv__

    def __floordiv__(self, other: Any) -> Any:
        return F.floordiv(self, other)

    def __rfloordiv__(self, other: Any) -> Any:
        return F.floordiv(other, self)

    def __mod__(self, other: Any) -> Any:
        return F.floormod(self, other, name="mod")

    def __rmod__(self, other: Any) -> Any:
        return F.floormod(other, self, name="mod")

    def __pow__(self, other: Any) -> Any:
        return F.pow(self, other, name="pow")

    def __rpow__(self, other: Any) -> Any:
        return F.pow(other, self, name="pow")

    def __matmul__(self, other: Any) -> Any:
        return F.matmul(self, other, name="matmul")

    def __rmatmul__(self, other: Any) -> Any:
        return F.matmul(other, self, name="matmul")

    def __neg__(self) -> Any:
        return F.negative(self)

    def __pos__(self) -> Any:
        return self

    def __abs__(self) -> Any:
        return F.abs(self)

    def __invert__(self) -> Any:
        return F.invert(self)

    def __and__(self, other: Any) -> Any:
        return F.and_(self, other)

    def __rand__(self, other: Any) -> Any:
        return F.and_(other, self)

    def __or__(self, other: Any) -> Any:
        return F.or_(self, other)

    def __ror__(self, other: Any) -> Any:
        return F.or_(other, self)

    def __xor__(self, other: Any) -> Any:
        return F.xor(self, other)

    def __rxor__(self, other: Any) -> Any:
        return F.xor(other, self)

    def __lt__(self, other: Any) -> Any:
        return F.less(self, other)

    def __le__(self, other: Any) -> Any:
        return F.less_equal(self, other)

    def __gt__(self, other: Any) -> Any:
        return F.greater(self, other)

    def __ge__(self, other: Any) -> Any:
        return F.greater_equal(self, other)

    def __getitem__(self, key: Any) -> Any:
        return F.getitem(self, key)

