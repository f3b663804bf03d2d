"""`tf.test`: checking gradients, and what the machine has."""

from __future__ import annotations

from graphflow.gradient_checker import compute_gradient, compute_gradient_error


def is_built_with_cuda() -> bool:
    """False: sessions run on the CPU."""
    return False


def is_gpu_available(
    cuda_only: bool = False, min_cuda_compute_capability: tuple[int, int] | None = None
) -> bool:
    """False: sessions run on the CPU."""
    return False


def gpu_device_name() -> str:
    """"", for there is no GPU that sessions use."""
    return ""


__all__ = [
    "compute_gradient", "compute_gradient_error", "gpu_device_name", "is_built_with_cuda",
    "is_gpu_available",
]
