"""`tf.nn`: neural-network operations."""

from graphflow.ops.activation import (
    crelu,
    elu,
    gelu,
    leaky_relu,
    relu,
    relu6,
    selu,
    softplus,
    softsign,
    swish,
)
from graphflow.ops.bias import bias_add
from graphflow.ops.convolution import (
    conv2d,
    conv2d_backprop_filter,
    conv2d_backprop_input,
    conv2d_transpose,
)
from graphflow.ops.convolution_by_rank import convolution, pool
from graphflow.ops.cross_entropy import (
    sigmoid_cross_entropy_with_logits,
    softmax_cross_entropy_with_logits,
    softmax_cross_entropy_with_logits_v2,
    sparse_softmax_cross_entropy_with_logits,
    weighted_cross_entropy_with_logits,
)
from graphflow.ops.elementary import sigmoid, tanh
from graphflow.ops.embedding import embedding_lookup
from graphflow.ops.nn import (
    dropout,
    in_top_k,
    l2_loss,
    l2_normalize,
    relu_layer,
    xw_plus_b,
    zero_fraction,
)
from graphflow.ops.normalization import batch_normalization, fused_batch_norm
from graphflow.ops.pooling import avg_pool, max_pool, max_pool2d
from graphflow.ops.pooling import avg_pool as avg_pool2d
from graphflow.ops.softmax import log_softmax, softmax
from graphflow.ops.statistics import moments, weighted_moments
from graphflow.ops.sufficient_statistics import normalize_moments, sufficient_statistics
from graphflow.ops.top_k import top_k

__all__ = [
    "avg_pool", "avg_pool2d", "batch_normalization", "bias_add", "conv2d",
    "conv2d_backprop_filter", "conv2d_backprop_input", "conv2d_transpose", "convolution",
    "crelu", "dropout", "elu", "embedding_lookup", "fused_batch_norm", "gelu", "in_top_k",
    "l2_loss", "l2_normalize", "leaky_relu", "log_softmax", "max_pool", "max_pool2d",
    "moments", "normalize_moments", "pool", "relu", "relu6", "relu_layer", "selu", "sigmoid",
    "sigmoid_cross_entropy_with_logits", "softmax", "softmax_cross_entropy_with_logits",
    "softmax_cross_entropy_with_logits_v2", "softplus", "softsign",
    "sparse_softmax_cross_entropy_with_logits", "sufficient_statistics", "swish", "tanh",
    "top_k", "weighted_cross_entropy_with_logits", "weighted_moments", "xw_plus_b",
    "zero_fraction",
]
