"""Graphflow on a GPU beside its peers on the same GPU: `python -m benchmarks.gpu`."""
