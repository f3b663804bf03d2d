"""Arguments that layers over images share: windows, padding, the place of the channels."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from graphflow.errors import AttributeValueError


def checked_data_format(layer: str, data_format: str | None) -> str:
    """"channels_last" (the default) or "channels_first". Raises AttributeValueError otherwise."""
    chosen = "channels_last" if data_format is None else str(data_format).lower()
    if chosen not in ("channels_last", "channels_first"):
        raise AttributeValueError(
            f"Layer {layer}: data_format must be 'channels_last' or 'channels_first', got "
            f"{data_format!r}.")
    return chosen


def checked_padding(layer: str, padding: str, causal: bool = False) -> str:
    """The padding in lower case. Raises AttributeValueError if there is none of that name."""
    allowed = ("valid", "same", "causal") if causal else ("valid", "same")
    if str(padding).lower() not in allowed:
        raise AttributeValueError(
            f"Layer {layer}: padding must be one of {', '.join(allowed)}, got {padding!r}.")
    return str(padding).lower()


def per_axis(layer: str, value: Any, axes: int, what: str) -> tuple[int, ...]:
    """An int, or one positive int for each of `axes` axes, as a tuple.

    Raises AttributeValueError (a ValueError) for anything else.
    """
    values = tuple(value) if isinstance(value, Iterable) and not isinstance(
        value, str) else (value,) * axes
    try:
        ints = tuple(int(v) for v in values)
    except (TypeError, ValueError):
        ints = ()
    if len(ints) != axes or any(v < 1 for v in ints):
        noun = "a positive integer" if axes == 1 else f"a positive integer or {axes} of them"
        raise AttributeValueError(f"Layer {layer}: {what} must be {noun}, got {value!r}.")
    return ints


def channels_axis(data_format: str) -> int:
    """The channels' axis: 1 or −1."""
    return 1 if data_format == "channels_first" else -1


def layout_name(data_format: str, axes: int) -> str:
    """The op's name of a layout, such as "NHWC"."""
    space = "DHW"[-axes:]
    return f"NC{space}" if data_format == "channels_first" else f"N{space}C"


def output_length(
    length: int | None, window: int, padding: str, stride: int, dilation: int = 1
) -> int | None:
    """How many windows there are along an axis; None if its length is unknown."""
    if length is None:
        return None
    spread = window + (window - 1) * (dilation - 1)
    fits = length if padding in ("same", "causal") else length - spread + 1
    return (fits + stride - 1) // stride


def transposed_length(length: Any, window: int, padding: str, stride: int) -> Any:
    """The length whose convolution has `length` outputs; numbers and tensors alike."""
    return length * stride + (max(window - stride, 0) if padding == "valid" else 0)
