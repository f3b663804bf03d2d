"""The operations of `tf.summary`: each gives the bytes of a Summary, and joins a collection."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import F, convert, op_function
from graphflow.errors import ShapeError, UnimplementedError
from graphflow.graph import get_default_graph
from graphflow.ops.host import py_func
from graphflow.ops.scope import scope
from graphflow.scopes import GraphKeys
from graphflow.summary.records import Image, Summary, Value, histogram_of, png, text_value


def _summary(
    name: str, tensor: Any, collections: Sequence[str] | None, family: str | None,
    values_of: Callable[[str, np.ndarray], Iterable[Value]],
) -> Any:
    """The operation: on the host, the values of a tensor under the tag that its scope gives."""
    full = re.sub(r"[^-/\w.]", "_", f"{family}/{name}" if family else name).lstrip("/")
    with scope(full, full) as own:
        tag = (own or full).rstrip("/")
        if family:
            tag = f"{family}/{tag}"

        def written(array: np.ndarray) -> bytes:
            return Summary(values_of(tag, array)).SerializeToString()

        out = py_func(written, [convert(tensor)], dt.string, stateful=False, name=own)
        out.set_shape([])
    for key in [GraphKeys.SUMMARIES] if collections is None else collections:
        get_default_graph().add_to_collection(key, out)
    return out


@op_function
def scalar(
    name: str, tensor: Any, collections: Sequence[str] | None = None, family: str | None = None
) -> Any:
    """A summary of one number. tensor: real, of one element. → string []."""
    return _summary(name, tensor, collections, family,
                    lambda tag, x: [Value(tag, float(np.reshape(x, ())))])


@op_function
def histogram(
    name: str, values: Any, collections: Sequence[str] | None = None, family: str | None = None
) -> Any:
    """A summary of how values lie. values: real, any shape. → string []."""
    return _summary(name, values, collections, family,
                    lambda tag, x: [Value(tag, histo=histogram_of(x))])


@op_function
def image(
    name: str, tensor: Any, max_outputs: int = 3, collections: Sequence[str] | None = None,
    family: str | None = None,
) -> Any:
    """A summary of pictures. tensor: uint8 or float [batch, height, width, 1, 3 or 4].

    Floats are scaled: to 0…255 if none is negative, else 0 becomes 127.
    Raises ShapeError for another rank.
    """
    pictures = convert(tensor)
    if pictures.shape.rank not in (None, 4):
        raise ShapeError(f"summary.image {name!r}: tensor must be [batch, height, width, "
                         f"channels], got {pictures.shape}.")

    def values(tag: str, batch: np.ndarray) -> list[Value]:
        return [
            Value(f"{tag}/image" if max_outputs == 1 else f"{tag}/image/{k}",
                  image=Image(pixels.shape[0], pixels.shape[1], pixels.shape[2], png(pixels)))
            for k, pixels in enumerate(map(_pixels, batch[:max_outputs]))]

    return _summary(name, pictures, collections, family, values)


def _pixels(picture: np.ndarray) -> np.ndarray:
    """uint8 of one picture, by TensorFlow's rule of scaling."""
    if picture.dtype == np.uint8:
        return picture
    picture = np.nan_to_num(picture.astype(np.float32))
    low, high = float(picture.min(initial=0)), float(picture.max(initial=0))
    if low < 0:
        scaled = picture * (127 / max(abs(low), abs(high))) + 128
    else:
        scaled = picture * (255 / high) if high else picture
    return np.clip(scaled, 0, 255).astype(np.uint8)


@op_function
def text(name: str, tensor: Any, collections: Sequence[str] | None = None) -> Any:
    """A summary of text. tensor: strings. → string []."""
    return _summary(name, tensor, collections, None, lambda tag, x: [
        text_value(tag, np.asarray(x, dtype=object))])


def audio(*arguments: Any, **named: Any) -> Any:
    """Raises UnimplementedError: sounds are not written."""
    raise UnimplementedError(None, None, "summary.audio is not available.")


def tensor_summary(*arguments: Any, **named: Any) -> Any:
    """Raises UnimplementedError: use `scalar`, `histogram`, `image` or `text`."""
    raise UnimplementedError(
        None, None, "summary.tensor_summary is not available. Use scalar, histogram, image or "
        "text.")


@op_function
def merge(
    inputs: Sequence[Any], collections: Sequence[str] | None = None, name: str | None = None
) -> Any:
    """All the values of several summaries in one. inputs: strings []. → string []."""
    out = F.string_join(list(inputs), name=name or "Merge/MergeSummary")
    for key in collections or ():
        get_default_graph().add_to_collection(key, out)
    return out


def merge_all(
    key: str = GraphKeys.SUMMARIES, scope: str | None = None, name: str | None = None
) -> Any:
    """`merge` of the summaries in a collection; None if there are none."""
    found = get_default_graph().get_collection(key, scope)
    return merge(found, name=name) if found else None
