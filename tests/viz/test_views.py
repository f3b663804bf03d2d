"""What a picture is made from: scopes, kinds of edges, repeated blocks, statistics."""

from __future__ import annotations

import numpy as np
import pytest
import viz_models

import graphflow as tf
from graphflow.viz.drawing import Scene, drawing_of, open_at_first
from graphflow.viz.from_graph import ancestors, graph_view
from graphflow.viz.model import Edge, Node, View
from graphflow.viz.repeats import find_runs
from graphflow.viz.statistics import statistics_of
from graphflow.viz.tree import ROOT, tree_of


def kinds(graph: tf.Graph) -> dict[tuple[str, str], str]:
    view = graph_view(graph)
    return {(view.nodes[e.source].name, view.nodes[e.target].name): e.kind for e in view.edges}


def test_edges_of_a_training_step_are_told_apart():
    found = kinds(viz_models.mlp())
    assert found["x", "hidden/MatMul"] == "forward"
    assert found["hidden/kernel/read", "hidden/MatMul"] == "forward"
    assert found["hidden/kernel", "hidden/kernel/read"] == "state"
    assert found["hidden/Relu", "gradients/hidden/Relu_grad/ReluGrad"] == "gradient"
    assert found["gradients/hidden/MatMul_grad/MatMul_1", "train/update_hidden/kernel/Square"] == (
        "gradient")
    assert found["train/update_hidden/kernel/Square", "train/update_hidden/kernel/sub_5"] == (
        "update")
    assert found["hidden/kernel/Initializer/random_uniform", "hidden/kernel/Assign"] == "update"
    assert found["hidden/kernel/Assign", "init"] == "control"


def test_edges_show_type_and_shape():
    view = graph_view(viz_models.mlp())
    number = {n.name: k for k, n in enumerate(view.nodes)}
    labels = {(e.source, e.target): e.label for e in view.edges}
    assert labels[number["hidden/kernel/read"], number["hidden/MatMul"]] == "float32 [12, 8]"
    assert labels[number["x"], number["hidden/MatMul"]] == "float32 [x.0, 12]"


def test_an_edge_of_very_many_at_a_node_is_quiet():
    view = graph_view(viz_models.mlp())
    init = next(k for k, n in enumerate(view.nodes) if n.name == "init")
    assert all(e.quiet for e in view.edges if e.target == init)
    assert not any(e.quiet for e in view.edges if e.target != init and e.kind != "control")


def test_what_a_fetch_needs():
    graph = viz_models.mlp()
    needed = ancestors([graph.get_operation_by_name("hidden/Relu")])
    names = {n.name for n in graph_view(graph, needed).nodes}
    assert "hidden/kernel" in names and "x" in names
    assert not any(name.startswith(("logits", "gradients")) for name in names)


def test_an_operation_that_is_a_scope_too_stands_inside_it():
    tree = tree_of(graph_view(viz_models.mlp()))
    inside = next(i for i in tree.items if i.label == "(kernel)" and i.path[0] == "hidden")
    assert tree.items[inside.parent].label == "kernel"
    assert inside.path == ("hidden", "kernel", "(kernel)")


def test_bodies_of_loops_and_branches_are_groups_connected_to_what_is_around():
    view = graph_view(viz_models.loop())
    names = {n.name: k for k, n in enumerate(view.nodes)}
    assert "while/While/body" in {"/".join(n.path[:3]) for n in view.nodes}
    captured = next(k for name, k in names.items()
                    if name.startswith("while/While/body/") and name.endswith("captured")
                    and "cond" in name)
    assert (names["cond/If"], captured) in {(e.source, e.target) for e in view.edges}


def test_a_scope_with_one_node_is_told_in_one_name():
    view = View("graph", "", (Node(("a", "b", "c"), "a/b/c", "Const", "constant"),
                              Node(("d",), "d", "Neg", "pointwise")), (Edge(0, 1),))
    tree = tree_of(view)
    assert [tree.items[n].label for n in tree.roots] == ["a/b/c", "d"]


def test_very_deep_scopes_end_in_one_long_name():
    path = tuple(f"s{k}" for k in range(5000))
    other = (*path[:-1], "other")
    scene = Scene.of(View("graph", "", (Node(path, "x", "Neg", "pointwise"),
                                        Node(other, "y", "Neg", "pointwise")), (Edge(0, 1),)))
    drawing = drawing_of(scene, {i.number for i in scene.tree.items})
    assert sum(not box.open for box in drawing.boxes) == 2


# ---- repeated blocks ----------------------------------------------------------------------------


def test_equal_blocks_fold():
    tree = tree_of(graph_view(viz_models.blocks(6)))
    (fold,) = [i for i in tree.items if i.fold]
    # The first block reads the placeholder and is connected like the others, so it counts.
    assert fold.fold == 6 and fold.label == "block_0 … block_5"
    assert [tree.items[n].label for n in fold.children] == [f"block_{k}" for k in range(6)]
    assert fold.parent == ROOT


def test_blocks_of_other_shape_do_not_fold_with_them():
    graph = tf.Graph()
    with graph.as_default():
        h = tf.placeholder(tf.float32, [4, 8])
        for k in range(8):
            with tf.name_scope(f"block_{k}"):
                h = tf.nn.relu(h) + h
            if k == 3:
                h = tf.reduce_sum(h, axis=1)
    folds = [i.label for i in tree_of(graph_view(graph)).items if i.fold]
    assert sorted(folds) == ["block_0 … block_3", "block_4 … block_7"]


