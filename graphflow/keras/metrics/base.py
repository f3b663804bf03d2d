"""`Metric`: a number over many batches, kept in variables."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import F, convert
from graphflow.graph import get_default_graph
from graphflow.keras.backend.session import get_session
from graphflow.keras.engine.layer import Layer
from graphflow.keras.weighting import fitted
from graphflow.ops.graph_functions import init_scope
from graphflow.scopes import GraphKeys
from graphflow.tensor import Operation


class Metric(Layer):
    """The base of metrics: `update_state` takes in a batch, `result` gives the number so far.

    A subclass makes its variables with `add_weight` in `__init__` and defines `update_state(…)`,
    which gives an operation, and `result()`, which gives a tensor. In a model they are called for
    each batch, and `reset_states` at the start of each epoch.
    """

    _is_metric = True

    def __init__(self, name: str | None = None, dtype: Any = None, **kwargs: Any) -> None:
        super().__init__(name=name, dtype=dtype or "float32", **kwargs)
        self.stateful = self.built = True

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Takes in a batch, and gives the number after it."""
        update = self.update_state(*args, **kwargs)
        with _after(update):
            return F.identity(convert(self.result()))

    def update_state(self, *args: Any, **kwargs: Any) -> Any:
        """The operation that takes in a batch."""
        raise NotImplementedError("Must be implemented in subclasses.")

    def result(self) -> Any:
        """The number so far, as a tensor."""
        raise NotImplementedError("Must be implemented in subclasses.")

    def reset_states(self) -> None:
        """Sets all variables to 0, in Keras's session."""
        session = get_session()
        for variable in self.weights:
            variable.load(np.zeros(variable.shape.as_list(), variable.dtype.as_numpy_dtype),
                          session)

    def add_weight(  # type: ignore[override]  # a variable has a name and starts as zeros
        self, name: str, shape: Any = (), aggregation: Any = None, synchronization: Any = None,
        initializer: Any = "zeros", dtype: Any = None, **kwargs: Any,
    ) -> Any:
        """A variable of the metric, which no optimizer changes; zeros at first."""
        with init_scope():
            return super().add_weight(
                name, shape, dtype, initializer, trainable=False)

    def _collections(self) -> list[str]:
        return [GraphKeys.METRIC_VARIABLES]

    def get_config(self) -> dict[str, Any]:
        """The arguments as plain values."""
        return {"name": self.name, "dtype": self.dtype}


def _after(update: Any) -> Any:
    done = [update] if isinstance(update, Operation) or update is not None else []
    return get_default_graph().control_dependencies(done)


class Reduce(Metric):
    """Running sums: of values times weights, and of the weights if `counts`."""

    counts = True

    def __init__(self, name: str, dtype: Any = None) -> None:
        super().__init__(name=name, dtype=dtype)
        self.total = self.add_weight("total")
        if self.counts:
            self.count = self.add_weight("count")

    def update_state(self, values: Any, sample_weight: Any = None) -> Any:
        """Takes in values [batch, …]; sample_weight: one per sample or per value."""
        values = F.cast(convert(values), dt.float32)
        if sample_weight is None:
            number: Any = F.cast(F.size(values), dt.float32)
        else:
            weights = fitted(sample_weight, values)
            values = values * weights
            number = F.reduce_sum(F.broadcast_to(weights, F.shape(values)))
        updates = [self.total.assign_add(F.reduce_sum(values))]
        if self.counts:
            updates.append(self.count.assign_add(number))
        return F.group(*updates)

    def result(self) -> Any:
        """The mean, or the sum."""
        if not self.counts:
            return self.total.value()
        return F.div_no_nan(self.total.value(), self.count.value())


class Mean(Reduce):
    """The mean of values, weighted if weights are given."""

    def __init__(self, name: str = "mean", dtype: Any = None) -> None:
        super().__init__(name, dtype)


class Sum(Reduce):
    """The sum of values, weighted if weights are given."""

    counts = False

    def __init__(self, name: str = "sum", dtype: Any = None) -> None:
        super().__init__(name, dtype)


class MeanMetricWrapper(Mean):
    """The mean of a function of (y_true, y_pred); keywords go to the function."""

    def __init__(
        self, fn: Callable[..., Any], name: str | None = None, dtype: Any = None, **kwargs: Any
    ) -> None:
        super().__init__(name or str(getattr(fn, "__name__", "metric")), dtype)
        self._fn, self._fn_kwargs = fn, kwargs

    def update_state(  # type: ignore[override]  # two arguments in the place of one
        self, y_true: Any, y_pred: Any, sample_weight: Any = None
    ) -> Any:
        """Takes in the labels and predictions of a batch."""
        return super().update_state(
            self._fn(y_true, y_pred, **self._fn_kwargs), sample_weight)

    def get_config(self) -> dict[str, Any]:
        """The arguments as plain values."""
        return {**super().get_config(), **self._fn_kwargs}
