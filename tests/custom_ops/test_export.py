"""Users' functions in exported files: known by name, brought by the program that loads them."""

from __future__ import annotations

import numpy as np
import pytest

import graphflow as gf


def test_functions_come_back_by_their_names(tmp_path):
    half = gf.numba_op(lambda x: x * 0.5, name="half")

    @gf.numba_op(signature="(n)->(n)")
    def reversed_(x, out):
        for i in range(len(x)):
            out[i] = x[len(x) - 1 - i]

    path = tmp_path / "model.gflow"
    with gf.Graph().as_default(), gf.Session() as sess:
        x = gf.placeholder(gf.float32, [None], name="x")
        gf.export(path, {"serve": ({"x": x}, {"y": reversed_(half(x)) + 1.0})}, sess)
    ops = {op.name: op for op in (half, reversed_)}
    loaded = gf.load(path, ops=ops)
    y = loaded.signatures["serve"](x=np.array([2.0, 4.0], np.float32))["y"]
    np.testing.assert_array_equal(y, [3, 2])
    with pytest.raises(gf.GraphflowError, match=r"ops=\{'numba/half'"):
        gf.load(path)
