"""`tf.io`: files, and what is in them."""

from graphflow import gfile
from graphflow.graph_files import write_graph
from graphflow.ops.base64_strings import decode_base64, encode_base64
from graphflow.ops.data_queues import (
    FIFOQueue,
    PaddingFIFOQueue,
    PriorityQueue,
    QueueBase,
    RandomShuffleQueue,
)
from graphflow.ops.example_features import (
    FixedLenFeature,
    FixedLenSequenceFeature,
    SparseFeature,
    VarLenFeature,
)
from graphflow.ops.example_parsing import parse_example, parse_single_example
from graphflow.ops.files import matching_files, read_file, write_file
from graphflow.ops.image_files import (
    decode_and_crop_jpeg,
    decode_bmp,
    decode_gif,
    decode_image,
    decode_jpeg,
    decode_png,
    encode_jpeg,
    encode_png,
    extract_jpeg_shape,
    is_jpeg,
)
from graphflow.ops.sequence_parsing import parse_single_sequence_example
from graphflow.ops.string_parsing import decode_csv, decode_raw
from graphflow.python_io import (
    TFRecordCompressionType,
    TFRecordOptions,
    TFRecordWriter,
    tf_record_iterator,
)
from graphflow.train.input_producers import match_filenames_once

__all__ = [
    "FIFOQueue", "FixedLenFeature", "FixedLenSequenceFeature", "PaddingFIFOQueue",
    "PriorityQueue", "QueueBase", "RandomShuffleQueue", "SparseFeature",
    "TFRecordCompressionType", "TFRecordOptions", "TFRecordWriter", "VarLenFeature",
    "decode_and_crop_jpeg", "decode_base64", "decode_bmp", "decode_csv", "decode_gif",
    "decode_image",
    "decode_jpeg", "decode_png", "decode_raw", "encode_base64", "encode_jpeg", "encode_png",
    "extract_jpeg_shape",
    "gfile",
    "is_jpeg", "match_filenames_once", "matching_files", "parse_example", "parse_single_example",
    "parse_single_sequence_example", "read_file", "tf_record_iterator", "write_file",
    "write_graph",
]
