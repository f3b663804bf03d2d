"""Reductions of many rows to a few channels: right, in one pass, the same for any threads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

import graphflow as gf
from graphflow.codegen.steps import Launch
from graphflow.options import Options

Build = Callable[..., Any]


def run(
    build: Build, arrays: Sequence[np.ndarray], threads: int = 1, unknown: bool = False
) -> tuple[list[np.ndarray], list[Launch]]:
    """The results of a compiled graph over placeholders, and its launches."""
    with gf.Graph().as_default() as graph:
        leaves = [gf.placeholder(a.dtype, [None, *a.shape[1:]] if unknown and a.ndim > 1
                                 else a.shape) for a in arrays]
        made = build(*leaves)
        with gf.Session(graph=graph, device="cpu", options=Options(threads=threads)) as session:
            found = session.run(made, dict(zip(leaves, arrays)))
            executable = list(session._variants.values())[-1][-1].executable
            return found, list(executable.schedule.launches())


def images(
    *shape: int, mean: float = 0.0, dtype: str = "float32", seed: int = 0
) -> np.ndarray:
    return np.random.default_rng(sum(shape) + seed).normal(mean, 1, shape).astype(dtype)


def ops(launches: Sequence[Launch]) -> list[list[str]]:
    return [[n.opdef.name for n in launch.nodes] for launch in launches]


SHAPES = [(9, 33, 31, 16), (5, 41, 40, 20), (40, 30, 28, 3), (3, 100, 111, 1), (33, 8, 8, 64)]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("unknown", [False, True], ids=["known", "unknown"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_moments_are_those_of_numpy(
    shape: tuple[int, ...], unknown: bool, dtype: str
) -> None:
    x = images(*shape, mean=300.0, dtype=dtype)
    (mean, variance), _ = run(lambda x: gf.nn.moments(x, [0, 1, 2]), [x], unknown=unknown)
    wide = x.astype(np.longdouble)
    # Rounding errors of sums in chunks; those of the variance come from deviations of about one,
    # which is why a mean of 300 does not spoil them.
    epsilon = np.finfo(dtype).eps
    np.testing.assert_allclose(mean, wide.mean((0, 1, 2)).astype(float), rtol=50 * epsilon)
    np.testing.assert_allclose(
        variance, wide.var((0, 1, 2)).astype(float), rtol=200 * epsilon)


def test_an_outlier_does_not_cancel_what_its_chunk_says_of_the_variance() -> None:
    x = images(8, 32, 32, 8)
    x[3, 7, 7, 2] = 1e4
    (_, variance), _ = run(lambda x: gf.nn.moments(x, [0, 1, 2]), [x])
    np.testing.assert_allclose(variance, x.astype(np.float64).var((0, 1, 2)), rtol=1e-5)


@pytest.mark.parametrize("unknown", [False, True], ids=["known", "unknown"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_sums_of_the_same_rows_are_one_kernel(shape: tuple[int, ...], unknown: bool) -> None:
    x, g, m = images(*shape), images(*shape, mean=1.0, seed=1), images(shape[-1])
    (one, two), launches = run(
        lambda x, g, m: (gf.reduce_sum(g, [0, 1, 2]), gf.reduce_sum(g * (x - m), [0, 1, 2])),
        [x, g, m], unknown=unknown)
    wide = g.astype(np.float64)
    np.testing.assert_allclose(one, wide.sum((0, 1, 2)), rtol=1e-5)
    np.testing.assert_allclose(two, (wide * (x - m)).sum((0, 1, 2)), rtol=1e-4, atol=0.1)
    assert ops(launches) == [["Sum", "Sum"]]


def test_the_largest_of_each_channel() -> None:
    x = images(9, 33, 31, 16)
    (largest, place), _ = run(
        lambda x: (gf.reduce_max(x, [0, 1, 2]), gf.argmax(gf.reshape(x, [-1, 16]), 0)), [x])
    np.testing.assert_array_equal(largest, x.max((0, 1, 2)))
    np.testing.assert_array_equal(place, x.reshape(-1, 16).argmax(0))


def test_a_sum_that_needs_the_other_one_is_a_kernel_of_its_own() -> None:
    x = images(9, 33, 31, 16)

    def spread(x: Any) -> Any:
        mean = gf.reduce_mean(x, [0, 1, 2])
        return mean, gf.reduce_sum(gf.square(x - mean), [0, 1, 2])

    (_, found), launches = run(spread, [x])
    wide = x.astype(np.float64)
    np.testing.assert_allclose(
        found, np.square(wide - wide.mean((0, 1, 2))).sum((0, 1, 2)), rtol=1e-4)
    assert len(launches) == 2


def normalised(x: Any, scale: Any, offset: Any, g: Any) -> Any:
    y, mean, variance = gf.nn.fused_batch_norm(x, scale, offset)
    return [y, mean, variance, *gf.gradients(y, [x, scale, offset], g)]


def expected(x: np.ndarray, scale: np.ndarray, offset: np.ndarray, g: np.ndarray) -> list:
    """Batch normalisation and its gradient (Ioffe, Szegedy 2015, section 3), in float64."""
    x, g = x.astype(np.float64), g.astype(np.float64)
    axes, n = (0, 1, 2), x[..., 0].size
    mean, variance = x.mean(axes), x.var(axes)
    deviation = np.sqrt(variance + 1e-3)
    hat = (x - mean) / deviation
    d_scale, d_offset = (g * hat).sum(axes), g.sum(axes)
    dx = scale / deviation * (g - d_offset / n - hat * d_scale / n)
    return [hat * scale + offset, mean, variance * n / (n - 1), dx, d_scale, d_offset]


@pytest.mark.parametrize("unknown", [False, True], ids=["known", "unknown"])
@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 2e-5), ("float64", 1e-12)])
def test_batch_norm_and_its_gradient(dtype: str, tolerance: float, unknown: bool) -> None:
    arrays = [images(9, 33, 31, 16, mean=2.0, dtype=dtype),
              images(16, mean=1.0, dtype=dtype), images(16, dtype=dtype, seed=1),
              images(9, 33, 31, 16, mean=0.5, dtype=dtype, seed=2)]
    found, launches = run(normalised, arrays, unknown=unknown)
    for one, want in zip(found, expected(*arrays)):
        np.testing.assert_allclose(one, want, rtol=tolerance, atol=tolerance * abs(want).max())
    # Moments, the result, both sums, the gradient: the image is gone through four times.
    large = [launch for launch in launches if any(
        v.shape.rank == 4 for node in launch.nodes for v in (*node.inputs, *node.outputs))]
    assert len(large) == 4


def test_batch_norm_is_the_same_bits_for_any_number_of_threads() -> None:
    arrays = [images(9, 33, 31, 16, mean=2.0), images(16), images(16, seed=1),
              images(9, 33, 31, 16, seed=2)]
    first, *others = (run(normalised, arrays, threads)[0] for threads in (1, 2, 3))
    for other in others:
        for one, two in zip(first, other):
            np.testing.assert_array_equal(one, two)
