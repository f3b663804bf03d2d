"""Data sets for examples and the demo: packaged digits, MNIST and CIFAR-10 files.

Loaders return NumPy arrays: images float32 in [0, 1], channels last, and int32 labels. They
download nothing. A file that is missing, damaged or of the wrong kind is a DatasetError that
names the file, the fault and the way out. The record they return is `dataset.Dataset`; the name
`graphflow.data.Dataset` is TensorFlow's input pipeline, which is another thing.
"""

from graphflow.data.cifar import load_cifar10
from graphflow.data.dataset import stratified_split
from graphflow.data.digits import digits_dataset, load_digits
from graphflow.data.directory import load_directory
from graphflow.data.idx import load_mnist
from graphflow.data.resize import resize_bilinear

__all__ = [
    "digits_dataset",
    "load_cifar10",
    "load_digits",
    "load_directory",
    "load_mnist",
    "resize_bilinear",
    "stratified_split",
]
