"""Operations on strings (bytes), element by element: steps in Python, between kernels."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import apply, convert, op_function
from graphflow.dtypes import DType
from graphflow.errors import AttributeValueError, InvalidArgumentError, ShapeError
from graphflow.lowering import Host
from graphflow.opdef import (
    Attr,
    ErrorSample,
    Infer,
    NotDifferentiable,
    OpDef,
    RunError,
    Sample,
    TensorType,
)
from graphflow.ops.arguments import failure, renamed, static_ints, typed
from graphflow.ops.declare import declare
from graphflow.shapes import UNKNOWN_SHAPE, TensorShape

_STRINGS = NotDifferentiable("strings have no gradient")
_UNITS = Attr("str", "BYTE", choices=("BYTE", "UTF8_CHAR"))
_ENCODINGS = Attr("str", "", choices=("", "utf-8"))


def each(function: Callable[..., Any], out: DType, *arrays: np.ndarray) -> np.ndarray:
    """`function` of the elements of `arrays`, broadcast, as an array of element type `out`."""
    spread = np.broadcast_arrays(*arrays)
    values = [function(*elements) for elements in zip(*(a.ravel().tolist() for a in spread))]
    result = np.empty(len(values), out.numpy)
    result[:] = values
    return result.reshape(spread[0].shape)


def _words() -> list[Sample]:
    return [Sample((np.array([["a b", " Cd "], ["", "xyz"]]),)), Sample((np.array("Word"),)),
            Sample((np.zeros((0, 2), str),))]


def _with(attrs: dict[str, Any]) -> list[Sample]:
    return [Sample(s.inputs, attrs) for s in _words()]


def _unary(
    name: str, reference: Callable[..., np.ndarray], out: DType, samples: Any,
    attrs: dict[str, Attr] | None = None, errors: Any = None,
) -> OpDef:
    return declare(
        name, "input: string", attrs=attrs, infer=lambda c: [TensorType(out, c.shape(0))],
        reference=reference, grad=_STRINGS, lowering=Host(effect=False), samples=samples,
        errors=errors, depth=2)


# ---- length, case, blanks --------------------------------------------------------------------

STRING_LENGTH = _unary(
    "StringLength", lambda input, unit: each(
        len if unit == "BYTE" else lambda s: len(s.decode("utf-8", "replace")), dt.int32, input),
    dt.int32, lambda: [*_words(), *_with({"unit": "UTF8_CHAR"})], {"unit": _UNITS})


@op_function
def string_length(input: Any, name: str | None = None, unit: str = "BYTE") -> Any:
    """The number of bytes (or of characters, for unit `UTF8_CHAR`) of each string, int32."""
    return apply(STRING_LENGTH, (input,), {"unit": unit}, name=name)


def _changed_case(method: str) -> Callable[..., np.ndarray]:
    def change(text: bytes, encoding: str) -> bytes:
        if encoding:
            return getattr(text.decode(encoding, "replace"), method)().encode()
        return getattr(text, method)()

    return lambda input, encoding: each(lambda s: change(s, encoding), dt.string, input)


STRING_LOWER, STRING_UPPER = (
    _unary(name, _changed_case(method), dt.string,
           lambda: [*_words(), *_with({"encoding": "utf-8"})], {"encoding": _ENCODINGS})
    for name, method in (("StringLower", "lower"), ("StringUpper", "upper")))

STRING_STRIP = _unary(
    "StringStrip", lambda input: each(bytes.strip, dt.string, input), dt.string, _words)


@op_function
def string_lower(input: Any, encoding: str = "", name: str | None = None) -> Any:
    """Each string in lower case: ASCII letters alone, or all for encoding `utf-8`."""
    return apply(STRING_LOWER, (input,), {"encoding": encoding}, name=name)


@op_function
def string_upper(input: Any, encoding: str = "", name: str | None = None) -> Any:
    """Each string in upper case: ASCII letters alone, or all for encoding `utf-8`."""
    return apply(STRING_UPPER, (input,), {"encoding": encoding}, name=name)


@op_function
def string_strip(input: Any, name: str | None = None) -> Any:
    """Each string without the white space at its ends."""
    return apply(STRING_STRIP, (input,), name=name)


# ---- parts -----------------------------------------------------------------------------------


def _substr_type(c: Infer) -> list[TensorType]:
    if not c.shape(1).is_compatible_with(c.shape(2)):
        raise c.error(f"pos and len must have one shape: {c.show(1)}, {c.show(2)}")
    return [TensorType(dt.string, c.broadcast())]


def _part(text: Any, start: int, count: int) -> Any:
    size = len(text)
    if not -size <= start <= size:
        raise RunError(InvalidArgumentError,
                       f"pos {start} is outside of a string of length {size}")
    start += size if start < 0 else 0
    return text[start:start + max(count, 0)]


def _substr(input: np.ndarray, pos: np.ndarray, len: np.ndarray, unit: str) -> np.ndarray:
    def cut(text: bytes, start: int, count: int) -> bytes:
        if unit == "BYTE":
            return bytes(_part(text, start, count))
        return str(_part(text.decode("utf-8", "replace"), start, count)).encode()

    return each(cut, dt.string, input, pos, len)


SUBSTR = declare(
    "Substr", "input: string, pos: I, len: I", attrs={"unit": _UNITS}, infer=_substr_type,
    reference=_substr, grad=_STRINGS, lowering=Host(effect=False),
    samples=lambda: [
        Sample((np.array(["abcd", "xyz"]), np.array(1, np.int32), np.array(2, np.int32))),
        Sample((np.array(["abcd", "xyz"]), np.array([-2, 3]), np.array([9, 1])),
               {"unit": "UTF8_CHAR"}),
        Sample((np.zeros(0, str), np.array(0, np.int32), np.array(1, np.int32)))],
    errors=lambda: [ErrorSample(
        (typed(dt.string, 2), typed(dt.int32), typed(dt.int32, 2)), {}, ShapeError,
        r"pos and len must have one shape: pos \[\], len \[2\]")],
    I=dt.INDICES)


@op_function
def substr(input: Any, pos: Any, len: Any, name: str | None = None, unit: str = "BYTE") -> Any:
    """`len` bytes (or characters, for unit `UTF8_CHAR`) of each string from `pos` on.

    pos, len: integers of one shape that broadcasts with `input`; a negative pos counts from the
    end. Raises InvalidArgumentError at run time for a pos outside of its string.
    """
    return apply(SUBSTR, (input, pos, len), {"unit": unit}, name=name)


# ---- regular expressions ---------------------------------------------------------------------


def _pattern(text: str) -> re.Pattern[bytes]:
    return re.compile(text.encode())


def _check_pattern(c: Infer) -> list[TensorType]:
    try:
        _pattern(c.attrs["pattern"])
    except re.error as error:
        raise c.error(f"pattern {c.attrs['pattern']!r} is no regular expression: {error}",
                      cls=AttributeValueError) from None
    return [TensorType(dt.bool_ if c.opdef.name == "RegexFullMatch" else dt.string, c.shape(0))]


def _regex_replace(
    input: np.ndarray, pattern: str, rewrite: str, replace_global: bool
) -> np.ndarray:
    found, new, most = _pattern(pattern), rewrite.encode(), 0 if replace_global else 1
    new = re.sub(rb"\\0", rb"\\g<0>", new)
    return each(lambda s: found.sub(new, s, count=most), dt.string, input)


def _bad_pattern(attrs: dict[str, Any]) -> Callable[[], list[ErrorSample]]:
    return lambda: [ErrorSample((typed(dt.string, 2),), {"pattern": "(", **attrs},
                                AttributeValueError, "is no regular expression")]


REGEX_REPLACE = declare(
    "RegexReplace", "input: string",
    attrs={"pattern": Attr("str"), "rewrite": Attr("str"), "replace_global": Attr("bool", True)},
    infer=_check_pattern, reference=_regex_replace, grad=_STRINGS, lowering=Host(effect=False),
    samples=lambda: [*_with({"pattern": "[a-z]", "rewrite": "<\\0>"}),
                     *_with({"pattern": "[a-z]", "rewrite": "", "replace_global": False})],
    errors=_bad_pattern({"rewrite": ""}))

REGEX_FULL_MATCH = declare(
    "RegexFullMatch", "input: string", attrs={"pattern": Attr("str")}, infer=_check_pattern,
    reference=lambda input, pattern: each(
        lambda s: _pattern(pattern).fullmatch(s) is not None, dt.bool_, input),
    grad=_STRINGS, lowering=Host(effect=False), samples=lambda: _with({"pattern": "[a-z]+"}),
    errors=_bad_pattern({}))


@op_function
def regex_replace(
    input: Any, pattern: str, rewrite: str, replace_global: bool = True, name: str | None = None
) -> Any:
    r"""Each string with what matches `pattern` replaced by `rewrite` (\0 … \9 are the groups).

    replace_global: all matches, else the first one. The syntax of patterns is Python's.
    Raises AttributeValueError for a pattern that is none.
    """
    attrs = {"pattern": pattern, "rewrite": rewrite, "replace_global": bool(replace_global)}
    return apply(REGEX_REPLACE, (input,), attrs, name=name)


@op_function
def regex_full_match(input: Any, pattern: str, name: str | None = None) -> Any:
    """Which strings `pattern` matches as a whole; bool. The syntax of patterns is Python's."""
    return apply(REGEX_FULL_MATCH, (input,), {"pattern": pattern}, name=name)


