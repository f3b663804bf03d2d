"""Arithmetic that needs no computing, or less of it.

Every equation here holds to the last bit, for NaN, infinities and zeros of both signs: that rules
out x + 0 → x for floats (−0 + 0 is +0), x · 0 → 0 (NaN), 0 − x → −x (0 − 0 is +0), and 1 · x → x
for complex numbers (whose product of 1 with an infinity has a NaN part). Integers wrap, and obey
all of them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import F
from graphflow.dtypes import DType
from graphflow.ops.broadcasting import same_shape
from graphflow.passes.patterns import number, op
from graphflow.passes.rules import Rules, example, floats, ints
from graphflow.program import Node, Value

rule = Rules()


def is_result(x: Value, node: Node) -> bool:
    """True if `x` has the shape of the node's output: no broadcast takes place."""
    return same_shape(x.shape, node.outputs[0].shape)


def _plain(x: Value, node: Node) -> bool:
    """True for real numbers of the output's shape."""
    return not x.dtype.is_complex and is_result(x, node)


def _filled(node: Node, value: Any) -> Value | None:
    """The node's output if all its elements are `value`; None if its sizes are not known."""
    out = node.outputs[0]
    if not out.shape.is_fully_defined():
        return None
    return F.fill(np.array(out.shape.sizes, np.int64), np.asarray(value, out.dtype.numpy))


# ---- neutral elements ---------------------------------------------------------------------------


@rule(op("Add", "x", number("c")), example(lambda F, x: x + 0, ints(3, 4)),
      lambda F, x: x + np.float32(-0.0))
def add_nothing(x: Value, c: Any, node: Node) -> Value | None:
    """x + 0 = x for integers, x + (−0) = x for floats."""
    nothing = c == 0 and (x.dtype.is_integer or (x.dtype.is_floating and np.signbit(c)))
    return x if nothing and is_result(x, node) else None


@rule(op("Sub", "x", number("c")), example(lambda F, x: x - 0, ints(3, 4)), lambda F, x: x - 0.0)
def subtract_nothing(x: Value, c: Any, node: Node) -> Value | None:
    """x − 0 = x; for floats the zero must be +0."""
    nothing = c == 0 and (x.dtype.is_integer or (x.dtype.is_floating and not np.signbit(c)))
    return x if nothing and is_result(x, node) else None


@rule(op("Mul", "x", 1), lambda F, x: 1.0 * x, example(lambda F, x: x * np.ones(4, np.int32),
                                                      ints(3, 4)))
def times_one(x: Value, node: Node) -> Value | None:
    """x · 1 = x."""
    return x if _plain(x, node) else None


@rule(op("RealDiv", "x", 1), lambda F, x: x / 1.0)
def over_one(x: Value, node: Node) -> Value | None:
    """x / 1 = x."""
    return x if _plain(x, node) else None


