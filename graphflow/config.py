"""`tf.config`: what devices there are. Only what programs of graph mode ask for."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, NamedTuple

from graphflow.runtime.placement import gpu_capability
from graphflow.runtime.precision import (
    enable_tensor_float_32_execution,
    tensor_float_32_execution_enabled,
)


class PhysicalDevice(NamedTuple):
    """A device of this machine; `capability` is a GPU's compute capability."""

    name: str
    device_type: str
    capability: tuple[int, int] | None = None


def list_physical_devices(device_type: str | None = None) -> list[PhysicalDevice]:
    """The devices that sessions can use: the CPU, and an NVIDIA GPU if nothing is missing."""
    found = [PhysicalDevice("/physical_device:CPU:0", "CPU")]
    capability = gpu_capability() if device_type in (None, "GPU") else None
    if capability is not None:
        found.append(PhysicalDevice("/physical_device:GPU:0", "GPU", capability))
    return [d for d in found if device_type in (None, d.device_type)]


def set_memory_growth(device: Any, enable: bool) -> None:
    """Accepted: memory is taken when it is needed."""


def set_visible_devices(devices: Any, device_type: str | None = None) -> None:
    """Accepted, without effect."""


def set_soft_device_placement(enabled: bool) -> None:
    """Accepted: everything runs on one device."""


experimental = SimpleNamespace(
    list_physical_devices=list_physical_devices, set_memory_growth=set_memory_growth,
    set_visible_devices=set_visible_devices,
    enable_tensor_float_32_execution=enable_tensor_float_32_execution,
    tensor_float_32_execution_enabled=tensor_float_32_execution_enabled)

__all__ = [
    "PhysicalDevice", "experimental", "list_physical_devices", "set_memory_growth",
    "set_soft_device_placement", "set_visible_devices",
]
