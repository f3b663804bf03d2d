"""`graphflow compile`."""

from __future__ import annotations

import json

import numpy as np
import pytest
from click.testing import CliRunner

import graphflow as gf
from graphflow.cli import main


@pytest.fixture
def model(tmp_path):
    x = gf.placeholder(gf.float32, [None, 2], name="x")
    w = gf.Variable(np.ones([2, 3], np.float32))
    with gf.Session() as session:
        session.run(w.initializer)
        gf.export(tmp_path / "net.gflow", {"serve": ({"x": x}, {"y": gf.matmul(x, w)}),
                                           "twice": ({"x": x}, {"y": x * 2})}, session)
    return tmp_path / "net.gflow"


def _run(*arguments):
    return CliRunner().invoke(main, ["compile", *map(str, arguments)])


def test_all_signatures(model, tmp_path):
    result = _run(model, "-o", tmp_path / "made")
    assert result.exit_code == 0, result.output
    assert "made_serve, made_twice" in result.output
    header = (tmp_path / "made.h").read_text()
    assert "int made_serve(const float *x, int64_t x_0, float *y, void *workspace);" in header
    assert (tmp_path / "made.o").stat().st_size > 0 and (tmp_path / "made_main.c").exists()


def test_one_signature_with_a_fixed_size_as_json(model, tmp_path):
    result = _run(model, "-o", tmp_path / "made", "-s", "twice", "--size", "x.0=4", "--json")
    assert json.loads(result.output)["functions"] == ["made_twice"]
    assert "int made_twice(const float *x, float *y, void *workspace);" in (
        tmp_path / "made.h").read_text()


@pytest.mark.parametrize(("arguments", "code", "said"), [
    (["--target", "z80"], 1, "no target 'z80'"),
    (["-s", "train"], 1, "no signature 'train'"),
    (["--size", "x=4"], 2, "INPUT.AXIS=NUMBER"),
    (["--size", "x.1=4"], 1, "has 2 elements, not 4"),
])
def test_wrong_calls(model, arguments, code, said):
    result = _run(model, *arguments)
    assert result.exit_code == code and said in result.output
