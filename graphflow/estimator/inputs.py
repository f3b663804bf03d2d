"""`tf.estimator.inputs`: batches of arrays and of Pandas frames."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from graphflow.dtypes import as_dtype
from graphflow.errors import DTypeError, GraphError, OutOfRangeError
from graphflow.graph import get_default_graph
from graphflow.ops.host import py_func
from graphflow.ops.host_state import current_host_state
from graphflow.shapes import TensorShape


class _Rows:
    """Row numbers in batches, epoch after epoch; where a session stands is its own state."""

    def __init__(
        self, count: int, batch_size: int, epochs: int | None, shuffle: bool, seed: int | None
    ) -> None:
        self._count, self._batch_size, self._epochs = count, batch_size, epochs
        self._shuffle, self._seed = shuffle, seed

    def next(self) -> np.ndarray:
        """The next batch. Raises OutOfRangeError after the last epoch."""
        batches = current_host_state().kept(self, self._batches)
        for rows in batches:
            return rows
        raise OutOfRangeError(None, None, "End of sequence")

    def _batches(self) -> Iterator[np.ndarray]:
        rng = np.random.default_rng(self._seed)
        left, epoch = np.zeros(0, np.int64), 0
        while self._epochs is None or epoch < self._epochs:
            order = rng.permutation(self._count) if self._shuffle else np.arange(self._count)
            left, epoch = np.concatenate([left, order]), epoch + 1
            while len(left) >= self._batch_size:
                yield left[:self._batch_size]
                left = left[self._batch_size:]
        if len(left):
            yield left


def _batches_of(
    arrays: list[np.ndarray], batch_size: int, epochs: int | None, shuffle: bool
) -> list[Any]:
    """A batch of each array, as tensors."""
    if epochs is not None and len(arrays[0]) == 0:
        raise GraphError("input_fn: the arrays have no rows.")
    rows = _Rows(len(arrays[0]), batch_size, epochs, shuffle, get_default_graph().seed)
    types = [as_dtype(a.dtype) for a in arrays]

    def pick() -> list[Any]:
        chosen = rows.next()
        return [array[chosen] for array in arrays]

    tensors = py_func(pick, [], types, name="input_batch")
    size = batch_size if epochs is None else None
    for tensor, array in zip(tensors, arrays):
        tensor.set_shape(TensorShape([size, *array.shape[1:]]))
    return list(tensors)


def _array(values: Any) -> np.ndarray:
    array = np.asarray(values)
    return array.astype(object) if array.dtype.kind in "SU" else array


def _check(batch_size: Any, shuffle: Any, x: Any) -> None:
    if not isinstance(shuffle, bool):
        raise GraphError("input_fn: shuffle must be provided and explicitly set as boolean (it is "
                         "recommended to set it as True for training).")
    if x is None or (hasattr(x, "__len__") and not len(x)):
        raise GraphError("input_fn: x must not be empty.")


def numpy_input_fn(
    x: Any, y: Any = None, batch_size: int = 128, num_epochs: int | None = 1,
    shuffle: bool | None = None, queue_capacity: int = 1000, num_threads: int = 1,
) -> Callable[[], Any]:
    """An input function of arrays: gives (features, labels), or features if `y` is None.

    x: an array, or a dict of them; y: an array, a dict, or None; all with one first size.
    num_epochs: None never ends. shuffle: must be given.
    Raises GraphError (a ValueError) if sizes differ; DTypeError (a TypeError) for other types.
    """
    _check(batch_size, shuffle, x)

    def input_fn() -> Any:
        if not isinstance(x, (dict, np.ndarray)):
            raise DTypeError(f"x must be a dict or array; got {type(x).__name__}")
        features = OrderedDict(sorted(x.items())) if isinstance(x, dict) else {"x": x}
        labels = y if isinstance(y, dict) else {} if y is None else {"y": y}
        if set(features) & set(labels):
            labels = {f"{key}_label": value for key, value in labels.items()}
        arrays = [_array(v) for v in (*features.values(), *labels.values())]
        if len({len(a) for a in arrays}) != 1:
            sizes = {k: len(a) for k, a in zip((*features, *labels), arrays)}
            raise GraphError(f"Length of tensors in x and y is mismatched. All elements in x and "
                             f"y must have the same length: {sizes}.")
        batches = _batches_of(arrays, batch_size, num_epochs, bool(shuffle))
        made = dict(zip(features, batches))
        given = made if isinstance(x, dict) else made["x"]
        if y is None:
            return given
        rest = batches[len(features):]
        return given, (dict(zip(y, rest)) if isinstance(y, dict) else rest[0])

    return input_fn


def pandas_input_fn(
    x: Any, y: Any = None, batch_size: int = 128, num_epochs: int | None = 1,
    shuffle: bool | None = None, queue_capacity: int = 1000, num_threads: int = 1,
    target_column: str = "target",
) -> Callable[[], Any]:
    """An input function of a Pandas DataFrame: columns are features, by their names.

    y: a Series (or a frame), or None. See `numpy_input_fn`.
    Raises GraphError (a ValueError) if the indices of x and y differ.
    """
    _check(batch_size, shuffle, x)
    if y is not None and not x.index.equals(y.index):
        raise GraphError(f"Index for x and y are mismatched.\nIndex for x: {x.index}\nIndex for "
                         f"y: {y.index}\n")
    features = {str(name): x[name].to_numpy() for name in x.columns}
    labels = None
    if y is not None:
        labels = {str(n): y[n].to_numpy() for n in y.columns} if hasattr(y, "columns") else (
            y.to_numpy())
    return numpy_input_fn(features, labels, batch_size, num_epochs, shuffle)


__all__ = ["numpy_input_fn", "pandas_input_fn"]
