"""Defaults of Keras: the type of floats, the fuzz factor, the layout of images."""

from __future__ import annotations

from typing import Any

from graphflow.errors import AttributeValueError

_settings: dict[str, Any] = {
    "floatx": "float32", "epsilon": 1e-7, "image_data_format": "channels_last"}


def floatx() -> str:
    """The name of the default type of floats: "float32" unless set."""
    return _settings["floatx"]


def set_floatx(value: str) -> None:
    """Sets the default type of floats. Raises AttributeValueError for another type's name."""
    if value not in ("float16", "float32", "float64", "bfloat16"):
        raise AttributeValueError(f"Unknown floatx type: {value!r}.")
    _settings["floatx"] = str(value)


def epsilon() -> float:
    """The small number that keeps logarithms and quotients finite: 1e-7 unless set."""
    return _settings["epsilon"]


def set_epsilon(value: float) -> None:
    """Sets `epsilon()`."""
    _settings["epsilon"] = float(value)


def image_data_format() -> str:
    """The default layout of images: "channels_last" unless set."""
    return _settings["image_data_format"]


def set_image_data_format(data_format: str) -> None:
    """Sets the layout of images. Raises AttributeValueError for another name."""
    if data_format not in ("channels_last", "channels_first"):
        raise AttributeValueError(f"Unknown data_format: {data_format!r}.")
    _settings["image_data_format"] = str(data_format)


def normalize_data_format(value: str | None) -> str:
    """"channels_last" or "channels_first"; the default for None."""
    chosen = image_data_format() if value is None else str(value).lower()
    if chosen not in ("channels_last", "channels_first"):
        raise AttributeValueError(
            "The `data_format` argument must be one of 'channels_first', 'channels_last'. "
            f"Received: {value!r}.")
    return chosen


def backend() -> str:
    """The name of what computes: "tensorflow", whose programs this speaks."""
    return "tensorflow"
