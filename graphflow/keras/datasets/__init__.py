"""`keras.datasets`: data sets whose files are on this machine."""

from graphflow.keras.datasets import cifar10, fashion_mnist, mnist

__all__ = ["cifar10", "fashion_mnist", "mnist"]
