"""`tf.linalg`: linear algebra."""

from graphflow.ops.matmul import matmul, tensordot
from graphflow.ops.nn import l2_normalize
from graphflow.ops.transposing import matrix_transpose, transpose

__all__ = [
    "l2_normalize", "matmul", "matrix_transpose", "tensordot", "transpose",
]
