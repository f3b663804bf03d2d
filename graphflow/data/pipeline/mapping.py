"""Functions of tensors, run on the elements of a dataset.

The function is traced once, into a graph of its own, which a session of its own runs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from graphflow.builder import convert
from graphflow.data.pipeline.elements import Spec, flatten, mapped, pack
from graphflow.graph import Graph, get_default_graph
from graphflow.ops.leaves import placeholder
from graphflow.session import Session


class ElementFunction:
    """A function traced for elements of a type: call it with the arrays of one element.

    Attributes:
      dataset: what the function gave, if that is a dataset; calls then give its sources.
    """

    def __init__(self, function: Callable[..., Any], spec: Any) -> None:
        graph, seed = Graph(), get_default_graph().seed
        with graph.as_default():
            graph.seed = seed
            inputs = [placeholder(s.dtype, s.shape) for s in flatten(spec)]
            element = pack(spec, inputs)
            result = function(*element) if isinstance(element, tuple) else function(element)
            self.dataset: Any = result if hasattr(result, "_elements") else None
            self.result = () if self.dataset is not None else _tensors(result)
        if self.dataset is not None:
            self.spec, fetches = self.dataset._spec, list(self.dataset._sources)
        else:
            self.spec = mapped(lambda t: Spec(t.dtype, t.shape), self.result)
            fetches = flatten(self.result)
        self._call = Session(graph=graph).make_callable(fetches, inputs)

    def __call__(self, arrays: Sequence[Any]) -> list[Any]:
        """The components of the result."""
        return list(self._call(*arrays))


def _tensors(result: Any) -> Any:
    """The nest with its components as tensors; a list is a tuple, as TensorFlow has it."""
    if isinstance(result, list):
        result = tuple(result)
    if isinstance(result, Mapping):
        return {key: _tensors(value) for key, value in result.items()}
    if isinstance(result, tuple):
        parts = [_tensors(value) for value in result]
        return type(result)(*parts) if hasattr(result, "_fields") else tuple(parts)
    return convert(result)
