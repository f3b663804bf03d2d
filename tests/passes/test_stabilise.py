"""Stabilising rewrites: what they make, that numbers are better and never worse, and gradients."""

from __future__ import annotations

import numpy as np
import pytest
from pass_cases import (
    assert_rewrites,
    assert_unchanged,
    names_of,
    outputs_of,
    program_of,
)
from scipy import special

import graphflow as gf
from graphflow.builder import apply
from graphflow.dims import symbol
from graphflow.opdef import TensorType
from graphflow.passes.algebra import ALGEBRA
from graphflow.passes.pipeline import optimise
from graphflow.passes.rules import floats
from graphflow.passes.stabilise import STABILISE
from graphflow.shapes import TensorShape

run = STABILISE.run


def settled(program):
    """What the two passes make together."""
    program = ALGEBRA.run(program)
    for _ in range(2):
        program = ALGEBRA.run(run(program))
    return program


# ---- what is made -------------------------------------------------------------------------------


@pytest.mark.parametrize("before, expected", [
    (lambda F, x: F.log(F.softmax(x, 0)), lambda F, x: F.log_softmax(x, 0)),
    (lambda F, x: F.log(F.sigmoid(x)), lambda F, x: -F.softplus(-x)),
    (lambda F, x: F.log(F.sigmoid(-x)), lambda F, x: -F.softplus(x)),
    (lambda F, x: F.log(1 - F.sigmoid(x)), lambda F, x: -F.softplus(x)),
    (lambda F, x: F.log(1 + F.exp(x)), lambda F, x: F.softplus(x)),
    (lambda F, x: F.log(x + 1), lambda F, x: F.log1p(x)),
    (lambda F, x: F.log(1 - x), lambda F, x: F.log1p(-x)),
    (lambda F, x: F.exp(x) - 1, lambda F, x: F.expm1(x)),
    (lambda F, x: 1 - F.sigmoid(x), lambda F, x: F.sigmoid(-x)),
    (lambda F, x: 1 / (1 + F.exp(-x)), lambda F, x: F.sigmoid(x)),
    (lambda F, x: F.exp(x) / F.reduce_sum(F.exp(x), -1, keepdims=True),
     lambda F, x: F.softmax(x, 1)),
    (lambda F, x: F.log(F.reduce_sum(F.exp(x), 1)), lambda F, x: apply(
        "LogSumExp", (x,), {"axis": (1,)})),
    (lambda F, x: F.softmax(x - F.reduce_max(x, 1, keepdims=True)), lambda F, x: F.softmax(x)),
    (lambda F, x: F.sqrt(F.square(x)), lambda F, x: F.abs(x)),
])
def test_forms(before, expected):
    assert_rewrites(run, before, expected)


@pytest.mark.parametrize("before", [
    lambda F, y, z: -F.reduce_sum(y * F.log(F.softmax(z)), 1),
    lambda F, y, z: -F.reduce_sum(F.log(F.softmax(z)) * y, axis=[-1]),
    lambda F, y, z: F.reduce_sum(-y * F.log(F.softmax(z)), 1),
    lambda F, y, z: F.reduce_sum(-(y * F.log(F.softmax(z))), 1),
    lambda F, y, z: F.reduce_sum(y * -F.log_softmax(z), 1),
])
def test_softmax_cross_entropy_written_out(before):
    assert_rewrites(settled, before, lambda F, y, z: apply(
        "SoftmaxCrossEntropyWithLogits", (z, y), {"axis": 1}))


@pytest.mark.parametrize("before", [
    lambda F, z, x: -(z * F.log(F.sigmoid(x)) + (1 - z) * F.log(1 - F.sigmoid(x))),
    lambda F, z, x: -z * F.log(F.sigmoid(x)) - (1 - z) * F.log(1 - F.sigmoid(x)),
    lambda F, z, x: z * -F.log(F.sigmoid(x)) + (1 - z) * -F.log(1 - F.sigmoid(x)),
    lambda F, z, x: -((1 - z) * F.log(1 - F.sigmoid(x)) + z * F.log(F.sigmoid(x))),
])
def test_sigmoid_cross_entropy_written_out(before):
    assert_rewrites(settled, before, lambda F, z, x: apply(
        "SigmoidCrossEntropyWithLogits", (x, z)))


