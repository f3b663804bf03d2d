"""`tf.math`: mathematical operations."""

from graphflow.ops.activation import softplus, softsign
from graphflow.ops.arg_reduction import argmax, argmin
from graphflow.ops.arithmetic import (
    abs,
    accumulate_n,
    add,
    add_n,
    multiply,
    multiply_no_nan,
    negative,
    pow,
    scalar_mul,
    sign,
    square,
    squared_difference,
    subtract,
)
from graphflow.ops.bessel import bessel_i0, bessel_i0e, bessel_i1, bessel_i1e
from graphflow.ops.checks import is_non_decreasing, is_strictly_increasing
from graphflow.ops.comparison import (
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
from graphflow.ops.complex import angle, conj, imag, real
from graphflow.ops.counting import bincount, confusion_matrix
from graphflow.ops.cumulative import cumprod, cumsum, cumulative_logsumexp
from graphflow.ops.division import (
    div_no_nan as divide_no_nan,
)
from graphflow.ops.division import (
    divide,
    floordiv,
    floormod,
    reciprocal_no_nan,
    truediv,
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
    polyval,
    reciprocal,
    rsqrt,
    sigmoid,
    sin,
    sinh,
    sqrt,
    tan,
    tanh,
    xdivy,
    xlog1py,
    xlogy,
)
from graphflow.ops.incomplete_beta import betainc
from graphflow.ops.incomplete_gamma import igamma, igammac
from graphflow.ops.inverse_error_function import erfcinv, erfinv, ndtri
from graphflow.ops.next_after import nextafter
from graphflow.ops.nn import in_top_k, l2_normalize, zero_fraction
from graphflow.ops.permutations import invert_permutation
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
from graphflow.ops.rounding import ceil, floor, rint, round
from graphflow.ops.segments import (
    unsorted_segment_max,
    unsorted_segment_mean,
    unsorted_segment_min,
    unsorted_segment_prod,
    unsorted_segment_sqrt_n,
    unsorted_segment_sum,
)
from graphflow.ops.selection import maximum, minimum
from graphflow.ops.softmax import log_softmax, softmax
from graphflow.ops.sorted_segments import (
    segment_max,
    segment_mean,
    segment_min,
    segment_prod,
    segment_sum,
)
from graphflow.ops.special import digamma, erf, erfc, lbeta, lgamma, polygamma, zeta
from graphflow.ops.statistics import (
    reduce_euclidean_norm,
    reduce_logsumexp,
    reduce_std,
    reduce_variance,
)
from graphflow.ops.top_k import top_k

__all__ = [
    "abs", "accumulate_n", "acos", "acosh", "add", "add_n", "angle", "argmax", "argmin",
    "asin", "asinh", "atan", "atan2", "atanh", "bessel_i0", "bessel_i0e", "bessel_i1",
    "bessel_i1e", "betainc", "bincount", "ceil", "confusion_matrix", "conj", "cos", "cosh",
    "count_nonzero", "cumprod", "cumsum", "cumulative_logsumexp", "digamma", "divide",
    "divide_no_nan", "equal", "erf", "erfc", "erfcinv", "erfinv", "exp", "expm1", "floor",
    "floordiv", "floormod", "greater", "greater_equal", "igamma", "igammac", "imag",
    "in_top_k", "invert_permutation", "is_finite", "is_inf", "is_nan", "is_non_decreasing",
    "is_strictly_increasing", "l2_normalize", "lbeta", "less", "less_equal", "lgamma", "log",
    "log1p", "log_sigmoid", "log_softmax", "logical_and", "logical_not", "logical_or",
    "logical_xor", "maximum", "minimum", "mod", "multiply", "multiply_no_nan", "ndtri",
    "negative", "nextafter", "not_equal", "polygamma", "polyval", "pow", "real", "reciprocal",
    "reciprocal_no_nan", "reduce_all", "reduce_any", "reduce_euclidean_norm",
    "reduce_logsumexp", "reduce_max", "reduce_mean", "reduce_min", "reduce_prod", "reduce_std",
    "reduce_sum", "reduce_variance", "rint", "round", "rsqrt", "scalar_mul", "segment_max",
    "segment_mean", "segment_min", "segment_prod", "segment_sum", "sigmoid", "sign", "sin",
    "sinh", "softmax", "softplus", "softsign", "sqrt", "square", "squared_difference",
    "subtract", "tan", "tanh", "top_k", "truediv", "unsorted_segment_max",
    "unsorted_segment_mean", "unsorted_segment_min", "unsorted_segment_prod",
    "unsorted_segment_sqrt_n", "unsorted_segment_sum", "xdivy", "xlog1py", "xlogy",
    "zero_fraction", "zeta",
]