@rule(op("FloorDiv TruncateDiv", "x", 1), example(lambda F, x: x // 1, ints(3, 4)))
def whole_over_one(x: Value, node: Node) -> Value | None:
    """⌊x / 1⌋ = x for integers."""
    return x if x.dtype.is_integer and is_result(x, node) else None


@rule(op("Mul", "x", 0), example(lambda F, x: x * 0, ints(3, 4)))
def integer_times_zero(x: Value, node: Node) -> Value | None:
    """x · 0 = 0 for integers."""
    return _filled(node, 0) if x.dtype.is_integer else None


@rule(op("Sub", "x", "x"), example(lambda F, x: x - x, ints(3, 4)))
def integer_minus_itself(x: Value, node: Node) -> Value | None:
    """x − x = 0 for integers."""
    return _filled(node, 0) if x.dtype.is_integer else None


@rule(op("AddN", "x"), lambda F, x: F.accumulate_n([x], name="one"))
def sum_of_one(x: Value) -> Value:
    """The sum of one tensor is that tensor."""
    return x


@rule(op("AddN", "x", "y"), lambda F, x, y: F.add_n([x, y]))
def sum_of_two(x: Value, y: Value) -> Value | None:
    """The sum of two tensors of one shape is x + y."""
    return F.add(x, y) if same_shape(x.shape, y.shape) else None


# ---- signs --------------------------------------------------------------------------------------


@rule(op("Neg", op("Neg", "x")), lambda F, x: F.negative(-x))
def double_negation(x: Value) -> Value:
    """−(−x) = x."""
    return x


@rule(op("Mul", "x", -1), lambda F, x: x * -1.0)
def times_minus_one(x: Value, node: Node) -> Value | None:
    """x · (−1) = −x."""
    return F.negative(x) if _plain(x, node) else None


@rule(op("Mul", op("Neg", "x"), "y"), lambda F, x, y: -x * y)
def negated_factor(x: Value, y: Value, node: Node) -> Value | None:
    """(−x) · y = −(x · y), so that a sum can take the sign."""
    return F.negative(x * y) if _plain(x, node) else None


@rule(op("RealDiv", op("Neg", "x"), "y"), lambda F, x, y: -x / y)
def negated_numerator(x: Value, y: Value, node: Node) -> Value | None:
    """(−x) / y = −(x / y)."""
    return F.negative(F.realdiv(x, y)) if _plain(x, node) else None


@rule(op("Add", "x", op("Neg", "y")), lambda F, x, y: x + -y)
def add_negated(x: Value, y: Value) -> Value:
    """x + (−y) = x − y."""
    return x - y


@rule(op("Sub", "x", op("Neg", "y")), lambda F, x, y: x - -y)
def subtract_negated(x: Value, y: Value) -> Value:
    """x − (−y) = x + y."""
    return x + y


@rule(op("Square", op("Neg", "x")), lambda F, x: F.square(-x))
def square_of_negated(x: Value) -> Value:
    """(−x)² = x²."""
    return F.square(x)


@rule(op("Abs", op("Neg", "x")), lambda F, x: F.abs(-x))
def modulus_of_negated(x: Value) -> Value | None:
    """|−x| = |x|; not for the unsigned, whose negation wraps."""
    return None if x.dtype.is_unsigned else F.abs(x)


# ---- powers, products, quotients ----------------------------------------------------------------


@rule(op("Mul", "x", "x"), lambda F, x: x * x)
def product_with_itself(x: Value) -> Value | None:
    """x · x = x²."""
    return None if x.dtype.is_complex else F.square(x)


@rule(op("RealDiv", "x", number("c")), lambda F, x: x / 8.0)
def over_power_of_two(x: Value, c: Any, node: Node) -> Value | None:
    """x / 2ᵏ = x · 2⁻ᵏ, both of which round the same number; a product is cheaper."""
    if not x.dtype.is_floating or not np.isfinite(c) or abs(np.frexp(float(c))[0]) != 0.5:
        return None
    with np.errstate(all="ignore"):
        inverse = np.asarray(1 / float(c), x.dtype.numpy)
    exact = np.isfinite(inverse) and float(inverse) * float(c) == 1
    return x * F.constant(inverse) if exact and is_result(x, node) else None


@rule(op("Pow", "x", number("y")), *(
    example(lambda F, x, y=y: F.pow(x, y), floats(3, 4)) for y in (0.0, 1.0)),
    example(lambda F, x: F.pow(x, 1), ints(3, 4)))
def trivial_power(x: Value, y: Any, node: Node) -> Value | None:
    """x⁰ = 1 (also of NaN), x¹ = x."""
    if x.dtype.is_complex or y not in (0, 1):
        return None
    return _filled(node, 1) if y == 0 else x if is_result(x, node) else None


@rule(op("Pow", "x", number("y")), *(
    example(lambda F, x, y=y: F.pow(x, y), floats(3, 4)) for y in (2.0, 3.0, -1.0, 0.5)),
    example(lambda F, x: F.pow(x, 2), ints(3, 4)), exact=False)
def small_power(x: Value, y: Any, node: Node) -> Value | None:
    """x² = x·x, x³ = x²·x, x⁻¹ = 1/x, x^½ = √x: rounded once or twice, as good as any pow.

    pow(−∞, ½) is +∞ and pow(−0, ½) is +0, where √ gives NaN and −0; both are put right.
    """
    if x.dtype.is_complex or not is_result(x, node):
        return None
    if y == 2:
        return F.square(x)
    if y == 3:
        return F.square(x) * x
    if y == -1 and x.dtype.is_floating:
        return F.reciprocal(x)
    if y == 0.5 and x.dtype.is_floating:
        return F.where_v2(F.equal(x, -np.inf), np.inf, F.sqrt(x) + 0.0)
    return None


# ---- values passed on ---------------------------------------------------------------------------


@rule(op("Remembered", "computed", "kept"), lambda F, x: F.remembered(x, x + 0))
def remembered(computed: Value, kept: Value, node: Node) -> Value | None:
    """What is remembered is not computed again, once gradients have been through it."""
    return kept if is_result(kept, node) else None


@rule(op("Identity StopGradient PreventGradient PlaceholderWithDefault", "x"),
      lambda F, x: F.identity(x), lambda F, x: F.stop_gradient(x),
      lambda F, x: F.placeholder_with_default(x, [None, 4]))
def passed_on(x: Value) -> Value:
    """An op that only passes its input on is its input; a default that nothing was fed for too."""
    return x


@rule(op("EnsureShape", "x"), lambda F, x: F.ensure_shape(x, [None, 4]))
def shape_known(x: Value, node: Node) -> Value | None:
    """A shape that is known to be the required one needs no check."""
    wanted = node.attrs["shape"]
    if wanted.rank is None:
        return x
    if x.shape.rank != wanted.rank:
        return None
    known = all(w is None or w == d for d, w in zip(x.shape.sizes, wanted.as_list()))
    return x if known else None


@rule(op("LogicalNot", op("LogicalNot", "x")),
      example(lambda F, x: F.logical_not(F.logical_not(x > 0)), floats(3, 4)))
def double_not(x: Value) -> Value:
    """not not x = x."""
    return x


@rule(op("SelectV2 Select", number("c"), "x", "y"),
      lambda F, x, y: F.where_v2(True, x, y), lambda F, x, y: F.where_v2([[False]], x, y),
      lambda F, x, y: F.where(np.zeros((3, 4), bool), x, y))
def decided_choice(c: Any, x: Value, y: Value, node: Node) -> Value | None:
    """where(True, x, y) = x, where(False, x, y) = y."""
    taken = x if c else y
    if is_result(taken, node):
        return taken
    out = node.outputs[0].shape
    return F.broadcast_to(taken, out) if out.is_fully_defined() else None


@rule(op("SelectV2 Select", "c", "x", "x"), lambda F, x, y: F.where_v2(y > 0, x, x))
def choice_of_one(x: Value, node: Node) -> Value | None:
    """where(c, x, x) = x."""
    return x if is_result(x, node) else None


# ---- casts --------------------------------------------------------------------------------------


@rule(op("Cast", op("Cast", "x")),
      example(lambda F, x: F.cast(F.cast(x, dt.float64), dt.float32), floats(3, 4)),
      example(lambda F, x: F.cast(F.cast(x, dt.int64), dt.uint8), ints(3, 4)),
      example(lambda F, x: F.cast(F.cast(x, dt.float64), dt.float16), ints(3, 4)))
def cast_of_lossless_cast(x: Value, node: Node) -> Value | None:
    """cast(cast(x, B), C) = cast(x, C) where B holds every value of x.

    Integers that pass through a float would saturate where the direct cast wraps, so then C must
    hold every value of x too.
    """
    through, target = node.inputs[0].dtype, node.attrs["dtype"]
    if not holds(through, x.dtype):
        return None
    saturates = x.dtype.is_integer and target.is_integer and not through.is_integer
    return None if saturates and not holds(target, x.dtype) else F.cast(x, target)


@rule(op("Cast", "x"))
def cast_to_own_type(x: Value, node: Node) -> Value | None:
    """cast(x, type of x) = x."""
    return x if x.dtype is node.attrs["dtype"] else None


def holds(wide: DType, narrow: DType) -> bool:
    """True if every value of type `narrow` is a value of type `wide`."""
    if wide is narrow or narrow.is_bool:
        return True
    if wide.is_bool or wide.is_string or narrow.is_string or narrow.is_complex > wide.is_complex:
        return False
    wide, narrow = wide.real_dtype, narrow.real_dtype
    if wide.is_integer:
        return narrow.is_integer and wide.min <= narrow.min and wide.max >= narrow.max
    digits, largest = _digits(wide), float(wide.max)
    if narrow.is_integer:
        return narrow.max <= min(2**digits, largest)
    return digits >= _digits(narrow) and largest >= float(narrow.max) and (
        _smallest(wide) <= _smallest(narrow))


def _digits(dtype: DType) -> int:
    """The binary digits of a float type's fraction, the hidden one included."""
    return {"float16": 11, "bfloat16": 8, "float32": 24, "float64": 53}[dtype.name]


def _smallest(dtype: DType) -> float:
    """The smallest number above 0 of a float type."""
    return float(np.nextafter(dtype.numpy.type(0), dtype.numpy.type(1)))


ALGEBRA = rule.as_pass("algebra", "canonicalise", __doc__)
