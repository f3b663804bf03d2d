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
from tensorflow.python.util import tf_decorator, tf_inspect

TOP = """
Assert Print abs accumulate_n acos acosh add add_n add_to_collection add_to_collections
all_variables arg_max arg_min argmax argmin asin asinh assert_equal assert_greater
assert_greater_equal assert_integer assert_less assert_less_equal assert_near assert_negative
assert_non_negative assert_non_positive assert_none_equal assert_positive assert_rank
assert_rank_at_least assert_rank_in assert_scalar assert_type assert_variables_initialized assign
assign_add assign_sub as_dtype atan atan2 atanh boolean_mask broadcast_dynamic_shape
broadcast_static_shape broadcast_to case cast ceil check_numerics clip_by_average_norm
clip_by_global_norm clip_by_norm clip_by_value colocate_with complex concat cond conj constant
control_dependencies convert_to_tensor cos cosh count_nonzero cumprod cumsum custom_gradient
device digamma div div_no_nan divide dynamic_partition dynamic_stitch ensure_shape equal erf erfc
exp expand_dims expm1 eye fill floor floor_div floordiv floormod gather gather_nd get_collection
get_collection_ref get_default_graph get_default_session get_local_variable get_seed get_variable
get_variable_scope global_norm global_variables global_variables_initializer gradients greater
greater_equal group hessians identity identity_n imag initialize_all_variables is_finite is_inf
is_nan is_variable_initialized less less_equal lgamma linspace lin_space local_variables
local_variables_initializer log log1p log_sigmoid logical_and logical_not logical_or logical_xor
matmul matrix_transpose maximum meshgrid minimum mod moving_average_variables multiply name_scope
negative no_op no_regularizer norm not_equal numpy_function one_hot ones ones_like op_scope pad
placeholder placeholder_with_default pow py_func random_gamma random_normal random_shuffle
random_uniform range rank real realdiv reciprocal reduce_all reduce_any reduce_join
reduce_logsumexp reduce_max reduce_mean reduce_min reduce_prod reduce_sum
report_uninitialized_variables reset_default_graph reshape reverse rint round rsqrt saturate_cast
scalar_mul scatter_add scatter_div scatter_max scatter_min scatter_mul scatter_nd scatter_nd_add
scatter_nd_sub scatter_nd_update scatter_sub scatter_update set_random_seed shape shape_n sigmoid
sign sin sinh size slice split sqrt square squared_difference squeeze stack stop_gradient
strided_slice subtract switch_case tan tanh tensordot tile to_bfloat16 to_double to_float
to_int32 to_int64 transpose truediv truncated_normal truncatediv truncatemod tuple unstack
variable_scope variables_initializer while_loop where zeros zeros_like
"""
MATH = """
abs acos acosh add add_n argmax argmin asin asinh atan atan2 atanh ceil cos cosh count_nonzero
cumprod cumsum digamma divide divide_no_nan equal erf erfc exp expm1 floor floordiv floormod
greater greater_equal is_finite is_inf is_nan l2_normalize less less_equal lgamma log log1p
log_sigmoid log_softmax logical_and logical_not logical_or logical_xor maximum minimum mod
multiply multiply_no_nan negative not_equal pow reciprocal reduce_all reduce_any reduce_logsumexp
reduce_max reduce_mean reduce_min reduce_prod reduce_std reduce_sum reduce_variance rint round
rsqrt scalar_mul sigmoid sign sin sinh softmax softplus softsign sqrt square squared_difference
subtract tan tanh tensordot truediv xdivy xlogy
"""
NN = """
avg_pool avg_pool2d batch_normalization bias_add conv2d conv2d_backprop_filter
conv2d_backprop_input conv2d_transpose convolution crelu dropout elu embedding_lookup
fused_batch_norm in_top_k l2_loss l2_normalize leaky_relu log_softmax max_pool max_pool2d moments
pool relu relu6 relu_layer selu sigmoid sigmoid_cross_entropy_with_logits softmax
softmax_cross_entropy_with_logits softmax_cross_entropy_with_logits_v2 softplus softsign
sparse_softmax_cross_entropy_with_logits sufficient_statistics swish tanh top_k
weighted_cross_entropy_with_logits xw_plus_b zero_fraction
"""
RANDOM = "normal uniform truncated_normal set_random_seed shuffle"
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
}

# Arguments of compat.v1 in 2.21 that 1.15 did not have.
ADDED_AFTER_1_15 = {
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
    "train.AdamOptimizer.__init__": ["use_own_namescope_for_non_slot_vars"],
    "train.Optimizer.__init__": ["use_own_namescope_for_non_slot_vars"],
    "train.Optimizer.apply_gradients": ["skip_gradients_aggregation"],
    "zeros": ["layout"],
}
NEW_KEYS = ["TRAINABLE_RESOURCE_VARIABLES"]
# Signatures of 1.15 whose defaults have changed since.
V1_15: dict[str, list[list[Any]]] = {
    "custom_gradient": [["f", None]],
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
    for part in path.split("."):
        value = getattr(value, part, None)
        if value is None:
            return None
    return value


def main() -> None:
    """Write signatures.json beside this script."""
    paths = TOP.split() + INITIALIZERS.split()
    for module, names in (("math", MATH), ("nn", NN), ("random", RANDOM), ("train", TRAIN),
                          ("test", TEST)):
        paths += [f"{module}.{name}" for name in names.split()]
    for owner, names in (CLASSES | TRAIN_CLASSES).items():
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
