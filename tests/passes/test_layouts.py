"""Channels first become channels last: where transposes stand, and that values stay.

Expected values come from the reference executor, which reads images in the layout that they have.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pass_cases import arrays_for, assert_unchanged, names_of, outputs_of, program_of

from graphflow.passes.layouts import LAYOUTS
from graphflow.passes.rules import floats
from graphflow.program import Program

NCHW: dict[str, Any] = {"strides": 1, "padding": "SAME", "data_format": "NCHW"}
IMAGE, FILTER = floats(2, 3, 6, 5), floats(3, 3, 3, 3)


def rewritten(build: Any, *types: Any) -> Program:
    """The Program after the pass; it computes the same, within roundings."""
    before = program_of(build, *types)
    after = LAYOUTS.run(before)
    arrays = arrays_for([v.type for v in before.inputs])
    for a, b in zip(outputs_of(after, arrays), outputs_of(before, arrays), strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-5, atol=1e-5)
    return after


def transposes(program: Program) -> int:
    return names_of(program).count("Transpose")


def test_one_convolution_stands_between_two_transposes() -> None:
    after = rewritten(lambda F, x, f: F.conv2d(x, f, **NCHW), IMAGE, FILTER)
    assert names_of(after) == ["Transpose", "Conv2D", "Transpose"]
    assert "NHWC" in str(after)


def test_a_network_has_transposes_at_its_ends_alone() -> None:
    def build(F: Any, x: Any, f: Any, bias: Any) -> Any:
        h = F.relu(F.bias_add(F.conv2d(x, f, **NCHW), bias, "NCHW"))
        h = F.max_pool(h, 2, 2, "SAME", "NCHW")
        return F.relu(F.conv2d(h, f, **NCHW) * 0.5 + h)

    after = rewritten(build, IMAGE, FILTER, floats(3))
    assert transposes(after) == 2
    assert all(n.attrs.get("data_format", "NHWC") == "NHWC" for n in after.nodes)


def test_numbers_per_channel_are_moved_along() -> None:
    def build(F: Any, x: Any, f: Any, s: Any) -> Any:
        h = F.conv2d(x, f, **NCHW) * F.reshape(s, [1, 3, 1, 1]) + F.reshape(s, [3, 1, 1])
        return F.conv2d(h, f, **NCHW)

    after = rewritten(build, IMAGE, FILTER, floats(3))
    kinds = [n.inputs[0].shape.as_list() for n in after.nodes if n.opdef.name == "Transpose"]
    assert sum(sizes != [1, 3, 1, 1] for sizes in kinds) == 2


def test_gradients_and_normalisation_follow() -> None:
    import graphflow as gf

    def build(F: Any, x: Any, f: Any, scale: Any) -> Any:
        h, _, _ = gf.nn.fused_batch_norm(F.conv2d(x, f, **NCHW), scale, scale, data_format="NCHW")
        y = gf.nn.avg_pool(F.conv2d(F.relu(h), f, **NCHW), 2, 2, "VALID", "NCHW")
        return [y, *gf.gradients(y, [x, f], y)]

    after = rewritten(build, IMAGE, FILTER, floats(3))
    left = {n.opdef.name for n in after.nodes if n.attrs.get("data_format") == "NCHW"}
    assert not {name for name in left if name.startswith("Conv") and "Filter" not in name}


def test_volumes() -> None:
    after = rewritten(
        lambda F, x, f: F.conv3d(x, f, [1, 1, 1, 1, 1], "SAME", data_format="NCDHW"),
        floats(1, 2, 3, 4, 5), floats(2, 2, 2, 2, 3))
    assert names_of(after) == ["Transpose", "Conv3D", "Transpose"]


@pytest.mark.parametrize("sizes", [(None, 3, None, 5), (2, 3, 4, None)])
def test_images_of_unknown_size_stay(sizes: tuple[int | None, ...]) -> None:
    assert_unchanged(LAYOUTS.run, lambda F, x, f: F.conv2d(x, f, **NCHW),
                     floats(*sizes), FILTER)  # type: ignore[arg-type]


def test_an_unknown_batch_does_not_matter() -> None:
    after = rewritten(lambda F, x, f: F.conv2d(x, f, **NCHW),
                      floats(None, 3, 6, 5), FILTER)  # type: ignore[arg-type]
    assert transposes(after) == 2


def test_what_follows_no_convolution_stays() -> None:
    assert_unchanged(LAYOUTS.run, lambda F, x: F.max_pool(F.relu(x), 2, 2, "SAME", "NCHW"), IMAGE)
    assert_unchanged(LAYOUTS.run, lambda F, x, f: F.conv2d(x, f, 1, "SAME"),
                     floats(2, 6, 5, 3), FILTER)
