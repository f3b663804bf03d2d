"""What tf.constant and friends make of Python and NumPy values; dtypes; TensorShape."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np

from programs.plain import outcome
from programs.registry import case, evaluated, shape_of


@case()
def constants(tf: ModuleType) -> Any:
    """The dtype that each Python or NumPy value gets."""
    values: dict[str, Any] = {
        "int": 3, "float": 1.5, "bool": True, "complex": 1 + 2j, "string": "héé", "bytes": b"a",
        "list": [1, 2], "floats": [1.0, 2.0], "mixed": [1, 2.5], "nested": [[1], [2]],
        "bools": [True, False], "strings": ["a", "bc"], "tuple": (1, 2), "range": list(range(3)),
        "big_int": 2**40, "int32_max": 2**31 - 1, "int32_min": -(2**31), "over_int32": 2**31,
        "float64_array": np.ones(2), "float32_array": np.ones(2, "float32"),
        "int64_array": np.arange(2), "int8_array": np.ones(1, "int8"),
        "uint64_array": np.array([2**63], "uint64"), "bool_array": np.array([True]),
        "float16_array": np.ones(1, "float16"), "complex_array": np.array([1j]),
        "string_array": np.array(["x", "yz"]), "np_float32": np.float32(1.5),
        "np_float64": np.float64(1.5), "np_int64": np.int64(3), "np_int32": np.int32(3),
        "np_bool": np.bool_(True), "list_of_np": [np.float32(1.0), np.float32(2.0)],
        "list_of_np64": [np.float64(1.0), np.float64(2.0)],
        "empty": [], "empty_nested": [[]], "bool_and_int": [True, 2], "int_and_bool": [1, False],
        "huge": 2**70, "infinity": float("inf"), "string_and_int": ["a", 1], "large_float": 1e300,
    }
    return evaluated(tf, {label: lambda v=v: tf.constant(v) for label, v in values.items()})


@case()
def constants_with_dtype(tf: ModuleType) -> Any:
    """A dtype, a shape, or both given."""
    return evaluated(tf, {
        "int_as_float": lambda: tf.constant(3, tf.float32), "fill": lambda: tf.constant(
            2.0, shape=[2, 2]), "fill_short": lambda: tf.constant([1, 2], shape=[2, 2]),
        "reshape": lambda: tf.constant([1, 2, 3, 4], tf.float64, [2, 2]),
        "too_long": lambda: tf.constant([1, 2, 3], shape=[2]), "as_half": lambda: tf.constant(
            0.1, tf.float16), "dtype_name": lambda: tf.constant(1, "int64"),
        "numpy_dtype": lambda: tf.constant(1, np.uint8), "python_dtype": lambda: tf.constant(
            1, float), "whole_float_as_int": lambda: tf.constant(2.0, tf.int32),
        "bool_as_float": lambda: tf.constant(True, tf.float32), "array_cast": lambda: tf.constant(
            np.array([1.5, 2.5]), tf.float32), "array_to_int": lambda: tf.constant(
            np.array([1.5, 2.5]), tf.int32),
        "int_as_complex": lambda: tf.constant(1, tf.complex64),
        "bfloat16": lambda: tf.cast(tf.constant(1.1, tf.bfloat16), tf.float32),
        "verify_shape": lambda: tf.constant([1, 2], shape=[2, 2], verify_shape=True),
        "empty_float": lambda: tf.constant([], tf.int32), "zero_shape": lambda: tf.constant(
            1.0, shape=[0, 2]), "int_as_bool": lambda: tf.constant(1, tf.bool),
    })


@case()
def conversions(tf: ModuleType) -> Any:
    """convert_to_tensor: preferred_dtype, shapes, tensors in lists, variables."""
    x = tf.constant([1.0, 2.0])
    return evaluated(tf, {
        "preferred": lambda: tf.convert_to_tensor([1, 2], preferred_dtype=tf.float64),
        "preferred_impossible": lambda: tf.convert_to_tensor(
            [1.5], preferred_dtype=tf.int32), "tensor_list": lambda: tf.convert_to_tensor(
            [x, [3.0, 4.0]]), "scalar_list": lambda: tf.convert_to_tensor([x[0], 5.0]),
        "shape": lambda: tf.convert_to_tensor(x.get_shape()), "dimension": lambda: tf.fill(
            [x.get_shape()[0], 2], 1), "reshape_with_tensor": lambda: tf.reshape(
            x, [tf.shape(x)[0], 1]), "int_list_with_float_tensor": lambda: x + [1, 2],
        "numpy_scalar_left": lambda: np.float32(2.0) * x, "array_left": lambda: np.array(
            [2.0, 3.0], "float32") * x, "double_scalar": lambda: x * np.float64(2.0),
        "tensor_in_operator_list": lambda: x + [x[1], x[0]],
    })


@case()
def dtype_objects(tf: ModuleType) -> Any:
    """Names, equality, as_dtype, limits and predicates of dtypes."""
    names = ["float16", "bfloat16", "float32", "float64", "int8", "int16", "int32", "int64",
             "uint8", "uint16", "uint32", "uint64", "bool", "complex64", "complex128", "string"]
    types = [getattr(tf, name) for name in names]
    return {
        "facts": [[t.name, t.is_floating, t.is_integer, t.is_unsigned, t.is_bool, t.is_complex,
                   str(t)] for t in types],
        "sizes": [t.size for t in types if t != tf.string],
        "limits": [[float(t.min), float(t.max)] for t in types[2:12]],
        "as_dtype": [outcome(lambda v=v: tf.as_dtype(v).name) for v in (
            "float32", np.float64, np.dtype("int8"), float, int, bool, tf.int32, "string", "half",
            "double")],
        "as_numpy": [str(np.dtype(t.as_numpy_dtype)) for t in types if t != tf.string],
        "equal": [tf.float32 == "float32", tf.float32 == np.float32, tf.float32 != tf.float64,
                  tf.int32 == tf.int64, tf.float32 in (tf.float64, tf.float32),
                  hash(tf.float32) == hash(tf.as_dtype("float32")), tf.float32 == 3],
        "real": [tf.complex64.real_dtype.name, tf.complex128.real_dtype.name,
                 tf.float32.real_dtype.name, tf.float32.base_dtype.name],
        "compatible": [tf.float32.is_compatible_with(tf.float32),
                       tf.float32.is_compatible_with(tf.float64)],
        "bad": [outcome(lambda: tf.as_dtype("float33")), outcome(lambda: tf.as_dtype(None))],
    }


@case()
def tensor_shapes(tf: ModuleType) -> Any:
    """TensorShape: construction, merging, compatibility, slicing, comparison."""
    shape = tf.TensorShape
    s, partial, unknown = shape([2, 3]), shape([None, 3]), shape(None)

    def sizes(value: Any) -> Any:
        return None if value.ndims is None else value.as_list()

    found = {
        "sizes": [sizes(v) for v in (s, partial, unknown, shape([]), shape(4), shape((1, 2)))],
        "ndims": [v.ndims for v in (s, partial, unknown)],
        "defined": [v.is_fully_defined() for v in (s, partial, unknown)],
        "num_elements": [v.num_elements() for v in (s, partial, unknown, shape([]))],
        "lists": [s.as_list(), partial.as_list(), outcome(lambda: unknown.as_list())],
        "merge": [sizes(partial.merge_with([2, None])), sizes(unknown.merge_with(s)),
                  outcome(lambda: sizes(s.merge_with([2, 4])))],
        "compatible": [s.is_compatible_with(partial), s.is_compatible_with(unknown),
                       s.is_compatible_with([2, 4]), s.is_compatible_with([2, 3, 1])],
        "concatenate": [sizes(s.concatenate([4])), sizes(s.concatenate(unknown))],
        "slices": [sizes(s[1:]), sizes(partial[:1]), sizes(unknown[1:]), s[-1].value,
                   outcome(lambda: s[2].value)],
        "equality": [s == [2, 3], s == shape([2, 3]), s != shape([2, 4])],
        "with_rank": [sizes(s.with_rank(2)), sizes(unknown.with_rank(2)),
                      outcome(lambda: sizes(s.with_rank(3)))],
        "at_least": [sizes(s.with_rank_at_least(1)),
                     outcome(lambda: sizes(s.with_rank_at_least(3)))],
        "most_specific": [sizes(s.most_specific_compatible_shape(shape([2, 4])))],
        "asserts": [outcome(lambda: s.assert_has_rank(3)), outcome(lambda: s.assert_has_rank(2)),
                    outcome(lambda: s.assert_is_fully_defined()),
                    outcome(lambda: partial.assert_is_fully_defined()),
                    outcome(lambda: s.assert_is_compatible_with([3, 3])),
                    outcome(lambda: s.assert_same_rank(shape([1])))],
        "length": [len(s), outcome(lambda: len(unknown)), bool(s), bool(unknown)],
        "dims": [[d.value for d in s], [d.value for d in partial], unknown.dims is None],
        "negative": [outcome(lambda: sizes(shape([-1])))],
    }
    return found


@case()
def dimensions(tf: ModuleType) -> Any:
    """Dimension arithmetic, as in `x.get_shape()[1].value`."""
    d, none = tf.Dimension(6), tf.Dimension(None)
    placeholder = tf.placeholder(tf.float32, [None, 4])
    return {
        "known": [(d + 2).value, (d * 3).value, (d - 1).value, (d // 4).value, (d % 4).value,
                  (2 + d).value, (3 * d).value],
        "unknown": [(none + 1).value, (d * none).value, none.value],
        "known == known": [d == 6, d != 7, d > 3, d >= 6, d < 6],
        "known == unknown": d == none, "unknown == unknown": none == none,
        "known < unknown": outcome(lambda: d < none),
        "conversions": [int(d), str(d), str(none), list(range(d))[-1]], "repr": repr(d),
        "compatible": d.is_compatible_with(none), "int(unknown)": outcome(lambda: int(none)),
        "merge": [d.merge_with(none).value, outcome(lambda: d.merge_with(7).value)],
        "of a placeholder": [d.value for d in placeholder.get_shape()],
    }


@case()
def static_shapes(tf: ModuleType) -> Any:
    """The static shape that inference finds with unknown sizes."""
    x = tf.placeholder(tf.float32, [None, 4])
    y = tf.placeholder(tf.float32, [3, None])
    any_rank = tf.placeholder(tf.float32)
    images = tf.placeholder(tf.float32, [None, 28, None, 3])
    n = tf.placeholder(tf.int32, [])
    filters = tf.ones([3, 3, 3, 8])
    shapes = {
        "matmul": tf.matmul(x, tf.ones([4, 5])), "add": x + tf.ones([4]),
        "add_unknown": x + y[:, :1],
        "add_any_rank": x + any_rank, "sum0": tf.reduce_sum(x, 0), "sum1": tf.reduce_sum(x, 1),
        "sum_any_rank": tf.reduce_sum(any_rank, 0), "sum_all": tf.reduce_sum(any_rank),
        "concat0": tf.concat([x, x], 0), "concat1": tf.concat([x, tf.ones([2, 4])], 1),
        "reshape": tf.reshape(x, [-1, 2]), "reshape_tensor": tf.reshape(x, [n, 2]),
        "reshape_shape": tf.reshape(x, [tf.shape(x)[0], 2, 2]),
        "reshape_like": tf.reshape(any_rank, tf.shape(x)), "flatten": tf.reshape(images, [-1]),
        "transpose": tf.transpose(x), "transpose_any": tf.transpose(any_rank),
        "expand": tf.expand_dims(x, 1), "squeeze": tf.squeeze(tf.ones([1, 3, 1])),
        "squeeze_unknown": tf.squeeze(x), "stack": tf.stack([x, x]), "split": tf.split(x, 2, 1)[0],
        "tile": tf.tile(x, [2, 3]), "tile_tensor": tf.tile(x, [n, 3]), "slice": x[1:, :2],
        "slice_static": y[1:, 0], "negative": y[-2:], "gather": tf.gather(x, [1, 2]),
        "gather_any": tf.gather(any_rank, [1, 2]), "one_hot": tf.one_hot([1, 2], n),
        "conv_same": tf.nn.conv2d(images, filters, [1, 2, 2, 1], "SAME"),
        "conv_valid": tf.nn.conv2d(images, filters, [1, 1, 1, 1], "VALID"),
        "pool": tf.nn.max_pool(images, [1, 2, 2, 1], [1, 2, 2, 1], "SAME"),
        "zeros": tf.zeros([n, 3]), "fill_shape": tf.fill(tf.shape(x), 1.0), "range": tf.range(n),
        "range_static": tf.range(2, 9, 3), "pad": tf.pad(x, [[1, 1], [0, 2]]),
        "broadcast": tf.broadcast_to(tf.ones([1, 3]), [n, 3]), "shape": tf.shape(any_rank),
        "shape_known": tf.shape(x), "where": tf.where(x > 0, x, x), "argmax": tf.argmax(x, 1),
        "cross_entropy": tf.nn.softmax_cross_entropy_with_logits_v2(labels=x, logits=x),
        "unstack": tf.unstack(y)[0], "identity": tf.identity(images), "cast": tf.cast(x, tf.int32),
        "boolean": tf.where(x > 0), "random": tf.random_normal([n, 2]), "mean": tf.reduce_mean(
            images, [1, 2]), "keepdims": tf.reduce_max(images, [1, 2], keepdims=True),
    }
    y.set_shape([None, 7])
    return {label: shape_of(tensor) for label, tensor in shapes.items()} | {"set": shape_of(y)}
