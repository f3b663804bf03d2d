"""graphflow: a define-then-run tensor compiler that speaks TensorFlow 1.

`import graphflow as tf` is enough for a graph-mode TensorFlow 1 program: build a graph of
placeholders, variables and ops, differentiate it with `gradients` or an optimizer, run it with a
`Session`. The public names are TensorFlow 1.15's.
"""

from graphflow import (
    bitwise,
    compat,
    data,
    debugging,
    dtypes,
    errors,
    initializers,
    linalg,
    logging,
    manip,
    math,
    nn,
    random,
    test,
    train,
)
from graphflow.compat import (
    disable_eager_execution,
    disable_v2_behavior,
    enable_eager_execution,
    executing_eagerly,
)
from graphflow.conversion import register_tensor_conversion_function
from graphflow.custom_gradient import RegisterGradient, custom_gradient, identity_n
from graphflow.defaults import get_default_session
from graphflow.dims import Dimension
from graphflow.dtypes import (
    DType,
    as_dtype,
    bfloat16,
    complex64,
    complex128,
    double,
    float16,
    float32,
    float64,
    half,
    int8,
    int16,
    int32,
    int64,
    string,
    uint8,
    uint16,
    uint32,
    uint64,
)
from graphflow.dtypes import bool_ as bool
from graphflow.errors import GraphflowError, GraphflowWarning
from graphflow.gradients import AggregationMethod, UnconnectedGradients, gradients, hessians
from graphflow.graph import Graph, get_default_graph, reset_default_graph
from graphflow.indexed_slices import IndexedSlices
from graphflow.ops.arg_reduction import arg_max, arg_min, argmax, argmin
from graphflow.ops.arithmetic import (
    abs,
    accumulate_n,
    add,
    add_n,
    multiply,
    negative,
    pow,
    scalar_mul,
    sign,
    square,
    squared_difference,
    subtract,
)
from graphflow.ops.broadcasting import broadcast_to
from graphflow.ops.cases import case, switch_case
from graphflow.ops.casting import (
    bitcast,
    cast,
    saturate_cast,
    to_bfloat16,
    to_complex64,
    to_complex128,
    to_double,
    to_float,
    to_int32,
    to_int64,
)
from graphflow.ops.check_types import (
    assert_integer,
    assert_proper_iterable,
    assert_rank,
    assert_rank_at_least,
    assert_rank_in,
    assert_same_float_dtype,
    assert_scalar,
    assert_type,
    is_numeric_tensor,
)
from graphflow.ops.check_values import (
    assert_equal,
    assert_greater,
    assert_greater_equal,
    assert_less,
    assert_less_equal,
    assert_near,
    assert_negative,
    assert_non_negative,
    assert_non_positive,
    assert_none_equal,
    assert_positive,
)
from graphflow.ops.checks import (
    add_check_numerics_ops,
    check_numerics,
    is_non_decreasing,
    is_strictly_increasing,
    verify_tensor_all_finite,
)
from graphflow.ops.checks import (
    assert_operation as Assert,
)
from graphflow.ops.clipping import (
    clip_by_average_norm,
    clip_by_global_norm,
    clip_by_norm,
    global_norm,
)
from graphflow.ops.comparison import (
    approximate_equal,
    equal,
    greater,
    greater_equal,
    is_finite,
    is_inf,
    is_nan,
    less,
    less_equal,
    logical_and,
    logical_not,
    logical_or,
    logical_xor,
    not_equal,
)
from graphflow.ops.complex import angle, complex, conj, imag, real
from graphflow.ops.conditional import cond
from graphflow.ops.cumulative import cumprod, cumsum
from graphflow.ops.division import (
    div,
    div_no_nan,
    divide,
    floor_div,
    floordiv,
    floormod,
    realdiv,
    truediv,
    truncatediv,
    truncatemod,
)
from graphflow.ops.division import (
    floormod as mod,
)
from graphflow.ops.elementary import (
    acos,
    acosh,
    asin,
    asinh,
    atan,
    atan2,
    atanh,
    cos,
    cosh,
    exp,
    expm1,
    log,
    log1p,
    log_sigmoid,
    reciprocal,
    rsqrt,
    sigmoid,
    sin,
    sinh,
    sqrt,
    tan,
    tanh,
)
from graphflow.ops.filling import fill, ones, ones_like, zeros, zeros_like
from graphflow.ops.gathering import batch_gather, gather, gather_nd
from graphflow.ops.graph_functions import (
    add_to_collection,
    add_to_collections,
    colocate_with,
    container,
    control_dependencies,
    device,
    get_collection,
    get_collection_ref,
    get_seed,
    init_scope,
    name_scope,
    op_scope,
    set_random_seed,
)
from graphflow.ops.host import numpy_function, py_func
from graphflow.ops.identity_matrix import eye
from graphflow.ops.initializers import (
    Constant as constant_initializer,
)
from graphflow.ops.initializers import (
    GlorotNormal as glorot_normal_initializer,
)
from graphflow.ops.initializers import (
    GlorotUniform as glorot_uniform_initializer,
)
from graphflow.ops.initializers import (
    Ones as ones_initializer,
)
from graphflow.ops.initializers import (
    RandomNormal as random_normal_initializer,
)
from graphflow.ops.initializers import (
    RandomUniform as random_uniform_initializer,
)
from graphflow.ops.initializers import (
    TruncatedNormal as truncated_normal_initializer,
)
from graphflow.ops.initializers import (
    UniformUnitScaling as uniform_unit_scaling_initializer,
)
from graphflow.ops.initializers import (
    VarianceScaling as variance_scaling_initializer,
)
from graphflow.ops.initializers import (
    Zeros as zeros_initializer,
)
from graphflow.ops.joining import concat, parallel_stack, stack
from graphflow.ops.leaves import (
    constant,
    convert_to_tensor,
    group,
    identity,
    no_op,
    placeholder,
    placeholder_with_default,
    stop_gradient,
)
from graphflow.ops.leaves import (
    tuple_ as tuple,
)
from graphflow.ops.masking import boolean_mask
from graphflow.ops.matmul import matmul, tensordot
from graphflow.ops.meshgrid import meshgrid
from graphflow.ops.norms import norm
from graphflow.ops.one_hot import one_hot
from graphflow.ops.padding import pad
from graphflow.ops.partitioning import dynamic_partition, dynamic_stitch
from graphflow.ops.printing import print_identity as Print
from graphflow.ops.printing import print_operation as print
from graphflow.ops.random import random_normal, random_shuffle, random_uniform, truncated_normal
from graphflow.ops.ranges import linspace, range
from graphflow.ops.ranges import linspace as lin_space
from graphflow.ops.reduction import (
    count_nonzero,
    reduce_all,
    reduce_any,
    reduce_max,
    reduce_mean,
    reduce_min,
    reduce_prod,
    reduce_sum,
)
from graphflow.ops.reshaping import ensure_shape, expand_dims, reshape, squeeze
from graphflow.ops.reversing import reverse
from graphflow.ops.reversing import reverse as reverse_v2
from graphflow.ops.rounding import ceil, floor, rint, round
from graphflow.ops.scattering import (
    scatter_nd,
    tensor_scatter_nd_add,
    tensor_scatter_nd_sub,
    tensor_scatter_nd_update,
)
from graphflow.ops.scattering import (
    tensor_scatter_nd_add as tensor_scatter_add,
)
from graphflow.ops.scattering import (
    tensor_scatter_nd_sub as tensor_scatter_sub,
)
from graphflow.ops.scattering import (
    tensor_scatter_nd_update as tensor_scatter_update,
)
from graphflow.ops.segments import (
    unsorted_segment_max,
    unsorted_segment_mean,
    unsorted_segment_min,
    unsorted_segment_prod,
    unsorted_segment_sqrt_n,
    unsorted_segment_sum,
)
from graphflow.ops.selection import clip_by_value, maximum, minimum, where, where_v2
from graphflow.ops.shape_ops import (
    broadcast_dynamic_shape,
    broadcast_static_shape,
    rank,
    shape,
    shape_n,
    size,
)
from graphflow.ops.slicing import slice, strided_slice
from graphflow.ops.sorted_segments import (
    segment_max,
    segment_mean,
    segment_min,
    segment_prod,
    segment_sum,
)
from graphflow.ops.special import digamma, erf, erfc, lgamma, polygamma, zeta
from graphflow.ops.splitting import split, unstack
from graphflow.ops.state import (
    assign,
    assign_add,
    assign_sub,
    is_variable_initialized,
    scatter_add,
    scatter_div,
    scatter_max,
    scatter_min,
    scatter_mul,
    scatter_nd_add,
    scatter_nd_sub,
    scatter_nd_update,
    scatter_sub,
    scatter_update,
)
from graphflow.ops.statistics import reduce_logsumexp
from graphflow.ops.tiling import tile
from graphflow.ops.transposing import matrix_transpose, transpose
from graphflow.ops.variable_collections import (
    all_variables,
    assert_variables_initialized,
    global_variables,
    global_variables_initializer,
    initialize_all_variables,
    initialize_local_variables,
    initialize_variables,
    local_variables,
    local_variables_initializer,
    model_variables,
    moving_average_variables,
    report_uninitialized_variables,
    trainable_variables,
    variables_initializer,
)
from graphflow.ops.variable_counter import count_up_to
from graphflow.ops.variable_scope import (
    VariableScope,
    get_local_variable,
    get_variable,
    get_variable_scope,
    no_regularizer,
    variable_op_scope,
    variable_scope,
)
from graphflow.ops.variable_store import AUTO_REUSE
from graphflow.ops.variables import (
    Variable,
    VariableAggregation,
    VariableSynchronization,
    VariableV1,
    is_variable,
)
from graphflow.ops.while_loop import while_loop
from graphflow.options import Options
from graphflow.runtime.config import (
    ConfigProto,
    GPUOptions,
    GraphOptions,
    OptimizerOptions,
    RunMetadata,
    RunOptions,
)
from graphflow.runtime.fetch import IndexedSlicesValue
from graphflow.scopes import GraphKeys
from graphflow.session import InteractiveSession, Session
from graphflow.shapes import TensorShape
from graphflow.tensor import Operation, Tensor

