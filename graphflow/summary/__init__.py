"""`tf.summary`: records of a training, in the event files that TensorBoard reads.

`scalar`, `histogram`, `image` and `text` are operations that give a serialized `Summary`; a
`FileWriter` appends those to a file. Graphs and run metadata are accepted and not written.
"""

from graphflow.summary.ops import (
    audio,
    histogram,
    image,
    merge,
    merge_all,
    scalar,
    tensor_summary,
    text,
)
from graphflow.summary.records import HistogramProto, Summary
from graphflow.summary.writer import FileWriter, FileWriterCache, SummaryWriter, summary_iterator

__all__ = [
    "FileWriter", "FileWriterCache", "HistogramProto", "Summary", "SummaryWriter", "audio",
    "histogram", "image", "merge", "merge_all", "scalar", "summary_iterator", "tensor_summary",
    "text",
]
