"""Kernels of loop IR become kernels for NVIDIA GPUs: see `kernels`, which is the way in."""
