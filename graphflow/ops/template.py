"""`make_template`: a function whose calls share the variables that the first one made."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphflow.errors import GraphError
from graphflow.ops.variable_scope import VariableScope, variable_scope


class Template:
    """A function with variables: call it like the function."""

    def __init__(
        self, name: str, func: Callable[..., Any], create_scope_now: bool, unique_name: str | None,
        custom_getter: Any, given: dict[str, Any],
    ) -> None:
        self._name, self._func, self._unique = name, func, unique_name
        self._getter, self._given = custom_getter, given
        self._scope: VariableScope | None = None
        self._called = False
        if create_scope_now:
            with self._opened() as scope:
                self._scope = scope

    def _opened(self) -> Any:
        return variable_scope(self._unique, self._name, custom_getter=self._getter)

    @property
    def name(self) -> str:
        """The name that was given."""
        return self._name

    @property
    def variable_scope(self) -> VariableScope:
        """The scope of the variables. Raises GraphError before it is there."""
        if self._scope is None:
            raise GraphError(f"Template {self._name!r} has no scope before its first call.")
        return self._scope

    def __call__(self, *args: Any, **named: Any) -> Any:
        """The function's result; from the second call on variables are shared."""
        if self._scope is None:
            with self._opened() as self._scope:
                return self._result(args, named)
        with variable_scope(self._scope, reuse=self._called or None):
            return self._result(args, named)

    def _result(self, args: tuple[Any, ...], named: dict[str, Any]) -> Any:
        result = self._func(*args, **{**self._given, **named})
        self._called = True
        return result


def make_template(
    name_: str, func_: Callable[..., Any], create_scope_now_: bool = False,
    unique_name_: str | None = None, custom_getter_: Any = None, **kwargs: Any,
) -> Template:
    """`func_` in a variable scope of its own: the first call makes variables, others share them.

    name_: of the scope, made unique unless `unique_name_` is given. create_scope_now_: the scope
      is opened now and not at the first call. kwargs: arguments of every call.
    Raises GraphError where a later call wants a variable that the first did not make.
    """
    return Template(name_, func_, create_scope_now_, unique_name_, custom_getter_, kwargs)
