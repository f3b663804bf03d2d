"""Gradient rules by name: what `RegisterGradient` adds and `gradient_override_map` refers to.

Each op's own rule stands in its declaration and is found here under the op's name; the names that
users add are for `gradient_override_map`, which gives operations another rule than their own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphflow.builder import F
from graphflow.errors import DTypeError, GradientError, GraphError
from graphflow.opdef import REGISTRY, NotDifferentiable
from graphflow.sites import user_site

Rule = Callable[..., Any]


class DuplicateGradientError(GraphError, KeyError):
    """A name that has a gradient rule was given another."""

    def __str__(self) -> str:
        return str(self.args[0])


_rules: dict[str, tuple[Rule | None, str]] = {}


def _register(op_type: Any, rule: Rule | None) -> None:
    if not isinstance(op_type, str):
        raise DTypeError(f"RegisterGradient: op_type must be a string, got {op_type!r}.")
    earlier = _rules[op_type][1] if op_type in _rules else (
        REGISTRY[op_type].defined_at if op_type in REGISTRY else None)
    if earlier is not None:
        raise DuplicateGradientError(
            f"Registering two gradient with name '{op_type}'! Previous registration was in "
            f"{earlier}. Use another name, and gradient_override_map({{'{op_type}': name}}).")
    _rules[op_type] = rule, str(user_site())


class RegisterGradient:
    """Decorator: names a gradient rule, for `Graph.gradient_override_map`.

        @gf.RegisterGradient("GuidedRelu")
        def guided(op, grad):
            return gf.where(grad > 0, gf.relu_grad(grad, op.outputs[0]), gf.zeros_like(grad))

    The function gets the operation (`.inputs`, `.outputs`, `.get_attr`) and the gradient of each
    output, and gives the gradient of each input, None for those that have none.
    Raises DTypeError (a TypeError) if the name is not a string, DuplicateGradientError (a
    KeyError) if there is a rule of this name, one of the ops' own included.
    """

    __slots__ = ("_op_type",)

    def __init__(self, op_type: str) -> None:
        if not isinstance(op_type, str):
            raise DTypeError(f"RegisterGradient: op_type must be a string, got {op_type!r}.")
        self._op_type = op_type

    def __call__(self, f: Rule) -> Rule:
        _register(self._op_type, f)
        return f


def not_differentiable(op_type: str) -> None:
    """Names a rule that lets no gradient pass: TensorFlow's `NotDifferentiable`, `NoGradient`.

    Raises as `RegisterGradient`.
    """
    _register(op_type, None)


class NamedRule:
    """The rule of this name, looked up when an operation is differentiated: (op, *gradients)."""

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name = name

    @property
    def name(self) -> str:
        """The name of the rule."""
        return self._name

    def __call__(self, op: Any, *grads: Any) -> Any:
        """The gradients of the inputs. Raises GradientError (a LookupError) for unknown names."""
        if self._name in _rules:
            rule = _rules[self._name][0]
            return [None] * len(op.inputs) if rule is None else rule(op, *grads)
        if self._name not in REGISTRY:
            raise GradientError(
                f"{op.type} '{op.name}': gradient_override_map names the rule "
                f"{self._name!r}, which is not registered. Built at {op.site}. Use "
                f"@gf.RegisterGradient({self._name!r})."
            )
        own = REGISTRY[self._name].grad
        return [None] * len(op.inputs) if isinstance(own, NotDifferentiable) else (
            own(F, op, *grads))
