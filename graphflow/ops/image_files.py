"""Image files: decoding and encoding PNG, JPEG, BMP and GIF through Pillow, as steps in Python.

Pillow comes with the extra `image`: `pip install graphflow[image]`.
"""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import F, apply, convert, op_function
from graphflow.dtypes import as_dtype
from graphflow.errors import (
    AttributeValueError,
    DTypeError,
    InvalidArgumentError,
    ShapeError,
    UnimplementedError,
)
from graphflow.lowering import Host
from graphflow.opdef import (
    Attr,
    ErrorSample,
    Infer,
    NotDifferentiable,
    RunError,
    Sample,
    TensorType,
)
from graphflow.ops.arguments import failure, typed
from graphflow.ops.declare import declare
from graphflow.shapes import SCALAR, UNKNOWN_SHAPE, TensorShape

_STRINGS = NotDifferentiable("files have no gradient")
_MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}
_PIXELS = (dt.uint8, dt.uint16)
_JPEG = b"\xff\xd8\xff"


def _pillow() -> Any:
    """The module PIL.Image. Raises RunError if Pillow is not installed."""
    try:
        import PIL.Image
    except ImportError as error:
        raise RunError(
            UnimplementedError, "image files need Pillow, which is not installed",
            "Run `pip install graphflow[image]`.") from error
    return PIL.Image


def _opened(contents: np.ndarray, formats: tuple[str, ...] | None = None) -> Any:
    image_module = _pillow()
    data: bytes = contents.item()
    try:
        image = image_module.open(io.BytesIO(data), formats=formats)
        image.load()
    except Exception as error:  # Pillow's decoders raise many kinds
        known = "an image file" if formats is None else f"{' or '.join(formats)} data"
        start = data[:8]
        raise RunError(InvalidArgumentError,
                       f"contents ({len(data)} bytes, beginning {start!r}) are not {known} that "
                       f"can be read: {error}") from error
    return image


def _array(image: Any, channels: int, dtype: Any) -> np.ndarray:
    """[h, w, channels] of uint8 or uint16; 0 channels: as many as the file has."""
    wide = image.mode.startswith("I;16") or image.mode == "I"
    if wide and channels in (0, 1):
        array = np.asarray(image).astype(np.uint16)[..., None]
        return array if dtype is dt.uint16 else (array >> 8).astype(np.uint8)
    if channels == 0:
        own = {"1": 1, "L": 1, "LA": 2, "RGB": 3, "RGBA": 4, "P": 3, "CMYK": 3, "YCbCr": 3,
               "PA": 4}
        channels = own.get(image.mode, 3)
        if image.mode == "P" and "transparency" in image.info:
            channels = 4
    array = np.array(image.convert(_MODES[channels]))
    array = array.reshape(*array.shape[:2], channels)
    return array if dtype is dt.uint8 else array.astype(np.uint16) * np.uint16(257)


def _image_type(c: Infer) -> list[TensorType]:
    c.require_rank(0, 0)
    channels = c.attrs["channels"]
    return [TensorType(c.attrs.get("dtype", dt.uint8),
                       TensorShape([None, None, channels or None]))]


def _decode_png(contents: np.ndarray, channels: int, dtype: Any) -> np.ndarray:
    return _array(_opened(contents), channels, dtype)  # any format, as TensorFlow's


def _decode_jpeg(contents: np.ndarray, channels: int, ratio: int) -> np.ndarray:
    image = _opened(contents)
    if ratio > 1:
        image = image.reduce(ratio)
    return _array(image, channels, dt.uint8)


def _decode_bmp(contents: np.ndarray, channels: int) -> np.ndarray:
    return _array(_opened(contents, ("BMP",)), channels, dt.uint8)


def _decode_gif(contents: np.ndarray) -> np.ndarray:
    image = _opened(contents, ("GIF",))
    frames = []
    for number in range(getattr(image, "n_frames", 1)):
        image.seek(number)
        frames.append(_array(image.convert("RGB"), 3, dt.uint8))
    return np.stack(frames)


