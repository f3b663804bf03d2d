"""`tf.test`: checking gradients, and what the machine has."""

from __future__ import annotations

from graphflow.config import list_physical_devices
from graphflow.gradient_checker import compute_gradient, compute_gradient_error
from graphflow.hardware import missing_cuda_packages
from graphflow.test_case import TestCase, get_temp_dir, main


def is_built_with_cuda() -> bool:
    """True if the packages for sessions on a GPU are installed: the extra `cuda`."""
    return not missing_cuda_packages()


def is_gpu_available(
    cuda_only: bool = False, min_cuda_compute_capability: tuple[int, int] | None = None
) -> bool:
    """True if a session can run on a GPU, with this compute capability or a newer one."""
    return any(tuple(min_cuda_compute_capability or (0, 0)) <= device.capability
               for device in list_physical_devices("GPU") if device.capability is not None)


def is_built_with_gpu_support() -> bool:
    """As `is_built_with_cuda`."""
    return is_built_with_cuda()


def gpu_device_name() -> str:
    """The name of the GPU that sessions use, "" if there is none."""
    return "/device:GPU:0" if is_gpu_available() else ""


__all__ = [
    "TestCase", "compute_gradient", "compute_gradient_error", "get_temp_dir", "gpu_device_name",
    "is_built_with_cuda",
    "is_built_with_gpu_support", "is_gpu_available", "main",
]
