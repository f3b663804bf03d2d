"""Launches of one form share their kernel; what differs in form does not."""

from __future__ import annotations

import numpy as np
import pytest

import graphflow as gf
from graphflow.codegen.capabilities import Capabilities
from graphflow.codegen.schedule import Scheduler


def _launches(session, fetches, feeds):
    from graphflow.passes.pipeline import optimise

    _, program, _ = session._frozen(fetches, feeds)
    return list(Scheduler(optimise(program), Capabilities()).schedule().launches())


def _network(layers, optimizer=gf.train.AdamOptimizer):
    x = gf.placeholder(gf.float32, [None, 16])
    hidden = x
    for _ in range(layers):
        w = gf.Variable(gf.truncated_normal([16, 16], stddev=0.25, seed=1))
        hidden = gf.tanh(gf.matmul(hidden, w) + gf.Variable(gf.zeros([16])))
    loss = gf.reduce_mean(gf.square(hidden))
    return x, loss, optimizer(0.01).minimize(loss)


@pytest.mark.parametrize("layers", [6, 20])
def test_equal_layers_have_equal_kernels(layers):
    with gf.Graph().as_default():
        x, loss, train = _network(layers)
        with gf.Session() as session:
            feeds = {x: np.ones([8, 16], np.float32)}
            launches = _launches(session, [train, loss], feeds)
            initial = _launches(session, gf.global_variables_initializer(), None)
    assert len(launches) > 4 * layers
    assert len({str(launch.kernel) for launch in launches}) <= 16
    assert len({str(launch.kernel) for launch in initial}) <= 4


def test_a_deep_network_learns_as_the_reference_does():
    losses = {}
    for device in ("cpu", "reference"):
        with gf.Graph().as_default():
            x, loss, train = _network(12, gf.train.GradientDescentOptimizer)
            with gf.Session(device=device) as session:
                session.run(gf.global_variables_initializer())
                value = np.random.RandomState(0).randn(8, 16).astype(np.float32)
                losses[device] = [session.run([train, loss], {x: value})[1] for _ in range(6)]
    np.testing.assert_allclose(losses["cpu"], losses["reference"], rtol=2e-4)


@pytest.mark.parametrize("second", [
    lambda x, y, w: gf.matmul(y, w, transpose_b=True),
    lambda x, y, w: gf.matmul(y, w, transpose_a=True),
    lambda x, y, w: gf.matmul(x, w),
    lambda x, y, w: gf.nn.relu(gf.matmul(y, w)),
    lambda x, y, w: gf.matmul(y, w) * 2,
    lambda x, y, w: gf.matmul(y, w) * 3,
    lambda x, y, w: gf.matmul(y, y),
    lambda x, y, w: gf.matmul(y, w) + y,
    lambda x, y, w: gf.matmul(y, w) + w,
    lambda x, y, w: gf.reduce_sum(gf.matmul(y, w) * gf.matmul(x, w), 0),
])
def test_alike_is_not_equal(second):
    x, y, w = (gf.placeholder(gf.float32, [8, 8]) for _ in range(3))
    first = [gf.matmul(x, w), gf.matmul(x, w) * 2, gf.matmul(w, y), gf.matmul(x, y) + y]
    fetches = [*first, second(x, y, w)]
    draw = np.random.RandomState(1)
    feeds = {t: draw.randn(8, 8).astype(np.float32) for t in (x, y, w)}
    with gf.Session() as one, gf.Session(device="reference") as other:
        for found, expected in zip(one.run(fetches, feeds), other.run(fetches, feeds)):
            np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
