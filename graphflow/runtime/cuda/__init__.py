"""Runs compiled Programs on an NVIDIA GPU: memory, streams, graphs of launches, arrays there."""
