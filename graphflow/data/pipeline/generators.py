"""Elements from a Python generator."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from graphflow.data.pipeline.elements import Spec, flatten, pack
from graphflow.dtypes import as_dtype, to_array
from graphflow.shapes import UNKNOWN_SHAPE, as_shape


def generated(
    generator: Callable[..., Any], output_types: Any, output_shapes: Any, args: Sequence[Any]
) -> tuple[Any, Callable[[Any], Iterator[list[Any]]]]:
    """(types, elements): what `generator(*args)` yields, nests like `output_types`, converted."""
    types = [as_dtype(t) for t in flatten(output_types)]
    shapes = [UNKNOWN_SHAPE] * len(types) if output_shapes is None else [
        as_shape(s) for s in (flatten(output_shapes) if isinstance(output_types, (tuple, dict))
                              else [output_shapes])]
    spec = pack(output_types, [Spec(t, s) for t, s in zip(types, shapes)])

    def elements(values: Any) -> Iterator[list[Any]]:
        for element in generator(*args):
            nest = tuple(element) if isinstance(output_types, tuple) else element
            yield [to_array(leaf, dtype) for leaf, dtype in zip(flatten(nest), types)]

    return spec, elements
