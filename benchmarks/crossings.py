"""Crossings of edges in our drawings, beside those of Graphviz's `dot`, on ten graphs.

`python -m benchmarks.crossings` prints the table of docs/viz.md; it needs the program `dot`. Both
draw the same boxes and the same edges. What is counted is what is seen: pairs of curves, taken as
polylines, that cross and have no end in common.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

import graphflow as tf
from graphflow.viz.drawing import Drawing, Point, Scene, drawing_of
from graphflow.viz.from_graph import ancestors, graph_view
from graphflow.viz.model import View

Curve = tuple[frozenset, list[Point]]
PARTS = 12


@dataclass(frozen=True, slots=True)
class Result:
    """One drawing: crossings, area in square pixels, seconds."""

    crossings: int
    area: float
    seconds: float


# ---- counting -----------------------------------------------------------------------------------


def crossings(curves: Sequence[Curve]) -> int:
    """Pairs of curves that cross, those with a common end left out. A sweep from top to bottom."""
    pieces = sorted(
        (min(y0, y1), max(y0, y1), k, x0, y0, x1, y1)
        for k, (_, points) in enumerate(curves)
        for (x0, y0), (x1, y1) in zip(points, points[1:]) if (x0, y0) != (x1, y1))
    found: set[tuple[int, int]] = set()
    active: list[tuple] = []
    for piece in pieces:
        active = [a for a in active if a[1] >= piece[0]]
        for other in active:
            pair = (min(other[2], piece[2]), max(other[2], piece[2]))
            if pair[0] != pair[1] and pair not in found and not (
                    curves[pair[0]][0] & curves[pair[1]][0]) and _cross(other, piece):
                found.add(pair)
        active.append(piece)
    return len(found)


def _cross(a: tuple, b: tuple) -> bool:
    if max(a[3], a[5]) < min(b[3], b[5]) or max(b[3], b[5]) < min(a[3], a[5]):
        return False

    def side(one: tuple, x: float, y: float) -> float:
        return (one[5] - one[3]) * (y - one[4]) - (one[6] - one[4]) * (x - one[3])

    return (side(a, b[3], b[4]) * side(a, b[5], b[6]) < 0
            and side(b, a[3], a[4]) * side(b, a[5], a[6]) < 0)


def bezier(points: Sequence[Point]) -> list[Point]:
    """A chain of cubic curves as a polyline."""
    found = []
    for k in range(0, len(points) - 1, 3):
        a, b, c, d = (np.array(p) for p in points[k:k + 4])
        for t in np.linspace(0, 1, PARTS + 1):
            u = 1 - t
            x, y = u**3 * a + 3 * u * u * t * b + 3 * u * t * t * c + t**3 * d
            found.append((float(x), float(y)))
    return found


# ---- drawing ------------------------------------------------------------------------------------


def ours(view: View) -> tuple[Result, Scene]:
    """Our drawing with all groups open."""
    start = time.perf_counter()
    scene = Scene.of(view, fold=False)
    drawing = drawing_of(scene, {i.number for i in scene.tree.items if i.is_group})
    seconds = time.perf_counter() - start
    return Result(crossings(_curves(drawing)), drawing.width * drawing.height, seconds), scene


def _curves(drawing: Drawing) -> list[Curve]:
    curves = []
    for wire in drawing.wires:
        line = [wire.points[0]]
        for k in range(1, len(wire.points)):
            (x0, y0), (x1, y1) = wire.points[k - 1], wire.points[k]
            half = (y0 + y1) / 2
            straight = k % 2 or x0 == x1
            line += [(x1, y1)] if straight else bezier(
                [(x0, y0), (x0, half), (x1, half), (x1, y1)])
        curves.append((frozenset({wire.edge.source, wire.edge.target}), line))
    return curves


def dots(view: View, scene: Scene) -> Result:
    """The drawing of `dot`: the same boxes, one edge for each of ours."""
    lines = ["digraph {", "node [shape=box, fixedsize=true, label=\"\"];"]
    lines += [f"n{k} [width={f.width / 72:.3f}, height={f.height / 72:.3f}];"
              for k, f in enumerate(scene.faces[:len(view.nodes)])]
    edges = dict.fromkeys((e.source, e.target, e.kind) for e in view.edges if not e.quiet)
    lines += [f"n{a} -> n{b} [arrowhead=none];" for a, b, _ in edges]
    start = time.perf_counter()
    plain = subprocess.run(["dot", "-Tplain"], input="\n".join([*lines, "}"]), text=True,
                           check=True, capture_output=True).stdout
    seconds = time.perf_counter() - start
    curves: list[Curve] = []
    area = 0.0
    for words in map(str.split, plain.splitlines()):
        if words[0] == "graph":
            area = float(words[2]) * float(words[3]) * 72 * 72
        elif words[0] == "edge":
            numbers = list(map(float, words[4:4 + 2 * int(words[3])]))
            curves.append((frozenset(words[1:3]), bezier(list(zip(numbers[::2], numbers[1::2])))))
    return Result(crossings(curves), area, seconds)


# ---- graphs -------------------------------------------------------------------------------------


def _mlp() -> tf.Tensor:
    x = tf.placeholder(tf.float32, [None, 784])
    return tf.layers.dense(tf.layers.dense(x, 128, tf.nn.relu), 10)


def _cnn() -> tf.Tensor:
    x = tf.placeholder(tf.float32, [None, 28, 28, 1])
    h = tf.layers.max_pooling2d(tf.layers.conv2d(x, 8, 3, activation=tf.nn.relu), 2, 2)
    h = tf.layers.dropout(tf.layers.conv2d(h, 16, 3, activation=tf.nn.relu), training=True)
    return tf.layers.dense(tf.layers.flatten(h), 10)


def _resnet() -> tf.Tensor:
    h = tf.layers.conv2d(tf.placeholder(tf.float32, [None, 32, 32, 3]), 16, 3, padding="same")
    for k in range(3):
        with tf.variable_scope(f"block_{k}"):
            a = h
            for _ in range(2):
                a = tf.nn.relu(tf.layers.batch_normalization(a, training=True))
                a = tf.layers.conv2d(a, 16, 3, padding="same")
            h = h + a
    return tf.layers.dense(tf.reduce_mean(h, [1, 2]), 10)


def _lstm() -> tf.Tensor:
    x = tf.placeholder(tf.float32, [None, 4, 8])
    outputs, _ = tf.nn.static_rnn(
        tf.nn.rnn_cell.BasicLSTMCell(16), tf.unstack(x, axis=1), dtype=tf.float32)
    return tf.layers.dense(outputs[-1], 2)


def _transformer() -> tf.Tensor:
    h = tf.placeholder(tf.float32, [None, 16, 32])
    for k in range(2):
        with tf.variable_scope(f"layer_{k}"):
            q, keys, values = (tf.layers.dense(h, 32, name=n) for n in ("q", "k", "v"))
            a = tf.nn.softmax(tf.matmul(q, keys, transpose_b=True) * 0.2)
            h = h + tf.layers.dense(tf.matmul(a, values), 32, name="out")
            h = h + tf.layers.dense(tf.layers.dense(h, 64, tf.nn.relu, name="up"), 32, name="down")
    return h


def _random() -> list[tf.Tensor]:
    random = np.random.RandomState(0)
    values = [tf.placeholder(tf.float32, []) for _ in range(6)]
    for _ in range(60):
        a, b = random.choice(len(values), 2, replace=False)
        both = values[a] + values[b] if random.rand() < 0.5 else values[a] * values[b]
        values.append(both)
    return values[-8:]


def _loss(logits: tf.Tensor) -> tf.Tensor:
    return tf.losses.sparse_softmax_cross_entropy(tf.placeholder(tf.int64, [None]), logits)


def _gradients(model: Callable[[], tf.Tensor]) -> list[tf.Tensor]:
    return tf.gradients(_loss(model()), tf.trainable_variables())


GRAPHS: dict[str, Callable[[], object]] = {
    "MLP, forward": _mlp,
    "MLP, gradients": lambda: _gradients(_mlp),
    "MLP, step of Adam": lambda: tf.train.AdamOptimizer().minimize(_loss(_mlp())),
    "CNN, forward": _cnn,
    "CNN, step with momentum": lambda: tf.train.MomentumOptimizer(0.1, 0.9).minimize(
        _loss(_cnn())),
    "3 residual blocks, forward": _resnet,
    "3 residual blocks, gradients": lambda: _gradients(_resnet),
    "LSTM, 4 steps": _lstm,
    "Transformer, 2 layers": _transformer,
    "random sums and products": _random,
}


def views() -> Iterator[tuple[str, View]]:
    """Each graph, as far as its results need it."""
    for name, build in GRAPHS.items():
        with tf.Graph().as_default() as graph:
            made = build()
        found = made if isinstance(made, list) else [made]
        yield name, graph_view(graph, ancestors(getattr(t, "op", t) for t in found))


def main() -> None:
    """Prints the table."""
    print("| graph | nodes | edges | crossings: dot | ours | ours in scopes | area: dot | ours "
          "| seconds: dot | ours |")
    print("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|")
    totals = [0, 0, 0]
    for name, view in views():
        flat = replace(view, nodes=tuple(
            replace(n, path=(f"{k} {n.path[-1]}",)) for k, n in enumerate(view.nodes)))
        found, scene = ours(flat)
        theirs = dots(flat, scene)
        scoped, _ = ours(view)
        edges = sum(not e.quiet for e in view.edges)
        numbers = (theirs.crossings, found.crossings, scoped.crossings)
        totals = [a + b for a, b in zip(totals, numbers)]
        print(f"| {name} | {len(view.nodes)} | {edges} | {' | '.join(map(str, numbers))} | "
              f"{theirs.area / 1e6:.1f} | {found.area / 1e6:.1f} | {theirs.seconds:.2f} | "
              f"{found.seconds:.2f} |")
    print(f"| all | | | {' | '.join(map(str, totals))} | | | | |")


if __name__ == "__main__":
    main()
