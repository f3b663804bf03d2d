"""Numbers of an epoch by name: losses averaged over samples, metrics as they stand."""

from __future__ import annotations

from typing import Any, NoReturn

from graphflow.errors import DTypeError

_PAIRS = (
    ("accuracy", "acc"), ("mse", "mean_squared_error"), ("mae", "mean_absolute_error"),
    ("mape", "mean_absolute_percentage_error"), ("msle", "mean_squared_logarithmic_error"))
_OTHER = {a: b for pair in _PAIRS for a, b in (pair, pair[::-1])}


class Logs(dict):
    """name → number. Names are as the user wrote them; the short and the long name of a metric,
    such as "acc" and "accuracy", stand for each other where only one is there."""

    def __missing__(self, key: Any) -> Any:
        other = _other_name(key)
        if other is not None and dict.__contains__(self, other):
            return dict.__getitem__(self, other)
        raise KeyError(key)

    def __contains__(self, key: Any) -> bool:
        return dict.__contains__(self, key) or (
            (other := _other_name(key)) is not None and dict.__contains__(self, other))

    def get(self, key: Any, default: Any = None) -> Any:
        """The number of a name, or `default`."""
        try:
            return self[key]
        except KeyError:
            return default


def _other_name(key: Any) -> str | None:
    """The same name with "acc" for "accuracy" at its end, or the other way round."""
    if not isinstance(key, str):
        return None
    for own, other in _OTHER.items():
        if key == own or key.endswith(f"_{own}"):
            return key.removesuffix(own) + other
    return None


class Averages:
    """Running means of losses, weighted by the sizes of the batches; last values of metrics."""

    def __init__(self, names: list[str], metrics: int) -> None:
        self.names, self._averaged = names, len(names) - metrics
        self._sums = [0.0] * self._averaged
        self._last: list[float] = [0.0] * metrics
        self._samples = 0

    def add(self, values: list[Any], size: int) -> None:
        """Takes in the numbers of one batch."""
        self._samples += size
        for i in range(self._averaged):
            self._sums[i] += float(values[i]) * size
        self._last = [float(v) for v in values[self._averaged:]]

    def values(self) -> list[float]:
        """The numbers so far."""
        count = max(self._samples, 1)
        return [*(s / count for s in self._sums), *self._last]


class LossAlone(float):
    """What `evaluate` gives for a model without metrics: a number, which cannot be unpacked."""

    def __iter__(self) -> NoReturn:
        raise DTypeError(
            "cannot unpack what evaluate() returned: it is the loss alone, for the model was "
            "compiled without metrics. Compile it with metrics=['accuracy'] to get "
            "[loss, accuracy], or write loss = model.evaluate(...).")


def as_result(values: list[float]) -> Any:
    """The list of numbers, or the loss alone."""
    return LossAlone(values[0]) if len(values) == 1 else values
