"""Images in files and as arrays, by Pillow."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphflow.errors import AttributeValueError, ShapeError

_MODES = {"rgb": "RGB", "rgba": "RGBA", "grayscale": "L"}


def pillow() -> Any:
    """The module PIL.Image. Raises ImportError if Pillow is not installed."""
    try:
        import PIL.Image
    except ImportError:
        raise ImportError(
            "Images in files need Pillow: pip install 'graphflow[image]'.") from None
    return PIL.Image


def load_img(
    path: Any, grayscale: bool = False, color_mode: str = "rgb",
    target_size: tuple[int, int] | None = None, interpolation: str = "nearest",
) -> Any:
    """The image in a file, as a Pillow image.

    target_size: (height, width). interpolation: nearest, bilinear, bicubic, lanczos, box, hamming.
    Raises AttributeValueError for other words, FileNotFoundError if there is no such file.
    """
    image_module = pillow()
    color_mode = "grayscale" if grayscale else color_mode
    if color_mode not in _MODES:
        raise AttributeValueError(
            f"load_img: color_mode must be one of {', '.join(_MODES)}, got {color_mode!r}.")
    image = image_module.open(path).convert(_MODES[color_mode])
    if target_size is not None:
        method = getattr(image_module.Resampling, interpolation.upper(), None)
        if method is None:
            raise AttributeValueError(f"load_img: there is no interpolation {interpolation!r}.")
        image = image.resize((target_size[1], target_size[0]), method)
    return image


def img_to_array(img: Any, data_format: str | None = None, dtype: str = "float32") -> np.ndarray:
    """A Pillow image as an array [rows, columns, channels], or channels first."""
    array = np.asarray(img, dtype)
    array = array[..., None] if array.ndim == 2 else array
    return np.moveaxis(array, -1, 0) if data_format == "channels_first" else array


def array_to_img(
    x: Any, data_format: str | None = None, scale: bool = True, dtype: str = "float32"
) -> Any:
    """An array as a Pillow image; `scale` stretches its values to 0…255.

    Raises ShapeError unless x has three axes with 1, 3 or 4 channels.
    """
    array = np.asarray(x, dtype)
    if array.ndim == 3 and data_format == "channels_first":
        array = np.moveaxis(array, 0, -1)
    if array.ndim != 3 or array.shape[-1] not in (1, 3, 4):
        raise ShapeError(f"array_to_img: an image has three axes with 1, 3 or 4 channels, got "
                         f"shape {list(array.shape)}.")
    if scale:
        array = array - array.min()
        most = array.max()
        array = array / most * 255 if most else array
    pixels = array.astype(np.uint8)
    return pillow().fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)


def save_img(
    path: Any, x: Any, data_format: str | None = None, file_format: str | None = None,
    scale: bool = True, **kwargs: Any,
) -> None:
    """Writes an array as an image file."""
    array_to_img(x, data_format, scale).save(path, format=file_format, **kwargs)