# ---- joining ---------------------------------------------------------------------------------


def _join_type(c: Infer) -> list[TensorType]:
    if not c.types:
        raise c.error("needs at least one input")
    shape = TensorShape([])
    for t in c.types:
        if t.shape.rank is None:
            shape = UNKNOWN_SHAPE if shape.rank == 0 else shape
        elif t.shape.rank:
            if not shape.is_compatible_with(t.shape) and shape.rank != 0:
                raise c.error(f"inputs must be scalars or have one shape, got {shape} and "
                              f"{t.shape}")
            shape = t.shape if shape.rank in (0, None) else shape.merge_with(t.shape)
    return [TensorType(dt.string, shape)]


STRING_JOIN = declare(
    "StringJoin", "inputs: *string", attrs={"separator": Attr("str", "")}, infer=_join_type,
    reference=lambda *inputs, separator: each(
        lambda *parts: separator.encode().join(parts), dt.string, *inputs),
    grad=_STRINGS, lowering=Host(effect=False),
    samples=lambda: [
        Sample((np.array(["a", "b"]), np.array(["x", ""])), {"separator": "-"}),
        Sample((np.array(["a", "b"]), np.array("c"), np.array(["d", "e"]))),
        Sample((np.array("a"),)), Sample((np.zeros((0, 2), str), np.array("c")))],
    errors=lambda: [
        ErrorSample((typed(dt.string, 2), typed(dt.string, 3)), {}, ShapeError,
                    r"one shape, got \[2\] and \[3\]"),
        ErrorSample((), {}, ShapeError, "at least one input")])


