"""graphflow: a define-then-run tensor compiler that speaks TensorFlow 1.

`import graphflow as tf` is enough for a graph-mode TensorFlow 1 program: build a graph of
placeholders, variables and ops, differentiate it with `gradients` or an optimizer, run it with a
`Session`. The public names are TensorFlow 1.15's.
"""

from typing import TYPE_CHECKING

import graphflow.sites as _sites  # noqa: F401  it notes the time before others are read
from graphflow import (
    bitwise,
    compat,
    debugging,
    dtypes,
    errors,
    initializers,
    linalg,
    logging,
    manip,
    math,
    nn,
    regularizers,
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
from graphflow.export import export, load
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
from graphflow.ops.band_matrices import (
    matrix_band_part,
    matrix_diag,
    matrix_diag_part,
    matrix_set_diag,
)
from graphflow.ops.band_matrices import tensor_diag as diag
from graphflow.ops.band_matrices import tensor_diag_part as diag_part
from graphflow.ops.base64_strings import decode_base64, encode_base64
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
from graphflow.ops.counting import (
    bincount,
    confusion_matrix,
    histogram_fixed_width,
    histogram_fixed_width_bins,
)
from graphflow.ops.cumulative import cumprod, cumsum
from graphflow.ops.data_queues import (
    FIFOQueue,
    PaddingFIFOQueue,
    PriorityQueue,
    QueueBase,
    RandomShuffleQueue,
)
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
from graphflow.ops.edit_distance import edit_distance
from graphflow.ops.einsum import einsum
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
from graphflow.ops.example_features import (
    FixedLenFeature,
    FixedLenSequenceFeature,
    SparseFeature,
    VarLenFeature,
)
from graphflow.ops.example_parsing import parse_example, parse_single_example
from graphflow.ops.files import (
    matching_files,
    read_file,
    write_file,
)
from graphflow.ops.filling import fill, ones, ones_like, zeros, zeros_like
from graphflow.ops.fourier import fft, fft2d, fft3d, ifft, ifft2d, ifft3d
from graphflow.ops.functional_loops import foldl, foldr, map_fn, scan
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
from graphflow.ops.incomplete_beta import betainc
from graphflow.ops.incomplete_gamma import igamma, igammac
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
from graphflow.ops.linear_systems import (
    cholesky_solve,
    matrix_determinant,
    matrix_inverse,
    matrix_solve,
    matrix_solve_ls,
    matrix_triangular_solve,
)
from graphflow.ops.lookup_tables import initialize_all_tables, tables_initializer
from graphflow.ops.masking import boolean_mask
from graphflow.ops.matmul import matmul, tensordot
from graphflow.ops.matrix_decompositions import (
    cholesky,
    qr,
    self_adjoint_eig,
    self_adjoint_eigvals,
    svd,
)
from graphflow.ops.matrix_functions import cross, trace
from graphflow.ops.meshgrid import meshgrid
from graphflow.ops.norms import norm
from graphflow.ops.one_hot import one_hot
from graphflow.ops.orthogonal import Orthogonal as orthogonal_initializer
from graphflow.ops.padding import pad
from graphflow.ops.partitioning import dynamic_partition, dynamic_stitch
from graphflow.ops.patches import extract_image_patches, extract_volume_patches
from graphflow.ops.permutations import invert_permutation, unravel_index
from graphflow.ops.printing import print_identity as Print
from graphflow.ops.printing import print_operation as print
from graphflow.ops.random import random_normal, random_shuffle, random_uniform, truncated_normal
from graphflow.ops.random_categorical import (
    multinomial,
)
from graphflow.ops.random_crop import (
    random_crop,
)
from graphflow.ops.random_rejection import (
    random_gamma,
    random_poisson,
)
from graphflow.ops.ranges import linspace, range
from graphflow.ops.ranges import linspace as lin_space
from graphflow.ops.readers import (
    FixedLengthRecordReader,
    IdentityReader,
    ReaderBase,
    TextLineReader,
    TFRecordReader,
    WholeFileReader,
)
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
from graphflow.ops.repeating import repeat
from graphflow.ops.reshaping import ensure_shape, expand_dims, reshape, squeeze
from graphflow.ops.reversing import reverse
from graphflow.ops.reversing import reverse as reverse_v2
from graphflow.ops.rolling import roll
from graphflow.ops.rounding import ceil, floor, rint, round
from graphflow.ops.scattering import (
    scatter_nd,
    tensor_scatter_nd_add,
    tensor_scatter_nd_max,
    tensor_scatter_nd_min,
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
from graphflow.ops.searching import searchsorted
from graphflow.ops.segments import (
    unsorted_segment_max,
    unsorted_segment_mean,
    unsorted_segment_min,
    unsorted_segment_prod,
    unsorted_segment_sqrt_n,
    unsorted_segment_sum,
)
from graphflow.ops.selection import clip_by_value, maximum, minimum, where, where_v2
from graphflow.ops.sequence_parsing import parse_single_sequence_example
from graphflow.ops.sequences import reverse_sequence, sequence_mask
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
from graphflow.ops.sorting import argsort, sort
from graphflow.ops.space_batch import (
    batch_to_space,
    batch_to_space_nd,
    required_space_to_batch_paddings,
    space_to_batch,
    space_to_batch_nd,
)
from graphflow.ops.space_depth import depth_to_space, space_to_depth
from graphflow.ops.sparse_arrays import (
    sparse_concat,
    sparse_merge,
    sparse_reorder,
    sparse_reshape,
    sparse_slice,
    sparse_split,
    sparse_transpose,
)
from graphflow.ops.sparse_conversion import (
    convert_to_tensor_or_sparse_tensor,
    sparse_placeholder,
    sparse_tensor_to_dense,
    sparse_to_dense,
    sparse_to_indicator,
)
from graphflow.ops.sparse_elements import (
    sparse_add,
    sparse_fill_empty_rows,
    sparse_mask,
    sparse_maximum,
    sparse_minimum,
    sparse_reset_shape,
    sparse_retain,
)
from graphflow.ops.sparse_products import (
    sparse_matmul,
    sparse_tensor_dense_matmul,
)
from graphflow.ops.sparse_reduction import (
    sparse_reduce_max,
    sparse_reduce_max_sparse,
    sparse_reduce_sum,
    sparse_reduce_sum_sparse,
    sparse_softmax,
)
from graphflow.ops.sparse_segments import (
    sparse_segment_mean,
    sparse_segment_sqrt_n,
    sparse_segment_sum,
)
from graphflow.ops.special import digamma, erf, erfc, lbeta, lgamma, polygamma, zeta
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
from graphflow.ops.static_facts import (
    convert_to_tensor_or_indexed_slices,
    dimension_at_index,
    dimension_value,
    get_static_value,
    guarantee_const,
    is_tensor,
)
from graphflow.ops.statistics import reduce_logsumexp
from graphflow.ops.string_hashing import (
    string_to_hash_bucket,
    string_to_hash_bucket_fast,
    string_to_hash_bucket_strong,
)
from graphflow.ops.string_parsing import as_string, decode_csv, decode_raw, string_to_number
from graphflow.ops.string_splitting import string_split
from graphflow.ops.strings import reduce_join, regex_replace, string_join, string_strip, substr
from graphflow.ops.template import make_template
from graphflow.ops.tensor_array import TensorArray
from graphflow.ops.tiling import tile
from graphflow.ops.transposing import matrix_transpose, transpose
from graphflow.ops.unique import setdiff1d, unique, unique_with_counts
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
from graphflow.runtime.executables import compiler_passes
from graphflow.runtime.fetch import IndexedSlicesValue
from graphflow.scopes import GraphKeys
from graphflow.session import InteractiveSession, Session
from graphflow.shapes import TensorShape
from graphflow.sparse_tensor import (
    SparseTensor,
    SparseTensorValue,
)
from graphflow.tensor import Operation, Tensor
from graphflow.version import __version__ as __version__
from graphflow.viz import viz

newaxis = None

__all__ = [
    "AUTO_REUSE", "AggregationMethod", "Assert", "CompiledObject", "ConfigProto", "DType",
    "DeviceArray",
    "Dimension",
    "FIFOQueue", "FixedLenFeature", "FixedLenSequenceFeature", "FixedLengthRecordReader",
    "GPUOptions", "Graph", "GraphDef", "GraphKeys", "GraphOptions", "GraphflowError",
    "GraphflowWarning",
    "IdentityReader", "IndexedSlices", "IndexedSlicesValue", "InteractiveSession", "NodeDef",
    "Operation",
    "LoadLimits", "LoadedGraph", "LoadedSignature", "MetaGraphDef", "OptimizerOptions", "Options",
    "PaddingFIFOQueue", "Print", "PriorityQueue", "QueueBase",
    "RandomShuffleQueue", "ReaderBase", "RegisterGradient", "RunMetadata", "RunOptions",
    "Session", "Signature", "SparseFeature", "SparseTensor", "SparseTensorValue",
    "TFRecordReader", "Tensor",
    "TensorArray", "TensorShape",
    "TextLineReader", "UnconnectedGradients", "VarLenFeature", "Variable", "VariableAggregation",
    "VariableScope",
    "VariableSynchronization", "VariableV1", "WholeFileReader", "abs", "accumulate_n", "acos",
    "acosh", "add",
    "add_check_numerics_ops", "add_n", "add_to_collection", "add_to_collections",
    "all_variables", "angle", "approximate_equal", "arg_max", "arg_min", "argmax", "argmin",
    "argsort", "as_dtype", "as_string", "asin", "asinh", "assert_equal", "assert_greater",
    "assert_greater_equal", "assert_integer", "assert_less", "assert_less_equal",
    "assert_near", "assert_negative", "assert_non_negative", "assert_non_positive",
    "assert_none_equal", "assert_positive", "assert_proper_iterable", "assert_rank",
    "assert_rank_at_least", "assert_rank_in", "assert_same_float_dtype", "assert_scalar",
    "assert_type", "assert_variables_initialized", "assign", "assign_add", "assign_sub",
    "atan", "atan2", "atanh", "batch_gather", "batch_to_space", "batch_to_space_nd", "betainc",
    "bfloat16", "bincount", "bitcast", "bitwise", "bool", "boolean_mask",
    "broadcast_dynamic_shape", "broadcast_static_shape", "broadcast_to", "case", "cast",
    "ceil", "check_numerics", "cholesky", "cholesky_solve", "clip_by_average_norm",
    "clip_by_global_norm", "clip_by_norm", "clip_by_value", "colocate_with", "compat",
    "compiler_passes", "complex", "complex128", "compile_object", "complex64", "concat", "cond",
    "confusion_matrix", "conj", "constant", "constant_initializer", "container",
    "control_dependencies", "convert_to_tensor", "convert_to_tensor_or_indexed_slices",
    "convert_to_tensor_or_sparse_tensor", "cos", "cosh", "count_nonzero", "count_up_to",
    "cross", "cumprod", "cumsum", "custom_gradient", "data", "debugging", "decode_base64",
    "decode_csv",
    "decode_raw", "depth_to_space", "device", "diag", "diag_part", "digamma",
    "dimension_at_index", "dimension_value", "disable_eager_execution", "disable_v2_behavior",
    "div", "div_no_nan", "divide", "double", "dtypes", "dynamic_partition", "dynamic_stitch",
    "edit_distance", "einsum", "enable_eager_execution", "encode_base64", "ensure_shape",
    "equal", "erf",
    "erfc", "errors", "executing_eagerly", "exp", "expand_dims", "expm1",
    "export",
    "extract_image_patches", "extract_volume_patches", "eye", "fft", "fft2d", "fft3d", "fill",
    "float16", "float32",
    "float64", "floor", "floor_div", "floordiv", "floormod", "foldl", "foldr", "gather",
    "gather_nd", "get_collection", "get_collection_ref", "get_default_graph",
    "get_default_session", "get_local_variable", "get_seed", "get_static_value",
    "get_variable", "get_variable_scope", "global_norm", "global_variables",
    "global_variables_initializer", "glorot_normal_initializer", "glorot_uniform_initializer",
    "gradients", "graph_util", "greater", "greater_equal", "group", "guarantee_const", "half",
    "hessians",
    "histogram_fixed_width", "histogram_fixed_width_bins", "identity", "identity_n", "igamma",
    "ifft", "ifft2d", "ifft3d", "igammac", "imag", "image", "import_graph_def", "init_scope",
    "initialize_all_tables",
    "initialize_all_variables",
    "initialize_local_variables", "initialize_variables", "initializers", "int16", "int32",
    "int64", "int8", "invert_permutation", "io", "is_finite", "is_inf", "is_nan",
    "is_non_decreasing", "is_numeric_tensor", "is_strictly_increasing", "is_tensor",
    "is_variable", "is_variable_initialized", "keras", "layers", "lbeta", "less", "less_equal",
    "lgamma", "lin_space", "linalg", "linspace", "load", "local_variables",
    "local_variables_initializer", "log", "log1p", "log_sigmoid", "logging", "logical_and",
    "logical_not", "logical_or", "logical_xor", "losses", "make_template", "manip", "map_fn",
    "matching_files",
    "math", "matmul", "matrix_band_part", "matrix_determinant", "matrix_diag",
    "matrix_diag_part", "matrix_inverse", "matrix_set_diag", "matrix_solve", "matrix_solve_ls",
    "matrix_transpose", "matrix_triangular_solve", "maximum", "meshgrid", "metrics", "minimum",
    "mod", "model_variables", "moving_average_variables", "multinomial", "multiply",
    "name_scope", "negative", "newaxis", "nn", "no_op", "no_regularizer", "norm", "not_equal",
    "numba_op", "numpy_function", "one_hot", "ones", "ones_initializer", "ones_like", "op_scope",
    "orthogonal_initializer", "pad", "parallel_stack", "parse_example", "parse_single_example",
    "parse_single_sequence_example", "placeholder",
    "placeholder_with_default", "polygamma", "pow", "print", "py_func", "qr", "random",
    "random_crop", "random_gamma", "random_normal", "random_normal_initializer",
    "random_poisson", "random_shuffle", "random_uniform", "random_uniform_initializer",
    "range", "rank", "read_file", "real", "realdiv", "reciprocal", "reduce_all", "reduce_any",
    "reduce_join", "reduce_logsumexp", "reduce_max", "reduce_mean", "reduce_min",
    "reduce_prod", "reduce_sum", "regex_replace", "register_op",
    "register_tensor_conversion_function", "regularizers", "repeat",
    "report_uninitialized_variables",
    "required_space_to_batch_paddings", "reset_default_graph", "reshape", "reverse",
    "reverse_sequence", "reverse_v2", "rint", "roll", "round", "rsqrt", "saturate_cast",
    "saved_model", "scalar_mul", "scan", "scatter_add", "scatter_div", "scatter_max",
    "scatter_min",
    "scatter_mul", "scatter_nd", "scatter_nd_add", "scatter_nd_sub", "scatter_nd_update",
    "scatter_sub", "scatter_update", "searchsorted", "segment_max", "segment_mean",
    "segment_min", "segment_prod", "segment_sum", "self_adjoint_eig", "self_adjoint_eigvals",
    "sequence_mask", "set_random_seed", "setdiff1d", "shape", "shape_n", "sigmoid", "sign",
    "signal",
    "sin", "sinh", "size", "slice", "sort", "space_to_batch", "space_to_batch_nd",
    "space_to_depth", "sparse", "sparse_add", "sparse_concat", "sparse_fill_empty_rows",
    "sparse_mask", "sparse_matmul", "sparse_maximum", "sparse_merge", "sparse_minimum",
    "sparse_placeholder", "sparse_reduce_max", "sparse_reduce_max_sparse", "sparse_reduce_sum",
    "sparse_reduce_sum_sparse", "sparse_reorder", "sparse_reset_shape", "sparse_reshape",
    "sparse_retain", "sparse_segment_mean", "sparse_segment_sqrt_n", "sparse_segment_sum",
    "sparse_slice", "sparse_softmax", "sparse_split", "sparse_tensor_dense_matmul",
    "sparse_tensor_to_dense", "sparse_to_dense", "sparse_to_indicator", "sparse_transpose",
    "spectral", "split", "sqrt", "square", "squared_difference", "squeeze", "stack",
    "stop_gradient",
    "strided_slice", "string", "string_join", "string_split", "string_strip",
    "string_to_hash_bucket", "string_to_hash_bucket_fast", "string_to_hash_bucket_strong",
    "string_to_number", "strings", "substr", "subtract", "summary", "svd", "switch_case",
    "tables_initializer", "tan",
    "tanh",
    "tensor_scatter_add", "tensor_scatter_nd_add", "tensor_scatter_nd_max",
    "tensor_scatter_nd_min", "tensor_scatter_nd_sub", "tensor_scatter_nd_update",
    "tensor_scatter_sub", "tensor_scatter_update", "tensordot", "test", "tile", "to_bfloat16",
    "to_complex128", "to_complex64", "to_double", "to_float", "to_int32", "to_int64", "trace",
    "train", "trainable_variables", "transpose", "truediv", "truncated_normal",
    "truncated_normal_initializer", "truncatediv", "truncatemod", "tuple", "uint16", "uint32",
    "uint64", "uint8", "uniform_unit_scaling_initializer", "unique", "unique_with_counts",
    "unravel_index", "unsorted_segment_max", "unsorted_segment_mean", "unsorted_segment_min",
    "unsorted_segment_prod", "unsorted_segment_sqrt_n", "unsorted_segment_sum", "unstack",
    "variable_op_scope", "variable_scope", "variables_initializer",
    "variance_scaling_initializer", "verify_tensor_all_finite", "viz", "where", "where_v2",
    "while_loop", "write_file", "zeros", "zeros_initializer", "zeros_like", "zeta",
]


if TYPE_CHECKING:
    from graphflow import (
        data,
        graph_util,
        image,
        io,
        layers,
        losses,
        metrics,
        random,
        saved_model,
        sparse,
        strings,
        test,
        train,
    )
    from graphflow.ahead import CompiledObject, compile_object
    from graphflow.custom_ops.numba_op import numba_op
    from graphflow.custom_ops.registered_op import register_op
    from graphflow.export.graph_def import GraphDef, NodeDef, import_graph_def
    from graphflow.export.limits import LoadLimits
    from graphflow.export.reader import LoadedGraph
    from graphflow.export.signatures import LoadedSignature, Signature
    from graphflow.runtime.cuda.array import DeviceArray
    from graphflow.train.meta_graph import MetaGraphDef

# Modules that are loaded when they are first used.
_LAZY = (
    "app", "config", "contrib", "data", "distributions", "estimator", "feature_column", "flags",
    "gfile", "image", "io", "keras", "layers", "lookup", "losses", "metrics", "nest", "profiling",
    "python_io", "queue", "random", "resource_loader", "signal", "sparse", "spectral", "strings",
    "summary", "test", "train", "version",
)

# Names of rooms that are loaded when they are first used.
_LAZY_NAMES = {
    "COMPILER_VERSION": "version", "CompiledObject": "ahead", "DeviceArray": "runtime.cuda.array",
    "DeviceSpec": "device_spec",
    "Event": "summary.writer", "compile_object": "ahead",
    "GIT_VERSION": "version", "GraphDef": "export.graph_def", "HistogramProto": "summary",
    "LoadLimits": "export.limits", "LoadedGraph": "export.reader",
    "LoadedSignature": "export.signatures", "MetaGraphDef": "train.meta_graph",
    "NodeDef": "export.graph_def", "Signature": "export.signatures", "VERSION": "version",
    "control_flow_v2_enabled": "compat.switches", "disable_control_flow_v2": "compat.switches",
    "disable_resource_variables": "compat.switches",
    "disable_tensor_equality": "compat.switches", "disable_v2_tensorshape": "compat.switches",
    "enable_control_flow_v2": "compat.switches", "enable_resource_variables": "compat.switches",
    "enable_tensor_equality": "compat.switches", "enable_v2_behavior": "compat.switches",
    "enable_v2_tensorshape": "compat.switches", "fixed_size_partitioner": "device_spec",
    "get_logger": "logging", "graph_util": "graph_util", "import_graph_def": "export.graph_def",
    "min_max_variable_partitioner": "device_spec", "numba_op": "custom_ops",
    "register_op": "custom_ops",
    "resource_variables_enabled": "compat.switches", "saved_model": "saved_model",
    "variable_axis_size_partitioner": "device_spec",
}


def __dir__() -> list[str]:
    """All public names, those of modules that are not loaded yet too."""
    return sorted({*globals(), *__all__})


def __getattr__(name: str) -> object:
    """Modules on demand; then the names that TensorFlow itself gave up before or in 1.0."""
    import importlib

    if name in _LAZY:
        return importlib.import_module(f"graphflow.{name}")
    if name in _LAZY_NAMES:
        module = importlib.import_module(f"graphflow.{_LAZY_NAMES[name]}")
        return getattr(module, name, module)
    if not name.startswith("_"):
        old_names = importlib.import_module("graphflow.compat.tf1.old_names")
        if name in old_names.__all__:
            return getattr(old_names, name)
    from graphflow.absent import missing

    raise missing(__name__, name)
