"""Broadcasts in front of elementwise ops are left to the ops."""

from __future__ import annotations

from pass_cases import assert_rewrites, assert_unchanged

from graphflow.passes.broadcasts import BROADCASTS
from graphflow.passes.rules import floats

run = BROADCASTS.run


def test_an_operand_need_not_be_broadcast_to_the_shape_of_the_other():
    assert_rewrites(run, lambda F, x, y: F.broadcast_to(x, [3, 4]) * y, lambda F, x, y: x * y,
                    floats(4), floats(3, 4))
    assert_rewrites(run, lambda F, x, y: F.where_v2(y > 0, F.broadcast_to(x, [3, 4]), y),
                    lambda F, x, y: F.where_v2(y > 0, x, y), floats(1, 4), floats(3, 4))


def test_one_of_two_broadcasts_must_stay():
    assert_rewrites(
        run, lambda F, x, y: F.broadcast_to(x, [3, 4]) + F.broadcast_to(y, [3, 4]),
        lambda F, x, y: x + F.broadcast_to(y, [3, 4]), floats(4), floats(3, 1))
    assert_unchanged(run, lambda F, x, y: F.broadcast_to(x, [3, 4]) + y, floats(4), floats(1, 1))


def test_other_ops_need_their_broadcasts():
    assert_unchanged(run, lambda F, x, y: F.add_n([F.broadcast_to(x, [3, 4]), y]),
                     floats(4), floats(3, 4))
    assert_unchanged(run, lambda F, x: F.exp(F.broadcast_to(x, [3, 4])), floats(4))
