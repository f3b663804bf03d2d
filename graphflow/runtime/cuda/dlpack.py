"""DLPack without a copy: capsules of our arrays, and arrays over the capsules of others.

The structures are those of `dlpack.h`, version 0 (`DLManagedTensor`), which every library reads.
"""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any

import numpy as np

from graphflow.dtypes import DType, as_dtype

if TYPE_CHECKING:
    from graphflow.runtime.cuda.array import DeviceArray

CPU, CUDA = 1, 2
_CODES = {"i": 0, "u": 1, "f": 2, "c": 5, "b": 6}
_BFLOAT16 = 4
_NAME = b"dltensor"


class _Device(ctypes.Structure):
    _fields_ = [("kind", ctypes.c_int32), ("number", ctypes.c_int32)]


class _Type(ctypes.Structure):
    _fields_ = [("code", ctypes.c_uint8), ("bits", ctypes.c_uint8), ("lanes", ctypes.c_uint16)]


class _Tensor(ctypes.Structure):
    _fields_ = [("data", ctypes.c_void_p), ("device", _Device), ("ndim", ctypes.c_int32),
                ("dtype", _Type), ("shape", ctypes.POINTER(ctypes.c_int64)),
                ("strides", ctypes.POINTER(ctypes.c_int64)), ("byte_offset", ctypes.c_uint64)]


class _Managed(ctypes.Structure):
    pass


_Deleter = ctypes.CFUNCTYPE(None, ctypes.POINTER(_Managed))
_Managed._fields_ = [("tensor", _Tensor), ("context", ctypes.c_void_p), ("deleter", _Deleter)]

_api = ctypes.pythonapi
_Destructor = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
_new = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p, ctypes.c_char_p, _Destructor)(
    ("PyCapsule_New", _api))
_pointer = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)(
    ("PyCapsule_GetPointer", _api))
_rename = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.py_object, ctypes.c_char_p)(
    ("PyCapsule_SetName", _api))
_raw_pointer = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_char_p)(
    ("PyCapsule_GetPointer", _api))
_raw_is = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p)(
    ("PyCapsule_IsValid", _api))
_USED = b"used_dltensor"

_given: dict[int, Any] = {}  # what the users of our capsules still need


def _give_back(managed: Any) -> None:
    """The user of a capsule needs the memory no more."""
    _given.pop(ctypes.addressof(managed.contents), None)


def _give_unused_back(capsule: int) -> None:
    """A capsule is gone; what nobody has taken out of it goes too."""
    if _raw_is(capsule, _NAME):
        _given.pop(_raw_pointer(capsule, _NAME), None)


_delete = _Deleter(_give_back)
_unused = _Destructor(_give_unused_back)


def capsule_of(array: DeviceArray) -> Any:
    """A capsule over the memory of an array, which lives as long as somebody uses it.

    Raises BufferError for element types that DLPack has not.
    """
    managed = _Managed()
    shape = (ctypes.c_int64 * max(array.ndim, 1))(*array.shape)
    tensor = managed.tensor
    tensor.data, tensor.ndim = array.address, array.ndim
    tensor.device = _Device(*array.__dlpack_device__())
    tensor.dtype = _type_of(as_dtype(array.dtype))
    tensor.shape = ctypes.cast(shape, ctypes.POINTER(ctypes.c_int64))
    managed.deleter = _delete
    address = ctypes.addressof(managed)
    _given[address] = (managed, shape, array)
    return _new(address, _NAME, _unused)


def _type_of(dtype: DType) -> _Type:
    kind = dtype.numpy.kind
    if dtype.name == "bfloat16":
        return _Type(_BFLOAT16, 16, 1)
    if kind not in _CODES:
        raise BufferError(f"DLPack has no {dtype.name}.")
    return _Type(_CODES[kind], 8 * dtype.size, 1)


class Taken:
    """A tensor that another library gave in a capsule; given back when nobody needs it.

    Attributes:
      address, shape, dtype: of the elements.
      contiguous: whether they lie in order without gaps.
    """

    def __init__(self, capsule: Any) -> None:
        """Raises BufferError for element types that graphflow has not."""
        self._managed = _Managed.from_address(_pointer(capsule, _NAME))
        tensor = self._managed.tensor
        self.shape = tuple(tensor.shape[k] for k in range(tensor.ndim))
        self.dtype = _dtype_of(tensor.dtype)
        self.address = (tensor.data or 0) + tensor.byte_offset
        strides = tensor.strides
        self.contiguous = not strides or in_order(
            self.shape, [strides[k] for k in range(tensor.ndim)])
        _rename(capsule, _USED)

    def __del__(self) -> None:
        managed = getattr(self, "_managed", None)
        if managed is not None and managed.deleter:
            managed.deleter(ctypes.pointer(managed))


def _dtype_of(kind: _Type) -> np.dtype:
    letters = {code: letter for letter, code in _CODES.items()}
    if kind.lanes == 1 and kind.code == _BFLOAT16 and kind.bits == 16:
        return as_dtype("bfloat16").numpy
    if kind.lanes != 1 or kind.code not in letters:
        raise BufferError(f"an element type (code {kind.code}, {kind.bits} bits, {kind.lanes} "
                          "lanes) that graphflow does not have")
    return np.dtype(f"{letters[kind.code]}{kind.bits // 8}")


def in_order(shape: tuple[int, ...], strides: list[int]) -> bool:
    """Whether strides, counted in elements, are those of a contiguous array."""
    step = 1
    for size, stride in zip(reversed(shape), reversed(strides)):
        if size > 1 and stride != step:
            return False
        step *= size
    return True
