"""Gradients of filters whose window positions along a row are summed together."""

from __future__ import annotations

import numpy as np
import pytest

import graphflow as gf
from graphflow.codegen.filter_tiling import choose_filter_tiling
from graphflow.codegen.tile_choice import REGISTERS
from graphflow.options import Options

Pads = tuple[tuple[int, int], tuple[int, int]]


def expected(x: np.ndarray, g: np.ndarray, window: tuple[int, int], pads: Pads) -> np.ndarray:
    """Σ x · g for each window position, in float64."""
    padded = np.pad(x.astype(np.float64), ((0, 0), *pads, (0, 0)))
    height, width = g.shape[1:3]
    return np.array([[np.einsum("nyxc,nyxd->cd", padded[:, i:i + height, j:j + width], g)
                      for j in range(window[1])] for i in range(window[0])])


def computed(
    x: np.ndarray, g: np.ndarray, window: tuple[int, int], pads: Pads, threads: int = 1,
    unknown: bool = False,
) -> np.ndarray:
    batch = None if unknown else len(x)
    with gf.Graph().as_default():
        image, grad = (gf.placeholder(a.dtype, [batch, *a.shape[1:]]) for a in (x, g))
        made = gf.nn.conv2d_backprop_filter(
            image, [*window, x.shape[-1], g.shape[-1]], grad, strides=[1, 1, 1, 1],
            padding=[[0, 0], *map(list, pads), [0, 0]])
        with gf.Session(options=Options(threads=threads)) as session:
            return session.run(made, {image: x, grad: g})


# Borders on one side or both, none, windows as wide as the image and wider, 7 and 8 positions.
CASES = [
    ((3, 3), ((1, 1), (1, 1)), (5, 9, 11), (16, 16)),
    ((3, 3), ((0, 0), (0, 0)), (5, 9, 4), (3, 16)),
    ((1, 2), ((0, 0), (1, 0)), (3, 4, 9), (16, 20)),
    ((3, 5), ((1, 1), (2, 2)), (2, 5, 3), (9, 16)),
    ((5, 7), ((2, 2), (3, 3)), (4, 7, 7), (5, 40)),
    ((1, 8), ((0, 0), (4, 3)), (3, 3, 12), (4, 16)),
    ((2, 3), ((0, 1), (2, 2)), (9, 40, 1), (17, 32)),
    ((3, 3), ((1, 1), (1, 1)), (70, 3, 3), (8, 64)),
    ((3, 3), ((1, 1), (1, 1)), (3, 5, 6), (130, 128)),  # large: groups of columns
]


@pytest.mark.parametrize("unknown", [False, True], ids=["known", "unknown"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("window", "pads", "image", "channels"), CASES, ids=str)
def test_it_is_the_sum_over_all_places(
    window: tuple[int, int], pads: Pads, image: tuple[int, int, int],
    channels: tuple[int, int], dtype: str, unknown: bool,
) -> None:
    rng = np.random.default_rng(7)
    x = rng.standard_normal((*image, channels[0])).astype(dtype)
    out = [n + sum(p) - k + 1 for n, p, k in zip(image[1:], pads, window)]
    g = rng.standard_normal((image[0], *out, channels[1])).astype(dtype)
    found = computed(x, g, window, pads, unknown=unknown)
    bound = (g[..., 0].size + 2) * np.finfo(dtype).eps * expected(abs(x), abs(g), window, pads)
    assert (abs(found - expected(x, g, window, pads)) <= bound + np.finfo(dtype).tiny).all()
    np.testing.assert_array_equal(found, computed(x, g, window, pads, 2, unknown))


@pytest.mark.parametrize(("channels", "columns", "window"), [
    (1, 32, 3), (3, 16, 3), (16, 16, 3), (32, 32, 3), (64, 64, 3), (16, 16, 5), (24, 40, 7)])
def test_sums_and_operands_of_a_tile_fit_into_the_registers(
    channels: int, columns: int, window: int
) -> None:
    tiling = choose_filter_tiling(channels, columns, 16, window, 128, True)
    assert tiling.taps in (1, window)
    for part in tiling.parts:
        beside = tiling.taps * part.vectors
        assert beside * tiling.rows + beside + 1 <= REGISTERS


def test_few_columns_are_summed_for_all_window_positions_together() -> None:
    assert choose_filter_tiling(16, 16, 16, 3, 192, True).taps == 3
    assert choose_filter_tiling(16, 16, 16, 3, 192, False).taps == 1
