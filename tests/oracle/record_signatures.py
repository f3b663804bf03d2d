"""Writes the signatures of TensorFlow's graph-mode API to signatures.json.

    python tests/oracle/record_signatures.py

needs TensorFlow (recorded with 2.21). A signature is the list of [name, default] of its arguments,
the default as text, null where there is none; `*args` and `**kwargs` keep their stars, and
"*" stands before keyword-only arguments. Where TensorFlow 1.15 differed from today's compat.v1
the recorded signature is that of 1.15, which graphflow follows: ADDED_AFTER_1_15 names arguments
that came later, V1_15 gives signatures that changed otherwise. Both are kept by hand, from the API
reference of 1.15.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tensorflow.compat.v1 as tf
from tensorflow.python.keras.layers.legacy_rnn import rnn_cell_impl
from tensorflow.python.util import tf_decorator, tf_inspect

TOP = """
Assert Print abs accumulate_n acos acosh add add_n add_to_collection add_to_collections
all_variables angle arg_max arg_min argmax argmin argsort as_dtype as_string asin asinh
assert_equal assert_greater assert_greater_equal assert_integer assert_less assert_less_equal
assert_near assert_negative assert_non_negative assert_non_positive assert_none_equal
assert_positive assert_rank assert_rank_at_least assert_rank_in assert_scalar assert_type
assert_variables_initialized assign assign_add assign_sub atan atan2 atanh batch_gather
batch_to_space batch_to_space_nd betainc bincount bitcast boolean_mask broadcast_dynamic_shape
broadcast_static_shape broadcast_to case cast ceil check_numerics cholesky cholesky_solve
clip_by_average_norm clip_by_global_norm clip_by_norm clip_by_value colocate_with complex concat
cond confusion_matrix conj constant control_dependencies convert_to_tensor
convert_to_tensor_or_indexed_slices cos cosh count_nonzero cross cumprod cumsum custom_gradient
decode_csv decode_raw depth_to_space device diag diag_part digamma dimension_at_index
dimension_value div div_no_nan divide dynamic_partition dynamic_stitch edit_distance einsum
ensure_shape equal erf erfc exp expand_dims expm1 extract_image_patches extract_volume_patches
eye fill floor floor_div floordiv floormod foldl foldr gather gather_nd get_collection
get_collection_ref get_default_graph get_default_session get_local_variable get_seed get_variable
get_variable_scope global_norm global_variables global_variables_initializer gradients greater
greater_equal group guarantee_const hessians histogram_fixed_width histogram_fixed_width_bins
identity identity_n igamma igammac imag initialize_all_variables invert_permutation is_finite
is_inf is_nan is_tensor is_variable_initialized lbeta less less_equal lgamma lin_space linspace
local_variables local_variables_initializer log log1p log_sigmoid logical_and logical_not
logical_or logical_xor map_fn matmul matrix_band_part matrix_determinant matrix_diag
matrix_diag_part matrix_inverse matrix_set_diag matrix_solve matrix_solve_ls matrix_transpose
matrix_triangular_solve maximum meshgrid minimum mod moving_average_variables multiply name_scope
negative no_op no_regularizer norm not_equal numpy_function one_hot ones ones_like op_scope pad
parallel_stack placeholder placeholder_with_default polygamma pow py_func qr random_gamma
random_normal random_shuffle random_uniform range rank real realdiv reciprocal reduce_all
reduce_any reduce_join reduce_logsumexp reduce_max reduce_mean reduce_min reduce_prod reduce_sum
regex_replace repeat report_uninitialized_variables required_space_to_batch_paddings
reset_default_graph reshape reverse reverse_sequence rint roll round rsqrt saturate_cast
scalar_mul scan scatter_add scatter_div scatter_max scatter_min scatter_mul scatter_nd
scatter_nd_add scatter_nd_sub scatter_nd_update scatter_sub scatter_update searchsorted
segment_max segment_mean segment_min segment_prod segment_sum self_adjoint_eig
self_adjoint_eigvals sequence_mask set_random_seed setdiff1d shape shape_n sigmoid sign sin sinh
size slice sort space_to_batch space_to_batch_nd space_to_depth sparse_segment_mean
sparse_segment_sqrt_n sparse_segment_sum split sqrt square squared_difference squeeze stack
stop_gradient strided_slice string_join string_split string_strip string_to_number substr
subtract svd switch_case tan tanh tensor_scatter_add tensor_scatter_nd_max tensor_scatter_nd_min
tensor_scatter_sub tensor_scatter_update tensordot tile to_bfloat16 to_double to_float to_int32
to_int64 trace transpose truediv truncated_normal truncatediv truncatemod tuple unique
unique_with_counts unravel_index unsorted_segment_max unsorted_segment_mean unsorted_segment_min
unsorted_segment_prod unsorted_segment_sqrt_n unsorted_segment_sum unstack variable_scope
variables_initializer where while_loop zeros zeros_like zeta
"""
MATH = """
abs accumulate_n acos acosh add add_n angle argmax argmin asin asinh atan atan2 atanh bessel_i0
bessel_i0e bessel_i1 bessel_i1e betainc bincount ceil confusion_matrix conj cos cosh count_nonzero
cumprod cumsum cumulative_logsumexp digamma divide divide_no_nan equal erf erfc erfcinv erfinv exp
expm1 floor floordiv floormod greater greater_equal igamma igammac imag invert_permutation
is_finite is_inf is_nan l2_normalize lbeta less less_equal lgamma log log1p log_sigmoid log_softmax
logical_and logical_not logical_or logical_xor maximum minimum mod multiply multiply_no_nan ndtri
negative nextafter not_equal polygamma polyval pow real reciprocal reciprocal_no_nan reduce_all
reduce_any reduce_euclidean_norm reduce_logsumexp reduce_max reduce_mean reduce_min reduce_prod
reduce_std reduce_sum reduce_variance rint round rsqrt scalar_mul segment_max segment_mean
segment_min segment_prod segment_sum sigmoid sign sin sinh softmax softplus softsign sqrt square
squared_difference subtract tan tanh tensordot truediv unsorted_segment_max unsorted_segment_mean
unsorted_segment_min unsorted_segment_prod unsorted_segment_sqrt_n unsorted_segment_sum xdivy
xlog1py xlogy zero_fraction zeta
"""
NN = """
all_candidate_sampler atrous_conv2d atrous_conv2d_transpose avg_pool avg_pool1d avg_pool2d
avg_pool3d avg_pool_v2 batch_norm_with_global_normalization batch_normalization bias_add
bidirectional_dynamic_rnn collapse_repeated compute_accidental_hits conv1d conv1d_transpose
conv2d conv2d_backprop_filter conv2d_backprop_input conv2d_transpose conv3d
conv3d_backprop_filter conv3d_backprop_filter_v2 conv3d_transpose conv_transpose convolution
crelu ctc_beam_search_decoder ctc_beam_search_decoder_v2 ctc_greedy_decoder ctc_loss ctc_loss_v2
depth_to_space depthwise_conv2d depthwise_conv2d_backprop_filter depthwise_conv2d_backprop_input
depthwise_conv2d_native depthwise_conv2d_native_backprop_filter
depthwise_conv2d_native_backprop_input dilation2d dropout dynamic_rnn elu embedding_lookup
embedding_lookup_sparse safe_embedding_lookup_sparse
erosion2d fixed_unigram_candidate_sampler fused_batch_norm in_top_k l2_loss l2_normalize
leaky_relu local_response_normalization log_poisson_loss log_softmax
log_uniform_candidate_sampler lrn max_pool max_pool1d max_pool2d max_pool3d max_pool_v2
max_pool_with_argmax moments nce_loss normalize_moments pool raw_rnn relu relu6 relu_layer
sampled_softmax_loss selu separable_conv2d sigmoid sigmoid_cross_entropy_with_logits softmax
softmax_cross_entropy_with_logits softmax_cross_entropy_with_logits_v2 softplus softsign
space_to_batch space_to_depth sparse_softmax_cross_entropy_with_logits static_bidirectional_rnn
static_rnn sufficient_statistics swish tanh top_k uniform_candidate_sampler
weighted_cross_entropy_with_logits weighted_moments xw_plus_b zero_fraction
"""
# TensorFlow keeps the cells where Keras 2 was.
CELLS = {
    "RNNCell": "__init__ __call__ get_initial_state zero_state",
    "BasicRNNCell": "__init__", "GRUCell": "__init__", "BasicLSTMCell": "__init__",
    "LSTMCell": "__init__", "MultiRNNCell": "__init__ zero_state",
    "DropoutWrapper": "__init__", "ResidualWrapper": "__init__", "DeviceWrapper": "__init__",
}
LINALG = """
adjoint band_part cholesky cholesky_solve cross det diag diag_part eigh eigvalsh einsum expm eye
global_norm inv l2_normalize logdet lstsq lu lu_matrix_inverse lu_reconstruct lu_solve matmul
matrix_rank matrix_transpose matvec norm normalize pinv qr set_diag slogdet solve svd tensor_diag
tensor_diag_part tensordot trace transpose triangular_solve
"""
STRINGS = """
as_string format join length lower reduce_join regex_full_match regex_replace split strip substr
to_number upper
"""
RANDOM = """
normal uniform truncated_normal set_random_seed shuffle categorical multinomial gamma poisson
get_seed stateless_categorical stateless_multinomial stateless_normal stateless_truncated_normal
stateless_uniform all_candidate_sampler fixed_unigram_candidate_sampler
learned_unigram_candidate_sampler log_uniform_candidate_sampler uniform_candidate_sampler
"""
SPARSE_TOP = """
convert_to_tensor_or_sparse_tensor matching_files multinomial random_crop random_poisson read_file
sparse_add sparse_concat sparse_fill_empty_rows sparse_mask sparse_matmul sparse_maximum
sparse_merge sparse_minimum sparse_placeholder sparse_reduce_max sparse_reduce_max_sparse
sparse_reduce_sum sparse_reduce_sum_sparse sparse_reorder sparse_reset_shape sparse_reshape
sparse_retain sparse_slice sparse_softmax sparse_split sparse_tensor_dense_matmul
sparse_tensor_to_dense sparse_to_dense sparse_to_indicator sparse_transpose write_file
"""
SIGNAL = """
dct fft fft2d fft3d fftshift frame hamming_window hann_window idct ifft ifft2d ifft3d ifftshift
inverse_stft inverse_stft_window_fn irfft irfft2d irfft3d linear_to_mel_weight_matrix
mfccs_from_log_mel_spectrograms overlap_and_add rfft rfft2d rfft3d stft
"""
SPECTRAL = "dct fft fft2d fft3d idct ifft ifft2d ifft3d irfft irfft2d irfft3d rfft rfft2d rfft3d"
SPARSE = """
add concat expand_dims eye fill_empty_rows from_dense mask matmul maximum merge minimum placeholder
reduce_max reduce_max_sparse reduce_sum reduce_sum_sparse reorder reset_shape reshape retain
segment_mean segment_sqrt_n segment_sum slice softmax split to_dense to_indicator transpose
"""
IMAGE = """
adjust_brightness adjust_contrast adjust_gamma adjust_hue adjust_jpeg_quality adjust_saturation
central_crop combined_non_max_suppression convert_image_dtype crop_and_resize crop_to_bounding_box
decode_and_crop_jpeg decode_bmp decode_gif decode_image decode_jpeg decode_png draw_bounding_boxes
encode_jpeg encode_png extract_glimpse extract_image_patches extract_jpeg_shape extract_patches
flip_left_right flip_up_down grayscale_to_rgb hsv_to_rgb image_gradients is_jpeg
non_max_suppression non_max_suppression_overlaps non_max_suppression_padded
non_max_suppression_with_scores pad_to_bounding_box per_image_standardization psnr
random_brightness random_contrast random_crop random_flip_left_right random_flip_up_down random_hue
random_jpeg_quality random_saturation resize resize_area resize_bicubic resize_bilinear
resize_image_with_crop_or_pad resize_image_with_pad resize_images resize_nearest_neighbor
resize_with_crop_or_pad rgb_to_grayscale rgb_to_hsv rgb_to_yiq rgb_to_yuv rot90
sample_distorted_bounding_box sobel_edges ssim ssim_multiscale total_variation transpose
transpose_image yiq_to_rgb yuv_to_rgb
"""
IO = """
decode_and_crop_jpeg decode_bmp decode_csv decode_gif decode_image decode_jpeg decode_png
decode_raw encode_jpeg encode_png extract_jpeg_shape is_jpeg matching_files read_file write_file
"""
TRAIN = """
create_global_step get_checkpoint_state get_global_step get_or_create_global_step global_step
latest_checkpoint
"""
TRAIN_CLASSES = {
    "train.Optimizer": "__init__ apply_gradients compute_gradients get_name get_slot "
                       "get_slot_names minimize variables",
    "train.GradientDescentOptimizer": "__init__",
    "train.MomentumOptimizer": "__init__",
    "train.AdamOptimizer": "__init__",
    "train.Saver": "__init__ save restore as_saver_def build export_meta_graph last_checkpoints "
                   "recover_last_checkpoints set_last_checkpoints "
                   "set_last_checkpoints_with_time to_proto",
}
INITIALIZERS = """
zeros_initializer ones_initializer constant_initializer random_normal_initializer
random_uniform_initializer truncated_normal_initializer variance_scaling_initializer
uniform_unit_scaling_initializer glorot_uniform_initializer glorot_normal_initializer
orthogonal_initializer initializers.he_normal initializers.he_uniform initializers.lecun_normal
initializers.lecun_uniform initializers.identity
"""
CLASSES = {
    "Graph": "__init__ as_default as_graph_element add_to_collection add_to_collections "
             "clear_collection control_dependencies colocate_with device finalize "
             "get_all_collection_keys get_collection get_collection_ref get_name_scope "
             "get_operation_by_name get_operations get_tensor_by_name gradient_override_map "
             "is_feedable is_fetchable name_scope prevent_feeding prevent_fetching unique_name",
    "Session": "__init__ as_default close list_devices make_callable partial_run "
               "partial_run_setup run",
    "InteractiveSession": "__init__ close run",
    "Variable": "__init__ assign assign_add assign_sub count_up_to eval get_shape "
                "initialized_value load read_value scatter_add scatter_sub scatter_update "
                "scatter_nd_add scatter_nd_sub scatter_nd_update set_shape value",
    "Tensor": "consumers eval get_shape set_shape",
    "Operation": "get_attr run values colocation_groups",
    "TensorShape": "__init__ as_list assert_has_rank assert_is_compatible_with "
                   "assert_is_fully_defined assert_same_rank concatenate is_compatible_with "
                   "is_fully_defined merge_with most_specific_compatible_shape num_elements "
                   "with_rank with_rank_at_least with_rank_at_most",
    "Dimension": "__init__ assert_is_compatible_with is_compatible_with merge_with",
    "DType": "is_compatible_with",
    "IndexedSlices": "__init__",
    "VariableScope": "__init__ get_variable global_variables local_variables "
                     "reuse_variables set_caching_device set_custom_getter set_dtype "
                     "set_initializer set_partitioner set_regularizer set_use_resource "
                     "trainable_variables",
    "errors.OpError": "__init__",
    "TensorArray": "__init__ close concat gather grad identity read scatter size split stack "
                   "unstack write",
}
ERRORS = """
AbortedError AlreadyExistsError CancelledError DataLossError DeadlineExceededError
FailedPreconditionError InternalError InvalidArgumentError NotFoundError OutOfRangeError
PermissionDeniedError ResourceExhaustedError UnauthenticatedError UnavailableError
UnimplementedError UnknownError
"""
TEST = "compute_gradient compute_gradient_error"
PROPERTIES = {
    "Graph": "collections finalized name_scope seed version",
    "Tensor": "device dtype graph name op shape value_index",
    "Operation": "control_inputs device graph inputs name node_def outputs traceback type",
    "Variable": "constraint device dtype graph initial_value initializer name op shape trainable",
    "TensorShape": "dims ndims rank",
    "Dimension": "value",
    "DType": "as_numpy_dtype base_dtype is_bool is_complex is_floating is_integer is_unsigned "
             "limits max min name real_dtype size",
    "IndexedSlices": "dense_shape device dtype graph indices name op values",
    "Session": "graph",
    "VariableScope": "caching_device constraint custom_getter dtype initializer name "
                     "original_name_scope regularizer reuse use_resource",
    "errors.OpError": "error_code message node_def op",
    "TensorArray": "dtype dynamic_size element_shape flow handle",
}

# Arguments of compat.v1 in 2.21 that 1.15 did not have.
ADDED_AFTER_1_15 = {
    "image.ssim": ["return_index_map"],
    "image.adjust_jpeg_quality": ["dct_method"],
    "image.non_max_suppression_padded": ["sorted_input", "canonicalized_coordinates",
                                         "tile_size"],
    "nn.embedding_lookup_sparse": ["allow_fast_lookup"],
    "nn.safe_embedding_lookup_sparse": ["allow_fast_lookup"],
    "random.stateless_normal": ["alg"],
    "random.stateless_truncated_normal": ["alg"],
    "random.stateless_uniform": ["alg"],
    "nn.ctc_greedy_decoder": ["blank_index"],
    "linalg.matmul": ["output_type", "grad_a", "grad_b"],
    "errors.OpError.__init__": ["*args"],
    "fill": ["layout"],
    "gather_nd": ["bad_indices_policy"],
    "lin_space": ["axis"],
    "linspace": ["axis"],
    "matmul": ["output_type", "grad_a", "grad_b"],
    "nn.fused_batch_norm": ["exponential_avg_factor"],
    "nn.swish": ["beta"],
    "nn.top_k": ["index_type"],
    "numpy_function": ["stateful"],
    "ones": ["layout"],
    "scatter_nd": ["bad_indices_policy"],
    "tensor_scatter_add": ["bad_indices_policy"],
    "tensor_scatter_nd_max": ["bad_indices_policy"],
    "tensor_scatter_nd_min": ["bad_indices_policy"],
    "tensor_scatter_sub": ["bad_indices_policy"],
    "tensor_scatter_update": ["bad_indices_policy"],
    "train.AdamOptimizer.__init__": ["use_own_namescope_for_non_slot_vars"],
    "train.Optimizer.__init__": ["use_own_namescope_for_non_slot_vars"],
    "train.Optimizer.apply_gradients": ["skip_gradients_aggregation"],
    "zeros": ["layout"],
}
NEW_KEYS = ["TRAINABLE_RESOURCE_VARIABLES"]
# Signatures of 1.15 whose defaults have changed since.
V1_15: dict[str, list[list[Any]]] = {
    "custom_gradient": [["f", None]],
    "map_fn": [
        ["fn", None], ["elems", None], ["dtype", "None"], ["parallel_iterations", "None"],
        ["back_prop", "True"], ["swap_memory", "False"], ["infer_shape", "True"],
        ["name", "None"]],
    "nn.rnn_cell.DeviceWrapper.__init__": [["cell", None], ["device", None], ["**kwargs", None]],
    "nn.rnn_cell.DropoutWrapper.__init__": [
        ["cell", None], ["input_keep_prob", "1.0"], ["output_keep_prob", "1.0"],
        ["state_keep_prob", "1.0"], ["variational_recurrent", "False"], ["input_size", "None"],
        ["dtype", "None"], ["seed", "None"], ["dropout_state_filter_visitor", "None"],
        ["**kwargs", None]],
    "nn.rnn_cell.ResidualWrapper.__init__": [
        ["cell", None], ["residual_fn", "None"], ["**kwargs", None]],
    "numpy_function": [["func", None], ["inp", None], ["Tout", None], ["name", "None"]],
    "shape": [["input", None], ["name", "None"], ["out_type", "tf.int32"]],
    "size": [["input", None], ["name", "None"], ["out_type", "tf.int32"]],
    "nn.sigmoid_cross_entropy_with_logits": [
        ["_sentinel", "None"], ["labels", "None"], ["logits", "None"], ["name", "None"]],
    "nn.softmax_cross_entropy_with_logits": [
        ["_sentinel", "None"], ["labels", "None"], ["logits", "None"], ["dim", "-1"],
        ["name", "None"], ["axis", "None"]],
    "nn.sparse_softmax_cross_entropy_with_logits": [
        ["_sentinel", "None"], ["labels", "None"], ["logits", "None"], ["name", "None"]],
}


def unwrapped(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function below TensorFlow's decorators (deprecation, dispatch, export)."""
    return tf_decorator.unwrap(function)[1]


