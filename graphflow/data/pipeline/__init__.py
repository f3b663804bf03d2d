"""`tf.data.Dataset`: input pipelines that run in Python, beside the graph.

`dataset.py` the class and its transformations · `elements.py` nests of arrays and their types ·
`iterators.py` iterators, whose `get_next` is a host operation · `mapping.py` functions of
tensors, run on each element · `generators.py` `sources.py` generators and files.
"""

from graphflow.data.pipeline.dataset import Dataset
from graphflow.data.pipeline.iterators import (
    Iterator,
    make_initializable_iterator,
    make_one_shot_iterator,
)
from graphflow.data.pipeline.sources import (
    FixedLengthRecordDataset,
    TextLineDataset,
    TFRecordDataset,
)

__all__ = [
    "Dataset", "FixedLengthRecordDataset", "Iterator", "TFRecordDataset", "TextLineDataset",
    "make_initializable_iterator", "make_one_shot_iterator",
]
