"""The gradient of a filter of groups is made of those of the groups."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pass_cases import arrays_for, assert_unchanged, names_of, outputs_of, program_of

from graphflow.passes.groups import GROUPS
from graphflow.passes.rules import floats


def summed(x: np.ndarray, g: np.ndarray, window: int, groups: int) -> np.ndarray:
    """Σ image · gradient over all places, group by group, in float64."""
    parts = []
    for left, right in zip(np.split(x, groups, -1), np.split(g, groups, -1)):
        out = np.zeros((window, window, left.shape[-1], right.shape[-1]))
        for i, j in np.ndindex(window, window):
            seen = left[:, i:i + g.shape[1], j:j + g.shape[2]]
            out[i, j] = np.einsum("nhwc,nhwo->co", seen, right, dtype=np.float64)
        parts.append(out)
    return np.concatenate(parts, -1)


@pytest.mark.parametrize("groups, data_format", [(2, "NHWC"), (3, "NHWC"), (2, "NCHW")])
def test_each_group_is_summed_by_itself(groups: int, data_format: str) -> None:
    image, grad = (2, 5, 6, 2 * groups), (2, 3, 4, 3 * groups)
    order = (0, 3, 1, 2) if data_format == "NCHW" else (0, 1, 2, 3)
    types = [floats(*(sizes[a] for a in order)) for sizes in (image, grad)]
    before = program_of(lambda F, x, g: F.conv2d_backprop_filter(
        x, [3, 3, 2, 3 * groups], g, 1, "VALID", data_format=data_format), *types)
    after = GROUPS.run(before)
    assert names_of(after).count("Conv2DBackpropFilter") == groups
    arrays = arrays_for(types)
    back = np.argsort(order)
    x, g = (np.transpose(a, back) for a in arrays)
    np.testing.assert_allclose(
        outputs_of(after, arrays)[0], summed(x, g, 3, groups), rtol=1e-5, atol=1e-5)


def test_one_group_and_a_group_for_each_channel_stay() -> None:
    def build(F: Any, x: Any, g: Any) -> Any:
        return F.conv2d_backprop_filter(x, [2, 2, x.shape[-1], 6], g, 1, "VALID")

    assert_unchanged(GROUPS.run, build, floats(2, 4, 5, 4), floats(2, 3, 4, 6))
    assert_unchanged(GROUPS.run, lambda F, x, g: F.conv2d_backprop_filter(
        x, [2, 2, 1, 6], g, 1, "VALID"), floats(2, 4, 5, 3), floats(2, 3, 4, 6))
