"""`tf.linalg`: linear algebra."""

from graphflow.ops.matmul import matmul, tensordot
from graphflow.ops.transposing import matrix_transpose, transpose

__all__ = [
    "matmul", "matrix_transpose", "tensordot", "transpose",
]
