"""Large graphs: no recursion, no kernel that grows with the graph, work in proportion."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphflow as tf
from graphflow.codegen.capabilities import Capabilities
from graphflow.codegen.inlining import LONGEST, MOST
from graphflow.codegen.schedule import Scheduler
from graphflow.codegen.steps import Schedule
from graphflow.freeze import freeze
from graphflow.opdef import TensorType
from graphflow.passes.pipeline import optimise
from graphflow.runtime.plans import Planner
from graphflow.runtime.stages import find_stages

SIZE = 8


def deep(terms: int, x: Any) -> Any:
    for _ in range(terms):
        x = tf.tanh(x * 1.01)
    return x


def wide(terms: int, x: Any) -> Any:
    return tf.add_n([tf.tanh(tf.Variable([0.5] * SIZE) * x) for _ in range(terms)])


def chain(terms: int, x: Any) -> Any:
    """Nothing in it has two users: all of it could be one kernel."""
    for _ in range(terms):
        x = tf.sin(x + 0.25)
    return x


SHAPES = pytest.mark.parametrize("shape", [deep, wide, chain])


def ready(shape: Callable[[int, Any], Any], terms: int) -> tuple[int, Schedule]:
    """The operations of a graph with its gradient, and its schedule; its memory is planned."""
    with tf.Graph().as_default() as graph:
        x = tf.placeholder(tf.float32, [SIZE])
        y = shape(terms, x)
        outputs = [y] if shape is chain else [y, tf.gradients(y, x)[0]]
        program = optimise(freeze(outputs, [], {x: TensorType(x.dtype, x.shape)}))
    schedule = Scheduler(program, Capabilities()).schedule()
    given = [*program.inputs, *program.reads.values()]
    (stage,) = find_stages(schedule, given, {schedule.root(v) for v in program.outputs})
    planner = Planner(stage, schedule, {}, {})
    planner.write()
    planner.arrange()
    return len(graph.get_operations()), schedule


def python_calls(work: Callable[[], Any]) -> int:
    """How many Python functions are entered: the same in every run, unlike seconds."""
    count = 0

    def note(frame: Any, event: str, arg: Any) -> None:
        nonlocal count
        count += event == "call"

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(before)
    return count


@SHAPES
def test_ten_thousand_operations(shape: Callable[[int, Any], Any]) -> None:
    operations, schedule = ready(shape, 10_000 if shape is chain else 1200)
    assert operations > 10_000
    launches = schedule.launches()
    assert len({str(launch.kernel) for launch in launches}) < 40  # most are alike
    for launch in launches:
        computed = Counter(n.opdef.name for n in launch.nodes)
        assert sum(computed.values()) <= MOST


@SHAPES
def test_work_grows_as_the_graph_does(shape: Callable[[int, Any], Any]) -> None:
    ready(shape, 50)  # what is imported and cached once
    small, large = (python_calls(lambda n=n: ready(shape, n)) for n in (100, 400))
    assert large < 4.6 * small


def test_long_chains_are_right() -> None:
    terms = 5 * LONGEST
    start = np.linspace(-1, 1, SIZE, dtype=np.float32)
    with tf.Graph().as_default():
        x = tf.placeholder(tf.float32, [SIZE])
        y = chain(terms, x)
        with tf.Session() as sess:
            value = sess.run(y, {x: start})
    expected = start.astype(np.float64)
    for _ in range(terms):
        expected = np.sin(expected + 0.25)
    np.testing.assert_allclose(value, expected, rtol=1e-5)


def test_a_sum_of_many_terms_keeps_their_order() -> None:
    rng = np.random.default_rng(0)
    terms = (rng.normal(size=(100, 5)) * 10.0 ** rng.integers(-3, 4, (100, 1))).astype(np.float32)
    with tf.Graph().as_default():
        x = tf.placeholder(tf.float32, [100, 5])
        y = tf.add_n(tf.unstack(x))
        with tf.Session() as sess:
            value = sess.run(y, {x: terms})
    expected = terms[0]
    for term in terms[1:]:
        expected = expected + term
    np.testing.assert_array_equal(value, expected)
