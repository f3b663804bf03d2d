"""`tf.test`: checking gradients, and what the machine has."""

from __future__ import annotations

from graphflow.gradient_checker import compute_gradient, compute_gradient_error
from graphflow.test_case import TestCase, get_temp_dir, main


def is_built_with_cuda() -> bool:
    """False: sessions run on the CPU."""
    return False


def is_gpu_available(
    cuda_only: bool = False, min_cuda_compute_capability: tuple[int, int] | None = None
) -> bool:
    """False: sessions run on the CPU."""
    return False


def is_built_with_gpu_support() -> bool:
    """False: sessions run on the CPU."""
    return False


def gpu_device_name() -> str:
    """"", for there is no GPU that sessions use."""
    return ""


__all__ = [
    "TestCase", "compute_gradient", "compute_gradient_error", "get_temp_dir", "gpu_device_name",
    "is_built_with_cuda",
    "is_built_with_gpu_support", "is_gpu_available", "main",
]