@op_function
def string_join(inputs: Sequence[Any], separator: str = "", name: str | None = None) -> Any:
    """The strings of a list of tensors, joined element by element with `separator` between.

    inputs: string tensors of one shape, or scalars. Raises ShapeError for other shapes.
    """
    return apply(STRING_JOIN, list(inputs), {"separator": separator}, name=name)


def _reduce_join_type(c: Infer) -> list[TensorType]:
    shape, axis = c.shape(0), c.attrs["axis"]
    if shape.rank is None:
        return [TensorType(dt.string, TensorShape([]) if axis is None and not
                           c.attrs["keepdims"] else UNKNOWN_SHAPE)]
    axes = set(range(shape.rank)) if axis is None else {c.axis(a, shape.rank) for a in axis}
    if c.attrs["keepdims"]:
        return [TensorType(dt.string, TensorShape.of(
            1 if k in axes else d for k, d in enumerate(shape.sizes)))]
    return [TensorType(dt.string, TensorShape.of(
        d for k, d in enumerate(shape.sizes) if k not in axes))]


def _reduce_join(
    inputs: np.ndarray, axis: tuple[int, ...] | None, keepdims: bool, separator: str
) -> np.ndarray:
    """Joins along the axes one after the other, so that the last one varies slowest."""
    axes = list(range(inputs.ndim)) if axis is None else [a % inputs.ndim for a in axis[::-1]]
    kept = [k for k in range(inputs.ndim) if k not in axes]
    rows = np.transpose(inputs, [*kept, *axes])
    count = int(np.prod([inputs.shape[k] for k in kept], dtype=np.int64))
    width = int(np.prod([inputs.shape[a] for a in axes], dtype=np.int64))
    joined = np.empty(count, object)
    joined[:] = [separator.encode().join(row) for row in rows.reshape(count, width).tolist()]
    return joined.reshape([1 if k in axes else d for k, d in enumerate(inputs.shape)] if keepdims
                          else [inputs.shape[k] for k in kept])


