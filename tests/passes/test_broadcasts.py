"""Broadcasts in front of elementwise ops are left to the ops, or come behind them."""

from __future__ import annotations

from pass_cases import assert_rewrites, assert_unchanged

import graphflow as gf
from graphflow.dims import symbol
from graphflow.opdef import TensorType
from graphflow.ops.reshaping import expand_axes
from graphflow.passes.broadcasts import BROADCASTS
from graphflow.passes.rules import floats, ints
from graphflow.shapes import TensorShape

run = BROADCASTS.run


def test_an_operand_need_not_be_broadcast_to_the_shape_of_the_other():
    assert_rewrites(run, lambda F, x, y: F.broadcast_to(x, [3, 4]) * y, lambda F, x, y: x * y,
                    floats(4), floats(3, 4))
    assert_rewrites(run, lambda F, x, y: F.where_v2(y > 0, F.broadcast_to(x, [3, 4]), y),
                    lambda F, x, y: F.where_v2(y > 0, x, y), floats(1, 4), floats(3, 4))


def test_a_broadcast_comes_after_what_can_be_computed_before_it():
    def expected(F, x, y):
        s = F.constant([3, 4], gf.int32)
        made = F.exp(x) * y
        return F.broadcast_to(made, s)

    assert_rewrites(
        run, lambda F, x, y: F.exp(F.broadcast_to(x, [3, 4])) * F.broadcast_to(y, [3, 4]),
        expected, floats(4), floats(1, 1))
    assert_rewrites(
        run, lambda F, x, y: F.broadcast_to(x, [3, 4]) + F.broadcast_to(y, [3, 4]),
        lambda F, x, y: x + y, floats(4), floats(3, 1))


def test_an_integer_op_may_refuse_what_an_empty_result_does_not_have():
    assert_rewrites(
        run, lambda F, x, y: F.broadcast_to(x, [0, 3]) // F.broadcast_to(y, [0, 3]),
        lambda F, x, y: x // F.broadcast_to(y, [0, 3]), ints(3), ints(3))


def test_axes_of_size_one_may_come_and_go_behind_a_broadcast():
    assert_rewrites(
        run, lambda F, x, y: F.expand_dims(F.broadcast_to(x, [3]), 1) * y,
        lambda F, x, y: x * y, floats(), floats(3, 4))
    assert_rewrites(
        run, lambda F, x, y: F.expand_dims(F.broadcast_to(x, [2, 3]), 1) * y,
        lambda F, x, y: x * y, floats(3), floats(2, 4, 3))
    assert_rewrites(
        run, lambda F, x, y: F.expand_dims(F.broadcast_to(x, [2, 3]), 2) * y,
        lambda F, x, y: F.expand_dims(x, 1) * y, floats(3), floats(2, 3, 4))
    assert_rewrites(
        run, lambda F, x, y: expand_axes(F.broadcast_to(x, [2, 3]), (0, 2, 4)) + y,
        lambda F, x, y: expand_axes(x, (1, 3)) + y, floats(2, 1), floats(5, 2, 1, 3, 4))
    assert_rewrites(
        run, lambda F, x, y: F.squeeze(F.broadcast_to(x, [3, 1, 4]), [1]) - y,
        lambda F, x, y: x - y, floats(), floats(3, 4))
    assert_rewrites(
        run, lambda F, x, y: F.squeeze(F.broadcast_to(x, [3, 1, 4]), [1]) - y,
        lambda F, x, y: F.squeeze(x, [1]) - y, floats(3, 1, 1), floats(3, 4))
    assert_rewrites(
        run, lambda F, x, y: F.reshape(F.broadcast_to(x, [12]), [3, 4]) - y,
        lambda F, x, y: x - y, floats(), floats(3, 4))


def test_axes_of_size_one_in_front_need_not_be_there():
    assert_rewrites(run, lambda F, x, y: F.expand_dims(x, 0) + y, lambda F, x, y: x + y,
                    floats(4), floats(3, 4))
    assert_rewrites(run, lambda F, x, y: F.reshape(x, [1, 1, 4]) + y, lambda F, x, y: x + y,
                    floats(4), floats(2, 3, 4))


def test_axes_that_count_stay():
    assert_unchanged(run, lambda F, x, y: F.broadcast_to(x, [3, 4]) + y, floats(4), floats(1, 1))
    assert_unchanged(run, lambda F, x, y: F.expand_dims(x, 1) + y, floats(3), floats(3, 4))
    assert_unchanged(run, lambda F, x, y: F.reshape(x, [4, 1]) + y, floats(4), floats(4, 4))
    assert_unchanged(run, lambda F, x, y: F.reshape(F.broadcast_to(x, [3, 4]), [4, 3]) + y,
                     floats(4), floats(4, 3))
    assert_unchanged(run, lambda F, x, y: F.expand_dims(F.broadcast_to(x, [3, 4]), 0) + y,
                     floats(4), floats(1, 1, 1))


def test_the_gradient_of_a_mean_of_an_unknown_number_of_rows():
    """The shape of a broadcast may be known by name only."""
    rows = TensorType(gf.float32, TensorShape.of([symbol("n")]))
    matrix = TensorType(gf.float32, TensorShape.of([symbol("n"), 4]))
    assert_rewrites(
        run, lambda F, x, v, y: F.expand_dims(F.broadcast_to(x, F.shape(v)), -1) * y,
        lambda F, x, v, y: x * y, floats(), rows, matrix)


def test_other_ops_need_their_broadcasts():
    assert_unchanged(run, lambda F, x, y: F.add_n([F.broadcast_to(x, [3, 4]), y]),
                     floats(4), floats(3, 4))