__version__ = "0.1.0"
newaxis = None

__all__ = [
    "AUTO_REUSE", "AggregationMethod", "Assert", "ConfigProto", "DType", "Dimension",
    "GPUOptions", "Graph", "GraphKeys", "GraphOptions", "GraphflowError", "GraphflowWarning",
    "IndexedSlices", "IndexedSlicesValue", "InteractiveSession", "Operation",
    "OptimizerOptions", "Options", "Print", "RegisterGradient", "RunMetadata", "RunOptions",
    "Session", "Tensor", "TensorShape", "UnconnectedGradients", "Variable",
    "VariableAggregation", "VariableScope", "VariableSynchronization", "VariableV1", "abs",
    "accumulate_n", "acos", "acosh", "add", "add_check_numerics_ops", "add_n",
    "add_to_collection", "add_to_collections", "all_variables", "angle", "approximate_equal",
    "arg_max", "arg_min", "argmax", "argmin", "as_dtype", "asin", "asinh", "assert_equal",
    "assert_greater", "assert_greater_equal", "assert_integer", "assert_less",
    "assert_less_equal", "assert_near", "assert_negative", "assert_non_negative",
    "assert_non_positive", "assert_none_equal", "assert_positive", "assert_proper_iterable",
    "assert_rank", "assert_rank_at_least", "assert_rank_in", "assert_same_float_dtype",
    "assert_scalar", "assert_type", "assert_variables_initialized", "assign", "assign_add",
    "assign_sub", "atan", "atan2", "atanh", "batch_gather", "bfloat16", "bitcast", "bitwise",
    "bool", "boolean_mask", "broadcast_dynamic_shape", "broadcast_static_shape",
    "broadcast_to", "case", "cast", "ceil", "check_numerics", "clip_by_average_norm",
    "clip_by_global_norm", "clip_by_norm", "clip_by_value", "colocate_with", "compat",
    "complex", "complex128", "complex64", "concat", "cond", "conj", "constant",
    "constant_initializer", "container", "control_dependencies", "convert_to_tensor", "cos",
    "cosh", "count_nonzero", "count_up_to", "cumprod", "cumsum", "custom_gradient", "data",
    "debugging", "device", "digamma", "disable_eager_execution", "disable_v2_behavior", "div",
    "div_no_nan", "divide", "double", "dtypes", "dynamic_partition", "dynamic_stitch",
    "enable_eager_execution", "ensure_shape", "equal", "erf", "erfc", "errors",
    "executing_eagerly", "exp", "expand_dims", "expm1", "eye", "fill", "float16", "float32",
    "float64", "floor", "floor_div", "floordiv", "floormod", "gather", "gather_nd",
    "get_collection", "get_collection_ref", "get_default_graph", "get_default_session",
    "get_local_variable", "get_seed", "get_variable", "get_variable_scope", "global_norm",
    "global_variables", "global_variables_initializer", "glorot_normal_initializer",
    "glorot_uniform_initializer", "gradients", "greater", "greater_equal", "group", "half",
    "hessians", "identity", "identity_n", "imag", "init_scope", "initialize_all_variables",
    "initialize_local_variables", "initialize_variables", "initializers", "int16", "int32",
    "int64", "int8", "is_finite", "is_inf", "is_nan", "is_non_decreasing", "is_numeric_tensor",
    "is_strictly_increasing", "is_variable", "is_variable_initialized", "less", "less_equal",
    "lgamma", "lin_space", "linalg", "linspace", "local_variables",
    "local_variables_initializer", "log", "log1p", "log_sigmoid", "logging", "logical_and",
    "logical_not", "logical_or", "logical_xor", "manip", "math", "matmul", "matrix_transpose",
    "maximum", "meshgrid", "minimum", "mod", "model_variables", "moving_average_variables",
    "multiply", "name_scope", "negative", "newaxis", "nn", "no_op", "no_regularizer", "norm",
    "not_equal", "numpy_function", "one_hot", "ones", "ones_initializer", "ones_like",
    "op_scope", "pad", "parallel_stack", "placeholder", "placeholder_with_default",
    "polygamma", "pow", "print", "py_func", "random", "random_normal",
    "random_normal_initializer", "random_shuffle", "random_uniform",
    "random_uniform_initializer", "range", "rank", "real", "realdiv", "reciprocal",
    "reduce_all", "reduce_any", "reduce_logsumexp", "reduce_max", "reduce_mean", "reduce_min",
    "reduce_prod", "reduce_sum", "register_tensor_conversion_function",
    "report_uninitialized_variables", "reset_default_graph", "reshape", "reverse",
    "reverse_v2", "rint", "round", "rsqrt", "saturate_cast", "scalar_mul", "scatter_add",
    "scatter_div", "scatter_max", "scatter_min", "scatter_mul", "scatter_nd", "scatter_nd_add",
    "scatter_nd_sub", "scatter_nd_update", "scatter_sub", "scatter_update", "segment_max",
    "segment_mean", "segment_min", "segment_prod", "segment_sum", "set_random_seed", "shape",
    "shape_n", "sigmoid", "sign", "sin", "sinh", "size", "slice", "split", "sqrt", "square",
    "squared_difference", "squeeze", "stack", "stop_gradient", "strided_slice", "string",
    "subtract", "switch_case", "tan", "tanh", "tensor_scatter_add", "tensor_scatter_nd_add",
    "tensor_scatter_nd_sub", "tensor_scatter_nd_update", "tensor_scatter_sub",
    "tensor_scatter_update", "tensordot", "test", "tile", "to_bfloat16", "to_complex128",
    "to_complex64", "to_double", "to_float", "to_int32", "to_int64", "train",
    "trainable_variables", "transpose", "truediv", "truncated_normal",
    "truncated_normal_initializer", "truncatediv", "truncatemod", "tuple", "uint16", "uint32",
    "uint64", "uint8", "uniform_unit_scaling_initializer", "unsorted_segment_max",
    "unsorted_segment_mean", "unsorted_segment_min", "unsorted_segment_prod",
    "unsorted_segment_sqrt_n", "unsorted_segment_sum", "unstack", "variable_op_scope",
    "variable_scope", "variables_initializer", "variance_scaling_initializer",
    "verify_tensor_all_finite", "where", "where_v2", "while_loop", "zeros",
    "zeros_initializer", "zeros_like", "zeta",
]