def test_the_usual_mean_of_it():
    def before(F, z, x):
        y = F.sigmoid(x)
        return -F.reduce_mean(z * F.log(y) + (1 - z) * F.log(1 - y))

    program = settled(program_of(before))
    assert names_of(program) == ["SigmoidCrossEntropyWithLogits", "Neg", "Mean", "Neg"]


def test_what_does_not_fit():
    for build in (
        lambda F, x: F.log(F.softmax(x) + 1e-7),
        lambda F, x: F.log(2 + x), lambda F, x: F.exp(x) - 2, lambda F, x: 2 - F.sigmoid(x),
        lambda F, x: F.exp(x) / F.reduce_sum(F.exp(x), [0, 1], keepdims=True),
        lambda F, x: F.exp(x) / F.reduce_sum(F.exp(x), 0),
        lambda F, x: F.softmax(x - F.reduce_max(x, 0, keepdims=True), 1),
        lambda F, x: F.sigmoid(x) * (1 - F.sigmoid(x)),
        lambda F, x: F.exp(F.log(x)),
    ):
        program = program_of(build, floats(4, 4))
        assert run(program) is program, f"{run(program)}"
    assert_unchanged(run, lambda F, y, z: F.reduce_sum(y * F.log_softmax(z), 0))
    assert_unchanged(run, lambda F, y, z: F.reduce_sum(y * F.log_softmax(z), 1),
                     floats(4), floats(3, 4))
    assert_unchanged(run, lambda F, x: F.log(F.exp(x)), floats(3, dtype=gf.complex64))


# ---- better numbers, never worse ----------------------------------------------------------------

HARD = np.concatenate([
    np.geomspace(1e-12, 200, 41), -np.geomspace(1e-12, 200, 41), [-95.0, -90.0, 1e25, -1e25]])
TRUTH = {
    "log1p": (lambda F, x: F.log(1 + x), np.log1p),
    "log1m": (lambda F, x: F.log(1 - x), lambda x: np.log1p(-x)),
    "expm1": (lambda F, x: F.exp(x) - 1, np.expm1),
    "softplus": (lambda F, x: F.log(1 + F.exp(x)), lambda x: np.logaddexp(0, x)),
    "log_sigmoid": (lambda F, x: F.log(F.sigmoid(x)), special.log_expit),
    "log_one_minus": (lambda F, x: F.log(1 - F.sigmoid(x)), lambda x: special.log_expit(-x)),
    "one_minus": (lambda F, x: 1 - F.sigmoid(x), lambda x: special.expit(-x)),
    "sigmoid": (lambda F, x: 1 / (1 + F.exp(-x)), special.expit),
    "log_exp": (lambda F, x: F.log(F.exp(x)), lambda x: x),
    "root": (lambda F, x: F.sqrt(F.square(x)), np.abs),
}


@pytest.mark.parametrize("name", TRUTH)
def test_errors_do_not_grow(name):
    """In float32 against the truth in float64: at each point as good as before, or a rounding."""
    build, truth = TRUTH[name]
    x = HARD.astype(np.float32)
    before = program_of(build, floats(len(x)))
    after = run(before)
    assert after is not before
    with np.errstate(all="ignore"):
        exact = truth(x.astype(np.float64))
        errors = []
        for program in (before, after):
            value = outputs_of(program, [x])[0].astype(np.float64)
            errors.append(np.abs(value - exact) / np.maximum(np.abs(exact), 1e-45))
    was, now = errors
    defined = np.isfinite(exact)
    assert np.all((now <= 4e-7) | (now <= was) | np.isnan(was), where=defined)
    assert np.nanmax(np.where(np.isfinite(was), was, np.inf)[defined]) > 1e-6, "no gain"


