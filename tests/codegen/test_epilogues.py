"""Epilogues: elementwise work on products and convolutions happens in their kernels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import graphflow as gf
from graphflow.codegen.compile import llvm_text
from graphflow.codegen.schedule import Launch
from graphflow.dtypes import DType

Build = Callable[..., Any]


def draw(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(np.float32)


def run(
    build: Build, arrays: Sequence[np.ndarray], unknown: bool = False,
) -> tuple[list[np.ndarray], list[Launch]]:
    """The results of a compiled graph over placeholders, and its launches."""
    with gf.Graph().as_default() as graph:
        leaves = [gf.placeholder(gf.as_dtype(a.dtype), [None] * a.ndim if unknown else a.shape)
                  for a in arrays]
        made = build(*leaves)
        with gf.Session(graph=graph, device="cpu") as session:
            found = session.run(made if isinstance(made, list) else [made],
                                dict(zip(leaves, arrays)))
            executable = list(session._variants.values())[-1][-1].executable
            return found, list(executable.schedule.launches())


def ops(launches: Sequence[Launch]) -> list[list[str]]:
    return [[n.opdef.name for n in launch.nodes] for launch in launches]


def check(
    build: Build, arrays: Sequence[np.ndarray], expected: Any, kernels: list[list[str]],
    tolerance: float = 1e-5, unknown: bool = False,
) -> list[Launch]:
    found, launches = run(build, arrays, unknown)
    for one, wanted in zip(found, expected if isinstance(expected, list) else [expected]):
        np.testing.assert_allclose(one, wanted, rtol=tolerance, atol=tolerance)
    assert ops(launches) == kernels
    return launches


# ---- products -----------------------------------------------------------------------------------

SIZES = [(1, 1, 1), (5, 40, 1), (7, 3, 10), (25, 4, 64), (29, 17, 100), (13, 0, 9), (2, 3, 48)]


@pytest.mark.parametrize("unknown", [False, True])
@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_bias_and_relu(sizes: tuple[int, int, int], unknown: bool) -> None:
    m, k, n = sizes
    x, w, bias = draw(m, k), draw(k, n), draw(n)
    check(lambda x, w, b: gf.nn.relu(gf.matmul(x, w) + b), [x, w, bias],
          np.maximum(x @ w + bias, 0), [["MatMul", "Relu"]], unknown=unknown)


@pytest.mark.parametrize("turned", [(False, False), (True, False), (False, True), (True, True)])
def test_all_transpositions(turned: tuple[bool, bool]) -> None:
    x, w, bias = draw(19, 12), draw(12, 35), draw(35)
    found, launches = run(
        lambda x, w, b: gf.tanh(gf.matmul(x, w, *turned) * 0.5 - b),
        [x.T if turned[0] else x, w.T if turned[1] else w, bias])
    np.testing.assert_allclose(found[0], np.tanh(x @ w * 0.5 - bias), rtol=1e-5, atol=1e-5)
    assert ops(launches)[-1] == ["MatMul", "Tanh"]


def test_batches() -> None:
    x, y, bias = draw(2, 3, 7, 5), draw(1, 3, 5, 21), draw(7, 1)
    check(lambda x, y, b: gf.nn.relu(gf.matmul(x, y) - b), [x, y, bias],
          np.maximum(x @ y - bias, 0), [["BatchMatMulV2", "Relu"]])


def test_a_reshape_between_product_and_bias() -> None:
    """A dense layer over a sequence: rows are numbered in one way or the other."""
    x, w, bias = draw(2, 7, 12), draw(12, 20), draw(20)

    def build(x: gf.Tensor, w: gf.Tensor, b: gf.Tensor) -> gf.Tensor:
        flat = gf.matmul(gf.reshape(x, [-1, 12]), w)
        return gf.nn.relu(gf.reshape(flat, [2, 7, 20]) + b)

    check(build, [x, w, bias], np.maximum(x @ w + bias, 0), [["MatMul", "Relu"]])
    by_step = draw(7, 20)
    check(build, [x, w, by_step], np.maximum(x @ w + by_step, 0), [["MatMul"], ["Relu"]])


def test_the_product_itself_is_stored_if_something_else_reads_it() -> None:
    x, w, r = draw(9, 8), draw(8, 40), draw(9, 40)
    check(lambda x, w, r: [gf.matmul(x, w), gf.exp(gf.matmul(x, w)) * r], [x, w, r],
          [x @ w, np.exp(x @ w) * r], [["MatMul", "Mul"]], 1e-4)


def test_two_products_in_one_sum() -> None:
    x, w, h, u = draw(9, 8), draw(8, 40), draw(9, 6), draw(6, 40)
    check(lambda x, w, h, u: gf.tanh(gf.matmul(x, w) + gf.matmul(h, u)), [x, w, h, u],
          np.tanh(x @ w + h @ u), [["MatMul"], ["MatMul", "Tanh"]], 1e-4)


def test_several_results_of_one_product() -> None:
    x, w, bias = draw(30, 8), draw(8, 40), draw(40)
    y = x @ w + bias
    check(lambda x, w, b: [gf.nn.relu(gf.matmul(x, w) + b), gf.sin(gf.matmul(x, w) + b)],
          [x, w, bias], [np.maximum(y, 0), np.sin(y)], [["MatMul", "Relu", "Sin"]], 1e-4)


@pytest.mark.parametrize(("dtype", "tolerance"), [
    (gf.float16, 1e-2), (gf.bfloat16, 1e-1), (gf.float64, 1e-12), (gf.int32, 0),
    (gf.complex64, 1e-5), (gf.complex128, 1e-12)], ids=lambda d: getattr(d, "name", ""))
def test_other_dtypes(dtype: DType, tolerance: float) -> None:
    x, w, r = (np.rint(draw(*s) * 2) for s in ((13, 4), (4, 37), (13, 37)))
    if dtype.is_complex:
        x, w = x * (1 + 2j), w * (2 - 1j)
    given_x, given_w, given_r = (a.astype(dtype.numpy) for a in (x, w, r))
    found, launches = run(lambda x, w, r: (gf.matmul(x, w) - r) * r,
                          [given_x, given_w, given_r])
    wide = np.complex128 if dtype.is_complex else np.float64
    np.testing.assert_allclose(
        found[0].astype(wide), (x @ w - r) * r, rtol=tolerance, atol=tolerance)
    copies = [["Cast"], ["Cast"]] if dtype in (gf.float16, gf.bfloat16) else []  # to float32
    assert ops(launches) == [*copies, ["MatMul", "Mul"]]


@settings(deadline=None, max_examples=12)
@given(st.data())
def test_random_extents(data: st.DataObject) -> None:
    m, k, n = (data.draw(st.integers(0, 40)) for _ in range(3))
    rows, columns = data.draw(st.booleans()), data.draw(st.booleans())
    x, w = draw(m, k), draw(k, n)
    r = draw(m if rows else 1, n if columns else 1)
    found, _ = run(lambda x, w, r: gf.nn.relu(gf.matmul(x, w)) * r - r, [x, w, r],
                   unknown=data.draw(st.booleans()))
    np.testing.assert_allclose(
        found[0], np.maximum(x @ w, 0) * r - r, rtol=1e-4, atol=1e-4)


# ---- convolutions and gradients -----------------------------------------------------------------


def test_convolution() -> None:
    x, f, bias = draw(3, 6, 7, 2), draw(1, 1, 2, 20), draw(20)
    check(lambda x, f, b: gf.nn.relu(gf.nn.conv2d(x, f, [1, 1, 1, 1], "VALID") + b),
          [x, f, bias], np.maximum(x @ f[0, 0] + bias, 0), [["Conv2D", "Relu"]])


def test_borders_of_a_convolution() -> None:
    x, f, bias = draw(2, 6, 7, 3), draw(3, 3, 3, 5), draw(5)
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    y = sum(padded[:, i:i + 6, j:j + 7] @ f[i, j] for i in range(3) for j in range(3))
    check(lambda x, f, b: gf.nn.relu(gf.nn.conv2d(x, f, [1, 1, 1, 1], "SAME") + b),
          [x, f, bias], np.maximum(y + bias, 0), [["Conv2D", "Relu"]], 1e-4)


def test_gradient_of_an_activation() -> None:
    """The gradient by the input of the second layer is masked before it is stored."""
    x, w, v, g = draw(12, 6), draw(6, 20), draw(20, 9), draw(12, 9)

    def build(x: gf.Tensor, w: gf.Tensor, v: gf.Tensor, g: gf.Tensor) -> gf.Tensor:
        return gf.gradients(gf.matmul(gf.nn.relu(gf.matmul(x, w)), v), w, g)[0]

    found, launches = run(build, [x, w, v, g])
    np.testing.assert_allclose(found[0], x.T @ ((g @ v.T) * (x @ w > 0)), rtol=1e-4, atol=1e-4)
    assert ["MatMul", "ReluGrad"] in ops(launches)


def test_gradient_of_convolutions() -> None:
    x, f, v = draw(2, 5, 6, 3), draw(1, 1, 3, 8), draw(1, 1, 8, 4)

    def build(x: gf.Tensor, f: gf.Tensor, v: gf.Tensor) -> list[gf.Tensor]:
        h = gf.tanh(gf.nn.conv2d(x, f, [1, 1, 1, 1], "VALID"))
        return gf.gradients(gf.nn.conv2d(h, v, [1, 1, 1, 1], "VALID"), [x, f])

    found, launches = run(build, [x, f, v])
    h = np.tanh(x @ f[0, 0])
    inner = (np.ones((2, 5, 6, 4)) @ v[0, 0].T) * (1 - h * h)
    np.testing.assert_allclose(found[0], inner @ f[0, 0].T, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(
        found[1][0, 0], np.einsum("nhwi,nhwo->io", x, inner), rtol=1e-4, atol=1e-4)
    assert ["Conv2DBackpropInput", "Mul"] in ops(launches)


# ---- where there is none ------------------------------------------------------------------------


def test_a_transposed_reader_has_a_kernel_of_its_own() -> None:
    x, w = draw(9, 9), draw(9, 9)
    y = x @ w
    check(lambda x, w: gf.exp(gf.matmul(x, w) + gf.transpose(gf.matmul(x, w))), [x, w],
          np.exp(y + y.T), [["MatMul"], ["Exp"]], 1e-4)


def test_wider_operands_stay_out() -> None:
    """Eight-byte operands would halve the lanes of the sums."""
    x, w, r = draw(9, 8), draw(8, 40), draw(9, 40).astype(np.float64)
    check(lambda x, w, r: gf.cast(gf.matmul(x, w), gf.float64) * r, [x, w, r],
          (x @ w) * r, [["MatMul"], ["Mul"]], 1e-4)


def test_a_step_in_between_that_the_reader_needs() -> None:
    """The row sums come after the product: what reads both cannot run in the product."""
    x, w, v = draw(9, 8), draw(8, 40), draw(9, 33)

    def build(x: gf.Tensor, w: gf.Tensor, v: gf.Tensor) -> gf.Tensor:
        y = gf.matmul(x, w)
        return gf.nn.relu(y) * gf.reduce_max(gf.matmul(x, w), axis=0) + gf.reduce_sum(v)

    found, _ = run(build, [x, w, v])
    y = x @ w
    np.testing.assert_allclose(
        found[0], np.maximum(y, 0) * y.max(0) + v.sum(), rtol=1e-4, atol=1e-3)


# ---- in place -----------------------------------------------------------------------------------


def pairs(launch: Launch) -> set[tuple[str, str]]:
    return {(launch.buffers[w].node.opdef.name, launch.buffers[r].node.opdef.name)
            for w, r in launch.reusable}


def test_a_residual_may_be_written_over_and_operands_may_not() -> None:
    x, w, r = draw(30, 30), draw(30, 30), draw(30, 30)

    def build(x: gf.Tensor, w: gf.Tensor, r: gf.Tensor) -> gf.Tensor:
        residual = gf.exp(r)
        inner = gf.matmul(gf.sin(x), gf.cos(w)) + residual * gf.sin(residual)
        return gf.matmul(gf.nn.relu(inner), gf.ones([30, 2]))

    found, launches = run(build, [x, w, r])
    y = np.maximum(np.sin(x) @ np.cos(w) + np.exp(r) * np.sin(np.exp(r)), 0)
    np.testing.assert_allclose(found[0], y @ np.ones((30, 2)), rtol=1e-4)
    (product,) = (one for one in launches if len(one.nodes) > 1 and "MatMul" in ops([one])[0])
    assert pairs(product) == {("Relu", "Exp")}


def test_an_operand_that_is_also_the_residual_is_not_written_over() -> None:
    x, w = draw(30, 30), draw(30, 30)

    def build(x: gf.Tensor, w: gf.Tensor) -> gf.Tensor:
        h = gf.exp(x)
        return gf.matmul(gf.nn.relu(gf.matmul(h, w) + h), gf.ones([30, 2]))

    found, launches = run(build, [x, w])
    h = np.exp(x)
    np.testing.assert_allclose(
        found[0], np.maximum(h @ w + h, 0) @ np.ones((30, 2)), rtol=1e-3, atol=1e-3)
    assert pairs(launches[1]) == set()


@pytest.mark.parametrize("turned", [False, True])
def test_a_loop_variable_that_its_new_value_is_the_product_of(turned: bool) -> None:
    x, w = draw(20, 40), draw(40, 40) * np.float32(0.1)

    def build(x: gf.Tensor, w: gf.Tensor) -> gf.Tensor:
        return gf.while_loop(
            lambda i, a: i < 4,
            lambda i, a: (i + 1, gf.tanh(gf.matmul(a, w, transpose_b=turned) + a)), [0, x])[1]

    found, _ = run(build, [x, w])
    a = x.astype(np.float64)
    for _ in range(4):
        a = np.tanh(a @ (w.T if turned else w) + a)
    np.testing.assert_allclose(found[0], a, rtol=1e-4, atol=1e-5)


def test_one_memory_read_through_a_reshape_is_not_written_over() -> None:
    x = draw(40, 60)

    def build(x: gf.Tensor) -> gf.Tensor:
        h = gf.exp(x)
        return gf.matmul(h + gf.transpose(gf.reshape(h, [60, 40])), gf.ones([60, 2]))

    h = np.exp(x)
    found, _ = run(build, [x])
    np.testing.assert_allclose(
        found[0], (h + h.reshape(60, 40).T) @ np.ones((60, 2)), rtol=1e-4)


@pytest.mark.parametrize("count", [1, 3, 32])
def test_what_is_the_same_for_all_of_an_unknown_batch_is_read_anew_for_each(count: int) -> None:
    # Positions of a sequence: [7, 5] beside a product of [7·count, 5], count being unknown.
    with gf.Graph().as_default(), gf.Session(device="cpu") as sess:
        x = gf.placeholder(gf.float32, [None, 7, 3])
        w, bias, positions = draw(3, 5), draw(5), draw(7, 5)
        y = gf.reshape(gf.matmul(gf.reshape(x, [-1, 3]), w), [-1, 7, 5])
        value = draw(count, 7, 3)
        found = sess.run(gf.nn.bias_add(y, bias) + positions, {x: value})
    np.testing.assert_allclose(found, value @ w + bias + positions, rtol=1e-4, atol=1e-5)


def test_a_group_stores_nothing_that_only_it_reads() -> None:
    x = draw(4, 5)
    y = x + 1.5
    launches = check(lambda x: (x + 1.5) * gf.tanh(x + 1.5) * (x + 1.5), [x],
                     y * np.tanh(y) * y, [["Mul"]])
    assert sum(b.written for b in launches[0].kernel.buffers) == 1


# ---- code that stands apart ---------------------------------------------------------------------


def test_all_rows_of_a_tile_call_one_function_for_a_long_activation() -> None:
    x, w = draw(30, 8), draw(8, 32)
    _, (launch,) = run(lambda x, w: gf.tanh(gf.matmul(x, w)), [x, w])
    text = llvm_text(launch.kernel)
    assert text.count("define internal") == 1 and text.count("call {<") >= 10
    _, (launch,) = run(lambda x, w: gf.nn.relu(gf.matmul(x, w)), [x, w])
    assert "define internal" not in llvm_text(launch.kernel)


# ---- the gradient of max-pooling ----------------------------------------------------------------


@pytest.mark.parametrize("unknown", [False, True])
def test_the_mask_of_a_relu_joins_the_gradient_of_max_pooling(unknown: bool) -> None:
    x, g = draw(3, 7, 6, 20), draw(3, 3, 3, 20)
    with gf.Graph().as_default() as graph:
        image = gf.placeholder(gf.float32, [None if unknown else 3, 7, 6, 20])
        grad = gf.placeholder(gf.float32, [None if unknown else 3, 3, 3, 20])
        pooled = gf.nn.max_pool(gf.nn.relu(image), 2, 2, "VALID")
        (made,) = gf.gradients(pooled, image, grad)
        with gf.Session(graph=graph, device="cpu") as session:
            found = session.run(made, {image: x, grad: g})
            executable = list(session._variants.values())[-1][-1].executable
            launches = list(executable.schedule.launches())
    expected = np.zeros_like(x)
    for n, i, j, c in np.ndindex(*g.shape):
        window = x[n, 2 * i:2 * i + 2, 2 * j:2 * j + 2, c]
        y, z = np.unravel_index(window.argmax(), (2, 2))
        if window[y, z] > 0:
            expected[n, 2 * i + y, 2 * j + z, c] = g[n, i, j, c]
    np.testing.assert_array_equal(found, expected)
    assert ["MaxPoolScatter", "ReluGrad"] in ops(launches)


def test_the_gradient_of_max_pooling_reads_a_slice_that_is_not_in_memory() -> None:
    x, g = draw(2, 9, 1, 8), draw(2, 16)
    with gf.Graph().as_default() as graph:
        image = gf.placeholder(gf.float32, [None, 9, 1, 8])
        grad = gf.placeholder(gf.float32, [None, 16])
        largest = gf.nn.max_pool(gf.nn.relu(image), [1, 9, 1, 1], [1, 1, 1, 1], "VALID")
        first = gf.nn.max_pool(gf.nn.relu(image[:, :4]), [1, 4, 1, 1], [1, 1, 1, 1], "VALID")
        both = gf.reshape(gf.concat([largest, first], 3), [-1, 16])
        (made,) = gf.gradients(both, image, grad)
        with gf.Session(graph=graph, device="cpu") as session:
            found = session.run(made, {image: x, grad: g})
    expected = np.zeros_like(x)
    for n, c in np.ndindex(2, 8):
        for part, column in ((x[n, :, 0, c], c), (x[n, :4, 0, c], 8 + c)):
            if part.max() > 0:
                expected[n, part.argmax(), 0, c] += g[n, column]
    np.testing.assert_allclose(found, expected, rtol=1e-6)
