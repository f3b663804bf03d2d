"""`tf.io`: files, and what is in them."""

from graphflow import gfile
from graphflow.ops.files import matching_files, read_file, write_file
from graphflow.ops.image_files import (
    decode_and_crop_jpeg,
    decode_bmp,
    decode_gif,
    decode_image,
    decode_jpeg,
    decode_png,
    encode_jpeg,
    encode_png,
    extract_jpeg_shape,
    is_jpeg,
)
from graphflow.ops.string_parsing import decode_csv, decode_raw

__all__ = [
    "decode_and_crop_jpeg", "decode_bmp", "decode_csv", "decode_gif", "decode_image",
    "decode_jpeg", "decode_png", "decode_raw", "encode_jpeg", "encode_png", "extract_jpeg_shape",
    "gfile",
    "is_jpeg", "matching_files", "read_file", "write_file",
]
