"""Views: what moves nothing, what two steps make, and what the sizes do not allow."""

from __future__ import annotations

import numpy as np
import pytest
from pass_cases import assert_rewrites, assert_unchanged

import graphflow as gf
from graphflow.builder import apply
from graphflow.dims import symbol
from graphflow.opdef import TensorType
from graphflow.passes.rules import floats
from graphflow.passes.views import VIEWS
from graphflow.shapes import TensorShape

run = VIEWS.run
N4 = TensorType(gf.float32, TensorShape.of([symbol("n"), 4]))
NM = TensorType(gf.float32, TensorShape.of([symbol("n"), symbol("m")]))


@pytest.mark.parametrize("build", [
    lambda F, x: F.transpose(F.transpose(F.transpose(x, [1, 0]), [1, 0]), [0, 1]),
    lambda F, x: F.reshape(F.reshape(x, [2, 6]), [3, 4]),
    lambda F, x: F.squeeze(F.expand_dims(x, -1), 2),
    lambda F, x: F.broadcast_to(x, [3, 4]), lambda F, x: F.tile(x, [1, 1]),
    lambda F, x: F.pad(x, [[0, 0], [0, 0]]), lambda F, x: F.slice(x, [0, 0], [3, -1]),
    lambda F, x: x[0:, ...], lambda F, x: F.reduce_max(x, []),
    lambda F, x: F.concat([x, np.zeros((0, 4), np.float32)], 0),
    lambda F, x: F.squeeze(F.stack([x], 1)),
])
def test_what_moves_nothing_is_its_input(build):
    assert_rewrites(run, build, lambda F, x: x)


def test_orders_of_axes_compose():
    assert_rewrites(run, lambda F, x: F.transpose(F.transpose(x, [1, 2, 0]), [1, 0, 2]),
                    lambda F, x: F.transpose(x, [2, 1, 0]), floats(2, 3, 4))


def test_reshapes_compose_where_the_first_cannot_fail():
    assert_rewrites(run, lambda F, x: F.reshape(F.reshape(x, [-1, 2, 4]), [-1, 8]),
                    lambda F, x: F.reshape(x, [-1, 8]), floats(4, 4))
    assert_rewrites(run, lambda F, x: F.reshape(F.reshape(x, [-1]), [-1, 2]),
                    lambda F, x: F.reshape(x, [-1, 2]), N4)
    assert_unchanged(run, lambda F, x: F.reshape(F.reshape(x, [-1, 3]), [-1]), N4)


def test_broadcasts_compose():
    assert_rewrites(run, lambda F, x: F.broadcast_to(F.broadcast_to(x, [3, 4]), [2, 3, 4]),
                    lambda F, x: F.broadcast_to(x, [2, 3, 4]), floats(4))


def test_unknown_sizes_decide():
    assert_rewrites(run, lambda F, x: F.broadcast_to(x, apply(
        "Shape", (x,), {"out_type": gf.int32})), lambda F, x: x, NM)
    assert_unchanged(run, lambda F, x: F.broadcast_to(x, [3, 4]), NM)
    assert_unchanged(run, lambda F, x: F.reduce_sum(x, 0), NM)
    assert_unchanged(run, lambda F, x: x[:3], NM)


def test_what_moves_something_stays():
    for build in (lambda F, x: F.transpose(x), lambda F, x: F.reshape(x, [4, 3]),
                  lambda F, x: x[:, ::-1], lambda F, x: x[::-1], lambda F, x: x[1:],
                  lambda F, x: F.reduce_sum(x, 0), lambda F, x: F.pad(x, [[0, 1], [0, 0]]),
                  lambda F, x: F.tile(x, [1, 2]), lambda F, x: F.stack([x, x]),
                  lambda F, x: F.slice(x, [0, 1], [3, 2]), lambda F, x: F.expand_dims(x, 0)):
        assert_unchanged(run, build)
    assert_unchanged(run, lambda F, x: x[::-1], floats(1, 4))


def test_a_sum_over_one_element_is_that_element():
    assert_rewrites(run, lambda F, x: F.reduce_sum(x, [0, 2]),
                    lambda F, x: F.squeeze(x, [0, 2]), floats(1, 3, 1))
    assert_rewrites(run, lambda F, x: F.reduce_mean(x, 0, keepdims=True), lambda F, x: x,
                    floats(1, 4))
    assert_unchanged(run, lambda F, x: F.reduce_prod(x), floats(1, 4))
