"""`growing PACKAGE SHAPE COUNT`: one graph, deep or wide, and the seconds of each stage as JSON.

The graph has about `COUNT` operations with its gradient: a chain of activations, or a sum of many
with a variable each. Graphflow's last stages are passes, schedule and memory plan; TensorFlow's is
the first run, which has no compiler in it; PyTensor's its rewrites, without C code.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

SIZE = 8


def expression(
    shape: str, count: int, x: Any, tanh: Callable[[Any], Any], add: Callable[[list], Any],
    variable: Callable[[np.ndarray], Any],
) -> Any:
    """deep: x → tanh(1.01·x) over and over; wide: the sum of tanh(v·x) over many variables v."""
    if shape == "wide":
        value = np.full(SIZE, 0.5, np.float32)
        return add([tanh(variable(value) * x) for _ in range(count // 12)])
    for _ in range(count // 9):
        x = tanh(x * 1.01)
    return x


class Stages:
    """Seconds by name, in order."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.perf_counter()

    def done(self, name: str) -> None:
        now = time.perf_counter()
        self.seconds[name] = now - self._last
        self._last = now


def graphflow(shape: str, count: int) -> tuple[Stages, int]:
    import graphflow as tf
    from graphflow.freeze import freeze
    from graphflow.opdef import TensorType
    from graphflow.runtime.plans import Planner
    from graphflow.runtime.prepared import prepare
    from graphflow.runtime.stages import find_stages

    x = tf.placeholder(tf.float32, [SIZE])
    stages = Stages()
    y = expression(shape, count, x, tf.tanh, tf.add_n, tf.Variable)
    stages.done("build")
    slope = tf.gradients(y, x)[0]
    stages.done("differentiate")
    program = freeze([y, slope], [], {x: TensorType(x.dtype, x.shape)})
    stages.done("freeze")
    prepared = prepare(program, frozenset())
    stages.done("passes and schedule")
    made, schedule = prepared.program, prepared.schedule
    given = [*made.inputs, *made.reads.values()]
    (stage,) = find_stages(schedule, given, {schedule.root(v) for v in made.outputs})
    planner = Planner(stage, schedule, {}, {})
    planner.write()
    planner.arrange()
    stages.done("plan")
    return stages, len(tf.get_default_graph().get_operations())


def tensorflow(shape: str, count: int) -> tuple[Stages, int]:
    import tensorflow

    tf = tensorflow.compat.v1
    tf.disable_v2_behavior()
    x = tf.placeholder(tf.float32, [SIZE])
    session = tf.Session()
    session.run(tf.constant(0.0))
    stages = Stages()
    y = expression(shape, count, x, tf.tanh, tf.add_n, tf.Variable)
    stages.done("build")
    slope = tf.gradients(y, x)[0]
    stages.done("differentiate")
    session.run(tf.global_variables_initializer())
    stages.done("initialise")
    session.run([y, slope], {x: np.ones(SIZE, np.float32)})
    stages.done("first run")
    return stages, len(tf.get_default_graph().get_operations())


def pytensor(shape: str, count: int) -> tuple[Stages, int]:
    import pytensor
    import pytensor.tensor as pt

    pytensor.config.floatX = "float32"
    sys.setrecursionlimit(10**6)
    x = pt.vector(shape=(SIZE,))
    stages = Stages()
    y = expression(shape, count, x, pt.tanh, lambda terms: pt.add(*terms), pytensor.shared)
    stages.done("build")
    slope = pytensor.grad(pt.sum(y), x)
    stages.done("differentiate")
    mode = pytensor.compile.mode.Mode(linker="py", optimizer="fast_run")
    function = pytensor.function([x], [y, slope], mode=mode)
    stages.done("rewrites")
    return stages, len(function.maker.fgraph.apply_nodes)


def main() -> None:
    package, shape, count = sys.argv[1:]
    stages, operations = globals()[package](shape, int(count))
    print(json.dumps({"stages": stages.seconds, "operations": operations,
                      "cpu_seconds": time.process_time()}))


if __name__ == "__main__":
    main()
