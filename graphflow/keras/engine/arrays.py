"""Data of `fit` and its kin: arrays of inputs, targets and weights, checked against a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from graphflow.errors import AttributeValueError, ShapeError
from graphflow.tensor import Tensor


def as_arrays(
    data: Any, names: Sequence[str], what: str, shapes: Sequence[Any] | None = None
) -> list[np.ndarray]:
    """One array for each name: from an array, a list of them, or a dict by name.

    Arrays of one axis get a second one of size 1. shapes: static shapes that they must fit.
    Raises AttributeValueError for another number of arrays, ShapeError for another shape.
    """
    listed = _listed(data, names, what)
    if len(listed) != len(names):
        raise AttributeValueError(
            f"Error when checking model {what}: the list of arrays that you are passing to your "
            f"model is not the size the model expected. Expected to see {len(names)} array(s), "
            f"for {list(names)}, but got {len(listed)}.")
    arrays = [_as_array(x, name, what) for x, name in zip(listed, names)]
    for array, name, shape in zip(arrays, names, shapes or [None] * len(names)):
        if shape is not None:
            _check_shape(array, name, shape, what)
    return arrays


def _listed(data: Any, names: Sequence[str], what: str) -> list[Any]:
    if isinstance(data, Mapping):
        missing = [n for n in names if n not in data]
        if missing:
            raise AttributeValueError(
                f"No data provided for {missing[0]!r}. Need data for each of: {list(names)}.")
        return [data[n] for n in names]
    if isinstance(data, (list, tuple)):
        if len(names) > 1 or (len(data) == 1 and hasattr(data[0], "shape")):
            return list(data)
        if all(isinstance(x, np.ndarray) and x.ndim > 0 for x in data) and len(data) and (
                what == "input"):
            return list(data)
        return [np.asarray(data)]
    return [data]


def _as_array(value: Any, name: str, what: str) -> np.ndarray:
    if isinstance(value, Tensor):
        raise AttributeValueError(
            f"The {what} {name} is a symbolic tensor, {value!r}; give arrays.")
    if value is None:
        raise AttributeValueError(f"No data provided for the {what} {name!r}: it is None.")
    array = np.asarray(getattr(value, "values", value) if hasattr(value, "iloc") else value)
    if array.ndim == 1:
        return array[:, np.newaxis]
    if array.ndim == 0:
        raise ShapeError(f"The {what} {name!r} needs an axis of samples, got the number {value}.")
    return array


def _check_shape(array: np.ndarray, name: str, shape: Any, what: str) -> None:
    if shape.rank is None:
        return
    sizes = shape.as_list()
    if array.ndim != len(sizes):
        raise ShapeError(
            f"Error when checking {what}: expected {name} to have {len(sizes)} dimensions, but "
            f"got array with shape {array.shape}.")
    for got, size in zip(array.shape[1:], sizes[1:]):
        if size is not None and got != size:
            raise ShapeError(
                f"Error when checking {what}: expected {name} to have shape {tuple(sizes[1:])} "
                f"but got array with shape {array.shape[1:]}.")


def check_lengths(groups: Sequence[tuple[str, Sequence[Any]]]) -> int:
    """The number of samples, which all arrays share. Raises ShapeError otherwise."""
    lengths = {(what, len(a)) for what, arrays in groups for a in arrays if a is not None}
    counts = {n for _, n in lengths}
    if len(counts) > 1:
        found = ", ".join(f"{what}: {n}" for what, n in sorted(lengths))
        raise ShapeError(
            "Input arrays should have the same number of samples as target arrays and sample "
            f"weights. Found {found} samples.")
    return counts.pop() if counts else 0


def sample_weights(
    sample_weight: Any, class_weight: Mapping[Any, float] | None, targets: Sequence[Any],
    names: Sequence[str],
) -> list[Any]:
    """One array of weights, or None, for each output; class weights are looked up by target."""
    given = _weights_per_output(sample_weight, names)
    found = []
    for i, (weight, target) in enumerate(zip(given, targets)):
        weight = None if weight is None else np.asarray(weight, np.float32)
        classes = _class_weights_of(class_weight, names, i)
        if classes and target is not None:
            by_class = _weights_of_classes(classes, target)
            weight = by_class if weight is None else weight * by_class
        found.append(weight)
    return found


def _weights_per_output(value: Any, names: Sequence[str]) -> list[Any]:
    if value is None:
        return [None] * len(names)
    if isinstance(value, Mapping):
        return [value.get(n) for n in names]
    if isinstance(value, (list, tuple)) and len(names) > 1:
        if len(value) != len(names):
            raise AttributeValueError(
                f"sample_weight: expected one array for each of {list(names)}, got {len(value)}.")
        return list(value)
    return [np.asarray(value)]


def _class_weights_of(value: Any, names: Sequence[str], index: int) -> Any:
    if not value:
        return None
    if isinstance(value, Mapping):
        if any(isinstance(v, Mapping) for v in value.values()):
            return value.get(names[index])
        return value if len(names) == 1 else None
    return value[index]


def _weights_of_classes(weights: Mapping[Any, float], target: np.ndarray) -> np.ndarray:
    if target.ndim > 2:
        raise AttributeValueError("class_weight is not supported for targets of 3+ dimensions.")
    classes = target.argmax(axis=1) if target.shape[-1] > 1 else target.reshape(-1)
    present = np.unique(classes.astype(np.int64))
    missing = [int(c) for c in present if c not in weights]
    if missing:
        raise AttributeValueError(
            f"class_weight must contain all classes in the data. The classes {missing} exist in "
            "the data but not in class_weight.")
    table = np.zeros(int(present.max()) + 1, np.float32)
    table[present] = [weights[c] for c in present]
    return table[classes.astype(np.int64)]
