"""The collections of losses: what was added, and their sum."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphflow import dtypes as dt
from graphflow.builder import F
from graphflow.graph import get_default_graph
from graphflow.scopes import GraphKeys
from graphflow.tensor import Tensor


def add_loss(loss: Any, loss_collection: Any = GraphKeys.LOSSES) -> None:
    """Adds a loss to a collection; to none if that is None."""
    if loss_collection:
        get_default_graph().add_to_collection(loss_collection, loss)


def get_losses(
    scope: str | None = None, loss_collection: Any = GraphKeys.LOSSES
) -> list[Any]:
    """The losses of a collection; with `scope`, those whose name matches it (a regex)."""
    return get_default_graph().get_collection(loss_collection, scope)


def get_regularization_losses(scope: str | None = None) -> list[Any]:
    """The losses that regularisers added (REGULARIZATION_LOSSES); see `get_losses`."""
    return get_default_graph().get_collection(GraphKeys.REGULARIZATION_LOSSES, scope)


def get_regularization_loss(
    scope: str | None = None, name: str = "total_regularization_loss"
) -> Tensor:
    """The sum of the regularisation losses: a scalar, 0.0 if there are none."""
    losses = get_regularization_losses(scope)
    return F.add_n(losses, name=name) if losses else F.constant(0.0, dt.float32)


def get_total_loss(
    add_regularization_losses: bool = True, name: str = "total_loss", scope: str | None = None
) -> Tensor:
    """The sum of the losses of LOSSES, and of the regularisation losses unless left out.

    scope: only losses whose name matches it (a regex). Raises GraphError (a ValueError) if there
    are none.
    """
    losses: Sequence[Any] = get_losses(scope=scope)
    if add_regularization_losses:
        losses = [*losses, *get_regularization_losses(scope=scope)]
    return F.add_n(losses, name=name)