def test_blocks_without_scopes_fold_by_their_period():
    graph = tf.Graph()
    with graph.as_default():
        h = tf.placeholder(tf.float32, [4])
        for _ in range(5):
            h = tf.sigmoid(tf.exp(tf.tanh(h)))
    (fold,) = [i for i in tree_of(graph_view(graph)).items if i.fold]
    assert (fold.fold, fold.size) == (5, 15)


def test_blocks_connected_otherwise_do_not_fold():
    graph = tf.Graph()
    with graph.as_default():
        x = tf.placeholder(tf.float32, [4])
        for k in range(4):
            with tf.name_scope(f"block_{k}"):
                a = tf.tanh(x)
                b = tf.tanh(a if k % 2 else x)
                a + b
    assert not any(i.fold for i in tree_of(graph_view(graph)).items)


def test_runs_prefer_the_shortest_period_and_do_not_overlap():
    items = list(range(13))
    keys = dict(zip(items, "abababab" "xyzzy"))
    sizes = dict.fromkeys(items, 1)
    numbers = {k: ord(v) for k, v in keys.items()}
    runs = find_runs(items, numbers, sizes)
    assert [run.units for run in runs] == [((0, 1), (2, 3), (4, 5), (6, 7))]


def test_folding_can_be_switched_off():
    assert not any(i.fold for i in tree_of(graph_view(viz_models.blocks(6)), fold=False).items)


# ---- values -------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.int64, np.float16, np.bool_])
def test_statistics_are_numpys(dtype):
    values = (np.random.default_rng(0).normal(0, 3, (40, 50)) * 5).astype(dtype)
    found = statistics_of(values)
    exact = values.astype(np.float64)
    assert found.count == found.finite == 2000
    assert found.mean == pytest.approx(exact.mean(), rel=1e-8)
    assert found.deviation == pytest.approx(exact.std(), rel=1e-8)
    assert (found.least, found.most) == (exact.min(), exact.max())
    assert found.zeros == np.count_nonzero(values == 0)
    assert sum(found.bars) == 2000


def test_the_histogram_is_numpys():
    values = np.random.default_rng(0).uniform(-1, 1, 10000)
    expected, _ = np.histogram(values, bins=24)
    assert np.abs(np.array(statistics_of(values).bars) - expected).max() <= 1


def test_values_that_are_not_finite_are_counted_and_left_out():
    found = statistics_of(np.array([np.nan, np.inf, 1.0, 3.0], np.float32))
    assert (found.count, found.finite, found.mean, found.most) == (4, 2, 2.0, 3.0)
    nothing = statistics_of(np.array([np.nan]))
    assert (nothing.finite, nothing.mean, nothing.bars) == (0, None, ())


def test_extreme_values_do_not_overflow():
    found = statistics_of(np.array([-1.7e308, 1.7e308, 0.0]))
    assert sum(found.bars) == 3 and (found.least, found.most) == (-1.7e308, 1.7e308)


def test_equal_values_make_one_bar():
    assert statistics_of(np.zeros(7)).bars == (7,)
    assert statistics_of(np.array([b"a"], object)) is None
    assert statistics_of(np.zeros((0, 3))) is None


# ---- what is open at first ----------------------------------------------------------------------


def test_a_large_graph_opens_readably():
    scene = Scene.of(graph_view(viz_models.many(2000)))
    drawing = drawing_of(scene, open_at_first(scene))
    closed = [box for box in drawing.boxes if not box.open]
    assert 12 <= len(closed) <= 60


def test_boxes_of_one_group_do_not_overlap_and_lie_inside():
    scene = Scene.of(graph_view(viz_models.mlp()))
    drawing = drawing_of(scene, {i.number for i in scene.tree.items if i.is_group})
    by_number = {box.number: box for box in drawing.boxes}
    assert len(by_number) == len(drawing.boxes)
    for box in drawing.boxes:
        parent = scene.tree.items[box.number].parent
        outer = by_number.get(parent)
        if outer is not None:
            assert outer.x < box.x and box.x + box.width < outer.x + outer.width
            assert outer.y < box.y and box.y + box.height < outer.y + outer.height
        for other in drawing.boxes:
            if other.number < box.number and scene.tree.items[other.number].parent == parent:
                assert (other.x + other.width <= box.x or box.x + box.width <= other.x
                        or other.y + other.height <= box.y or box.y + box.height <= other.y)


def test_every_edge_of_the_graph_is_drawn():
    scene = Scene.of(graph_view(viz_models.mlp()))
    drawing = drawing_of(scene, {i.number for i in scene.tree.items if i.is_group})
    drawn = {number for wire in drawing.wires for number in wire.edge.edges}
    assert drawn == {k for k, e in enumerate(scene.view.edges) if not e.quiet}


def test_a_scope_with_very_many_nodes_is_divided():
    count = 7001
    nodes = tuple(Node((f"n{k}",), f"n{k}", "Neg", "pointwise", shape_key=(k,))
                  for k in range(count))
    edges = tuple(Edge(k // 2, k) for k in range(1, count))
    tree = tree_of(View("graph", "", nodes, edges))
    assert [tree.items[n].size for n in tree.roots] == [500] * 14 + [1]
    assert tree.items[tree.roots[0]].label == "n0 … n499"