def _decode_any(
    contents: np.ndarray, channels: int, dtype: Any, expand_animations: bool
) -> np.ndarray:
    if expand_animations and contents.item()[:4] == b"GIF8":
        return _decode_gif(contents).astype(dtype.numpy)
    return _array(_opened(contents), channels, dtype)


def _encoded(image: np.ndarray, kind: str, **options: Any) -> np.ndarray:
    out = io.BytesIO()
    _pillow().fromarray(image).save(out, kind, **options)
    return np.array(out.getvalue(), object)


def _encode_png(image: np.ndarray, compression: int) -> np.ndarray:
    channels = image.shape[-1]
    level = {} if compression < 0 else {"compress_level": compression}
    if image.dtype == np.uint16:
        if channels != 1:
            raise RunError(UnimplementedError, f"16-bit PNG files have 1 channel here, got image "
                                               f"{list(image.shape)}", "Cast it to uint8.")
        return _encoded(np.ascontiguousarray(image[..., 0]), "PNG", **level)
    plane = image[..., 0] if channels == 1 else image
    return _encoded(np.ascontiguousarray(plane), "PNG", **level)


def _encode_jpeg(
    image: np.ndarray, format: str, quality: int, progressive: bool, optimize_size: bool,
    chroma_downsampling: bool, density: tuple[int, int],
) -> np.ndarray:
    channels = image.shape[-1]
    wanted = {"": channels, "grayscale": 1, "rgb": 3}[format]
    if channels not in (1, 3) or wanted != channels:
        raise RunError(InvalidArgumentError, f"image {list(image.shape)} has {channels} channels; "
                                             f"format {format!r} takes {wanted}")
    plane = image[..., 0] if channels == 1 else image
    return _encoded(
        np.ascontiguousarray(plane), "JPEG", quality=quality,
        progressive=progressive, optimize=optimize_size, dpi=density,
        **({} if channels == 1 else {"subsampling": 2 if chroma_downsampling else 0}))


def _jpeg_shape(contents: np.ndarray, output_type: Any) -> np.ndarray:
    image = _opened(contents, ("JPEG",))
    return np.array([image.height, image.width, len(image.getbands())], output_type.numpy)


# ---- declarations ----------------------------------------------------------------------------

_CHANNELS = Attr("int", 0, choices=(0, 1, 2, 3, 4))
_HOST = Host(effect=False)


def _rank_error(what: str) -> Any:
    return lambda: [ErrorSample((typed(dt.string, 2),), {}, ShapeError, f"{what} must have rank")]


DECODE_PNG = declare(
    "DecodePng", "contents: string",
    attrs={"channels": _CHANNELS, "dtype": Attr("dtype", dt.uint8, choices=_PIXELS)},
    infer=_image_type, reference=_decode_png, grad=_STRINGS, lowering=_HOST,
    errors=_rank_error("contents"))

DECODE_JPEG = declare(
    "DecodeJpeg", "contents: string",
    attrs={"channels": _CHANNELS, "ratio": Attr("int", 1, choices=(1, 2, 4, 8))},
    infer=_image_type, reference=_decode_jpeg, grad=_STRINGS, lowering=_HOST,
    errors=_rank_error("contents"))

DECODE_BMP = declare(
    "DecodeBmp", "contents: string", attrs={"channels": _CHANNELS}, infer=_image_type,
    reference=_decode_bmp, grad=_STRINGS, lowering=_HOST, errors=_rank_error("contents"))

DECODE_GIF = declare(
    "DecodeGif", "contents: string",
    infer=lambda c: [TensorType(dt.uint8, TensorShape([None, None, None, 3]))],
    reference=_decode_gif, grad=_STRINGS, lowering=_HOST)

DECODE_IMAGE = declare(
    "DecodeImage", "contents: string",
    attrs={"channels": _CHANNELS, "dtype": Attr("dtype", dt.uint8, choices=_PIXELS),
           "expand_animations": Attr("bool", True)},
    infer=lambda c: [TensorType(c.attrs["dtype"], UNKNOWN_SHAPE if c.attrs["expand_animations"]
                                else TensorShape([None, None, c.attrs["channels"] or None]))],
    reference=_decode_any, grad=_STRINGS, lowering=_HOST)