def signature(function: Callable[..., Any]) -> list[list[Any]]:
    """[name, default as text or None] for each argument in order, without `self`."""
    spec = tf_inspect.getfullargspec(function)
    defaults = dict(zip(reversed(spec.args), reversed(spec.defaults or ())))
    found = [[arg, text(defaults[arg]) if arg in defaults else None] for arg in spec.args]
    if found and found[0][0] == "self":
        del found[0]
    if spec.varargs:
        found.append([f"*{spec.varargs}", None])
    elif spec.kwonlyargs:
        found.append(["*", None])
    keyword_defaults = spec.kwonlydefaults or {}
    found += [[arg, text(keyword_defaults[arg]) if arg in keyword_defaults else None]
              for arg in spec.kwonlyargs]
    return found + ([[f"**{spec.varkw}", None]] if spec.varkw else [])


def text(default: Any) -> str:
    """A default as text: dtypes by name, enumerations by member, the rest by repr."""
    if isinstance(default, tf.DType):
        return f"tf.{default.name}"
    if type(default).__module__.startswith("tensorflow") or callable(default):
        return getattr(default, "name", type(default).__name__)
    return repr(default)


def lookup(path: str) -> Any:
    """The object at a dotted path below tf, or None if this TensorFlow has none."""
    value: Any = tf
    if path.startswith("nn.rnn_cell."):
        value, path = rnn_cell_impl, path.removeprefix("nn.rnn_cell.")
    for part in path.split("."):
        value = getattr(value, part, None)
        if value is None:
            return None
    return value


