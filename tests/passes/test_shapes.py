"""Shapes that are known become constants; others stay."""

from __future__ import annotations

import numpy as np
from pass_cases import assert_rewrites, assert_unchanged, names_of, outputs_of, program_of

import graphflow as gf
from graphflow.builder import apply
from graphflow.dims import symbol
from graphflow.opdef import TensorType
from graphflow.passes.rules import floats
from graphflow.passes.shapes import SHAPES
from graphflow.shapes import TensorShape

HALF_KNOWN = TensorType(gf.float32, TensorShape.of([symbol("n"), 6]))


def shape_of(x):
    """`gf.shape` as it stands in a graph whose sizes were not known yet."""
    return apply("Shape", (x,), {"out_type": gf.int32})


def test_sizes_that_are_known_are_constants():
    assert_rewrites(
        SHAPES.run, lambda F, x: [shape_of(x), apply("Size", (x,)), apply("Rank", (x,))],
        lambda F, x: [F.constant([2, 6]), F.constant(12), F.constant(2)], floats(2, 6))


def test_arithmetic_with_them_is_constant_too():
    assert_rewrites(
        SHAPES.run,
        lambda F, x: F.reshape(x, F.stack([shape_of(x)[1] // 2, -1])),
        lambda F, x: F.reshape(x, [3, -1]), floats(2, 6))


def test_the_known_part_of_a_shape_is_constant():
    def build(F, x):
        sizes = shape_of(x)
        return [sizes[1] * 2, sizes[0] * 2]

    program = program_of(build, HALF_KNOWN)
    after = SHAPES.run(program)
    assert after.outputs[0].node.opdef.name == "Const"
    assert after.outputs[1].node.opdef.name == "Mul"
    x = np.zeros((5, 6), np.float32)
    assert [int(a) for a in outputs_of(after, [x])] == [12, 10]


def test_unknown_sizes_stay():
    assert_unchanged(SHAPES.run, lambda F, x: shape_of(x), HALF_KNOWN)
    assert_unchanged(SHAPES.run, lambda F, x: F.size(x) + 1, HALF_KNOWN)


def test_a_size_that_a_rewrite_finds_out_reaches_what_depends_on_it():
    """The reshape's shape becomes known, and with it the shape of the shape's reader."""
    def build(F, x, n):
        return shape_of(F.reshape(x, F.reshape(shape_of(n), [1]) * 12))

    program = program_of(build, floats(2, 6), floats(1))
    assert names_of(SHAPES.run(program)) == []
    assert outputs_of(SHAPES.run(program), [np.zeros((2, 6), np.float32), np.zeros(1, np.float32)]
                      )[0] == [12]
