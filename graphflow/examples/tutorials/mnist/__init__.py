"""`from graphflow.examples.tutorials.mnist import input_data`: MNIST in batches."""

import sys

from graphflow.compat.tf1 import input_data

sys.modules[f"{__name__}.input_data"] = input_data

__all__ = ["input_data"]
