"""Layers as functions: one call makes a layer and applies it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

_INPUTS = inspect.Parameter("inputs", inspect.Parameter.POSITIONAL_OR_KEYWORD)
_REUSE = inspect.Parameter("reuse", inspect.Parameter.POSITIONAL_OR_KEYWORD, default=None)


def layer_function(name: str, layer: type, doc: str, reuse: bool = True) -> Callable[..., Any]:
    """The function `name(inputs, …)` with the arguments of a layer's constructor.

    reuse: also takes `reuse`, whether the variables of the scope `name` are reused.
    """
    own = list(inspect.signature(layer).parameters.values())
    arguments = [p for p in own if p.kind is not inspect.Parameter.VAR_KEYWORD]
    signature = inspect.Signature([_INPUTS, *arguments, *([_REUSE] if reuse else [])])

    def function(*args: Any, **kwargs: Any) -> Any:
        given = signature.bind(*args, **kwargs).arguments
        inputs, again = given.pop("inputs"), given.pop("reuse", None)
        scope = {"_scope": given.get("name"), "_reuse": again} if reuse else {}
        return layer(**given, **scope)(inputs)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc
    function.__module__ = layer.__module__
    function.__signature__ = signature  # type: ignore[attr-defined]  # what inspect looks for
    return function
