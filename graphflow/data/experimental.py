"""`tf.data.experimental`: transformations for `Dataset.apply`, which later became methods."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from graphflow.data.pipeline.dataset import Dataset
from graphflow.data.pipeline.mapping import ElementFunction
from graphflow.errors import AttributeValueError

AUTOTUNE = -1
INFINITE_CARDINALITY = -1
UNKNOWN_CARDINALITY = -2

Transformation = Callable[[Dataset], Dataset]


class Options:
    """Accepted by `Dataset.with_options`, without effect."""

    experimental_deterministic: Any = None


def map_and_batch(
    map_func: Callable[..., Any], batch_size: Any, num_parallel_batches: int | None = None,
    drop_remainder: bool = False, num_parallel_calls: int | None = None,
) -> Transformation:
    """`map`, then `batch`."""
    return lambda dataset: dataset.map(map_func).batch(batch_size, drop_remainder)


def shuffle_and_repeat(buffer_size: Any, count: Any = None, seed: int | None = None
                       ) -> Transformation:
    """`shuffle`, then `repeat`."""
    return lambda dataset: dataset.shuffle(buffer_size, seed).repeat(count)


def parallel_interleave(
    map_func: Callable[..., Any], cycle_length: int, block_length: int = 1, sloppy: bool = False,
    buffer_output_elements: int | None = None, prefetch_input_elements: int | None = None,
) -> Transformation:
    """`interleave`."""
    return lambda dataset: dataset.interleave(map_func, cycle_length, block_length)


def batch_and_drop_remainder(batch_size: Any) -> Transformation:
    """`batch` with drop_remainder=True."""
    return lambda dataset: dataset.batch(batch_size, drop_remainder=True)


def unbatch() -> Transformation:
    """`unbatch`."""
    return lambda dataset: dataset.unbatch()


def prefetch_to_device(device: str, buffer_size: Any = None) -> Transformation:
    """Accepted: there is one device."""
    return lambda dataset: dataset


def copy_to_device(target_device: str, source_device: str = "/cpu:0") -> Transformation:
    """Accepted: there is one device."""
    return lambda dataset: dataset


def enumerate_dataset(start: int = 0) -> Transformation:
    """`enumerate`."""
    return lambda dataset: dataset.enumerate(start)


def bucket_by_sequence_length(
    element_length_func: Callable[..., Any], bucket_boundaries: Sequence[int],
    bucket_batch_sizes: Sequence[int], padded_shapes: Any = None, padding_values: Any = None,
    pad_to_bucket_boundary: bool = False, no_padding: bool = False, drop_remainder: bool = False,
) -> Transformation:
    """Batches of elements of like lengths, filled up to the longest of the batch.

    element_length_func: gives an element's length. bucket_boundaries: n limits make n + 1 buckets
    (a limit is in the upper one), each with its batch size.
    Raises AttributeValueError for another number of batch sizes.
    """
    if len(bucket_batch_sizes) != len(bucket_boundaries) + 1:
        raise AttributeValueError("len(bucket_batch_sizes) must equal len(bucket_boundaries) + 1")
    if pad_to_bucket_boundary:
        raise AttributeValueError("bucket_by_sequence_length: pad_to_bucket_boundary is not "
                                  "supported. Use padded_shapes.")

    def transform(dataset: Dataset) -> Dataset:
        length = ElementFunction(element_length_func, dataset._spec)

        def batch_of(rows: list[Any], size: int) -> Dataset:
            source = Dataset(dataset._spec, (), lambda values: iter(rows))
            if no_padding:
                return source.batch(size)
            return source.padded_batch(size, padded_shapes, padding_values)

        def change(elements: Iterator[Any], values: Any) -> Iterator[Any]:
            held: dict[int, list[Any]] = {}
            for element in elements:
                bucket = int(np.searchsorted(bucket_boundaries, int(length(element)[0]), "right"))
                rows = held.setdefault(bucket, [])
                rows.append(element)
                if len(rows) == bucket_batch_sizes[bucket]:
                    yield from batch_of(held.pop(bucket), len(rows))._elements({})
            if not drop_remainder:
                for bucket in sorted(held):
                    yield from batch_of(held[bucket], len(held[bucket]))._elements({})

        return dataset._then(change, batch_of([], 1)._spec)

    return transform


def get_output_types(dataset_or_iterator: Any) -> Any:
    """The element types."""
    return dataset_or_iterator.output_types


def get_output_shapes(dataset_or_iterator: Any) -> Any:
    """The element shapes."""
    return dataset_or_iterator.output_shapes


def get_output_classes(dataset_or_iterator: Any) -> Any:
    """Tensor, for every component."""
    return dataset_or_iterator.output_classes


__all__ = [
    "AUTOTUNE", "INFINITE_CARDINALITY", "UNKNOWN_CARDINALITY", "Options",
    "batch_and_drop_remainder", "bucket_by_sequence_length", "copy_to_device",
    "enumerate_dataset", "get_output_classes", "get_output_shapes", "get_output_types",
    "map_and_batch", "parallel_interleave", "prefetch_to_device", "shuffle_and_repeat", "unbatch",
]
