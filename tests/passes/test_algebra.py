"""Algebra: what is simplified, what must not be, and what several rules make together."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from pass_cases import (
    assert_rewrites,
    assert_same_bits,
    assert_unchanged,
    outputs_of,
    program_of,
)

import graphflow as gf
from graphflow import dtypes as dt
from graphflow.dims import symbol
from graphflow.opdef import TensorType
from graphflow.ops.casting import CAST
from graphflow.passes.algebra import ALGEBRA, holds
from graphflow.passes.rules import floats, ints
from graphflow.shapes import TensorShape

run = ALGEBRA.run


@pytest.mark.parametrize("build", [
    lambda F, x: 1 * x / 1 - 0.0, lambda F, x: F.identity(F.stop_gradient(x)),
    lambda F, x: F.negative(-x), lambda F, x: F.pow(x, 1.0), lambda F, x: F.ensure_shape(x, None),
    lambda F, x: F.where_v2(x * 0 > 1, x, x),
    lambda F, x: F.cast(F.cast(x, gf.float64), gf.float32),
])
def test_what_computes_nothing_is_its_input(build):
    assert_rewrites(run, build, lambda F, x: x)


@pytest.mark.parametrize("build", [
    lambda F, x: x + 0, lambda F, x: 1 * x * 1, lambda F, x: x // 1 - 0,
    lambda F, x: F.add_n([x]) + x * 0,
])
def test_integers_obey_all_the_laws(build):
    assert_rewrites(lambda p: run(run(p)), build, lambda F, x: x, ints(3, 4))


def test_what_ieee_arithmetic_does_not_allow():
    for build in (
        lambda F, x: x + 0.0,           # −0 + 0 = +0
        lambda F, x: 0.0 - x,           # 0 − 0 = +0
        lambda F, x: x - np.float32(-0.0),
        lambda F, x: x * 0.0,           # NaN, infinities
        lambda F, x: x - x,
        lambda F, x: x / x,
        lambda F, x: x / 3.0,           # 1/3 is rounded
        lambda F, x: F.sqrt(x) * F.sqrt(x + 1.0),
    ):
        assert_unchanged(run, build)
    assert_unchanged(run, lambda F, x: x * 1, floats(3, dtype=gf.complex64))


def test_a_neutral_element_that_broadcasts_stays():
    assert_unchanged(run, lambda F, x: x * np.ones((2, 3, 4), np.float32))
    n = TensorType(gf.float32, TensorShape.of([symbol("n")]))
    assert_unchanged(run, lambda F, x: x * np.ones(3, np.float32), n)
    assert_rewrites(run, lambda F, x: x * 1, lambda F, x: x, floats(3, 4))


def test_products_with_zero_of_unknown_size_stay():
    n = TensorType(gf.int32, TensorShape.of([symbol("n")]))
    assert_unchanged(run, lambda F, x: x * 0, n)


def test_signs_move_out_and_into_sums():
    assert_rewrites(run, lambda F, x, y: x + -y * (-x), lambda F, x, y: x + x * y)
    assert_rewrites(run, lambda F, x, y: x - (-y) / x, lambda F, x, y: x + y / x)
    assert_unchanged(run, lambda F, x, y: y * -x, floats(4), floats(3, 4))


def test_powers():
    assert_rewrites(run, lambda F, x: F.pow(x, 3.0), lambda F, x: F.square(x) * x)
    assert_rewrites(run, lambda F, x: F.pow(x, -1.0), lambda F, x: F.reciprocal(x))
    assert_unchanged(run, lambda F, x: F.pow(x, 2.5))
    assert_unchanged(run, lambda F, x: F.pow(x, -1), ints(3, 4))
    assert_unchanged(run, lambda F, x: F.pow(x, 0.5), floats(3, dtype=gf.complex64))


def test_a_square_root_as_a_power_is_that_of_pow_at_its_edges():
    x = np.float32([0.0, -0.0, np.inf, -np.inf, np.nan, -1.0, 4.0])
    after = run(program_of(lambda F, x: F.pow(x, 0.5), floats(7)))
    with np.errstate(invalid="ignore"):
        assert_same_bits(outputs_of(after, [x])[0], np.power(x, np.full_like(x, 0.5)))


def test_division_by_a_power_of_two_is_exact_at_the_ends_of_the_range():
    x = np.float32([1e-45, -3e-39, 1.5e-38, 3.4e38, 0.1, -0.0, np.nan])
    for c in (0.5, 1024.0, -2.0, 2.0**-126, 2.0**120):
        program = program_of(lambda F, x, c=c: x / np.float32(c), floats(7))
        after = run(program)
        assert "Mul" in str(after) and "RealDiv" not in str(after)
        with np.errstate(over="ignore"):
            assert_same_bits(outputs_of(after, [x])[0], x / np.float32(c))
    assert_unchanged(run, lambda F, x: x / np.float32(2.0**-149))


def test_a_decided_choice_is_broadcast_to_the_shape_of_the_result():
    assert_rewrites(run, lambda F, x, y: F.where_v2(True, x, y),
                    lambda F, x, y: F.broadcast_to(x, [3, 4]), floats(4), floats(3, 4))


def test_an_unfed_default_is_its_value():
    def build(F, x):
        default = F.placeholder_with_default(2.0, [])
        return x * default

    assert_rewrites(run, build, lambda F, x: x * 2.0)


def test_a_check_of_an_unknown_shape_stays():
    n = TensorType(gf.float32, TensorShape.of([symbol("n"), 4]))
    assert_unchanged(run, lambda F, x: F.ensure_shape(x, [3, 4]), n)
    assert_rewrites(run, lambda F, x: F.ensure_shape(x, [None, 4]), lambda F, x: x, n)


@pytest.mark.parametrize("narrow, wide", list(itertools.product(dt.FIXED_SIZE, repeat=2)),
                         ids=lambda d: d.name)
def test_a_type_holds_another_if_all_its_values_survive_there_and_back(narrow, wide):
    """The ends of the range, the least step from 1, and the smallest number decide."""
    values = [0, 1]
    if narrow.is_integer:
        values += [narrow.min, narrow.max, narrow.max - 1]
    parts = narrow.real_dtype
    if parts.is_floating:
        t = parts.numpy.type
        one = np.nextafter(t(1), t(2)), np.nextafter(t(0), t(1))
        values += [*map(float, one), float(parts.max), 0.5]
    if narrow.is_bool:
        values = [False, True]
    x = np.array(values, narrow.numpy)
    if narrow.is_complex:
        x = (x * 1j).astype(narrow.numpy)
    there = CAST.reference(x, dtype=wide)
    back = CAST.reference(there, dtype=narrow)
    survives = bool(np.array_equal(back, x))
    if wide.is_bool and not narrow.is_bool:
        survives = False
    if wide.is_integer and narrow.is_integer:
        # Wrapping brings every value back, but it is not the same number in between.
        survives = survives and [int(v) for v in there] == [int(v) for v in x]
    assert holds(wide, narrow) == survives


def test_casts_that_lose_something_stay():
    for through in (gf.float16, gf.int32, gf.bfloat16):
        assert_unchanged(run, lambda F, x, t=through: F.cast(F.cast(x, t), gf.float32))
    # 300.0 → uint8 saturates, 300 → uint8 wraps
    assert_unchanged(run, lambda F, x: F.cast(F.cast(x, gf.float64), gf.uint8), ints(3, 4))