REDUCE_JOIN = declare(
    "ReduceJoin", "inputs: string",
    attrs={"axis": Attr("ints", None, optional=True), "keepdims": Attr("bool", False),
           "separator": Attr("str", "")},
    infer=_reduce_join_type, reference=_reduce_join, grad=_STRINGS, lowering=Host(effect=False),
    samples=lambda: [
        *(Sample((np.array([["a", "b"], ["c", "d"]]),), {"axis": axis, "separator": "."})
          for axis in ((0,), (-1,), (1, 0), ())),
        Sample((np.array([["a", "b"], ["c", "d"]]),), {"keepdims": True}),
        Sample((np.zeros((2, 0), str),), {"axis": (1,)}), Sample((np.array("a"),))],
    errors=lambda: [ErrorSample((typed(dt.string, 2),), {"axis": (1,)}, AttributeValueError,
                                "axis 1 is outside")])


@op_function
def reduce_join(
    inputs: Any, axis: Any = None, keep_dims: Any = None, separator: str = "",
    name: str | None = None, reduction_indices: Any = None, keepdims: Any = None,
) -> Any:
    """The strings along `axis` (all axes if None) joined into one, with `separator` between.

    Axes are joined one after the other: the last one varies slowest. keep_dims and
    reduction_indices are the old names of keepdims and axis. Raises AttributeValueError for an
    axis that is none.
    """
    axis = renamed("ReduceJoin", "axis", axis, "reduction_indices", reduction_indices)
    keep = renamed("ReduceJoin", "keepdims", keepdims, "keep_dims", keep_dims)
    axes = None if axis is None else static_ints("ReduceJoin", name, "axis", axis)
    return apply(REDUCE_JOIN, (inputs,), {
        "axis": axes, "keepdims": bool(keep), "separator": separator}, name=name)


@op_function
def string_format(
    template: str, inputs: Any, placeholder: str = "{}", summarize: int = 3,
    name: str | None = None,
) -> Any:
    """`template` with the values of `inputs` in place of each `placeholder`, a string scalar.

    inputs: a tensor or a list of them; of long tensors the first and last `summarize` elements
    along each axis are shown. Raises AttributeValueError if the numbers differ.
    """
    from graphflow.ops.host import py_func
    from graphflow.ops.value_text import nested_text

    tensors = [convert(t) for t in (inputs if isinstance(inputs, (list, tuple)) else [inputs])]
    pieces = template.split(placeholder)
    if len(pieces) != len(tensors) + 1:
        raise failure("StringFormat", name, f"template has {len(pieces) - 1} placeholders for "
                      f"{len(tensors)} inputs")

    def fill(*values: Any) -> bytes:
        texts = [nested_text(np.asarray(v), summarize) for v in values]
        return "".join(p + t for p, t in zip(pieces, [*texts, ""])).encode()

    filled = py_func(fill, tensors, dt.string, stateful=False, name=name or "StringFormat")
    filled.set_shape([])
    return filled
