"""`tf.sparse`: sparse tensors."""

from graphflow.ops.sparse_arrays import sparse_concat as concat
from graphflow.ops.sparse_arrays import sparse_expand_dims as expand_dims
from graphflow.ops.sparse_arrays import sparse_merge as merge
from graphflow.ops.sparse_arrays import sparse_reorder as reorder
from graphflow.ops.sparse_arrays import sparse_reshape as reshape
from graphflow.ops.sparse_arrays import sparse_slice as slice
from graphflow.ops.sparse_arrays import sparse_split as split
from graphflow.ops.sparse_arrays import sparse_transpose as transpose
from graphflow.ops.sparse_conversion import dense_to_sparse as from_dense
from graphflow.ops.sparse_conversion import sparse_eye as eye
from graphflow.ops.sparse_conversion import sparse_placeholder as placeholder
from graphflow.ops.sparse_conversion import sparse_tensor_to_dense as to_dense
from graphflow.ops.sparse_conversion import sparse_to_indicator as to_indicator
from graphflow.ops.sparse_cross import sparse_cross_hashed as cross_hashed
from graphflow.ops.sparse_elements import sparse_add as add
from graphflow.ops.sparse_elements import sparse_fill_empty_rows as fill_empty_rows
from graphflow.ops.sparse_elements import sparse_mask as mask
from graphflow.ops.sparse_elements import sparse_maximum as maximum
from graphflow.ops.sparse_elements import sparse_minimum as minimum
from graphflow.ops.sparse_elements import sparse_reset_shape as reset_shape
from graphflow.ops.sparse_elements import sparse_retain as retain
from graphflow.ops.sparse_products import sparse_tensor_dense_matmul as matmul
from graphflow.ops.sparse_products import sparse_tensor_dense_matmul as sparse_dense_matmul
from graphflow.ops.sparse_reduction import sparse_reduce_max as reduce_max
from graphflow.ops.sparse_reduction import sparse_reduce_max_sparse as reduce_max_sparse
from graphflow.ops.sparse_reduction import sparse_reduce_sum as reduce_sum
from graphflow.ops.sparse_reduction import sparse_reduce_sum_sparse as reduce_sum_sparse
from graphflow.ops.sparse_reduction import sparse_softmax as softmax
from graphflow.ops.sparse_segments import sparse_segment_mean as segment_mean
from graphflow.ops.sparse_segments import sparse_segment_sqrt_n as segment_sqrt_n
from graphflow.ops.sparse_segments import sparse_segment_sum as segment_sum
from graphflow.sparse_tensor import SparseTensor

__all__ = [
    "SparseTensor", "add", "concat", "cross_hashed", "expand_dims", "eye", "fill_empty_rows",
    "from_dense",
    "mask", "matmul", "maximum", "merge", "minimum", "placeholder", "reduce_max",
    "reduce_max_sparse", "reduce_sum", "reduce_sum_sparse", "reorder", "reset_shape", "reshape",
    "retain", "segment_mean", "segment_sqrt_n", "segment_sum", "slice", "softmax",
    "sparse_dense_matmul", "split", "to_dense", "to_indicator", "transpose",
]
