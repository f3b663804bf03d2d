"""`tf.linalg`: linear algebra."""

from graphflow.ops.clipping import global_norm
from graphflow.ops.identity_matrix import eye
from graphflow.ops.matmul import matmul, tensordot
from graphflow.ops.nn import l2_normalize
from graphflow.ops.norms import norm
from graphflow.ops.transposing import matrix_transpose, transpose

__all__ = [
    "eye", "global_norm", "l2_normalize", "matmul", "matrix_transpose", "norm", "tensordot",
    "transpose",
]
