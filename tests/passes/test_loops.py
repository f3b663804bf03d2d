"""What need not happen in each turn of a loop: sums of products, transposed operands, copies."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pass_cases import names_of, outputs_of, program_of

import graphflow as gf
from graphflow.ops.loop_turns import turns_of
from graphflow.passes.base import op_names
from graphflow.passes.pipeline import optimise
from graphflow.passes.rules import floats
from graphflow.program import Node, Program

RNG = np.random.default_rng(3)
X = RNG.normal(size=(3, 4)).astype(np.float32)
W = RNG.normal(size=(4, 4)).astype(np.float32)


def loops(program: Program) -> list[Node]:
    """The loops of a Program."""
    return [n for n in program.nodes if n.opdef.name == "While"]


def products(program: Program) -> list[Node]:
    return [n for n in program.nodes if n.opdef.name == "MatMul"]


def recurrent(turns: int) -> Any:
    """A network's last state as a function of the input and the weights."""
    def build(F: Any, x: Any, w: Any) -> Any:
        return gf.while_loop(lambda i, h: i < turns,
                             lambda i, h: (i + 1, F.tanh(F.matmul(h, w))), [0, x])[1]

    return build


def gradient_by(which: int, turns: int = 3) -> Any:
    def build(F: Any, x: Any, w: Any) -> Any:
        y = recurrent(turns)(F, x, w)
        return gf.gradients(F.reduce_sum(y * y), [x, w][which])[0]

    return build


# ---- how many turns -----------------------------------------------------------------------------


@pytest.mark.parametrize(("start", "holds", "turn", "turns"), [
    (0, lambda i: i < 7, lambda i: i + 1, 7), (0, lambda i: i <= 7, lambda i: i + 2, 4),
    (9, lambda i: i >= 0, lambda i: i - 1, 10), (9, lambda i: i > 0, lambda i: i - 4, 3),
    (0, lambda i: gf.greater(5, i), lambda i: 2 + i, 3), (8, lambda i: i < 7, lambda i: i + 1, 0),
    (0, lambda i: gf.logical_and(i < 7, i <= 3), lambda i: i + 1, 4),
    (1, lambda i: i < 7, lambda i: i * 2, None), (0, lambda i: i < 7, lambda i: i, None),
    (0, lambda i: gf.not_equal(i, 7), lambda i: i + 1, None)])
def test_turns_of_conditions_that_count(start, holds, turn, turns):
    def build(F, x):
        return gf.while_loop(lambda i, y: holds(i), lambda i, y: (turn(i), y + 1), [start, x])[1]

    (loop,) = loops(program_of(build, floats(2)))
    assert turns_of(loop) == turns


def test_turns_up_to_a_size():
    def build(F, x):
        rows = F.shape(x)[0]
        return gf.while_loop(lambda i, y: i < rows, lambda i, y: (i + 1, y + x[i]),
                             [0, F.zeros([4])])[1]

    (loop,) = loops(program_of(build, floats(3, 4)))
    assert turns_of(loop) == 3


# ---- what is dropped, and moved -----------------------------------------------------------------


def test_variables_that_nothing_else_depends_on_go():
    def build(F, x):
        return gf.while_loop(
            lambda i, *_: i < 3,
            lambda i, y, z, same: (i + 1, y + same, z * F.sin(y), same), [0, x, x, x])[1]

    (loop,) = loops(optimise(program_of(build)))
    assert loop.attrs["loop_vars"] == 2
    after = optimise(program_of(build))
    np.testing.assert_allclose(outputs_of(after, [X])[0], 4 * X, rtol=1e-6)


def test_the_gradient_of_an_input_that_nobody_needs_is_not_computed():
    def build(F, x, w):
        rows = gf.TensorArray(gf.float32, 3).unstack(F.stack([x, x * 2.0, x * 3.0]))
        y = gf.while_loop(
            lambda i, h: i < 3,
            lambda i, h: (i + 1, F.tanh(F.matmul(h + rows.read(i), w))), [0, x])[1]
        return gf.gradients(F.reduce_sum(y), w)[0]

    program = program_of(build, floats(3, 4), floats(4, 4))
    after = optimise(program)
    assert not any("Scatter" in name for name in op_names(after))
    np.testing.assert_allclose(
        outputs_of(after, [X, W])[0], outputs_of(program, [X, W])[0], rtol=1e-4, atol=1e-5)


def test_the_gradient_of_a_weight_is_one_product_behind_the_loop():
    program = program_of(gradient_by(1), floats(3, 4), floats(4, 4))
    after = optimise(program)
    assert [n.attrs["transpose_a"] for n in products(after)] == [True]
    inside = [n for loop in loops(after) for n in products(loop.attrs["body"])]
    assert [n.attrs["transpose_a"] for n in inside] == [False, False]
    h, states = X.astype(np.float64), []
    for _ in range(3):
        states.append(h)
        h = np.tanh(h @ W)
    g, total = 2 * h, np.zeros((4, 4))
    for before, now in zip(states[::-1], [h, *states[:0:-1]]):
        inner = g * (1 - now ** 2)
        total += before.T @ inner
        g = inner @ W.T
    np.testing.assert_allclose(outputs_of(after, [X, W])[0], total, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("change", ["read", "shown", "first"])
def test_sums_that_a_turn_looks_at_stay_in_the_loop(change):
    def build(F, x, w):
        def turn(i, h, total):
            new = F.tanh(h + (F.reduce_sum(total) if change == "read" else 0.0))
            return i + 1, new, total + F.matmul(h, new, transpose_a=True)

        _, h, total = gf.while_loop(
            lambda i, h, t: (F.reduce_sum(t) < 1e9) if change == "shown" else i < 3, turn,
            [0, x, w])
        return (h, total) if change != "first" else (h, total[:1])

    program = program_of(build, floats(3, 4), floats(4, 4))
    after = optimise(program)
    assert bool(products(after)) == (change == "first")


def test_weights_are_transposed_before_the_loop():
    after = optimise(program_of(gradient_by(0), floats(3, 4), floats(4, 4)))
    inside = [n for loop in loops(after) for n in products(loop.attrs["body"])]
    assert not any(n.attrs["transpose_b"] for n in inside)
    assert "Transpose" in names_of(after)


def test_what_is_remembered_is_not_computed_again():
    def build(F, x, w):
        def turn(i, h):
            gates = F.matmul(h, w)
            return i + 1, F.tanh(gates) * F.sigmoid(gates)

        y = gf.while_loop(lambda i, h: i < 3, turn, [0, x])[1]
        return gf.gradients(F.reduce_sum(y * y), w)[0]

    program = program_of(build, floats(3, 4), floats(4, 4))
    after = optimise(program)
    forward, backward = loops(after)
    assert {"Tanh", "Sigmoid"} <= op_names(forward.attrs["body"])
    assert op_names(backward.attrs["body"]).isdisjoint({"Tanh", "Sigmoid", "Remembered"})
    np.testing.assert_allclose(
        outputs_of(after, [X, W])[0], outputs_of(program, [X, W])[0], rtol=1e-4, atol=1e-5)
