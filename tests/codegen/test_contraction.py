"""Contractions: tiles and borders of every kind give what the op's reference gives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from contraction_cases import Case, draw
from kernels import compiled

from graphflow import dtypes as dt
from graphflow.dtypes import DType
from graphflow.loop_ir.expr import walk
from graphflow.loop_ir.nest import Loop, Statement, Store, expressions
from graphflow.opdef import lookup


def statements(body: tuple[Statement, ...]) -> list[Statement]:
    return [s for one in body
            for s in (one, *(statements(one.body) if isinstance(one, Loop) else ()))]


def checks(case: Case) -> int:
    """How many comparisons the sums make in each turn."""
    return len({n for s in statements(case.kernel.body) if not isinstance(s, (Loop, Store))
                for e in expressions(s) for n in walk(e) if n.op in ("lt", "ge")})


# ---- products -----------------------------------------------------------------------------------


@pytest.mark.parametrize("turned", [(False, False), (True, False), (False, True), (True, True)])
@pytest.mark.parametrize(("m", "k", "n"), [
    (1, 1, 1), (3, 5, 1), (1, 40, 1), (5, 40, 1), (7, 3, 10), (13, 9, 16), (25, 4, 64),
    (29, 17, 96), (9, 2, 100), (2, 3, 0), (0, 3, 4), (4, 0, 20)])
def test_products(m: int, k: int, n: int, turned: tuple[bool, bool]) -> None:
    a, c = draw(m, k), draw(k, n)
    attrs = {"transpose_a": turned[0], "transpose_b": turned[1]}
    operands = [x.T if t else x for x, t in zip((a, c), turned)]
    Case("MatMul", operands, attrs).check()


@pytest.mark.parametrize("rows", [1, 2, 7, 8, 19])
@pytest.mark.parametrize("columns", [1, 5, 16, 33])
def test_products_of_unknown_sizes(rows: int, columns: int) -> None:
    unknown = {(0, 0): "m", (2, 0): "m", (0, 1): "k", (1, 0): "k", (1, 1): "n", (2, 1): "n"}
    Case("MatMul", [draw(rows, 6), draw(6, columns)], {}, unknown).check()


@pytest.mark.parametrize("dtype", [dt.float16, dt.bfloat16, dt.float64, dt.int32, dt.int8],
                         ids=lambda d: d.name)
def test_products_of_other_dtypes(dtype: DType) -> None:
    a, c = (np.rint(draw(*s) * 2) for s in ((9, 20), (20, 35)))
    Case("MatMul", [a, c], {}, dtype=dtype).check(1e-2 if dtype.size == 2 else 1e-12)
    Case("MatMul", [a, c[:, :1]], {}, dtype=dtype).check(1e-2 if dtype.size == 2 else 1e-12)


def test_batches_of_products() -> None:
    Case("BatchMatMulV2", [draw(3, 1, 2, 5), draw(4, 5, 18)], {}).check()
    Case("BatchMatMulV2", [draw(2, 5, 3), draw(2, 1, 5)], {
        "transpose_a": True, "transpose_b": True}).check()


@pytest.mark.parametrize("turned", [(False, False), (True, False), (False, True), (True, True)])
@pytest.mark.parametrize(("m", "k", "n"), [(13, 33, 520), (40, 32, 640), (17, 300, 516)])
def test_panels(m: int, k: int, n: int, turned: tuple[bool, bool]) -> None:
    a, c = draw(m, k), draw(k, n)
    attrs = {"transpose_a": turned[0], "transpose_b": turned[1]}
    case = Case("MatMul", [x.T if t else x for x, t in zip((a, c), turned)], attrs)
    assert len(case.buffers) == 5 and case.copies == []
    case.check(1e-4)


@pytest.mark.parametrize("dtype", [dt.float16, dt.bfloat16, dt.float64, dt.int32],
                         ids=lambda d: d.name)
def test_panels_of_other_dtypes(dtype: DType) -> None:
    a, c = (np.rint(draw(*s) * 2) for s in ((14, 33), (33, 1030)))
    Case("MatMul", [a, c], {}, dtype=dtype).check(1e-2 if dtype.size == 2 else 1e-12)
    Case("MatMul", [a, c[:, :40].T], {"transpose_b": True}, dtype=dtype).check(
        1e-2 if dtype.size == 2 else 1e-12)


@pytest.mark.parametrize("rows", [1, 9])
def test_panels_of_unknown_sizes(rows: int) -> None:
    unknown = {(0, 0): "m", (2, 0): "m", (0, 1): "k", (1, 1): "k"}
    Case("MatMul", [draw(rows, 6), draw(37, 6)], {"transpose_b": True}, unknown).check()


# ---- convolutions -------------------------------------------------------------------------------

SETTINGS: list[dict[str, Any]] = [
    {"padding": "VALID"}, {"padding": "SAME"},
    {"padding": "SAME", "strides": (2, 2)}, {"padding": "VALID", "strides": (1, 3)},
    {"padding": "SAME", "dilations": (2, 3)},
    {"padding": "EXPLICIT", "explicit_paddings": ((3, 0), (1, 4)), "strides": (2, 1)}]
GEOMETRIES = [  # n, h, w, cin, kh, kw, cout
    (1, 9, 10, 3, 3, 3, 5), (9, 4, 5, 2, 2, 3, 33), (2, 7, 7, 1, 3, 2, 16), (3, 4, 30, 4, 1, 1, 1)]


def convolution(
    which: str, geometry: tuple[int, ...], settings: dict[str, Any],
    unknown: dict[tuple[int, int], str] | None = None,
) -> Case:
    n, h, w, cin, kh, kw, cout = geometry
    attrs = {"strides": (1, 1), **settings}
    x, f = draw(n, h, w, cin), draw(kh, kw, cin, cout)
    if settings.get("data_format") == "NCHW":
        x = x.transpose(0, 3, 1, 2)
    if which == "Conv2D":
        return Case(which, [x, f], attrs, unknown)
    forward = lookup("Conv2D")
    defaults = {k: a.default for k, a in forward.attrs.items()}
    y = forward.reference(x, f, **(defaults | attrs))
    g = draw(*y.shape)
    if which == "Conv2DBackpropInput":
        return Case(which, [g, f, np.array(x.shape, np.int32)], attrs, unknown)
    return Case(which, [x, g, np.array(f.shape, np.int32)], attrs, unknown)


@pytest.mark.parametrize("geometry", GEOMETRIES, ids=str)
@pytest.mark.parametrize("settings", SETTINGS, ids=lambda s: "-".join(map(str, s.values())))
@pytest.mark.parametrize("which", ["Conv2D", "Conv2DBackpropInput", "Conv2DBackpropFilter"])
def test_convolutions(
    which: str, geometry: tuple[int, ...], settings: dict[str, Any]
) -> None:
    convolution(which, geometry, settings).check(1e-4)


@pytest.mark.parametrize("which", ["Conv2D", "Conv2DBackpropInput", "Conv2DBackpropFilter"])
def test_channels_second_and_groups(which: str) -> None:
    convolution(which, (2, 6, 7, 3, 3, 2, 4),
                {"padding": "SAME", "data_format": "NCHW"}).check(1e-4)
    x, f = draw(2, 6, 7, 4), draw(3, 3, 2, 6)
    attrs = {"padding": "SAME", "strides": (1, 1)}
    y = Case("Conv2D", [x, f], attrs)
    if which == "Conv2D":
        y.check(1e-4)
    elif which == "Conv2DBackpropInput":
        Case(which, [y.expected, f, np.array(x.shape, np.int32)], attrs).check(1e-4)
    else:
        Case(which, [x, y.expected, np.array(f.shape, np.int32)], attrs).check(1e-4)


@pytest.mark.parametrize("batch", [1, 2, 11])
@pytest.mark.parametrize("which", ["Conv2D", "Conv2DBackpropInput", "Conv2DBackpropFilter"])
def test_unknown_batches(which: str, batch: int) -> None:
    places = {"Conv2D": (0, 2), "Conv2DBackpropInput": (0, 2), "Conv2DBackpropFilter": (0, 1)}
    unknown = {(k, 0): "n" for k in places[which]}
    convolution(which, (batch, 6, 9, 2, 3, 3, 4), {"padding": "SAME"}, unknown).check(1e-4)


def test_infinities_beside_the_border_do_not_leak_in() -> None:
    """Padding contributes nothing, not 0 · ∞."""
    x = np.ones((1, 4, 20, 1))
    f = np.zeros((3, 3, 1, 4))
    f[0] = np.inf
    f[1] = 1
    case = Case("Conv2D", [x, f], {"padding": "SAME", "strides": (1, 1)})
    found = compiled(case.kernel, case.buffers, case.sizes)[case.result]
    assert np.isfinite(found[0, 0]).all() and np.isinf(found[0, 1:]).all()


# ---- what the loops look like -------------------------------------------------------------------


def test_sums_without_borders_check_nothing() -> None:
    geometry = (16, 13, 13, 32, 3, 3, 64)
    for which in ("Conv2D", "Conv2DBackpropFilter"):
        assert checks(convolution(which, geometry, {"padding": "VALID"})) == 0
    assert checks(Case("MatMul", [draw(20, 30), draw(30, 40)], {})) == 0


def test_borders_clip_the_loops_where_rows_are_images() -> None:
    geometry = (16, 5, 6, 4, 3, 3, 8)
    for which in ("Conv2D", "Conv2DBackpropInput"):
        assert checks(convolution(which, geometry, {"padding": "SAME"})) == 0


def test_strides_of_the_gradient_empty_the_loops_inside() -> None:
    case = convolution("Conv2DBackpropInput", (16, 6, 6, 4, 3, 3, 8),
                       {"padding": "SAME", "strides": (2, 2)})
    assert checks(case) == 0


def test_the_gradient_of_a_filter_goes_image_by_image() -> None:
    case = convolution("Conv2DBackpropFilter", (3, 12, 12, 2, 3, 3, 16), {"padding": "VALID"})
    stores = [s for s in statements(case.kernel.body) if isinstance(s, Store)]
    assert [s.combine for s in stores[:2]] == [None, "add"]
    case.check(1e-4)
