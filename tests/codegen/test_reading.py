"""What is read decides what is computed: sizes need no memory, what nobody reads no kernel."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import graphflow as gf
from graphflow.codegen.capabilities import Capabilities
from graphflow.codegen.reading import Readers, read_inputs
from graphflow.codegen.schedule import Launch
from graphflow.errors import InvalidArgumentError
from graphflow.freeze import freeze
from graphflow.program import Program
from graphflow.runtime.bind import feed_types


@pytest.fixture
def session() -> Iterator[gf.Session]:
    with gf.Graph().as_default() as graph, gf.Session(graph=graph, device="cpu") as made:
        yield made


def kernels(session: gf.Session) -> list[list[str]]:
    """The ops whose values the kernels of the last compiled run store."""
    (variant,) = list(session._variants.values())[-1]
    return [[n.opdef.name for n in step.nodes]
            for step in variant.executable.schedule.steps if isinstance(step, Launch)]


def draw(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(np.float32)


# ---- sizes --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("build", "expected"), [
    (lambda x: gf.shape(x), [3, 4, 2]),
    (lambda x: gf.shape(x) * 10 + gf.constant([1, 2, 3]), [31, 42, 23]),
    (lambda x: gf.cast(gf.shape(x)[::-1], gf.float32) / 2, [1, 2, 1.5]),
    (lambda x: gf.stack([gf.shape(x), gf.shape(x)], 1) * gf.constant([[1, 2]]),
     [[3, 6], [4, 8], [2, 4]]),
    (lambda x: gf.size(x) + gf.shape(x)[1] * 100, 424),
    (lambda x: gf.reduce_sum(gf.shape(x)), 9),
    (lambda x: gf.cumsum(gf.shape(x, out_type=gf.int64)), [3, 7, 9]),
    (lambda x: gf.shape(gf.reduce_sum(x)), []),
    (lambda x: gf.gather(gf.shape(x), [2, 0]), [2, 3]),
    (lambda x: gf.matmul(gf.shape(x)[None, :], gf.shape(x)[:, None]), [[29]]),
    (lambda x: gf.shape(x)[None, :] * gf.constant([[1], [2]]), [[3, 4, 2], [6, 8, 4]]),
])
def test_sizes_as_values(
    session: gf.Session, build: Callable[[gf.Tensor], gf.Tensor], expected: Any
) -> None:
    x = gf.placeholder(gf.float32, [None, None, None])
    np.testing.assert_array_equal(session.run(build(x), {x: draw(3, 4, 2)}), expected)


def test_a_size_is_part_of_the_kernel_that_uses_it(session: gf.Session) -> None:
    x = gf.placeholder(gf.float32, [None, 3])
    y = x / gf.cast(gf.shape(x)[0], gf.float32) + gf.cast(gf.size(x), gf.float32)
    given = draw(4, 3)
    np.testing.assert_allclose(session.run(y, {x: given}), given / 4 + 12, rtol=1e-6)
    assert len(kernels(session)) <= 2  # the quotient's divisor is computed once


def test_what_only_says_a_size_has_no_kernel(session: gf.Session) -> None:
    x = gf.placeholder(gf.float32, [None, 3])
    count = 3 * gf.shape(gf.tanh(x))[0]
    y = gf.zeros_like(gf.exp(x), gf.int32) + gf.reshape(gf.range(count), [-1, 3])
    np.testing.assert_array_equal(session.run(y, {x: draw(2, 3)}), [[0, 1, 2], [3, 4, 5]])
    names = {name for kernel in kernels(session) for name in kernel}
    assert names.isdisjoint({"Exp", "Tanh", "Shape", "Size"})


# ---- what is read -------------------------------------------------------------------------------


def program(build: Callable[..., Any], *sizes: list[int | None]) -> Program:
    with gf.Graph().as_default():
        inputs = [gf.placeholder(gf.float32, s) for s in sizes]
        made = build(*inputs)
        types, _ = feed_types({x: np.zeros([2 if d is None else d for d in s], np.float32)
                               for x, s in zip(inputs, sizes)})
        return freeze([made], [], types)


def test_read_inputs() -> None:
    made = program(lambda x: gf.reshape(gf.broadcast_to(gf.reduce_sum(x, 0), gf.shape(x)), [-1]),
                   [None, 3])
    read = {n.opdef.name: len(read_inputs(n)) for n in made.nodes if n.inputs}
    assert read == {"Sum": 1, "Shape": 0, "BroadcastTo": 1, "Reshape": 1}


def test_readers() -> None:
    made = program(lambda x: gf.ones(gf.shape(gf.exp(x)), gf.float32) * 2.0, [None, 3])
    readers = Readers(made, Capabilities())
    live = {n.opdef.name for n in readers.live}
    assert "Exp" not in live and "Mul" in live


def test_sizes_that_values_decide_keep_their_makers_alive(session: gf.Session) -> None:
    x = gf.placeholder(gf.float32, [None])
    kept = gf.boolean_mask(x, x > 0)
    y = gf.fill(gf.shape(-kept), 7.0)
    np.testing.assert_array_equal(session.run(y, {x: [1, -1, 2, 3]}), [7, 7, 7])


def test_what_nobody_reads_is_looked_at_all_the_same(session: gf.Session) -> None:
    """Only the shape of the losses is used: a label that is no class is an error still."""
    logits, labels = gf.placeholder(gf.float32, [None, 4]), gf.placeholder(gf.int32, [None])
    losses = gf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
    y = gf.cast(gf.size(losses), gf.float32) * 1.5
    assert session.run(y, {logits: draw(3, 4), labels: [0, 3, 1]}) == 4.5
    with pytest.raises(InvalidArgumentError):
        session.run(y, {logits: draw(3, 4), labels: [0, 4, 1]})
