"""`tf.bitwise`: operations on the bits of integers."""

from graphflow.ops.bitwise import bitwise_and, bitwise_or, bitwise_xor, left_shift, right_shift
from graphflow.ops.comparison import invert

__all__ = [
    "bitwise_and", "bitwise_or", "bitwise_xor", "invert", "left_shift", "right_shift",
]