def _encode_type(c: Infer) -> list[TensorType]:
    c.require_rank(0, 3)
    if c.shape(0).rank is not None:
        channels = c.shape(0).sizes[2]
        if isinstance(channels, int) and channels not in _MODES:
            raise c.error(f"image must have 1 to 4 channels, got {c.show(0)}")
    return [TensorType(dt.string, SCALAR)]


ENCODE_PNG = declare(
    "EncodePng", "image: T", attrs={"compression": Attr("int", -1)}, infer=_encode_type,
    reference=_encode_png, grad=_STRINGS, lowering=_HOST,
    errors=lambda: [
        ErrorSample((typed(dt.uint8, 2, 2),), {}, ShapeError, "image must have rank 3"),
        ErrorSample((typed(dt.uint8, 2, 2, 5),), {}, ShapeError, "1 to 4 channels")], T=_PIXELS)

ENCODE_JPEG = declare(
    "EncodeJpeg", "image: uint8",
    attrs={"format": Attr("str", "", choices=("", "grayscale", "rgb")),
           "quality": Attr("int", 95), "progressive": Attr("bool", False),
           "optimize_size": Attr("bool", False), "chroma_downsampling": Attr("bool", True),
           "density": Attr("ints", (300, 300))},
    infer=_encode_type, reference=_encode_jpeg, grad=_STRINGS, lowering=_HOST,
    errors=lambda: [
        ErrorSample((typed(dt.uint8, 2, 2),), {}, ShapeError, "image must have rank 3"),
        ErrorSample((typed(dt.uint8, 2, 2, 3),), {"format": "cmyk"}, AttributeValueError,
                    "format must be one of")])

IS_JPEG = declare(
    "IsJpeg", "contents: string", infer=lambda c: [TensorType(dt.bool_, c.shape(0))],
    reference=lambda contents: np.array(
        [c[:3] == _JPEG for c in contents.ravel()], bool).reshape(contents.shape),
    grad=_STRINGS, lowering=_HOST,
    samples=lambda: [Sample((np.array([b"\xff\xd8\xff\xe0", b"GIF89a"], object),), grad=False),
                     Sample((np.zeros(0, object),), grad=False)])

EXTRACT_JPEG_SHAPE = declare(
    "ExtractJpegShape", "contents: string",
    attrs={"output_type": Attr("dtype", dt.int32, choices=dt.INDICES)},
    infer=lambda c: [TensorType(c.attrs["output_type"], TensorShape([3]))],
    reference=_jpeg_shape, grad=_STRINGS, lowering=_HOST)


# ---- public functions ------------------------------------------------------------------------


@op_function
def decode_png(
    contents: Any, channels: int = 0, dtype: Any = dt.uint8, name: str | None = None
) -> Any:
    """A PNG file (or another that Pillow reads) as an image [h, w, channels].

    contents: string scalar; channels: 0 as in the file, 1 gray, 2 gray and alpha, 3 RGB, 4 RGBA;
    dtype: uint8 or uint16. Raises InvalidArgumentError at run time for other contents,
    UnimplementedError if Pillow is not installed.
    """
    return apply(DECODE_PNG, (contents,), {"channels": channels or 0, "dtype": as_dtype(dtype)},
                 name=name)


@op_function
def decode_jpeg(
    contents: Any, channels: int = 0, ratio: int = 1, fancy_upscaling: bool = True,
    try_recover_truncated: bool = False, acceptable_fraction: float = 1, dct_method: str = "",
    name: str | None = None,
) -> Any:
    """A JPEG file (or another that Pillow reads) as an image uint8 [h, w, channels].

    ratio: 1, 2, 4 or 8: how much smaller it becomes. The arguments after it are accepted and have
    no effect: Pillow's decoder decides. Raises as `decode_png`.
    """
    return apply(DECODE_JPEG, (contents,), {"channels": channels or 0, "ratio": ratio}, name=name)


