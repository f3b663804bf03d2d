"""`tf.linalg`: linear algebra."""

from graphflow.ops.band_matrices import matrix_band_part as band_part
from graphflow.ops.band_matrices import matrix_diag as diag
from graphflow.ops.band_matrices import matrix_diag_part as diag_part
from graphflow.ops.band_matrices import matrix_set_diag as set_diag
from graphflow.ops.band_matrices import tensor_diag, tensor_diag_part
from graphflow.ops.clipping import global_norm
from graphflow.ops.einsum import einsum
from graphflow.ops.identity_matrix import eye
from graphflow.ops.linear_systems import cholesky_solve, logdet, slogdet
from graphflow.ops.linear_systems import matrix_determinant as det
from graphflow.ops.linear_systems import matrix_inverse as inv
from graphflow.ops.linear_systems import matrix_solve as solve
from graphflow.ops.linear_systems import matrix_solve_ls as lstsq
from graphflow.ops.linear_systems import matrix_triangular_solve as triangular_solve
from graphflow.ops.matmul import matmul, tensordot
from graphflow.ops.matrix_decompositions import cholesky, qr, svd
from graphflow.ops.matrix_decompositions import self_adjoint_eig as eigh
from graphflow.ops.matrix_decompositions import self_adjoint_eigvals as eigvalsh
from graphflow.ops.matrix_functions import (
    adjoint,
    cross,
    expm,
    lu,
    lu_matrix_inverse,
    lu_reconstruct,
    lu_solve,
    matrix_rank,
    matvec,
    normalize,
    pinv,
    trace,
)
from graphflow.ops.nn import l2_normalize
from graphflow.ops.norms import norm
from graphflow.ops.transposing import matrix_transpose
from graphflow.ops.transposing import matrix_transpose as transpose

__all__ = [
    "adjoint", "band_part", "cholesky", "cholesky_solve", "cross", "det", "diag", "diag_part",
    "eigh", "eigvalsh", "einsum", "expm", "eye", "global_norm", "inv", "l2_normalize", "logdet",
    "lstsq", "lu", "lu_matrix_inverse", "lu_reconstruct", "lu_solve", "matmul", "matrix_rank",
    "matrix_transpose", "matvec", "norm", "normalize", "pinv", "qr", "set_diag", "slogdet",
    "solve", "svd", "tensor_diag", "tensor_diag_part", "tensordot", "trace", "transpose",
    "triangular_solve",
]
