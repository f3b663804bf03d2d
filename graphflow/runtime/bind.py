"""Binding: fed values become arrays of the right type and shape, or a clear error."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from graphflow.dims import Dim, SymDim, symbol, symbol_name
from graphflow.dtypes import DType, array_dtype, can_feed, to_array
from graphflow.errors import FeedError, GraphError, GraphflowError
from graphflow.graph import Graph
from graphflow.indexed_slices import IndexedSlices
from graphflow.opdef import TensorType
from graphflow.runtime.fetch import IndexedSlicesValue
from graphflow.shapes import TensorShape
from graphflow.sparse_tensor import SparseTensor
from graphflow.tensor import Operation, Tensor


def resolve_feed_key(graph: Graph, key: Any) -> Tensor:
    """The tensor that a feed_dict key stands for. Raises FeedError."""
    try:
        element = graph.as_graph_element(key)
    except GraphError as error:
        raise FeedError(
            f"Session.run: cannot use {key!r} as a feed_dict key. {error}") from None
    except GraphflowError:
        raise FeedError(
            f"Session.run: the feed_dict key {key!r} ({type(key).__name__}) is not a tensor of "
            "the graph. Use the placeholder itself, or its name 'x:0', as the key."
        ) from None
    if isinstance(element, Operation):
        if len(element.outputs) != 1:
            raise FeedError(f"Session.run: operation '{element.name}' cannot be fed.")
        element = element.outputs[0]
    if not graph.is_feedable(element):
        raise FeedError(f"Session.run: {element!r} may not be fed (Graph.prevent_feeding).")
    return element


def bind_feeds(graph: Graph, feed_dict: Any) -> dict[Tensor, np.ndarray]:
    """Tensor → array for all entries of a feed_dict. Raises FeedError."""
    if feed_dict is None:
        return {}
    if not isinstance(feed_dict, Mapping):
        raise FeedError(
            f"Session.run: feed_dict must be a dict from tensors to values, got "
            f"{type(feed_dict).__name__}."
        )
    bound = {}
    for key, value in _flat(feed_dict.items()):
        tensor = resolve_feed_key(graph, key)
        bound[tensor] = bind_value(tensor, value)
    return bound


def _flat(entries: Iterable[tuple[Any, Any]]) -> Iterator[tuple[Any, Any]]:
    """The entries; a tuple of keys, an IndexedSlices or a SparseTensor takes as many values."""
    for key, value in entries:
        if isinstance(key, IndexedSlices):
            key = tuple(k for k in (key.values, key.indices, key.dense_shape) if k is not None)
        elif isinstance(key, SparseTensor):
            if not isinstance(value, (tuple, list)):
                raise FeedError(
                    f"Session.run: cannot feed {type(value).__name__} for {key!r}. Feed a "
                    "gf.SparseTensorValue, or a tuple (indices, values, dense_shape)."
                )
            key = (key.indices, key.values, key.dense_shape)
        if not isinstance(key, tuple):
            yield key, value
            continue
        values = list(value) if isinstance(value, (tuple, list, np.ndarray)) else [value]
        values = values[:len(key)] if isinstance(value, IndexedSlicesValue) else values
        if len(values) != len(key):
            raise FeedError(
                f"Session.run: the feed_dict key {key!r} stands for {len(key)} tensors, but got "
                f"{len(values)} values."
            )
        yield from _flat(zip(key, values))


def bind_value(tensor: Tensor, value: Any) -> np.ndarray:
    """`value` as an array for `tensor`; the very array if it fits already. Raises FeedError."""
    if isinstance(value, (Tensor, Operation)) or hasattr(value, "as_graph_tensor"):
        raise FeedError(
            f"Session.run: cannot feed {value!r} for {_described(tensor)}: feeds are numbers, "
            "strings, lists or NumPy arrays. Run the tensor first and feed its value."
        )
    array = _as_array(tensor, value)
    if not _fits(array.shape, tensor.shape):
        raise FeedError(
            f"Session.run: cannot feed a value of shape {list(array.shape)} for "
            f"{_described(tensor)}.{_shape_hint(array.shape, tensor.shape)}"
        )
    return array


def bind_stack(tensor: Tensor, value: Any) -> np.ndarray:
    """`value` as a contiguous array [steps, …] of values for `tensor`. Raises FeedError."""
    if isinstance(value, (Tensor, Operation)) or hasattr(value, "as_graph_tensor"):
        return bind_value(tensor, value)  # refuses it
    array = _as_array(tensor, value)
    if array.ndim == 0 or not _fits(array.shape[1:], tensor.shape):
        raise FeedError(
            f"Session.run_many: cannot feed slices of a value of shape {list(array.shape)} for "
            f"{_described(tensor)}. Its first axis counts the steps; what is the same in all "
            "steps goes into feed_dict.")
    return np.require(array, requirements=["C", "A"])


def _shape_hint(actual: tuple[int, ...], shape: TensorShape) -> str:
    if shape.rank == len(actual) + 1 and _fits(actual, shape[1:]):
        return " The first axis is missing: feed [value] for a batch of one."
    if shape.rank is not None and len(actual) == shape.rank + 1 and _fits(actual[1:], shape):
        return " The value has one axis more at the front."
    return ""


def _described(tensor: Tensor) -> str:
    site = f", built at {tensor.op.site}" if tensor.op.site else ""
    return f"{tensor.op.type} '{tensor.name}' {tensor.dtype.name} {tensor.shape}{site}"


def _fits(actual: tuple[int, ...], shape: TensorShape) -> bool:
    return shape.rank is None or (
        shape.rank == len(actual)
        and all(isinstance(d, SymDim) or d == n for d, n in zip(shape.sizes, actual)))


def _as_array(tensor: Tensor, value: Any) -> np.ndarray:
    target = tensor.dtype
    if isinstance(value, np.ndarray) and value.dtype == target.numpy and not target.is_string:
        return value
    if hasattr(value, "__cuda_array_interface__"):
        return _device_array(tensor, value)
    try:
        if target.is_string:
            return to_array(value, target)
        array = _plain_array(value, target)
        source = array_dtype(array)
        if can_feed(source, target):
            return _cast(array, source, target)
        return to_array(array, target)
    except (GraphflowError, ValueError) as error:
        raise FeedError(f"Session.run: cannot feed {_described(tensor)}: {error}") from None


def _device_array(tensor: Tensor, value: Any) -> Any:
    """What a session on a GPU has accepted, as it is. Raises FeedError for all else there."""
    if not getattr(value, "bound", False):
        raise FeedError(
            f"Session.run: cannot feed {_described(tensor)} with a {type(value).__name__} on a "
            "GPU: the session runs on the CPU. Use gf.Session(device='cuda'), or copy it to the "
            "host first.")
    if value.dtype != tensor.dtype.numpy:
        raise FeedError(
            f"Session.run: cannot feed {_described(tensor)} with {value.dtype.name} values on a "
            "GPU: what lies there is not cast. Cast it first.")
    return value


def _plain_array(value: Any, target: DType) -> np.ndarray:
    """`value` as an array of its own type. Raises DTypeError for ragged lists, None, objects."""
    if hasattr(value, "__dlpack__") and not hasattr(value, "__array__"):
        return _unpacked(value)
    try:
        array = np.asarray(value)
    except (ValueError, OverflowError):
        return to_array(value, target)
    return to_array(value, target) if array.dtype == object else array


def _unpacked(value: Any) -> np.ndarray:
    """What a library shares by DLPack alone, without a copy. Raises ValueError."""
    try:
        return np.from_dlpack(value)
    except (BufferError, RuntimeError, TypeError) as error:
        raise ValueError(f"NumPy cannot take a {type(value).__name__} by DLPack: {error}"
                         ) from None


def _cast(array: np.ndarray, source: DType, target: DType) -> np.ndarray:
    if source.is_integer and target.is_integer:
        return to_array(array, target)
    with np.errstate(over="ignore"):
        return array.astype(target.numpy)


def feed_types(
    feeds: Mapping[Tensor, np.ndarray],
) -> tuple[dict[Tensor, TensorType], dict[str, int]]:
    """Types of the feeds, unknown sizes as symbols, and the sizes that these symbols have now."""
    types, sizes = {}, {}
    for tensor, array in feeds.items():
        known = tensor.shape.sizes if tensor.shape.rank is not None else (None,) * array.ndim
        dims: list[Any] = []
        for axis, (dim, size) in enumerate(zip(known, array.shape)):
            if isinstance(dim, int):
                dims.append(dim)
                continue
            name = tensor.op.name if tensor.index == 0 else tensor.name
            dims.append(symbol(f"{name}.{axis}"))
            sizes[f"{name}.{axis}"] = size
        types[tensor] = TensorType(tensor.dtype, TensorShape.of(dims))
    return types, sizes


def known_types(
    types: Mapping[Tensor, TensorType], sizes: Mapping[str, Dim]
) -> dict[Tensor, TensorType]:
    """The types of the feeds, with what `sizes` holds in the place of those symbols."""
    return {
        tensor: TensorType(kind.dtype, TensorShape.of(
            sizes.get(symbol_name(d), d) if isinstance(d, SymDim) else d
            for d in kind.shape.sizes))
        for tensor, kind in types.items()}


def symbol_sizes(
    pairs: Iterable[tuple[TensorShape, tuple[int, ...]]]
) -> dict[str, int]:
    """What the unknown sizes of shapes are, from the shapes of the arrays that are there."""
    return {name: size for shape, actual in pairs if shape.rank is not None
            for dim, size in zip(shape.sizes, actual)
            if isinstance(dim, SymDim) and (name := symbol_name(dim))}
