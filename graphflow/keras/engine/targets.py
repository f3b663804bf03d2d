"""Targets against outputs: shapes that a loss could only broadcast are refused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphflow.errors import ShapeError
from graphflow.keras import loss_functions as losses

_SAME_SHAPE = {losses.mean_squared_error, losses.binary_crossentropy,
               losses.categorical_crossentropy}


def check_targets(
    targets: Sequence[np.ndarray | None], objects: Sequence[Any], outputs: Sequence[Any],
    names: Sequence[str],
) -> None:
    """Raises ShapeError (a ValueError) for targets that do not fit the outputs under a loss."""
    for target, loss, output, name in zip(targets, objects, outputs, names):
        function = getattr(loss, "fn", None)
        if target is None or function is None:
            continue
        if function is losses.categorical_crossentropy and target.shape[-1] == 1 and (
                output.shape.rank == target.ndim and output.shape.as_list()[-1] != 1):
            raise ShapeError(
                f"You are passing a target array of shape {target.shape} while using as loss "
                "`categorical_crossentropy`, which expects targets to be binary matrices (1s and "
                "0s) of shape (samples, classes). Convert them with keras.utils.to_categorical, "
                "or use the loss `sparse_categorical_crossentropy`.")
        if function in _SAME_SHAPE and output.shape.rank is not None:
            sizes = output.shape.as_list()
            fits = target.ndim == len(sizes) and all(
                s is None or s == n for s, n in zip(sizes[1:], target.shape[1:]))
            if not fits:
                raise ShapeError(
                    f"A target array with shape {target.shape} was passed for output {name!r} of "
                    f"shape {tuple(sizes)} while using as loss `{function.__name__}`. This loss "
                    "expects targets to have the same shape as the output.")
