"""Names that TensorFlow had before 1.0 (`tf.mul`, `tf.pack`, `tf.scalar_summary`, …).

Only names: where 1.0 changed the order of arguments, as in `concat` and `split`, the order is
that of 1.15.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from graphflow.errors import OpError
from graphflow.ops.arithmetic import abs as complex_abs
from graphflow.ops.arithmetic import multiply as mul
from graphflow.ops.arithmetic import negative as neg
from graphflow.ops.arithmetic import subtract as sub
from graphflow.ops.elementary import reciprocal as inv
from graphflow.ops.joining import concat as concat_v2
from graphflow.ops.joining import stack as pack
from graphflow.ops.linear_systems import matrix_determinant as batch_matrix_determinant
from graphflow.ops.linear_systems import matrix_inverse as batch_matrix_inverse
from graphflow.ops.matmul import matmul
from graphflow.ops.matrix_decompositions import cholesky as batch_cholesky
from graphflow.ops.selection import where as select
from graphflow.ops.splitting import unstack as unpack
from graphflow.ops.unique import setdiff1d as listdiff

if TYPE_CHECKING:
    from graphflow.summary import Summary


def batch_matmul(
    x: Any, y: Any, adj_x: bool = False, adj_y: bool = False, name: str | None = None
) -> Any:
    """x · y for each matrix of a batch: [..., M, K] and [..., K, N] → [..., M, N]."""
    return matmul(x, y, adjoint_a=adj_x, adjoint_b=adj_y, name=name)


def _summary(name: str) -> Any:
    from graphflow import summary

    return getattr(summary, name)


def scalar_summary(
    tags: str, values: Any, collections: Any = None, name: str | None = None
) -> Any:
    """`summary.scalar` with its old name and arguments."""
    return _summary("scalar")(tags, values, collections=collections)


def histogram_summary(
    tag: str, values: Any, collections: Any = None, name: str | None = None
) -> Any:
    """`summary.histogram` with its old name and arguments."""
    return _summary("histogram")(tag, values, collections=collections)


def image_summary(
    tag: str, tensor: Any, max_images: int = 3, collections: Any = None, name: str | None = None
) -> Any:
    """`summary.image` with its old name and arguments."""
    return _summary("image")(tag, tensor, max_outputs=max_images, collections=collections)


def merge_summary(inputs: Any, collections: Any = None, name: str | None = None) -> Any:
    """`summary.merge` with its old name."""
    return _summary("merge")(inputs, collections, name)


def merge_all_summaries(key: str = "summaries") -> Any:
    """`summary.merge_all` with its old name."""
    return _summary("merge_all")(key)


def __getattr__(name: str) -> Any:
    """`Summary`, which is loaded when it is first used."""
    if name == "Summary":
        return _summary(name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "OpError", "Summary", "batch_cholesky", "batch_matmul", "batch_matrix_determinant",
    "batch_matrix_inverse", "complex_abs", "concat_v2", "histogram_summary", "image_summary",
    "inv", "listdiff", "merge_all_summaries", "merge_summary", "mul",
    "neg", "pack", "scalar_summary", "select", "sub", "unpack",
]
