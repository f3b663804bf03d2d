"""Random graphs, compiled, give what the reference gives: forward, and gradients.

Sizes include zero and one, and are known to the graph or not. Few graphs are drawn here; to search
further, raise `max_examples` and let hypothesis draw anew (`derandomize=False`).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np
from both_devices import on_both
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import graphflow as gf
from graphflow.errors import ShapeError

SIZES = (0, 1, 2, 3, 4, 7, 17)
UNARY = (gf.tanh, gf.sigmoid, gf.sin, gf.nn.relu, gf.abs, gf.square, gf.negative,
         lambda x: gf.exp(-gf.square(x)), lambda x: x * 0.5 + 0.25,
         lambda x: gf.sqrt(gf.abs(x) + 1.0), lambda x: gf.where(x > 0.1, x, x * 0.1),
         lambda x: gf.cast(gf.cast(x, gf.float32), x.dtype), gf.nn.softplus, gf.identity)
BINARY = (gf.add, gf.subtract, gf.multiply, gf.maximum, gf.minimum,
          lambda x, y: x / (gf.abs(y) + 1.0), lambda x, y: gf.where_v2(x > y, x, y * 0.5))
REDUCTIONS = (gf.reduce_sum, gf.reduce_mean, gf.reduce_max, gf.reduce_min, gf.reduce_logsumexp)


class Graphs:
    """Draws ops and applies them to tensors drawn before; `arrays` are the values of the feeds."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        self.rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
        self.feeds: dict[Any, np.ndarray] = {}
        self.shapes: dict[Any, tuple[int, ...]] = {}
        self.pool: list[Any] = []

    def pick(self, items: Any) -> Any:
        return self.draw(st.sampled_from(list(items)))

    def keep(self, tensor: Any, shape: tuple[int, ...]) -> None:
        self.shapes[tensor] = shape
        self.pool.append(tensor)

    def feed(self) -> None:
        shape = tuple(self.draw(st.lists(st.sampled_from(SIZES), max_size=3)))
        known = [n if self.draw(st.booleans()) else None for n in shape]
        x = gf.placeholder(gf.float64, known)
        self.feeds[x] = self.rng.uniform(-2, 2, shape)
        self.keep(x, shape)

    def any(
        self, at_least: int = 0, fits: Callable[[tuple[int, ...]], bool] = lambda s: True
    ) -> Any:
        """A tensor of at least that rank whose shape fits; None if there is none."""
        found = [t for t in self.pool
                 if len(self.shapes[t]) >= at_least and fits(self.shapes[t])]
        return self.pick(found) if found else None

    # ---- ops ----------------------------------------------------------------------------------

    def unary(self) -> None:
        x = self.any()
        self.keep(self.pick(UNARY)(x), self.shapes[x])

    def binary(self) -> None:
        x = self.any()
        y = self.any(fits=lambda s: _broadcasts(s, self.shapes[x]))
        if y is not None:
            shape = np.broadcast_shapes(self.shapes[x], self.shapes[y])
            x, y = (x, y) if self.draw(st.booleans()) else (y, x)
            self.keep(self.pick(BINARY)(x, y), shape)

    def reduce(self) -> None:
        x = self.any(fits=lambda s: 0 not in s)
        if x is None:
            return
        shape = self.shapes[x]
        axes = tuple(sorted(self.draw(st.sets(st.sampled_from(range(len(shape)))))
                            if shape else ()))
        keep = self.draw(st.booleans())
        made = tuple(1 if a in axes else n for a, n in enumerate(shape)) if keep else tuple(
            n for a, n in enumerate(shape) if a not in axes)
        self.keep(self.pick(REDUCTIONS)(x, list(axes), keepdims=keep), made)

    def softmax(self) -> None:
        x = self.any(1, lambda s: 0 not in s)
        if x is not None:
            self.keep(self.pick((gf.nn.softmax, gf.nn.log_softmax))(x), self.shapes[x])

    def normalise(self) -> None:
        x = self.any(1, lambda s: 0 not in s)
        if x is not None:
            mean, variance = gf.nn.moments(x, [-1], keepdims=True)
            self.keep((x - mean) * gf.rsqrt(variance + 0.5), self.shapes[x])

    def transpose(self) -> None:
        x = self.any(2)
        if x is not None:
            order = self.draw(st.permutations(range(len(self.shapes[x]))))
            self.keep(gf.transpose(x, order), tuple(self.shapes[x][a] for a in order))

    def reshape(self) -> None:
        x = self.any(1, lambda s: 0 not in s)
        if x is not None:
            shape = self.shapes[x]
            made = self.pick([(int(np.prod(shape)),), (1, *shape), (*shape, 1), (
                int(np.prod(shape[:-1])), shape[-1])])
            target = list(made)
            target[self.draw(st.integers(0, len(made) - 1))] = -1
            self.keep(gf.reshape(x, target), made)

    def concat(self) -> None:
        x = self.any(1)
        if x is not None:
            axis = self.draw(st.integers(0, len(self.shapes[x]) - 1))
            y = self.any(1, lambda s: len(s) == len(self.shapes[x]) and all(
                a == axis or m == n for a, (m, n) in enumerate(zip(s, self.shapes[x]))))
            made = list(self.shapes[x])
            made[axis] += self.shapes[y][axis]
            self.keep(gf.concat([x, y], axis), tuple(made))

    def slice(self) -> None:
        x = self.any(1)
        if x is not None:
            n = self.shapes[x][0]
            first = self.draw(st.integers(0, n))
            step = self.pick([1, 2, -1])
            made = x[first:] if step == 1 else x[::step]
            length = n - first if step == 1 else len(range(n)[::step])
            self.keep(made, (length, *self.shapes[x][1:]))

    def gather(self) -> None:
        x = self.any(1, lambda s: s[0] > 0)
        if x is not None:
            count = self.draw(st.integers(0, 5))
            at = gf.placeholder(gf.int32, [self.pick([None, count])])
            self.feeds[at] = self.rng.integers(0, self.shapes[x][0], count).astype(np.int32)
            self.keep(gf.gather(x, at), (count, *self.shapes[x][1:]))

    def matmul(self) -> None:
        x = self.any(2)
        if x is not None:
            *lead, m, k = self.shapes[x]
            y = self.any(2, lambda s: s[-2] == k and s[:-2] == tuple(lead))
            if y is None:
                y, transposed = x, True
            else:
                transposed = False
            n = m if transposed else self.shapes[y][-1]
            made = gf.matmul(x, y, transpose_b=transposed)
            self.keep(made * 0.25, (*lead, m, n))

    def pad(self) -> None:
        x = self.any(1)
        if x is not None:
            widths = [[self.draw(st.integers(0, 2)) for _ in range(2)] for _ in self.shapes[x]]
            made = tuple(n + a + c for n, (a, c) in zip(self.shapes[x], widths))
            self.keep(gf.pad(x, widths), made)

    def stack(self) -> None:
        x = self.any()
        y = self.any(fits=lambda s: s == self.shapes[x])
        axis = self.draw(st.integers(0, len(self.shapes[x])))
        shape = self.shapes[x]
        self.keep(gf.stack([x, y, x], axis), (*shape[:axis], 3, *shape[axis:]))

    def tile(self) -> None:
        x = self.any(1)
        if x is not None:
            times = [self.draw(st.integers(0, 2)) for _ in self.shapes[x]]
            made = tuple(n * t for n, t in zip(self.shapes[x], times))
            self.keep(gf.tile(x, times), made)

    def one_hot(self) -> None:
        x = self.any(1, lambda s: s[-1] > 0)
        if x is not None:
            picked = gf.argmax(x, -1)
            self.keep(gf.one_hot(picked, 4, dtype=x.dtype), (*self.shapes[x][:-1], 4))

    def cross_entropy(self) -> None:
        x = self.any(2, lambda s: len(s) == 2 and s[-1] > 0)
        if x is not None:
            rows, classes = self.shapes[x]
            at = gf.placeholder(gf.int32, [None])
            self.feeds[at] = self.rng.integers(0, classes, rows).astype(np.int32)
            self.keep(gf.nn.sparse_softmax_cross_entropy_with_logits(labels=at, logits=x),
                      (rows,))

    def segments(self) -> None:
        x = self.any(1)
        if x is not None:
            at = gf.placeholder(gf.int32, [self.pick([None, self.shapes[x][0]])])
            self.feeds[at] = self.rng.integers(-1, 3, self.shapes[x][0]).astype(np.int32)
            self.keep(gf.unsorted_segment_sum(x, at, 3), (3, *self.shapes[x][1:]))


