"""Arrays on a GPU: what device sessions compute with, give away and take as feeds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from graphflow.runtime.cuda.context import Buffer, Context


class _Flags:
    """What is asked of `ndarray.flags`."""

    writeable = True
    c_contiguous = True
    aligned = True


class DeviceArray:
    """A contiguous array in a GPU's memory.

    Its elements are there when the work that makes them is done; `numpy()`, `np.asarray(…)`,
    `float(…)` wait for that. `__cuda_array_interface__` and `__dlpack__` hand the memory to other
    libraries without a copy; these wait on their own streams.

    Attributes:
      shape, dtype: as NumPy's.
      address: of the first element.
      buffer: what owns the memory: a `Buffer`, or an object of another library.
      context: the session's GPU.
    """

    __slots__ = ("__weakref__", "address", "buffer", "context", "dtype", "shape")
    flags = _Flags()
    bound = False  # whether it is a feed that a session on this GPU has accepted
    __array_priority__ = 50

    def __init__(
        self, context: Context, shape: Sequence[int], dtype: Any, buffer: Any = None,
        address: int | None = None,
    ) -> None:
        """Without `buffer`: new memory, whose elements are not set."""
        self.context, self.shape, self.dtype = context, tuple(shape), np.dtype(dtype)
        self.buffer = Buffer(context, self.room) if buffer is None else buffer
        self.address: int = self.buffer.address if address is None else address

    @classmethod
    def of(cls, context: Context, array: np.ndarray) -> DeviceArray:
        """A copy of an array of the host."""
        made = cls(context, array.shape, array.dtype)
        context.upload(made.address, np.ascontiguousarray(array))
        return made

    # ---- form -------------------------------------------------------------------------------

    @property
    def size(self) -> int:
        """The number of elements."""
        return math.prod(self.shape)

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def nbytes(self) -> int:
        """The bytes of the elements."""
        return self.size * self.dtype.itemsize

    @property
    def room(self) -> int:
        """The bytes that kernels may read: of an empty array, those of one without zeros."""
        return self.dtype.itemsize * math.prod(max(n, 1) for n in self.shape)

    def view(self, shape: Sequence[int]) -> DeviceArray:
        """The front of the same memory in another shape of as many elements or fewer."""
        return DeviceArray(self.context, shape, self.dtype, self.buffer, self.address)

    def reshape(self, *shape: Any) -> DeviceArray:
        """The same elements in another shape, which may have one -1. Raises ValueError."""
        wanted = tuple(shape[0]) if len(shape) == 1 and not isinstance(shape[0], int) else shape
        if -1 in wanted:
            rest = -math.prod(wanted) or 1
            wanted = tuple(self.size // rest if n == -1 else n for n in wanted)
        if math.prod(wanted) != self.size:
            raise ValueError(f"cannot reshape an array of shape {self.shape} into {wanted}")
        return self.view(wanted)

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of an array without axes")
        return self.shape[0]

    def __getitem__(self, at: Any) -> Any:
        """`a[:n]` and `a[()]` are views; all else is a NumPy value of the host."""
        if isinstance(at, tuple) and not at:
            return self
        if isinstance(at, slice) and self.shape and at.start in (None, 0) and (
                at.step in (None, 1)):
            stop = range(self.shape[0])[at].stop
            return self.view((stop, *self.shape[1:]))
        return self.numpy()[at]

    # ---- values -----------------------------------------------------------------------------

    def copy(self) -> DeviceArray:
        """The same elements in memory of their own, on the GPU."""
        made = DeviceArray(self.context, self.shape, self.dtype)
        self.context.driver.copy(made.address, self.address, self.nbytes, self.context.stream)
        return made

    def numpy(self) -> np.ndarray:
        """The elements on the host; waits for them."""
        made = np.empty(self.shape, self.dtype)
        self.context.download([(self.address, made)])
        return made

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if copy is False:
            raise ValueError("The elements lie on a GPU: NumPy needs a copy of them.")
        made = self.numpy()
        return made if dtype is None else made.astype(dtype, copy=False)

    def item(self) -> Any:
        """The only element as a Python number. Raises ValueError if there are more."""
        return self.numpy().item()

    def tolist(self) -> Any:
        """The elements as nested lists."""
        return self.numpy().tolist()

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __index__(self) -> int:
        return self.numpy().__index__()

    def __bool__(self) -> bool:
        return bool(self.numpy())

    def __format__(self, spec: str) -> str:
        return format(self.numpy()[()], spec)

    def __repr__(self) -> str:
        return (f"<gf.DeviceArray {list(self.shape)} {self.dtype.name} on "
                f"{self.context.device_name}>")

    # ---- other libraries --------------------------------------------------------------------

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        """Version 3 of Numba's CUDA array interface; users order their work after our stream."""
        context = self.context
        return {"shape": self.shape, "typestr": self.dtype.str, "version": 3, "strides": None,
                "data": (self.address if self.size else 0, False),
                "stream": context.driver.stream_number(context.stream)}

    def __dlpack_device__(self) -> tuple[int, int]:
        from graphflow.runtime.cuda.dlpack import CUDA

        return CUDA, self.context.driver.number

    def __dlpack__(self, *, stream: int | None = None, **wishes: Any) -> Any:
        """A DLPack capsule over the same memory. stream: on which it will be used.

        Raises BufferError for other devices than this one, and for copies.
        """
        from graphflow.runtime.cuda.dlpack import capsule_of

        wanted = wishes.get("dl_device") or self.__dlpack_device__()
        if wishes.get("copy") or tuple(wanted) != self.__dlpack_device__():
            raise BufferError("A DeviceArray gives its own memory, on its own device, only.")
        if stream != -1:  # -1: the user takes care of the order
            driver = self.context.driver
            driver.stream_wait(driver.stream_of(stream or 0), driver.record(self.context.stream))
        return capsule_of(self)


class FedArray(DeviceArray):
    """A feed, over memory of this session, of another one or of another library."""

    __slots__ = ()
    bound = True
