"""Numbers that kernels are told when they run: initialisers of all layers are one kernel."""

from __future__ import annotations

import numpy as np
import pytest

import graphflow as gf
from graphflow.codegen.capabilities import Capabilities
from graphflow.codegen.schedule import Scheduler
from graphflow.codegen.told import APART, factor_size, key_size
from graphflow.opdef import ConstValue, lookup
from graphflow.passes.pipeline import optimise
from graphflow.program import ProgramBuilder


def _kernels(session, fetches):
    _, program, _ = session._frozen(fetches, None)
    launches = Scheduler(optimise(program), Capabilities()).schedule().launches()
    return {str(launch.kernel) for launch in launches}


SHAPES = [(16, 16), (8, 32), (3, 3, 4, 8), (7,), (5, 1, 6)]


@pytest.mark.parametrize("draw", [
    lambda shape, k: gf.random_uniform(shape, -0.11 * (k + 1), 0.11 * (k + 1)),
    lambda shape, k: gf.random_normal(shape, 0.3 * k + 0.15, 0.07 * (k + 1)),
    lambda shape, k: gf.truncated_normal(shape, 0.3 * k + 0.15, 0.07 * (k + 1)),
])
def test_what_layers_draw_is_one_kernel(draw):
    with gf.Graph().as_default():
        drawn = [draw(shape, k) for k, shape in enumerate(SHAPES)]
        with gf.Session() as session:
            kernels = _kernels(session, drawn)
    assert len(kernels) <= 2  # and one for the counters of runs


def test_each_draw_has_its_own_key_and_width():
    found = {}
    for device in ("cpu", "reference"):
        with gf.Graph().as_default():
            drawn = [gf.random_uniform(shape, -0.1 * (k + 1), 0.1 * (k + 1), seed=seed)
                     for seed, (k, shape) in enumerate(2 * [*enumerate(SHAPES)])]
            drawn += [gf.random_uniform([40], seed=3, dtype=gf.float64),
                      gf.random_uniform([40], 2, 90, seed=4, dtype=gf.int32),
                      gf.random_normal([40], 0.0, 1.0, seed=5)]
            with gf.Session(device=device) as session:
                found[device] = session.run(drawn)
    for one, other in zip(found["cpu"], found["reference"]):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7)
    same_shape = zip(found["cpu"][:5], found["cpu"][5:10])
    assert not any(np.array_equal(a, b) for a, b in same_shape)


def test_numbers_of_draws_that_are_equal_are_told_once():
    with gf.Graph().as_default():
        a, b = (gf.random_uniform([9], -w, w, seed=7) for w in (0.3, 0.7))
        with gf.Session() as session:
            one, other = session.run([a, b])
    np.testing.assert_allclose(one / 0.3, other / 0.7, rtol=1e-5)


def test_a_told_number_is_no_size():
    assert key_size(0) == APART > 2**47
    assert key_size(2**32 - 1) == APART + 2**32 - 1


@pytest.mark.parametrize(("value", "told"), [
    (np.float32(0.1), True), (np.float32(-3.0), True), (np.float32(np.inf), True),
    (np.float32(0.0), False), (np.float32(-0.0), False), (np.float32(1), False),
    (np.float32(-2), False), (np.float32(np.nan), False), (np.float64(0.1), False),
    (np.int32(7), False), (np.full(3, 0.1, np.float32), True),
    (np.array([0.1, 0.2], np.float32), False),
])
def test_which_constants_are_told(value, told):
    builder = ProgramBuilder()
    node = builder.add(lookup("Const"), (), {"value": ConstValue(np.asarray(value))})
    size = factor_size(node.outputs[0])
    assert (size is not None) == told
    if told:
        bits = np.uint32(size - APART)
        assert bits.view(np.float32) == np.asarray(value).ravel()[0]
