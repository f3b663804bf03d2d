"""Contractions in half types: float32 sums, rounded once, from float32 copies where these pay."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from contraction_cases import Case, draw, leaf
from kernels import compiled

import graphflow as gf
from graphflow import dtypes as dt
from graphflow.codegen.half_operands import widened
from graphflow.dtypes import DType
from graphflow.loop_ir.nest import kernel_text
from graphflow.opdef import TensorType, lookup
from graphflow.program import Node
from graphflow.shapes import TensorShape, unknown_shape

HALVES = [dt.float16, dt.bfloat16]
ULP = {"float16": 2.0 ** -11, "bfloat16": 2.0 ** -8}  # half of the last place, relative


def near(found: np.ndarray, exact: np.ndarray, scale: np.ndarray, terms: int) -> None:
    """Within one rounding of what a float32 sum of so many terms may be."""
    room = ULP[found.dtype.name] * np.abs(exact) + (terms + 2) * 2.0 ** -23 * scale + 1e-7
    assert np.all(np.abs(found.astype(np.float64) - exact) <= room)


def node_of(m: Any, k: Any, n: Any, kind: DType) -> Node:
    attrs = {key: a.default for key, a in lookup("MatMul").attrs.items()}
    types = [TensorType(kind, TensorShape.of([m, n]))]
    return Node(lookup("MatMul"), (leaf(kind, [m, k]), leaf(kind, [k, n])), attrs, types, [None],
                -1, None)


@pytest.mark.parametrize("turned", [(False, False), (False, True), (True, False), (True, True)])
@pytest.mark.parametrize("kind", HALVES, ids=str)
@pytest.mark.parametrize("sizes", [
    (1, 70, 90), (5, 33, 130), (13, 40, 3), (40, 70, 1), (33, 600, 40), (70, 40, 530)])
def test_sums_are_float32_and_rounded_once(
    sizes: tuple[int, int, int], kind: DType, turned: tuple[bool, bool]
) -> None:
    m, k, n = sizes
    case, x, y = product(m, k, n, turned, kind=kind)
    near(run_of(case), x @ y, np.abs(x) @ np.abs(y), k)


def product(
    m: int, k: int, n: int, turned: tuple[bool, bool] = (False, False), unknown: bool = False,
    kind: DType = dt.bfloat16,
) -> tuple[Case, np.ndarray, np.ndarray]:
    """The case of a product, and its operands in float64. unknown: the number of rows."""
    x, y = (draw(*s).astype(kind.numpy) for s in ((m, k), (k, n)))
    places = {(0, 0): "m", (2, 0): "m"} if unknown else {}
    attrs = {"transpose_a": turned[0], "transpose_b": turned[1]}
    operands = [a.T if t else a for a, t in zip((x, y), turned)]
    case = Case("MatMul", operands, attrs, places, kind)
    return case, x.astype(np.float64), y.astype(np.float64)


def run_of(case: Case) -> np.ndarray:
    return compiled(case.kernel, case.buffers, case.sizes)[case.result]


@pytest.mark.parametrize("rows", [1, 3, 12, 40])
def test_one_kernel_serves_any_number_of_rows(rows: int) -> None:
    case, x, y = product(rows, 70, 90, unknown=True)
    near(run_of(case), x @ y, np.abs(x) @ np.abs(y), 70)
    assert case.kernel == product(12, 70, 90, unknown=True)[0].kernel


@pytest.mark.parametrize(("sizes", "expected"), [
    ((1, 64, 64), []),           # each element of the matrix is read once
    ((64, 64, 1), ["right"]),    # one column: all rows share it
    ((64, 64, 64), ["left", "right"]),
    ((8, 64, 64), ["left"]),     # one tile of rows converts what it loads
])
def test_operands_that_are_read_often_are_copied(
    sizes: tuple[int, int, int], expected: list[str]
) -> None:
    node = node_of(*sizes, dt.bfloat16)
    copies, new = widened(node)
    names = [name for name, v in zip(("left", "right"), node.inputs) if v in copies]
    assert names == expected
    assert all(v.dtype is dt.float32 for v in copies.values())
    assert new.outputs is node.outputs


def test_panels_of_an_unknown_number_of_rows_are_float32() -> None:
    node = node_of(unknown_shape(1).sizes[0], 64, 64, dt.bfloat16)
    assert [v for v in node.inputs if v in widened(node)[0]] == [node.inputs[0]]
    case = product(12, 64, 64, unknown=True)[0]
    private = {p.dtype for p in case.kernel.buffers if p.private}
    assert private == {dt.float32}, kernel_text(case.kernel)


def test_other_types_are_left_alone() -> None:
    node = node_of(64, 64, 64, dt.float32)
    assert widened(node) == ({}, node)


@pytest.mark.parametrize("kind", HALVES, ids=str)
@pytest.mark.parametrize("shape", [
    (2, 7, 9, 16, 16, 3), (2, 6, 6, 3, 20, 3), (1, 5, 5, 40, 33, 1)])
def test_convolutions_and_their_gradients(shape: tuple[int, ...], kind: DType) -> None:
    n, h, w, cin, cout, k = shape
    image, filter, g = (draw(*s).astype(kind.numpy) for s in (
        (n, h, w, cin), (k, k, cin, cout), (n, h, w, cout)))
    x, f, y = (gf.placeholder(kind, a.shape) for a in (image, filter, g))
    made = [gf.nn.conv2d(x, f, [1, 1, 1, 1], "SAME"),
            gf.nn.conv2d_backprop_input(image.shape, f, y, [1, 1, 1, 1], "SAME"),
            gf.nn.conv2d_backprop_filter(x, filter.shape, y, [1, 1, 1, 1], "SAME")]
    feeds = {x: image, f: filter, y: g}
    with gf.Session() as session:
        found = session.run(made, feeds)
        kinds = [kernel.kind for kernel in session.explain(made, feeds).kernels]
    exact, scale = (_in_float64([part(a.astype(np.float64)) for a in (image, filter, g)])
                    for part in (lambda a: a, np.abs))
    assert kinds.count("contraction") == 3
    for got, want, size, terms in zip(found, exact, scale, (
            k * k * cin, k * k * cout, n * h * w)):
        near(got, want, size, terms)


def _in_float64(arrays: list[np.ndarray]) -> list[np.ndarray]:
    image, filter, g = arrays
    with gf.Graph().as_default(), gf.Session(device="reference") as session:
        x, f, y = map(gf.constant, arrays)
        return session.run([
            gf.nn.conv2d(x, f, [1, 1, 1, 1], "SAME"),
            gf.nn.conv2d_backprop_input(image.shape, f, y, [1, 1, 1, 1], "SAME"),
            gf.nn.conv2d_backprop_filter(x, filter.shape, y, [1, 1, 1, 1], "SAME")])


@pytest.mark.parametrize("kind", HALVES, ids=str)
@pytest.mark.parametrize("written", [True, False])
def test_attention_is_float32_inside(kind: DType, written: bool) -> None:
    arrays = [draw(2, 3, 40, 16 + i).astype(kind.numpy)[..., :16] for i in range(4)]
    q, k, v, g = (gf.placeholder(kind, a.shape) for a in arrays)
    if written:
        scores = gf.matmul(q, k, transpose_b=True) * gf.constant(0.25, kind)
        out = gf.matmul(gf.nn.softmax(scores), v)
    else:
        out = gf.nn.scaled_dot_product_attention(q, k, v)
    made = [out, *gf.gradients(out, [q, k, v], grad_ys=g)]
    wide = [gf.cast(x, gf.float64) for x in (q, k, v, g)]
    exact_out = gf.matmul(gf.nn.softmax(gf.matmul(wide[0], wide[1], transpose_b=True) * 0.25),
                          wide[2])
    exact = [exact_out, *gf.gradients(exact_out, wide[:3], grad_ys=wide[3])]
    feeds = dict(zip((q, k, v, g), arrays))
    with gf.Session() as session:
        found = session.run(made, feeds)
        kernels = session.explain(made, feeds).kernels
        want = session.run(exact, feeds)
    assert [x.kind for x in kernels].count("composite") == 2
    for got, right in zip(found, want):
        assert got.dtype == kind.numpy
        np.testing.assert_allclose(got.astype(np.float64), right, rtol=ULP[kind.name] * 1.05,
                                   atol=4 * ULP[kind.name] * np.abs(right).max())
