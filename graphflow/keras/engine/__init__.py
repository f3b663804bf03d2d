"""Layers, networks of layers, and their training."""
