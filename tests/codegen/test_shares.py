"""Which loops of kernels are divided among members, and what each member touches."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from kernels import element, elementwise

import graphflow as gf
from graphflow import dtypes as dt
from graphflow.codegen.capabilities import Capabilities
from graphflow.codegen.compile import CACHE
from graphflow.codegen.cpu.sharing import DEPTH_BITS
from graphflow.codegen.footprints import Footprints
from graphflow.codegen.schedule import Scheduler
from graphflow.codegen.shares import digits, units
from graphflow.codegen.sizes import concrete
from graphflow.codegen.steps import Launch
from graphflow.freeze import freeze
from graphflow.loop_ir import b
from graphflow.loop_ir.nest import Kernel
from graphflow.opdef import TensorType
from graphflow.passes.pipeline import optimise

f32 = dt.float32


def launches(build: Callable[..., Any], *shapes: list[int]) -> list[Launch]:
    """The kernels of what `build` makes of float32 inputs of these shapes."""
    with gf.Graph().as_default():
        inputs = [gf.placeholder(f32, shape) for shape in shapes]
        made = build(*inputs)
        program = freeze([made], [], {x: TensorType(x.dtype, x.shape) for x in inputs})
    return list(Scheduler(optimise(program), Capabilities()).schedule().launches())


def only(build: Callable[..., Any], *shapes: list[int]) -> tuple[Kernel, tuple[int, ...]]:
    (launch,) = launches(build, *shapes)
    assert isinstance(launch.kernel, Kernel)
    return launch.kernel, concrete(launch.sizes, {})


def run(
    kernel: Kernel, arrays: list[np.ndarray], sizes: list[int], member: int, members: int,
    mode: int,
) -> None:
    (address,) = CACHE.addresses([kernel])
    pointers = np.array([a.ctypes.data for a in arrays], np.uint64)
    numbers = np.array([*sizes, 0], np.int64)
    ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, *[ctypes.c_int64] * 3)(address)(
        pointers.ctypes.data, numbers.ctypes.data, member, members, mode)


@pytest.mark.parametrize("members", [1, 2, 3, 4])
@pytest.mark.parametrize("size", [0, 1, 15, 16, 17, 33, 64, 100])
def test_each_element_is_one_members(size: int, members: int) -> None:
    kernel = elementwise([f32], [element(0, f32) * 2.0])
    x = np.arange(size, dtype=np.float32)
    owners = np.zeros(size, int)
    for member in range(members):
        out = np.full(size, -1, np.float32)
        run(kernel, [x, out], [size], member, members, mode=1)
        mine = out >= 0
        np.testing.assert_array_equal(out[mine], x[mine] * 2)
        assert not np.any(np.diff(np.flatnonzero(mine)) > 1), "a share is one range"
        owners += mine
    np.testing.assert_array_equal(owners, 1)


def test_units_that_are_left_out_do_not_run() -> None:
    kernel, sizes = only(lambda x, y: gf.concat([x, y], 0), [5, 40], [3, 40])
    assert len(units(kernel)) == 2
    x, y = np.ones((5, 40), np.float32), np.full((3, 40), 2, np.float32)
    arrays = [out := np.zeros((8, 40), np.float32), x, y]
    if not kernel.buffers[0].written:
        arrays = [x, out, y]
    run(kernel, arrays, list(sizes), 0, 1, mode=0b10 << DEPTH_BITS)
    np.testing.assert_array_equal(out, np.vstack([x, np.zeros_like(y)]))
    run(kernel, arrays, list(sizes), 0, 1, mode=0b01 << DEPTH_BITS)
    np.testing.assert_array_equal(out, np.vstack([x, y]))


@pytest.mark.parametrize(("build", "shapes", "depths"), [
    (lambda x: x * 2.0, [[64, 64]], [1]),
    (lambda x: gf.reduce_sum(x, 1), [[64, 64]], [1]),
    (lambda x: gf.reduce_sum(x, 0), [[64, 64]], [1]),
    (lambda x: gf.reduce_sum(x), [[64, 64]], []),
    (lambda x: gf.cumsum(x, 0), [[64, 64]], [1]),
    (lambda x: gf.cumsum(x, 0), [[64]], []),
    (lambda x: gf.nn.softmax(x), [[64, 64]], [1]),
    (lambda x: gf.transpose(x), [[64, 64]], [1, 2]),
])
def test_where_loops_can_be_divided(
    build: Callable[..., Any], shapes: list[list[int]], depths: list[int]
) -> None:
    kernel, _ = only(build, *shapes)
    found = [sorted(unit.depths) for unit in units(kernel)]
    assert all(set(depths) <= set(f) for f in found) if depths else not any(found)


def test_row_groups_keep_private_rows() -> None:
    kernel, sizes = only(lambda x: gf.nn.softmax(gf.tanh(x)), [32, 64])
    assert any(p.private for p in kernel.buffers)
    touched = Footprints(kernel).touched(0, sizes, 1, 2)
    assert not any(kernel.buffers[t.buffer].private for each in touched for t in each)


def test_members_touch_their_rows_alone() -> None:
    kernel, sizes = only(lambda x: gf.nn.softmax(x), [32, 64])
    for member, each in enumerate(Footprints(kernel).touched(0, sizes, 1, 2)):
        assert {(t.first, t.end) for t in each} == {(member * 16 * 64, (member + 1) * 16 * 64)}


def test_columns_of_a_product_are_one_to_one() -> None:
    (launch,) = launches(gf.matmul, [3, 40], [40, 128])
    sizes = concrete(launch.sizes, {})
    depth, saved = Footprints(launch.kernel).choose(0, sizes, 2)
    assert depth == 1 and saved > 0


def test_scatters_are_divided_by_coordinates_that_no_value_decides() -> None:
    def pooled(x: Any) -> Any:
        y = gf.nn.max_pool(x, [1, 1, 3, 3], [1, 1, 1, 1], "SAME", "NCHW")
        return gf.gradients(y, [x])[0]

    scatter = next(launch for launch in launches(pooled, [4, 3, 8, 8])
                   if any(n.opdef.name == "MaxPoolScatter" for n in launch.nodes))
    sizes = concrete(scatter.sizes, {})
    footprints = Footprints(scatter.kernel)
    assert footprints.choose(1, sizes, 2)[0] == 1  # by images
    assert footprints.choose(1, sizes, 2)[1] > 0


def test_scatters_to_places_that_values_decide_are_not_divided() -> None:
    def added(x: Any, y: Any) -> Any:
        at = gf.cast(gf.reshape(y, [-1, 1]), gf.int32)
        return gf.tensor_scatter_nd_add(x, at, gf.reshape(x, [-1])[:32])

    scatter = next(launch for launch in launches(added, [64], [32])
                   if len(units(launch.kernel)) == 2)
    assert units(scatter.kernel)[1].depths == {}


def test_overlapping_places_are_not_divided() -> None:
    def patched(x: Any) -> Any:
        y = gf.extract_image_patches(x, [1, 3, 3, 1], [1, 1, 1, 1], [1, 1, 1, 1], "SAME")
        return gf.gradients(y, [x])[0]

    for launch in launches(patched, [1, 8, 8, 1]):
        footprints = Footprints(launch.kernel)
        if any("Patches" in n.opdef.name for n in launch.nodes) and footprints.count == 2:
            assert footprints.choose(1, concrete(launch.sizes, {}), 2)[0] == 0


def test_digits_of_an_offset() -> None:
    i, j, k, n, m = b.index(0), b.index(1), b.index(2), b.size(0), b.size(1)
    assert digits((i * n + j) * m + k) == [(k, m), (j, n), (i, None)]
    assert digits(i) == [(i, None)]