OPS = (Graphs.unary, Graphs.unary, Graphs.binary, Graphs.binary, Graphs.binary, Graphs.reduce,
       Graphs.softmax, Graphs.normalise, Graphs.transpose, Graphs.reshape, Graphs.concat,
       Graphs.slice, Graphs.gather, Graphs.matmul, Graphs.pad, Graphs.segments, Graphs.stack,
       Graphs.tile, Graphs.one_hot, Graphs.cross_entropy)


def _broadcasts(a: tuple[int, ...], c: tuple[int, ...]) -> bool:
    return all(m == n or 1 in (m, n) for m, n in zip(reversed(a), reversed(c)))


def assert_close(actual: np.ndarray, expected: np.ndarray, what: str) -> None:
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert actual.shape == expected.shape and actual.dtype == expected.dtype, what
    if expected.size:
        scale = max(1.0, float(np.abs(expected).max()))
        np.testing.assert_allclose(actual, expected, rtol=1e-6, atol=1e-9 * scale, err_msg=what)


@settings(max_examples=40, deadline=None, derandomize=True,
          suppress_health_check=list(HealthCheck))
@given(st.data())
def test_random_graphs(data: st.DataObject) -> None:
    with gf.Graph().as_default() as graph:
        graphs = Graphs(data.draw)
        for _ in range(data.draw(st.integers(1, 3))):
            graphs.feed()
        inputs = list(graphs.pool)
        for _ in range(data.draw(st.integers(1, 20))):
            with suppress(ShapeError):  # sizes that fit, but never would where zero is no one
                data.draw(st.sampled_from(OPS))(graphs)
        made = [t for t in graphs.pool if t not in inputs]
        fetches = []
        if made:
            fetches = data.draw(st.lists(st.sampled_from(made), min_size=1, max_size=4))
        if fetches and data.draw(st.booleans()):
            gradients = gf.gradients(fetches, inputs)
            fetches += [gf.convert_to_tensor(g) for g in gradients if g is not None]
        shapes = [graphs.shapes.get(t) for t in fetches]
        compiled, reference = on_both(graph, lambda s: s.run(fetches, graphs.feeds))
    for one, other, shape, tensor in zip(compiled, reference, shapes, fetches):
        assert shape is None or np.shape(other) == shape
        assert_close(one, other, f"{tensor} in\n{graph_text(graph)}")


def graph_text(graph: gf.Graph) -> str:
    return "\n".join(f"{op.outputs} = {op.type}({op.inputs})" for op in graph.get_operations())
