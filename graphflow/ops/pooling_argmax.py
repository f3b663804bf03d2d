"""`max_pool_with_argmax`: the largest element of each window and where it stands in the image."""

from __future__ import annotations

from collections import namedtuple
from typing import Any

from graphflow import dtypes as dt
from graphflow.builder import F, apply, convert, op_function
from graphflow.dtypes import as_dtype
from graphflow.errors import DTypeError
from graphflow.ops.arguments import failure, renamed
from graphflow.ops.convolution_geometry import spatial_numbers, window_attrs
from graphflow.ops.scope import scope

MaxPoolWithArgmax = namedtuple("MaxPoolWithArgmax", ["output", "argmax"])


@op_function
def max_pool_with_argmax(
    input: Any, ksize: Any, strides: Any, padding: str, data_format: str | None = "NHWC",
    Targmax: Any = None, name: str | None = None, output_dtype: Any = None,
    include_batch_in_index: bool = False,
) -> Any:
    """`max_pool` of NHWC images, and the place of each largest element: (output, argmax).

    argmax: int64 (or int32 by Targmax, also called output_dtype), (row · width + column) ·
    channels + channel, to which include_batch_in_index adds the images before. Of equal elements
    the first counts. Arguments and errors otherwise as in `max_pool`; only "NHWC", "SAME" and
    "VALID" are known, as in TensorFlow.
    """
    op = "MaxPoolWithArgmax"
    kind = as_dtype(renamed(op, "output_dtype", output_dtype, "Targmax", Targmax) or dt.int64)
    if kind not in dt.INDICES:
        raise failure(op, name, f"output_dtype must be int32 or int64, got {kind.name}",
                      cls=DTypeError)
    if data_format not in (None, "NHWC") or padding not in ("SAME", "VALID"):
        raise failure(op, name, "data_format must be 'NHWC' and padding 'SAME' or 'VALID', got "
                                f"{data_format!r} and {padding!r}")
    attrs = window_attrs(op, name, strides, padding, "NHWC")
    attrs["ksize"] = spatial_numbers(op, name, "ksize", ksize, "NHWC")
    with scope(name, op):
        x = convert(input)
        output = F.max_pool(x, attrs["ksize"], attrs["strides"], padding)
        position = F.cast(apply("MaxPoolPosition", (x,), attrs), kind)
        return MaxPoolWithArgmax(output, _places(x, output, position, attrs, kind,
                                                 include_batch_in_index))


def _places(
    x: Any, output: Any, position: Any, attrs: dict[str, Any], kind: Any, whole: bool
) -> Any:
    """Positions inside windows as positions in the image (in the batch, if `whole`)."""
    batch, height, width, channels = F.unstack(F.shape(x, out_type=kind), 4)
    _, rows, columns, _ = F.unstack(F.shape(output, out_type=kind), 4)
    (kh, kw), (sh, sw) = attrs["ksize"], attrs["strides"]
    row = position // kw + _starts(rows, height, kh, sh, attrs["padding"], kind)[:, None, None]
    column = position % kw + _starts(columns, width, kw, sw, attrs["padding"], kind)[:, None]
    place = (row * width + column) * channels + F.range(channels)
    if whole:
        size = height * width * channels
        place = place + F.reshape(F.range(batch) * size, [-1, 1, 1, 1])
    return place


def _starts(count: Any, size: Any, window: int, stride: int, padding: str, kind: Any) -> Any:
    """Where each window along one axis starts; before 0 where it starts in the padding."""
    starts = F.range(count) * stride
    if padding == "VALID":
        return starts
    reach = (count - 1) * stride + window - size
    return starts - F.maximum(reach, F.zeros([], kind)) // 2
