"""Where graphflow differs from TensorFlow on purpose: path of the result → the reason.

A path is the case and the place in its result, as the failing test prints it; it stands for
everything below. A path that no longer differs fails the test, so that this list stays true.
"""

from __future__ import annotations

_FRACTION = "a fraction is never cut off silently: cast it"
_EARLY = "refused at the line that builds it; TensorFlow fails when it runs, or not at all"
_SENTINEL = "as in 1.15, where these functions take named arguments only"
_NONE = "None is a fetch that gives None"
_SHAPE_TEXT = "shapes print as lists with the names of their symbols, as in error messages"
_TRUTH = "comparing sizes gives a bool (equal means surely equal), not None"

DIFFERENCES: dict[str, str] = {
    # Conversions
    "semantics_errors.dtype_mistakes/int_plus_double_array": _FRACTION,
    "semantics_types.constants_with_dtype/array_to_int": _FRACTION,
    "semantics_errors.feed_mistakes/fraction_to_int": _FRACTION,
    "semantics_errors.feed_mistakes/float_array_to_int": _FRACTION,
    "semantics_errors.feed_mistakes/complex": "an imaginary part is never dropped silently",
    "semantics_errors.dtype_mistakes/constant_overflow": "300 is no uint8; TensorFlow makes it 44",
    "semantics_types.constants_with_dtype/verify_shape": "a shape that does not fit: ShapeError",
    "semantics_types.constants_with_dtype/zero_shape": "as in 1.15: one value is too many",
    "semantics_types.dtype_objects/as_dtype/4": "int stands for int32, as tf.constant(1) does",
    "semantics_session.feed_casts/float64 to int32": _FRACTION,
    "semantics_session.feed_casts/float64 to int64": _FRACTION,
    "semantics_session.feed_casts/float64 to uint8": _FRACTION,
    "semantics_session.feed_casts/float to int32": _FRACTION,
    "semantics_session.feed_casts/float to int64": _FRACTION,
    "semantics_session.feed_casts/float to uint8": _FRACTION,
    "semantics_session.feed_casts/float32 to int32": _FRACTION,
    "semantics_session.feed_casts/float32 to int64": _FRACTION,
    "semantics_session.feed_casts/float32 to uint8": _FRACTION,
    # Errors
    "semantics_errors.shape_mistakes/reshape_two_unknown": _EARLY,
    "semantics_errors.attribute_mistakes/strides_batch": _EARLY,
    "semantics_arrays.cumulative/axis": _EARLY,
    "semantics_rearranging.moves/too long": _EARLY,
    "semantics_neural.sampled_losses/too_small": _EARLY,
    "semantics_linalg.refusals/triangular": "as in 1.15; later versions give infinities",
    "semantics_arrays.cumulative_logsumexp/axis": _EARLY,
    "semantics_arrays.cumulative_logsumexp/half": "running values are float32 until stored",
    "semantics_errors.dtype_mistakes/numpy_of_tensor": "a TypeError, as for bool(tensor)",
    "semantics_errors.dtype_mistakes/set_item": "a TypeError, as for x[0] = 1 of a tuple",
    "semantics_errors.dtype_mistakes/assign_to_tensor": "a TypeError that says what ref must be",
    "semantics_errors.attribute_mistakes/cross_entropy_positional": _SENTINEL,
    # Session
    "semantics_errors.fetch_mistakes/none": _NONE,
    "semantics_errors.fetch_mistakes/none_in_list": _NONE,
    "semantics_errors.feed_mistakes/by_operation_name": "'x' is short for its only output 'x:0'",
    "semantics_gradients.connections/0/stopped_both": _NONE,
    # Names and texts
    "semantics_names.default_names_of_math/linspace": "as in 1.15, where it is one operation",
    "semantics_names.multiple_outputs_and_controls/6": "devices are kept as they were written",
    "semantics_names.shape_texts": _SHAPE_TEXT,
    # Shapes
    "semantics_types.dimensions/known == unknown": _TRUTH,
    "semantics_types.dimensions/unknown == unknown": _TRUTH,
    "semantics_types.dimensions/repr": "a known size is an int and prints as one",
}

# Functions whose arguments differ from TensorFlow 1.15's: path → the reason.
SIGNATURE_DIFFERENCES: dict[str, str] = {
    "Dimension.__init__": "a Dimension is made by __new__ (a known one is an int)",
    "errors.OpError.__init__": "error_code has a default: unknown",
    "nn.swish": "beta, as in TensorFlow 2",
    "train.Saver.__init__": "write_version is not used: there is one format",
    "tuple": "also takes its tensors by name",
    "VariableScope.__init__": "the default dtype is given by name",
}

# Names of TensorFlow 1.15 in signatures.json that graphflow does not have yet.
NOT_YET: set[str] = {
    "image.adjust_jpeg_quality", "image.combined_non_max_suppression", "image.extract_glimpse",
    "image.non_max_suppression_with_scores", "image.random_jpeg_quality",
    "Session.partial_run", "Session.partial_run_setup",
    "train.Saver.as_saver_def",
    "train.Saver.to_proto",
}  # fmt: skip
