"""Data sets for examples and the demo: packaged digits, MNIST and CIFAR-10 files.

Loaders return NumPy arrays: images float32 in [0, 1], channels last, and int32 labels. They
download nothing. A file that is missing, damaged or of the wrong kind is a DatasetError that
names the file, the fault and the way out. The record they return is `dataset.Dataset`; the name
`graphflow.data.Dataset` is TensorFlow's input pipeline (`pipeline/`), which is another thing.
"""

import importlib
from typing import TYPE_CHECKING, Any

from graphflow.data.cifar import load_cifar10
from graphflow.data.dataset import stratified_split
from graphflow.data.digits import digits_dataset, load_digits
from graphflow.data.directory import load_directory
from graphflow.data.idx import load_mnist
from graphflow.data.resize import resize_bilinear

if TYPE_CHECKING:
    from graphflow.data.pipeline import (
        Dataset,
        FixedLengthRecordDataset,
        Iterator,
        TextLineDataset,
        TFRecordDataset,
        make_initializable_iterator,
        make_one_shot_iterator,
    )

_OF_EXPERIMENTAL = (
    "AUTOTUNE", "Options", "get_output_classes", "get_output_shapes", "get_output_types")
_PIPELINE = (
    "Dataset", "FixedLengthRecordDataset", "Iterator", "TFRecordDataset", "TextLineDataset",
    "make_initializable_iterator", "make_one_shot_iterator")

__all__ = [
    "Dataset",
    "FixedLengthRecordDataset",
    "Iterator",
    "TFRecordDataset",
    "TextLineDataset",
    "digits_dataset",
    "load_cifar10",
    "load_digits",
    "load_directory",
    "load_mnist",
    "make_initializable_iterator",
    "make_one_shot_iterator",
    "resize_bilinear",
    "stratified_split",
]


def __getattr__(name: str) -> Any:
    """Input pipelines are loaded when they are first used."""
    if name in _PIPELINE:
        from graphflow.data import pipeline

        return getattr(pipeline, name)
    if name == "experimental":
        return importlib.import_module("graphflow.data.experimental")
    if name in _OF_EXPERIMENTAL:
        return getattr(importlib.import_module("graphflow.data.experimental"), name)
    raise AttributeError(f"module 'graphflow.data' has no attribute {name!r}")
