"""Regularisers: functions from a variable to a loss, for `get_variable(regularizer=…)` and layers.

The classes are Keras's. `l1_regularizer`, `l2_regularizer` and their kin are those that
TensorFlow 1.15 has in `tf.contrib.layers`; its l2 counts half the sum of squares.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from numbers import Integral, Real
from typing import Any

from graphflow.builder import F
from graphflow.errors import AttributeValueError
from graphflow.graph import get_default_graph
from graphflow.ops.scope import scope as name_scope
from graphflow.scopes import GraphKeys
from graphflow.tensor import Tensor

Penalty = Callable[[Any], Any]


class Regularizer:
    """The base: a callable from a tensor or variable to a scalar loss."""

    def __call__(self, x: Any) -> Any:
        """The loss of `x`: a scalar of its type."""
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        """The arguments as plain values, from which `from_config` makes an equal one."""
        raise NotImplementedError

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Regularizer:
        """A regulariser from `get_config()`."""
        return cls(**config)

    def __repr__(self) -> str:
        shown = ", ".join(f"{k}={v!r}" for k, v in self.get_config().items())
        return f"{type(self).__name__}({shown})"


class L1L2(Regularizer):
    """l1 · Σ|x| + l2 · Σx²."""

    def __init__(self, l1: float = 0.0, l2: float = 0.0) -> None:
        self.l1, self.l2 = float(l1), float(l2)

    def __call__(self, x: Any) -> Any:
        terms = []
        if self.l1:
            terms.append(self.l1 * F.reduce_sum(F.abs(x)))
        if self.l2:
            terms.append(self.l2 * F.reduce_sum(F.square(x)))
        if not terms:
            return F.zeros([], x.dtype)
        return terms[0] if len(terms) == 1 else terms[0] + terms[1]

    def get_config(self) -> dict[str, Any]:
        """{"l1", "l2"}."""
        return {"l1": self.l1, "l2": self.l2}


def l1(l: float = 0.01) -> L1L2:  # noqa: E741  # the name that Keras 2 gives the argument
    """l · Σ|x|."""
    return L1L2(l1=l)


def l2(l: float = 0.01) -> L1L2:  # noqa: E741  # the name that Keras 2 gives the argument
    """l · Σx²."""
    return L1L2(l2=l)


def l1_l2(l1: float = 0.01, l2: float = 0.01) -> L1L2:
    """l1 · Σ|x| + l2 · Σx²."""
    return L1L2(l1=l1, l2=l2)


# ---- as in tf.contrib.layers ----------------------------------------------------------------


def l1_regularizer(scale: float, scope: str | None = None) -> Penalty:
    """scale · Σ|weights|; a scale of 0.0 gives a function that returns None.

    Raises AttributeValueError (a ValueError) for a scale that is an integer or negative.
    """
    if _is_off("l1_regularizer", scale):
        return lambda _: None

    def l1(weights: Any, name: str | None = None) -> Tensor:
        with name_scope(scope, "l1_regularizer") as own:
            return F.multiply(scale, F.reduce_sum(F.abs(weights)), name=name or own)

    return l1


def l2_regularizer(scale: float, scope: str | None = None) -> Penalty:
    """scale · Σweights² / 2; a scale of 0.0 gives a function that returns None.

    Raises AttributeValueError (a ValueError) for a scale that is an integer or negative.
    """
    if _is_off("l2_regularizer", scale):
        return lambda _: None

    def l2(weights: Any) -> Tensor:
        with name_scope(scope, "l2_regularizer") as own:
            return F.multiply(scale, F.l2_loss(weights), name=own)

    return l2


def l1_l2_regularizer(
    scale_l1: float = 1.0, scale_l2: float = 1.0, scope: str | None = None
) -> Penalty:
    """The sum of `l1_regularizer(scale_l1)` and `l2_regularizer(scale_l2)`."""
    scope = scope or "l1_l2_regularizer"
    if scale_l1 == 0.0:
        return l2_regularizer(scale_l2, scope)
    if scale_l2 == 0.0:
        return l1_regularizer(scale_l1, scope)
    return _sum([l1_regularizer(scale_l1), l2_regularizer(scale_l2)], scope)


def sum_regularizer(
    regularizer_list: Sequence[Penalty | None], scope: str | None = None
) -> Penalty | None:
    """The sum of several; None among them are passed over, and None comes of none."""
    parts = [r for r in regularizer_list if r is not None]
    return _sum(parts, scope) if parts else None


def _sum(parts: Sequence[Penalty], scope: str | None) -> Penalty:
    def sum_reg(weights: Any) -> Any:
        with name_scope(scope, "sum_regularizer") as own:
            losses = [loss for r in parts if (loss := r(weights)) is not None]
            return F.add_n(losses, name=own) if losses else None

    return sum_reg


def apply_regularization(
    regularizer: Penalty, weights_list: Sequence[Any] | None = None
) -> Tensor:
    """The sum of a regulariser over variables, which is added to REGULARIZATION_LOSSES.

    weights_list: the collection WEIGHTS by default. Raises AttributeValueError (a ValueError) if
    it is empty.
    """
    graph = get_default_graph()
    weights = graph.get_collection(GraphKeys.WEIGHTS) if weights_list is None else weights_list
    if not weights:
        raise AttributeValueError("apply_regularization: No weights to regularize.")
    with graph.name_scope("get_regularization_penalty") as own:
        losses = [loss for w in weights if (loss := regularizer(w)) is not None]
        total = F.add_n(losses, name=own) if losses else F.constant(0.0, name=own)
    graph.add_to_collection(GraphKeys.REGULARIZATION_LOSSES, total)
    return total


def _is_off(function: str, scale: Any) -> bool:
    if isinstance(scale, Integral):
        raise AttributeValueError(f"{function}: scale cannot be an integer: {scale!r}.")
    if isinstance(scale, Real):
        if scale < 0:
            raise AttributeValueError(
                f"{function}: Setting a scale less than 0 on a regularizer: {scale!r}.")
        return scale == 0.0
    return False
