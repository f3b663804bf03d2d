"""What other libraries hold on a GPU becomes a `FedArray`, without a copy."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphflow.errors import FeedError
from graphflow.runtime.cuda.array import DeviceArray, FedArray
from graphflow.runtime.cuda.context import Context
from graphflow.runtime.cuda.dlpack import CUDA, Taken, in_order

_PLAIN = (np.ndarray, np.generic, int, float, list, tuple, str, bytes)


def taken(value: Any, context: Context) -> Any:
    """A value as it is fed: a `FedArray` if it lies on this GPU, else the value itself.

    `DeviceArray`s of other sessions, arrays with `__cuda_array_interface__` and with `__dlpack__`
    are taken without a copy; our stream waits for theirs. Raises FeedError for arrays on another
    GPU, and for those whose elements do not lie in order.
    """
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, DeviceArray):
        if value.context is not context:
            return _of_other_session(value, context)
        return FedArray(context, value.shape, value.dtype, value.buffer, value.address)
    described = getattr(value, "__cuda_array_interface__", None)
    if described is not None:
        return _described(value, described, context)
    device = getattr(value, "__dlpack_device__", None)
    if device is not None and hasattr(value, "__dlpack__") and device()[0] == CUDA:
        return _packed(value, int(device()[1]), context)
    return value


def _of_other_session(value: DeviceArray, context: Context) -> FedArray:
    other = value.context
    _same_device(other.driver.number, context)
    context.driver.stream_wait(context.stream, other.driver.record(other.stream))
    return FedArray(context, value.shape, value.dtype, value, value.address)


def _described(value: Any, described: dict[str, Any], context: Context) -> FedArray:
    """An array by `__cuda_array_interface__`."""
    shape, dtype = tuple(described["shape"]), np.dtype(described["typestr"])
    strides = described.get("strides")
    if strides is not None and not in_order(shape, [s // dtype.itemsize for s in strides]):
        raise _gaps(value)
    stream = described.get("stream")
    if stream is not None:
        driver = context.driver
        driver.stream_wait(context.stream, driver.record(driver.stream_of(stream)))
    return FedArray(context, shape, dtype, value, described["data"][0])


def _packed(value: Any, number: int, context: Context) -> FedArray:
    """An array by DLPack."""
    _same_device(number, context)
    tensor = Taken(value.__dlpack__(stream=context.driver.stream_number(context.stream)))
    if not tensor.contiguous:
        raise _gaps(value)
    return FedArray(context, tensor.shape, tensor.dtype, tensor, tensor.address)


def _same_device(number: int, context: Context) -> None:
    if number != context.driver.number:
        raise FeedError(f"Session.run: cannot feed an array on GPU {number}: the session runs on "
                        f"{context.device_name}. Copy it there first.")


def _gaps(value: Any) -> FeedError:
    return FeedError(f"Session.run: cannot feed a {type(value).__name__} whose elements do not "
                     "lie in order without gaps. Make it contiguous first.")
