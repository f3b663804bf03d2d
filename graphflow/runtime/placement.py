"""Where a session runs: on the CPU, or on a GPU that it has opened."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from graphflow.errors import InvalidArgumentError, UnavailableError
from graphflow.graph import Graph
from graphflow.hardware import cuda_absence
from graphflow.options import Options
from graphflow.program import Program
from graphflow.runtime.config import ConfigProto
from graphflow.runtime.precision import rounds_to_tensor_float_32
from graphflow.runtime.store import VariableStore

if TYPE_CHECKING:
    from graphflow.runtime.cuda.context import Context
    from graphflow.runtime.cuda.device import Gpu

    Placement = tuple[Gpu, Context]

_told: set[str] = set()
_GPU = re.compile(r"(?:^|[/:])gpu(?::(\d+|\*))?$", re.IGNORECASE)
CPU = "/device:CPU:0"


def place_session(options: Options, config: ConfigProto | None) -> Placement | None:
    """The GPU that a session runs on, with what it has of it; None for the CPU.

    With `device="auto"` a GPU is taken where nothing is missing, and that is said once, on
    standard error. `allow_soft_placement` makes the CPU do where a GPU is asked for in vain;
    `device_count={"GPU": 0}` hides GPUs, as in TensorFlow.
    Raises UnavailableError if `device="cuda"` cannot be had.
    """
    hidden = config is not None and config.device_count.get("GPU") == 0
    if options.device == "auto" and (hidden or cuda_absence() is not None):
        return None
    if options.device not in ("auto", "cuda"):
        return None
    from graphflow.runtime.cuda.device import new_context, open_gpu

    try:
        if hidden:
            raise UnavailableError(
                None, None, "device='cuda': the session's config hides GPUs "
                "(device_count={'GPU': 0}).")
        gpu = open_gpu()
    except UnavailableError:
        if options.device == "auto" or (config is not None and config.allow_soft_placement):
            return None
        raise
    if rounds_to_tensor_float_32(options):
        gpu = gpu.with_tensor_float_32()
    context = new_context(gpu)
    if options.device == "auto" and "device" not in options.silence:
        _say(f"graphflow: sessions with device='auto' run on {context.device_name} "
             f"({gpu.driver.name}).")
    return gpu, context


def gpu_capability() -> tuple[int, int] | None:
    """The compute capability of the GPU that sessions can run on, None if there is none."""
    if cuda_absence() is not None:
        return None
    from graphflow.runtime.cuda.device import open_gpu

    try:
        return open_gpu().driver.capability
    except UnavailableError:
        return None


def device_store(placement: Placement) -> VariableStore:
    """The store for the variables of a session on a GPU."""
    from graphflow.runtime.cuda.store import DeviceVariableStore

    return DeviceVariableStore(placement[1])


def device_names(placement: Placement | None) -> list[str]:
    """TensorFlow's names for what a session can use."""
    return [CPU] if placement is None else [CPU, placement[1].device_name]


def check_devices(
    graph: Graph, program: Program, placement: Placement | None, options: Options,
    config: ConfigProto | None,
) -> None:
    """Refuses operations of a program that ask for a GPU which the session has not.

    It has none if it is on the CPU by `device="auto"`; a session for which the CPU was chosen
    runs everything there, as does one with `allow_soft_placement`.
    Raises InvalidArgumentError, as TensorFlow does.
    """
    if (placement is None and options.device != "auto") or (
            config is not None and config.allow_soft_placement):
        return
    has = None if placement is None else placement[1].driver.number
    wanting = {op.name: op for op in graph.get_operations()
               if op.device and _other(op.device, has)}
    if not wanting:
        return
    names = {origin.name for origin in program.origins.values()} & wanting.keys()
    for name in sorted(names):
        operation = wanting[name]
        reason = f"this session runs on GPU {has} alone." if has is not None else (
            cuda_absence() or "the session's config hides GPUs, or the driver does not start.")
        raise InvalidArgumentError(
            operation.node_def, operation,
            f"{operation.type} '{name}' was assigned to {operation.device} (gf.device), but "
            f"{reason} gf.ConfigProto(allow_soft_placement=True) or "
            f"gf.Session(device='cpu') runs it on the CPU. Built at {operation.site}.")


def _other(device: str, number: int | None) -> bool:
    """Whether a device string names a GPU, and not this one."""
    found = _GPU.search(device)
    return found is not None and (
        number is None or found[1] not in (None, "*", str(number)))


def fed_values(values: Sequence[Any], placement: Placement) -> Sequence[Any]:
    """What is fed to a session on a GPU: what lies there already becomes a `DeviceArray`."""
    for value in values:
        if type(value) is not np.ndarray:
            break
    else:
        return values
    from graphflow.runtime.cuda.interchange import taken

    return [taken(value, placement[1]) for value in values]


def fed_dict(feed_dict: Any, placement: Placement | None) -> Any:
    """A feed_dict with what lies on the session's GPU as `DeviceArray`s."""
    if placement is None or not isinstance(feed_dict, Mapping):
        return feed_dict
    return dict(zip(feed_dict, fed_values(list(feed_dict.values()), placement)))


def log_placement(placement: Placement | None) -> None:
    """What `ConfigProto(log_device_placement=True)` prints."""
    context = None if placement is None else placement[1]
    where = CPU if context is None else f"{context.device_name} ({context.driver.name})"
    print(f"graphflow: all operations of this session that have kernels run on {where}.",
          file=sys.stderr)


def _say(message: str) -> None:
    if message not in _told:
        _told.add(message)
        print(message, file=sys.stderr)
