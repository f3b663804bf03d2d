"""Gradients of users' ops: what is given to `numba_op(grad=…)` as a gradient rule."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Union

from graphflow.errors import GradientError, describe

Gradient = Union[Callable[..., Any], Sequence["Callable[..., Any] | None"], None]


def gradient_rule(name: str, grad: Gradient) -> Callable[..., Sequence[Any]]:
    """The rule `(F, op, *upstream)` of an op.

    grad: called with the op's inputs, its outputs and the gradient of each output; gives a tensor
      per input, None where there is no gradient (for one input: the tensor itself). Or a sequence
      of one such function, or None, per input, each of which gives one tensor. None refuses
      differentiation.
    """
    def rule(F: Any, op: Any, *upstream: Any) -> list[Any]:
        def failure(problem: str, fix: str) -> GradientError:
            site = str(op.site) if op.site else None
            return GradientError(describe(name, op.name, problem, site=site, fix=fix))

        if grad is None:
            raise failure(
                "it has no gradient", "Give numba_op(grad=…), a function of the inputs, the "
                "output and the gradient of the output; or use gf.stop_gradient.")
        given = (*op.inputs, *op.outputs, *upstream)
        if callable(grad):
            found = grad(*given)
            found = list(found) if isinstance(found, (list, tuple)) else [found]
        else:
            found = [None if g is None else g(*given) for g in grad]
        if len(found) != len(op.inputs):
            raise failure(
                f"its gradient function gave {len(found)} gradients for {len(op.inputs)} inputs",
                "Give one for each input, None where there is none.")
        return [g if x.dtype.is_differentiable else None for x, g in zip(op.inputs, found)]

    return rule
