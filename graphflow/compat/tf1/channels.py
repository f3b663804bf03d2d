"""Layers of `tf.contrib.layers` on inputs whose channels come first."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Any

from graphflow.builder import F, convert
from graphflow.errors import AttributeValueError
from graphflow.graph import get_default_graph

_LAST = (None, "NHWC", "NWC", "NDHWC")
_FIRST = ("NCHW", "NCW", "NCDHW")
_turned = threading.local()  # .now: inside of a layer whose inputs were transposed


def either_way(layer: Callable[..., Any]) -> Callable[..., Any]:
    """A layer for channels at the end as one that `data_format="NCHW"` puts second.

    Inputs and outputs are transposed around the layer; the compiler joins that with its kernels.
    Raises AttributeValueError for another format.
    """
    @functools.wraps(layer)
    def with_format(inputs: Any, *args: Any, **named: Any) -> Any:
        data_format = named.get("data_format")
        if data_format in _FIRST and getattr(_turned, "now", False):
            named["data_format"] = data_format = "NHWC"  # a normaliser with the same defaults
        if data_format in _LAST:
            return layer(inputs, *args, **named)
        if data_format not in _FIRST:
            raise AttributeValueError(
                f"{layer.__name__}: data_format has to be either NCHW or NHWC, got "
                f"{data_format!r}.")
        inputs = convert(inputs)
        rank = inputs.shape.rank
        kept = named.pop("outputs_collections", None)
        last = F.transpose(inputs, [0, *range(2, rank), 1])
        _turned.now = True
        try:
            outputs = layer(last, *args, **{**named, "data_format": "NHWC"})
        finally:
            _turned.now = False
        return collected(F.transpose(outputs, [0, rank - 1, *range(1, rank - 1)]), kept)

    return with_format


def collected(outputs: Any, collections: Any) -> Any:
    """`outputs`, which join the collections of these names (one, several or None)."""
    for key in [collections] if isinstance(collections, str) else collections or ():
        get_default_graph().add_to_collection(key, outputs)
    return outputs
