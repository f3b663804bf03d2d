"""Values of elementwise functions, reductions, slicing and joining where conventions matter."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np

from programs.registry import case, evaluated, wave


@case()
def strided_slices(tf: ModuleType) -> Any:
    """NumPy-style slicing of a [4, 5, 6] tensor."""
    x = tf.reshape(tf.range(120), [4, 5, 6])
    i, new = tf.constant(2), tf.newaxis
    return evaluated(tf, {
        "1": lambda: x[1], "-1": lambda: x[-1], "1,2": lambda: x[1, 2],
        "1,2,3": lambda: x[1, 2, 3],
        "1:3": lambda: x[1:3, :1, :2], "::2": lambda: x[::2, ::3, ::4],
        "::-1": lambda: x[::-1, ::-2, ::-3], "3:0:-2": lambda: x[3:0:-2, 4:1:-1, 0],
        ":,1": lambda: x[:, 1, :2], "...": lambda: x[..., 1], "1,...": lambda: x[1, ..., 2:4],
        "...,newaxis": lambda: x[..., 0, new], "newaxis": lambda: x[new, 0, new, 1, :2],
        "-2:": lambda: x[-2:, -1, -3:-1], "empty": lambda: x[2:1, :, 0],
        "past_the_end": lambda: x[2:100, -100:2, 0], "negative_past": lambda: x[100::-3, 0, 0],
        "tensor": lambda: x[i, 0], "tensor_slice": lambda: x[i:, 1:i, 0],
        "tensor_stop": lambda: x[:i, 0, 0], "tensor_step": lambda: x[::i, 0, 0],
        "numpy_index": lambda: x[np.int64(1), np.int32(2)],
        "all": lambda: tf.shape(x[:]), "ellipsis_only": lambda: tf.shape(x[...]),
        "bool_slice": lambda: x[0, 0][None, None],
    })


@case()
def slice_functions(tf: ModuleType) -> Any:
    """tf.slice and tf.strided_slice with masks."""
    x = tf.reshape(tf.range(24), [2, 3, 4])
    return evaluated(tf, {
        "slice": lambda: tf.slice(x, [0, 1, 1], [2, 1, 2]),
        "slice_rest": lambda: tf.slice(x, [1, 0, 2], [-1, -1, -1]),
        "slice_empty": lambda: tf.slice(x, [0, 0, 4], [1, 1, 0]),
        "strided": lambda: tf.strided_slice(x, [0, 0, 0], [2, 3, 4], [1, 2, 2]),
        "masks": lambda: tf.strided_slice(
            x, [1, 2, 3], [2, 0, 0], [1, -1, -2], begin_mask=2, end_mask=4, shrink_axis_mask=1),
        "ellipsis": lambda: tf.strided_slice(x, [0, 1], [0, 3], ellipsis_mask=1),
        "new_axis": lambda: tf.strided_slice(x, [0, 0], [1, 2], new_axis_mask=1),
    })


@case()
def integer_arithmetic(tf: ModuleType) -> Any:
    """Division and remainder with negative operands: which round down, which truncate."""
    a = tf.constant([7, 7, -7, -7, 6, -6, 0])
    b = tf.constant([3, -3, 3, -3, 3, 3, 5])
    x, y = tf.cast(a, tf.float32) / 2.0, tf.cast(b, tf.float32)
    u, w = tf.constant([250, 3], tf.uint8), tf.constant([10, 5], tf.uint8)
    return evaluated(tf, {
        "//": lambda: a // b, "%": lambda: a % b, "/": lambda: a / b, "div": lambda: tf.div(a, b),
        "floordiv": lambda: tf.floordiv(a, b), "floormod": lambda: tf.floormod(a, b),
        "truncatediv": lambda: tf.truncatediv(a, b), "truncatemod": lambda: tf.truncatemod(a, b),
        "truediv": lambda: tf.truediv(a, b), "mod": lambda: tf.mod(a, b),
        "float //": lambda: x // y, "float %": lambda: x % y, "float div": lambda: tf.div(x, y),
        "wrap_add": lambda: u + w, "wrap_sub": lambda: w - u, "wrap_mul": lambda: u * w,
        "uint8 //": lambda: u // w, "uint8 %": lambda: u % w,
        "overflow": lambda: tf.constant(2**31 - 1) + 1,
        "int_pow": lambda: tf.pow(tf.constant([2, -3, 0, 5]), tf.constant([10, 3, 0, 1])),
        "neg_min": lambda: -tf.constant(-(2**31)), "abs": lambda: abs(a),
        "int_division_dtype": lambda: tf.constant([1], tf.int64) / tf.constant([3], tf.int64),
        "uint8_division": lambda: u / w, "int16_division": lambda: tf.cast(u, tf.int16) / 3,
        "sign": lambda: tf.sign(a), "square": lambda: tf.square(a),
        "maximum": lambda: tf.maximum(a, b), "shift": lambda: tf.bitwise.left_shift(u, w),
    })


@case()
def rounding(tf: ModuleType) -> Any:
    """round and rint go to even; floor, ceil and casts."""
    x = tf.constant([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 2.4, -2.6, 1e9])
    return evaluated(tf, {
        "round": lambda: tf.round(x), "rint": lambda: tf.rint(x), "floor": lambda: tf.floor(x),
        "ceil": lambda: tf.ceil(x), "to_int32": lambda: tf.cast(x, tf.int32),
        "to_int64": lambda: tf.to_int64(x), "to_bool": lambda: tf.cast(x, tf.bool),
        "to_half": lambda: tf.cast(x[:8] / 3.0, tf.float16),
        "to_bfloat16": lambda: tf.cast(tf.cast(x[:8] / 3.0, tf.bfloat16), tf.float32),
        "bool_to_float": lambda: tf.cast([True, False], tf.float32),
        "int_to_uint8": lambda: tf.cast([-1, 256, 300], tf.uint8),
        "int64_to_int32": lambda: tf.cast(tf.constant([2**33 + 5, -1], tf.int64), tf.int32),
        "complex_to_float": lambda: tf.cast(tf.constant([1 + 2j]), tf.float32),
        "float_to_complex": lambda: tf.cast([1.5], tf.complex64),
        "saturate": lambda: tf.saturate_cast(tf.constant([-5.0, 300.7]), tf.uint8),
        "round_int": lambda: tf.round(tf.constant([1, -2])),
    })


UNARY = (
    "abs sign sqrt rsqrt square exp expm1 log log1p sin cos tan tanh sinh cosh atan erf sigmoid "
    "floor round reciprocal is_nan is_inf is_finite"
)


@case(rtol=2e-5)
def special_values(tf: ModuleType) -> Any:
    """Elementwise functions at zero, infinity, nan and outside their domains."""
    x = tf.constant([0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, 30.0, -30.0])
    found = evaluated(tf, {name: lambda n=name: getattr(tf, n)(x) for name in UNARY.split()})
    nan, one = tf.constant(np.nan), tf.constant(1.0)
    bases = tf.constant([0.0, 0.0, -2.0, -2.0, 2.0, 1.0])
    powers = [0.0, -1.0, 2.0, 0.5, -2.0, np.nan]
    pairs = evaluated(tf, {
        "pow": lambda: tf.pow(bases, powers), "max_nan_right": lambda: tf.maximum(one, nan),
        "max_nan_left": lambda: tf.maximum(nan, one), "min_nan": lambda: tf.minimum(one, nan),
        "divide_by_zero": lambda: tf.constant([1.0, -1.0, 0.0]) / [0.0, 0.0, 0.0],
        "div_no_nan": lambda: tf.div_no_nan(tf.constant([1.0, 0.0]), [0.0, 2.0]),
        "mod_by_zero": lambda: tf.constant([1.0]) % 0.0, "nan==nan": lambda: tf.equal(nan, nan),
        "nan!=nan": lambda: tf.not_equal(nan, nan), "nan<1": lambda: nan < one,
        "clip": lambda: tf.clip_by_value(x, -0.5, 2.0), "atan2": lambda: tf.atan2(x, x[::-1]),
        "softplus": lambda: tf.nn.softplus(x), "elu": lambda: tf.nn.elu(x),
        "relu": lambda: tf.nn.relu(x), "relu6": lambda: tf.nn.relu6(x),
        "selu": lambda: tf.nn.selu(x), "softsign": lambda: tf.nn.softsign(x),
        "leaky_relu": lambda: tf.nn.leaky_relu(x), "log_sigmoid": lambda: tf.log_sigmoid(x),
        "asin": lambda: tf.asin([0.5, 1.0, 2.0]), "acosh": lambda: tf.acosh([1.0, 2.0, 0.5]),
        "atanh": lambda: tf.atanh([0.5, 1.0, -1.0]), "asinh": lambda: tf.asinh(x),
    })
    return found | pairs


@case()
def reductions(tf: ModuleType) -> Any:
    """Axes, keepdims, empty reductions, ties, dtypes."""
    x = tf.constant(wave(2, 3, 4))
    empty = tf.zeros([0, 3])
    ties = tf.constant([[1.0, 3.0, 3.0], [2.0, 2.0, 1.0]])
    n = tf.constant([[1, 2], [3, 5]])
    bits = tf.constant([[True, False], [True, True]])
    return evaluated(tf, {
        "sum": lambda: tf.reduce_sum(x), "sum_axis": lambda: tf.reduce_sum(x, 1),
        "sum_axes": lambda: tf.reduce_sum(x, [0, -1]),
        "sum_keepdims": lambda: tf.reduce_sum(x, 1, keepdims=True),
        "sum_old_arguments": lambda: tf.reduce_sum(x, reduction_indices=[2], keep_dims=True),
        "sum_no_axes": lambda: tf.reduce_sum(x, []), "mean": lambda: tf.reduce_mean(x, 0),
        "mean_int": lambda: tf.reduce_mean(n, 0),
        "mean_negative": lambda: tf.reduce_mean([-1, -2]),
        "prod": lambda: tf.reduce_prod(x, -1), "max": lambda: tf.reduce_max(x, 2),
        "min": lambda: tf.reduce_min(x), "any": lambda: tf.reduce_any(bits, 0),
        "all": lambda: tf.reduce_all(bits, 1), "all_none": lambda: tf.reduce_all(bits),
        "logsumexp": lambda: tf.reduce_logsumexp(x * 100.0, 1),
        "logsumexp_inf": lambda: tf.reduce_logsumexp([-np.inf, -np.inf]),
        "variance": lambda: tf.math.reduce_variance(x, 1), "std": lambda: tf.math.reduce_std(x),
        "empty_sum": lambda: tf.reduce_sum(empty, 0), "empty_prod": lambda: tf.reduce_prod(empty),
        "empty_max": lambda: tf.reduce_max(empty), "empty_min": lambda: tf.reduce_min(empty, 0),
        "empty_mean": lambda: tf.reduce_mean(empty, 0),
        "empty_all": lambda: tf.reduce_all(bits[:0]),
        "empty_int_max": lambda: tf.reduce_max(n[:0], 0),
        "empty_logsumexp": lambda: tf.reduce_logsumexp(empty, 0),
        "nan_max": lambda: tf.reduce_max([1.0, np.nan, 2.0]),
        "argmax_ties": lambda: tf.argmax(ties, 1), "argmin_ties": lambda: tf.argmin(ties, 1),
        "argmax_default": lambda: tf.argmax(ties), "argmax_dimension": lambda: tf.argmax(
            ties, dimension=1), "argmax_int32": lambda: tf.argmax(ties, 1, output_type=tf.int32),
        "uint8_sum": lambda: tf.reduce_sum(tf.constant([200, 100], tf.uint8)),
        "add_n": lambda: tf.add_n([ties, ties, ties]),
        "count_nonzero": lambda: tf.count_nonzero(ties, 0),
    })


@case()
def matmuls(tf: ModuleType) -> Any:
    """Transposes, batches, integer and empty products."""
    a, b = tf.constant(wave(2, 3)), tf.constant(wave(2, 4))
    batch, other = tf.constant(wave(2, 3, 4)), tf.constant(wave(2, 5, 4, phase=1.0))
    z = tf.constant([[1 + 2j, 3j]])
    return evaluated(tf, {
        "transpose_a": lambda: tf.matmul(a, b, transpose_a=True),
        "transpose_b": lambda: tf.matmul(batch, other, transpose_b=True),
        "broadcast_batch": lambda: tf.matmul(batch, tf.constant(wave(1, 4, 2))),
        "matrix_batch": lambda: tf.matmul(batch, tf.constant(wave(4, 2))),
        "adjoint": lambda: tf.matmul(z, z, adjoint_b=True),
        "integers": lambda: tf.matmul([[1, 2], [3, 4]], [[5, 6], [7, 8]]),
        "empty_inner": lambda: tf.matmul(tf.zeros([2, 0]), tf.zeros([0, 3])),
    })


@case()
def joining(tf: ModuleType) -> Any:
    """concat, stack, split, tile, pad, transpose, expand and squeeze."""
    a = tf.reshape(tf.range(6), [2, 3])
    return evaluated(tf, {
        "concat": lambda: tf.concat([a, a + 10], -1), "concat_one": lambda: tf.concat([a], 0),
        "concat_empty": lambda: tf.concat([a, a[:0]], 0),
        "stack": lambda: tf.stack([a, a + 10], axis=-1), "unstack": lambda: tf.unstack(a, axis=1),
        "split": lambda: tf.split(a, 3, axis=1), "split_sizes": lambda: tf.split(a, [1, -1], 1),
        "tile": lambda: tf.tile(a, [2, 2]), "transpose": lambda: tf.transpose(a),
        "perm": lambda: tf.transpose(tf.reshape(a, [1, 2, 3]), [2, 0, 1]),
        "pad": lambda: tf.pad(a, [[1, 0], [0, 2]], constant_values=9),
        "reflect": lambda: tf.pad(a, [[1, 1], [2, 1]], "REFLECT"),
        "symmetric": lambda: tf.pad(a, [[2, 1], [1, 3]], "symmetric"),
        "expand": lambda: tf.expand_dims(a, -1), "expand_dim": lambda: tf.expand_dims(a, dim=0),
        "squeeze": lambda: tf.squeeze(tf.zeros([1, 2, 1])), "squeeze_axis": lambda: tf.squeeze(
            tf.zeros([1, 2, 1]), [-1]), "squeeze_dims": lambda: tf.squeeze(
            tf.zeros([1, 2, 1]), squeeze_dims=[0]),
        "reshape_back": lambda: tf.reshape(a, [-1, 2]),
        "reshape_scalar": lambda: tf.reshape([5], []),
        "broadcast": lambda: tf.broadcast_to(a, [2, 2, 3]),
        "nested_list": lambda: tf.convert_to_tensor([[a[0, 0], 7], [a[1, 1], a[1, 2]]]),
    })


@case()
def indexing(tf: ModuleType) -> Any:
    """gather with axis and batch_dims, one_hot, where, boolean masks."""
    x = tf.reshape(tf.range(24), [2, 3, 4])
    ids = tf.constant([[2, 0], [1, 1]])
    return evaluated(tf, {
        "gather": lambda: tf.gather(x, [1, 0, 1]),
        "gather_axis": lambda: tf.gather(x, ids, axis=1),
        "gather_last": lambda: tf.gather(x, [3, 0], axis=-1),
        "gather_batch": lambda: tf.gather(x, ids, axis=1, batch_dims=1),
        "gather_scalar": lambda: tf.gather(x, 1), "gather_nd": lambda: tf.gather_nd(
            x, [[0, 1], [1, 2]]), "embedding": lambda: tf.nn.embedding_lookup(
            tf.constant(wave(4, 2)), [[3, 0], [1, 1]]),
        "one_hot": lambda: tf.one_hot([0, 2, -1, 3], 3), "one_hot_axis": lambda: tf.one_hot(
            [[0, 2], [1, 0]], 3, axis=1), "one_hot_axis0": lambda: tf.one_hot([0, 2], 3, axis=0),
        "one_hot_on_off": lambda: tf.one_hot([1], 2, on_value=5, off_value=-1),
        "one_hot_bool": lambda: tf.one_hot([1], 2, on_value=True, off_value=False),
        "one_hot_dtype": lambda: tf.one_hot([1], 2, dtype=tf.int64),
        "one_hot_off_only": lambda: tf.one_hot([1], 2, off_value=7.0),
        "where": lambda: tf.where([True, False], [1.0, 2.0], [3.0, 4.0]),
        "where_rows": lambda: tf.where([True, False], x, -x),
        "where_indices": lambda: tf.where([[True, False], [True, True]]),
        "boolean_mask": lambda: tf.boolean_mask(x, [True, False]),
    })


@case()
def sequences(tf: ModuleType) -> Any:
    """range and linspace: dtypes, negative steps, empty ranges; fill, zeros, ones."""
    return evaluated(tf, {
        "range": lambda: tf.range(5), "range_start": lambda: tf.range(2, 6),
        "range_step": lambda: tf.range(10, 0, -3), "range_float": lambda: tf.range(0.0, 1.0, 0.25),
        "range_mixed": lambda: tf.range(0, 1.0, 0.25), "range_empty": lambda: tf.range(3, 3),
        "range_dtype": lambda: tf.range(3, dtype=tf.float64), "range_int64": lambda: tf.range(
            tf.constant(3, tf.int64)), "linspace": lambda: tf.linspace(1.0, 2.0, 5),
        "linspace_one": lambda: tf.linspace(1.0, 2.0, 1), "linspace_double": lambda: tf.linspace(
            tf.constant(0.0, tf.float64), 1.0, 3), "fill": lambda: tf.fill([2, 1], 7),
        "zeros": lambda: tf.zeros([2]), "zeros_int": lambda: tf.zeros([2], tf.int32),
        "zeros_bool": lambda: tf.zeros([1], tf.bool), "ones": lambda: tf.ones([1, 2], tf.int64),
        "zeros_like": lambda: tf.zeros_like([1, 2]), "ones_like": lambda: tf.ones_like(
            [1.5], dtype=tf.int32), "zeros_of_tensor_shape": lambda: tf.zeros(tf.constant([2])),
        "shape": lambda: tf.shape(tf.zeros([2, 3])), "shape64": lambda: tf.shape(
            tf.zeros([2, 3]), out_type=tf.int64), "size": lambda: tf.size(tf.zeros([2, 3])),
        "rank": lambda: tf.rank(tf.zeros([2, 3])),
    })
