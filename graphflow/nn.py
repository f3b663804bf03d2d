"""`tf.nn`: neural-network operations."""

from typing import TYPE_CHECKING

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
from graphflow.ops.activation import swish as silu
from graphflow.ops.attention import scaled_dot_product_attention
from graphflow.ops.bias import bias_add
from graphflow.ops.candidate_sampling import (
    all_candidate_sampler,
    compute_accidental_hits,
    fixed_unigram_candidate_sampler,
    log_uniform_candidate_sampler,
    uniform_candidate_sampler,
)
from graphflow.ops.convolution import (
    conv2d,
    conv2d_backprop_filter,
    conv2d_backprop_input,
    conv2d_transpose,
)
from graphflow.ops.convolution_3d import conv3d, conv3d_backprop_filter_v2, conv3d_transpose
from graphflow.ops.convolution_3d import conv3d_backprop_filter_v2 as conv3d_backprop_filter
from graphflow.ops.convolution_by_rank import conv1d, conv1d_transpose, conv_transpose, convolution
from graphflow.ops.cross_entropy import (
    sigmoid_cross_entropy_with_logits,
    softmax_cross_entropy_with_logits,
    softmax_cross_entropy_with_logits_v2,
    sparse_softmax_cross_entropy_with_logits,
    weighted_cross_entropy_with_logits,
)
from graphflow.ops.ctc import collapse_repeated, ctc_loss, ctc_loss_v2
from graphflow.ops.ctc_decoding import (
    ctc_beam_search_decoder,
    ctc_beam_search_decoder_v2,
    ctc_greedy_decoder,
)
from graphflow.ops.depthwise_convolution import (
    atrous_conv2d,
    atrous_conv2d_transpose,
    depthwise_conv2d,
    depthwise_conv2d_native,
    depthwise_conv2d_native_backprop_filter,
    depthwise_conv2d_native_backprop_input,
    separable_conv2d,
)
from graphflow.ops.depthwise_convolution import (
    depthwise_conv2d_native_backprop_filter as depthwise_conv2d_backprop_filter,
)
from graphflow.ops.depthwise_convolution import (
    depthwise_conv2d_native_backprop_input as depthwise_conv2d_backprop_input,
)
from graphflow.ops.elementary import sigmoid, tanh
from graphflow.ops.embedding import embedding_lookup
from graphflow.ops.layer_normalization import (
    batch_norm_with_global_normalization,
    group_normalization,
    instance_normalization,
    layer_normalization,
)
from graphflow.ops.learned_unigram import learned_unigram_candidate_sampler
from graphflow.ops.local_response import local_response_normalization
from graphflow.ops.local_response import local_response_normalization as lrn
from graphflow.ops.morphology import dilation2d, erosion2d
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
from graphflow.ops.poisson_loss import log_poisson_loss
from graphflow.ops.pooling import avg_pool, max_pool, max_pool2d
from graphflow.ops.pooling import avg_pool as avg_pool2d
from graphflow.ops.pooling_3d import avg_pool3d, max_pool3d
from graphflow.ops.pooling_argmax import max_pool_with_argmax
from graphflow.ops.pooling_by_rank import avg_pool1d, avg_pool_v2, max_pool1d, max_pool_v2, pool
from graphflow.ops.sampled_losses import nce_loss, sampled_softmax_loss
from graphflow.ops.softmax import log_softmax, softmax
from graphflow.ops.space_batch import space_to_batch
from graphflow.ops.space_depth import depth_to_space, space_to_depth
from graphflow.ops.sparse_lookup import embedding_lookup_sparse, safe_embedding_lookup_sparse
from graphflow.ops.statistics import moments, weighted_moments
from graphflow.ops.sufficient_statistics import normalize_moments, sufficient_statistics
from graphflow.ops.top_k import top_k

if TYPE_CHECKING:
    from graphflow.recurrent import (
        bidirectional_dynamic_rnn,
        dynamic_rnn,
        raw_rnn,
        rnn_cell,
        static_bidirectional_rnn,
        static_rnn,
    )

__all__ = [
    "all_candidate_sampler", "atrous_conv2d", "atrous_conv2d_transpose", "avg_pool", "avg_pool1d",
    "avg_pool2d", "avg_pool3d", "avg_pool_v2", "batch_norm_with_global_normalization",
    "batch_normalization", "bias_add", "bidirectional_dynamic_rnn", "collapse_repeated",
    "compute_accidental_hits", "conv1d", "conv1d_transpose", "conv2d", "conv2d_backprop_filter",
    "conv2d_backprop_input", "conv2d_transpose", "conv3d", "conv3d_backprop_filter",
    "conv3d_backprop_filter_v2", "conv3d_transpose", "conv_transpose", "convolution", "crelu",
    "ctc_beam_search_decoder", "ctc_beam_search_decoder_v2", "ctc_greedy_decoder", "ctc_loss",
    "ctc_loss_v2", "depth_to_space", "depthwise_conv2d", "depthwise_conv2d_backprop_filter",
    "depthwise_conv2d_backprop_input", "depthwise_conv2d_native",
    "depthwise_conv2d_native_backprop_filter", "depthwise_conv2d_native_backprop_input",
    "dilation2d", "dropout", "dynamic_rnn", "elu", "embedding_lookup", "embedding_lookup_sparse",
    "erosion2d", "fixed_unigram_candidate_sampler", "fused_batch_norm", "gelu",
    "group_normalization", "in_top_k", "instance_normalization", "l2_loss", "l2_normalize",
    "layer_normalization", "leaky_relu", "learned_unigram_candidate_sampler",
    "local_response_normalization", "log_poisson_loss",
    "log_softmax", "log_uniform_candidate_sampler", "lrn", "max_pool", "max_pool1d", "max_pool2d",
    "max_pool3d", "max_pool_v2", "max_pool_with_argmax", "moments", "nce_loss",
    "normalize_moments", "pool", "raw_rnn", "relu", "relu6", "relu_layer", "rnn_cell",
    "safe_embedding_lookup_sparse", "sampled_softmax_loss", "scaled_dot_product_attention", "selu",
    "separable_conv2d", "sigmoid", "sigmoid_cross_entropy_with_logits", "silu", "softmax",
    "softmax_cross_entropy_with_logits", "softmax_cross_entropy_with_logits_v2", "softplus",
    "softsign", "space_to_batch", "space_to_depth", "sparse_softmax_cross_entropy_with_logits",
    "static_bidirectional_rnn", "static_rnn", "sufficient_statistics", "swish", "tanh", "top_k",
    "uniform_candidate_sampler", "weighted_cross_entropy_with_logits", "weighted_moments",
    "xw_plus_b", "zero_fraction",
]


def __getattr__(name: str) -> object:
    """The recurrent networks, loaded when they are first used."""
    if name in __all__:
        from graphflow import recurrent

        return getattr(recurrent, name)
    raise AttributeError(f"module 'graphflow.nn' has no attribute {name!r}")
