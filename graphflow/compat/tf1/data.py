"""`tf.contrib.data`: `Dataset` before 1.4, and the transformations that came to experimental."""

from graphflow.data.experimental import (
    AUTOTUNE,
    batch_and_drop_remainder,
    bucket_by_sequence_length,
    enumerate_dataset,
    map_and_batch,
    parallel_interleave,
    prefetch_to_device,
    shuffle_and_repeat,
    unbatch,
)
from graphflow.data.pipeline import (
    Dataset,
    FixedLengthRecordDataset,
    Iterator,
    TextLineDataset,
    TFRecordDataset,
)

__all__ = [
    "AUTOTUNE", "Dataset", "FixedLengthRecordDataset", "Iterator", "TFRecordDataset",
    "TextLineDataset", "batch_and_drop_remainder", "bucket_by_sequence_length",
    "enumerate_dataset", "map_and_batch", "parallel_interleave", "prefetch_to_device",
    "shuffle_and_repeat", "unbatch",
]
