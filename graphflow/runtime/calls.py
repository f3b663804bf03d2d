"""Prepared calls: fetches and feeds of a session, resolved once.

The first run of a call with feeds of certain shapes resolves, checks and compiles; later ones find
the executable by the shapes alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from graphflow.runtime.bind import bind_value
from graphflow.runtime.executables import Executable
from graphflow.runtime.fetch import FetchPlan, FlatForm
from graphflow.tensor import Operation, Tensor

if TYPE_CHECKING:
    from graphflow.runtime.entries import Entry

KEPT_SHAPES = 256
MISS: Any = object()     # the native entry's answer if a call is not as it was before
_ELEMENTS = (Tensor, Operation, str)


class PreparedCall:
    """Fetches, and the tensors that are fed, in order.

    Attributes:
      plan: the fetches.
      keys: what is fed.
      form: of the fetches, if the native entry can take such calls.
      fed: the keys as they stand in a feed_dict.
      positional: whether calls bring values only.
      entry: the native entry of positional calls, once there is one.
    """

    __slots__ = ("_dtypes", "_found", "entry", "fed", "form", "keys", "operations", "plan",
                 "positional", "tensors")

    def __init__(
        self, plan: FetchPlan, keys: Sequence[Tensor], form: FlatForm | None = None,
        fed: Sequence[Any] = (), positional: bool = False,
    ) -> None:
        self.plan, self.keys = plan, list(keys)
        self.form, self.fed, self.positional = form, fed, positional
        self.entry: Entry | None = None
        self.tensors, self.operations = plan.tensors, plan.operations
        self._dtypes = [None if k.dtype.is_string else k.dtype.numpy for k in self.keys]
        self._found: dict[tuple, Executable] = {}

    def prepare(
        self, values: Sequence[Any], find: Callable[[PreparedCall, list[np.ndarray]], Executable]
    ) -> tuple[Executable, list[np.ndarray]]:
        """The executable for these values, and the values as arrays. Raises FeedError.

        find: gives the executable for arrays of shapes that are new.
        """
        arrays = [value if type(value) is np.ndarray and value.dtype is dtype
                  else bind_value(key, value)
                  for key, dtype, value in zip(self.keys, self._dtypes, values)]
        shapes = tuple([a.shape for a in arrays])
        executable = self._found.get(shapes)
        if executable is None:
            for key, array in zip(self.keys, arrays):
                bind_value(key, array)  # refuses a wrong shape
            executable = find(self, arrays)
            if len(self._found) >= KEPT_SHAPES:
                self._found.clear()
            self._found[shapes] = executable
        return executable, arrays


def call_key(fetches: Any, feed_dict: Any) -> tuple | None:
    """By what a call is found again: flat fetches, and feeds by tensors or names; else None."""
    if type(fetches) is list or type(fetches) is tuple:
        for fetch in fetches:
            if not (isinstance(fetch, _ELEMENTS) or hasattr(fetch, "as_graph_tensor")):
                return None
        wanted: tuple = (type(fetches), *fetches)
    elif isinstance(fetches, _ELEMENTS):
        wanted = (fetches,)
    else:
        return None
    if feed_dict is None:
        return wanted, ()
    if type(feed_dict) is not dict:
        return None
    for key in feed_dict:
        if not isinstance(key, (Tensor, str)):
            return None
    return wanted, tuple(feed_dict)
