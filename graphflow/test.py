"""`tf.test`: checking gradients."""

from graphflow.gradient_checker import compute_gradient, compute_gradient_error

__all__ = ["compute_gradient", "compute_gradient_error"]