def test_cross_entropies_of_sure_answers_are_finite():
    z = np.array([[1000.0, 0.0, -1000.0]], np.float32)
    y = np.array([[0.0, 0.5, 0.5]], np.float32)
    types = floats(1, 3), floats(1, 3)

    def soft(F, y, z):
        return -F.reduce_sum(y * F.log(F.softmax(z)), 1)

    def binary(F, y, z):
        p = F.sigmoid(z)
        return -(y * F.log(p) + (1 - y) * F.log(1 - p))

    for build, expected in (
        (soft, [1500.0]), (binary, [[1000.0, np.log(2), 500.0]])):
        program = program_of(build, *types)
        with np.errstate(all="ignore"):
            assert not np.isfinite(outputs_of(program, [y, z])[0]).all()
        np.testing.assert_allclose(outputs_of(optimise(program), [y, z])[0], expected, rtol=1e-6)


# ---- gradients of formulas as they were written -------------------------------------------------


def with_gradient(loss):
    """A builder of the loss and its gradient for the last input."""
    def build(F, y, z):
        value = loss(F, y, z)
        return [value, gf.gradients(value, z)[0]]

    return build


def soft_loss(F, y, z):
    return F.reduce_mean(-F.reduce_sum(y * F.log(F.softmax(z)), 1))


def binary_loss(F, y, z):
    p = F.sigmoid(z)
    return -F.reduce_mean(y * F.log(p) + (1 - y) * F.log(1 - p))


def one_sided_loss(F, y, z):
    return -F.reduce_mean(y * F.log(F.sigmoid(z)))


def expected_gradient(loss, y, z):
    """In float64, from the formulas of textbooks."""
    y, z = y.astype(np.float64), z.astype(np.float64)
    if loss is soft_loss:
        return (special.softmax(z, 1) * y.sum(1, keepdims=True) - y) / len(y)
    if loss is binary_loss:
        return (special.expit(z) - y) / y.size
    return -y * special.expit(-z) / y.size


@pytest.mark.parametrize("loss", [soft_loss, binary_loss, one_sided_loss])
def test_the_gradient_does_not_divide(loss):
    program = program_of(with_gradient(loss))
    after = settled(program)
    assert "Reciprocal" in names_of(program) and "Reciprocal" not in names_of(after), str(after)
    rng = np.random.default_rng(1)
    y = rng.dirichlet(np.ones(4), 3).astype(np.float32)
    z = rng.normal(size=(3, 4)).astype(np.float32)
    for made in (after, optimise(program)):
        loss_now, gradient = outputs_of(made, [y, z])
        np.testing.assert_allclose(gradient, expected_gradient(loss, y, z), rtol=1e-5, atol=1e-7)
        np.testing.assert_allclose(loss_now, outputs_of(program, [y, z])[0], rtol=1e-5)


@pytest.mark.parametrize("loss", [soft_loss, binary_loss, one_sided_loss])
def test_the_gradient_is_right_where_the_formula_gives_nan(loss):
    y = np.array([[0, 1.0], [1.0, 0], [1.0, 0]], np.float32)
    z = np.array([[300.0, -300.0], [-300.0, 300.0], [0.5, 0.25]], np.float32)
    program = program_of(with_gradient(loss), floats(3, 2), floats(3, 2))
    with np.errstate(all="ignore"):
        assert not np.isfinite(outputs_of(program, [y, z])[1]).all()
    gradient = outputs_of(optimise(program), [y, z])[1]
    np.testing.assert_allclose(gradient, expected_gradient(loss, y, z), rtol=1e-5, atol=1e-7)


def test_the_slope_of_a_sigmoid_keeps_its_form():
    """y · (1 − y) needs y alone; sigmoid(−x) would bring x back."""
    program = program_of(lambda F, x: gf.gradients(F.reduce_sum(F.sigmoid(x)), x)[0])
    assert names_of(optimise(program)).count("Sigmoid") == 1


def test_unknown_batch_sizes():
    kind = TensorType(gf.float32, TensorShape.of([symbol("n"), 4]))
    program = optimise(program_of(with_gradient(soft_loss), kind, kind))
    rng = np.random.default_rng(1)
    y, z = rng.dirichlet(np.ones(4), 5).astype(np.float32), np.float32(rng.normal(size=(5, 4)))
    np.testing.assert_allclose(
        outputs_of(program, [y, z])[1], expected_gradient(soft_loss, y, z), rtol=1e-5, atol=1e-7)