@op_function
def decode_and_crop_jpeg(
    contents: Any, crop_window: Any, channels: int = 0, ratio: int = 1,
    fancy_upscaling: bool = True, try_recover_truncated: bool = False,
    acceptable_fraction: float = 1, dct_method: str = "", name: str | None = None,
) -> Any:
    """`decode_jpeg`, and of it the window [y, x, height, width]."""
    image = decode_jpeg(contents, channels, ratio)
    y, x, height, width = F.unstack(F.cast(convert(crop_window), dt.int32), 4)
    return F.slice(image, F.stack([y, x, 0]), F.stack([height, width, -1]), name=name)


@op_function
def decode_bmp(contents: Any, channels: int = 0, name: str | None = None) -> Any:
    """A BMP file as an image uint8 [h, w, channels]. Raises as `decode_png`."""
    return apply(DECODE_BMP, (contents,), {"channels": channels or 0}, name=name)


@op_function
def decode_gif(contents: Any, name: str | None = None) -> Any:
    """All frames of a GIF file: uint8 [frames, h, w, 3]. Raises as `decode_png`."""
    return apply(DECODE_GIF, (contents,), name=name)


@op_function
def decode_image(
    contents: Any, channels: int | None = None, dtype: Any = dt.uint8, name: str | None = None,
    expand_animations: bool = True,
) -> Any:
    """A PNG, JPEG, BMP or GIF file, whichever it is: [h, w, channels], GIF [frames, h, w, 3].

    expand_animations: if False, the first frame of a GIF file, with a known rank. dtype: uint8,
    uint16, or a float type (values in [0, 1]). Raises as `decode_png`.
    """
    dtype = as_dtype(dtype)
    if dtype not in (*_PIXELS, dt.float16, dt.float32, dt.float64):
        raise failure("DecodeImage", name, f"dtype must be uint8, uint16 or a float type, got "
                                           f"{dtype.name}", cls=DTypeError)
    stored = dtype if dtype in _PIXELS else dt.uint16
    image = apply(DECODE_IMAGE, (contents,), {
        "channels": channels or 0, "dtype": stored, "expand_animations": expand_animations},
        name=name)
    return F.convert_image_dtype(image, dtype) if dtype is not stored else image


@op_function
def encode_png(image: Any, compression: int = -1, name: str | None = None) -> Any:
    """An image [h, w, 1 to 4] of uint8 (or [h, w, 1] of uint16) as the bytes of a PNG file.

    compression: 0 to 9, −1 for the usual one. Raises ShapeError; UnimplementedError as above.
    """
    return apply(ENCODE_PNG, (image,), {"compression": compression}, name=name)


@op_function
def encode_jpeg(
    image: Any, format: str = "", quality: int = 95, progressive: bool = False,
    optimize_size: bool = False, chroma_downsampling: bool = True, density_unit: str = "in",
    x_density: int = 300, y_density: int = 300, xmp_metadata: str = "", name: str | None = None,
) -> Any:
    """An image uint8 [h, w, 1 or 3] as the bytes of a JPEG file.

    format: `grayscale`, `rgb`, or empty: as the channels say; quality: 0 to 100. density_unit is
    taken for inches, and xmp_metadata is left out. Raises ShapeError, AttributeValueError.
    """
    attrs = {"format": format, "quality": quality, "progressive": progressive,
             "optimize_size": optimize_size, "chroma_downsampling": chroma_downsampling,
             "density": (x_density, y_density)}
    return apply(ENCODE_JPEG, (image,), attrs, name=name)


@op_function
def is_jpeg(contents: Any, name: str | None = None) -> Any:
    """Whether a string begins as JPEG files do."""
    return apply(IS_JPEG, (contents,), name=name)


@op_function
def extract_jpeg_shape(
    contents: Any, output_type: Any = dt.int32, name: str | None = None
) -> Any:
    """[height, width, channels] of a JPEG file."""
    return apply(EXTRACT_JPEG_SHAPE, (contents,), {"output_type": as_dtype(output_type)},
                 name=name)