def main() -> None:
    """Write signatures.json beside this script."""
    paths = TOP.split() + INITIALIZERS.split() + SPARSE_TOP.split()
    for module, names in (("math", MATH), ("nn", NN), ("random", RANDOM), ("train", TRAIN),
                          ("test", TEST), ("linalg", LINALG), ("strings", STRINGS),
                          ("sparse", SPARSE), ("image", IMAGE), ("io", IO),
                          ("signal", SIGNAL), ("spectral", SPECTRAL)):
        paths += [f"{module}.{name}" for name in names.split()]
    cells = {f"nn.rnn_cell.{cell}": names for cell, names in CELLS.items()}
    for owner, names in (CLASSES | TRAIN_CLASSES | cells).items():
        paths += [f"{owner}.{name}" for name in names.split()]
    found: dict[str, Any] = {}
    absent = []
    for path in paths:
        target = lookup(path)
        if target is None:
            absent.append(path)
        elif path in V1_15:
            found[path] = V1_15[path]
        else:
            try:
                found[path] = signature(target.__init__ if isinstance(target, type) else target)
            except TypeError:  # written in C++: inspect sees no arguments
                absent.append(path)
        later = ADDED_AFTER_1_15.get(path, ())
        if path in found:
            found[path] = [argument for argument in found[path] if argument[0] not in later]
    keys = {k: v for k, v in vars(tf.GraphKeys).items()
            if k.isupper() and isinstance(v, str) and k[0] != "_" and k not in NEW_KEYS}
    keys |= {k: getattr(tf.GraphKeys, k) for k in ("VARIABLES",)}
    data = {
        "recorded_with": f"tensorflow {tf.__version__}",
        "signatures": found, "graph_keys": keys,
        "error_codes": {name: getattr(tf.errors, name)(None, None, "").error_code
                        for name in ERRORS.split()},
        "properties": {owner: names.split() for owner, names in PROPERTIES.items()},
    }
    missing = [f"{o}.{p}" for o, ps in data["properties"].items()
               for p in ps if not hasattr(lookup(o), p)]
    write(Path(__file__).parent / "signatures.json", data)
    print(f"{len(found)} signatures; not in this TensorFlow: {absent}; properties: {missing}")


def write(path: Path, data: dict[str, Any]) -> None:
    """One line for each entry of each table, so that changes are readable."""
    lines = []
    for key, value in data.items():
        if isinstance(value, dict):
            rows = ",\n".join(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in value.items())
            lines.append(f"{json.dumps(key)}: {{\n{rows}\n}}")
        else:
            lines.append(f"{json.dumps(key)}: {json.dumps(value)}")
    path.write_text("{" + ",\n".join(lines) + "}\n", encoding="utf-8")


if __name__ == "__main__":
    tf.disable_v2_behavior()
    main()
