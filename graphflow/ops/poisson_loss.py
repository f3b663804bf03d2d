"""`log_poisson_loss`: the likelihood of counts, given the logarithm of their rate."""

from __future__ import annotations

import math
from typing import Any

from graphflow.builder import F, convert, op_function
from graphflow.errors import ShapeError
from graphflow.ops.arguments import failure
from graphflow.ops.scope import scope


@op_function
def log_poisson_loss(
    targets: Any, log_input: Any, compute_full_loss: bool = False, name: str | None = None
) -> Any:
    """exp(log_input) − targets · log_input, elementwise: −log P(targets) but for log(targets!).

    targets, log_input: floats of one shape. compute_full_loss: adds Stirling's approximation of
    log(targets!), where targets are above 1. Raises ShapeError if the shapes differ.
    """
    op = "log_poisson_loss"
    with scope(name, op) as last:
        log_input = convert(log_input)
        targets = convert(targets, log_input.dtype)
        if not targets.shape.is_compatible_with(log_input.shape):
            raise failure(op, name, f"log_input and targets must have one shape, got "
                                    f"{log_input.shape}, {targets.shape}", cls=ShapeError)
        rate = F.exp(log_input)
        if not compute_full_loss:
            return F.subtract(rate, log_input * targets, name=last)
        many = F.greater(targets, 1)
        safe = F.where_v2(many, targets, F.ones_like(targets))
        stirling = safe * F.log(safe) - safe + 0.5 * F.log(2 * math.pi * safe)
        correction = F.where_v2(many, stirling, F.zeros_like(targets))
        return F.add(rate - log_input * targets, correction, name=last)
