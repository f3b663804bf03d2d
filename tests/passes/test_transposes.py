"""Transposes become flags of matrix products."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from pass_cases import assert_rewrites, assert_unchanged, outputs_of, program_of

import graphflow as gf
from graphflow.passes.rules import floats
from graphflow.passes.transposes import TRANSPOSES

run = TRANSPOSES.run


@pytest.mark.parametrize("flag_a, flag_b, turn_a, turn_b", list(
    itertools.product((False, True), repeat=4)))
def test_an_operand_is_read_along_its_other_axis(flag_a, flag_b, turn_a, turn_b):
    a, b = np.float32(np.arange(6).reshape(2, 3)), np.float32(np.arange(12).reshape(3, 4))
    fed = [x.T if flag != turn else x for x, flag, turn in
           ((a, flag_a, turn_a), (b, flag_b, turn_b))]

    def build(F, x, y):
        x = F.transpose(x) if turn_a else x
        y = F.transpose(y) if turn_b else y
        return F.matmul(x, y, transpose_a=flag_a, transpose_b=flag_b)

    after = run(program_of(build, *(floats(*x.shape) for x in fed)))
    assert "Transpose(" not in str(after)
    np.testing.assert_array_equal(outputs_of(after, fed)[0], a @ b)


def test_forms():
    assert_rewrites(run, lambda F, a, b: F.matmul(F.transpose(a, [0, 2, 1]), b),
                    lambda F, a, b: F.matmul(a, b, transpose_a=True),
                    floats(2, 4, 3), floats(2, 4, 5))
    assert_rewrites(run, lambda F, a, b: F.transpose(F.matmul(a, b, transpose_b=True)),
                    lambda F, a, b: F.matmul(b, a, transpose_b=True), floats(3, 4), floats(5, 4))


def test_other_orders_of_axes_stay():
    assert_unchanged(run, lambda F, a, b: F.matmul(F.transpose(a, [1, 0, 2]), b),
                     floats(3, 2, 4), floats(2, 4, 5))
    assert_unchanged(run, lambda F, a, b: F.transpose(F.matmul(a, b), [1, 0, 2]),
                     floats(2, 3, 4), floats(2, 4, 5))


def test_a_product_that_is_needed_too_is_not_computed_twice():
    def build(F, a, b):
        c = F.matmul(a, b)
        return [c, F.transpose(c)]

    assert_unchanged(run, build, floats(3, 4), floats(4, 5))
    assert_unchanged(run, lambda F, a, b: F.transpose(F.matmul(a, b)) * F.reduce_sum(
        F.matmul(a, b)), floats(3, 4), floats(4, 5))


def test_adjoint_operands_stay():
    kinds = floats(4, 3, dtype=gf.complex64), floats(3, 5, dtype=gf.complex64)
    assert_unchanged(run, lambda F, a, b: F.matmul(F.transpose(a), b, adjoint_a=True), *kinds)
    kinds = floats(4, 3, dtype=gf.complex64), floats(4, 5, dtype=gf.complex64)
    assert_unchanged(run, lambda F, a, b: F.transpose(F.matmul(a, b, adjoint_a=True)), *kinds)
