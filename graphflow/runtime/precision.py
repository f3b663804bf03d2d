"""Whether float32 products may round their factors to TF32, where a GPU is faster then.

TF32 keeps 10 bits behind the point of a factor (float32: 23) and the range of float32; products
are summed in float32. On the CPU it makes no difference.
"""

from __future__ import annotations

from graphflow.options import Options

_allowed = False


def enable_tensor_float_32_execution(enabled: bool) -> None:
    """Allows TF32 in sessions on a GPU that are made from now on, or forbids it (the default).

    `Options(tensor_float_32=…)` decides it for one session.
    """
    global _allowed
    _allowed = bool(enabled)


def tensor_float_32_execution_enabled() -> bool:
    """Whether sessions on a GPU that are made now may use TF32."""
    return _allowed


def rounds_to_tensor_float_32(options: Options) -> bool:
    """Whether a session with these options may."""
    return _allowed if options.tensor_float_32 is None else options.tensor_float_32
