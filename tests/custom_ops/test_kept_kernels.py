"""Kernels with users' functions on disk: only where the functions depend on constants alone."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import warnings
from pathlib import Path

import numba
import numpy as np
import pytest

import graphflow as gf
from graphflow.custom_ops.identity import code_identity

SCALE = 2.0
TABLE = np.ones(3)
SETTINGS = {"scale": 2.0}


@numba.njit
def halved(x):
    return x / 2


def scaled(x):
    return x * SCALE


def made(source: str, **names: object):
    """The function `f` of some source."""
    known = {"math": math, "np": np, "halved": halved, **names}
    exec(source, known)
    return known["f"]


def test_equal_functions_have_one_identity():
    source = "def f(x, y=1.0):\n    return math.exp(-x) * k + np.maximum(x, y) + halved(x)"
    first, second = made(source, k=2.0), made(source, k=2.0)
    assert first is not second
    assert code_identity(first) == code_identity(second) is not None


@pytest.mark.parametrize("source, k", [
    ("def f(x):\n    return x * k", 3.0), ("def f(x):\n    return x + k", 2.0),
    ("def f(x):\n    return x * k * 1.0", 2.0), ("def f(x):\n    return x * k", 2),
    ("def f(x):\n    return x * k", (2.0,)), ("def f(x, y=2.0):\n    return x * k", 2.0),
])
def test_whatever_changes_the_code_changes_the_identity(source, k):
    assert code_identity(made(source, k=k)) != code_identity(
        made("def f(x):\n    return x * k", k=2.0))


def test_what_a_function_calls_belongs_to_it():
    source = "def f(x):\n    return g(x)"
    inner = [made(f"def f(x):\n    return x * {k}") for k in (2.0, 3.0)]
    first, second = (code_identity(made(source, g=numba.njit(g))) for g in inner)
    assert first != second


def test_closures_over_numbers_are_constant():
    def of(k):
        return lambda x: x * k

    assert code_identity(of(2.0)) == code_identity(of(2.0)) != code_identity(of(3.0))


@pytest.mark.parametrize("function", [
    lambda x: x * TABLE[0], lambda x: x * SETTINGS["scale"], lambda x: gf.nn.relu(x)])
def test_what_may_change_is_not_constant(function):
    assert code_identity(function) is None


def test_a_constant_that_changes_changes_what_is_compiled_later(monkeypatch):
    op = gf.numba_op(scaled)
    with gf.Graph().as_default(), gf.Session() as sess:
        x, wide = gf.placeholder(gf.float32), gf.placeholder(gf.float64)
        first = op(x)
        monkeypatch.setattr(sys.modules[__name__], "SCALE", 3.0)
        second = op(wide)
        assert sess.run(first, {x: 1.0}) == 2.0 and sess.run(second, {wide: 1.0}) == 3.0
        texts = [t.op.opdef.attrs["function"].default.typed([t.dtype]).parts[0][0].identity
                 for t in (first, second)]
    assert texts[0].partition("(")[0] != texts[1].partition("(")[0]


def test_a_function_that_is_not_constant_is_told_of_once():
    with gf.Graph().as_default():
        op = gf.numba_op(lambda x: x * TABLE[0], name="tabled")
        with pytest.warns(gf.GraphflowWarning, match="numba-op-not-cached.*numba/tabled"):
            y = op(gf.constant([1.0, 2.0]))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            op(gf.constant(1.0))
        with gf.Session() as sess:
            assert sess.run(y).tolist() == [1, 2]


def test_the_warning_can_be_silenced(monkeypatch):
    monkeypatch.setenv("GRAPHFLOW_SILENCE", "numba-op-not-cached")
    with gf.Graph().as_default():
        gf.numba_op(lambda x: x * TABLE[0], name="tabled")(gf.constant(1.0))


PROGRAM = """
import sys
import numpy as np
import graphflow as gf
from graphflow.codegen.compile import CACHE

TABLE = np.array([2.0])
x = gf.placeholder(gf.float32, [None])
f = gf.numba_op(lambda x: x * {factor} + 1.0, name="f")

@gf.numba_op(signature="(n)->()")
def g(a, out):
    for i in range(len(a)):
        out[0] += a[i] * {factor}

with gf.Session() as sess:
    assert sess.run(f(x), {{x: [1.0, 2.0]}}).tolist() == [3, 5]
    assert sess.run(g(x), {{x: [1.0, 2.0]}}) == 6
print(CACHE.compiled, CACHE.loaded)
"""


def run(folder: Path, factor: str) -> tuple[int, int]:
    environment = {**os.environ, "GRAPHFLOW_CACHE_DIR": str(folder),
                   "GRAPHFLOW_SILENCE": "numba-op-not-cached"}
    (folder / "program.py").write_text(PROGRAM.format(factor=factor))
    done = subprocess.run([sys.executable, "program.py"], cwd=folder, env=environment,
                          capture_output=True, text=True, check=True)
    compiled, loaded = map(int, done.stdout.split())
    return compiled, loaded


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(Path(gf.__file__).parents[1]))
    return tmp_path


def test_kernels_of_constant_functions_are_kept(folder):
    compiled, loaded = run(folder, "2.0")
    assert compiled > 0 and loaded == 0
    assert run(folder, "2.0") == (0, compiled)


def test_kernels_of_other_functions_are_not(folder):
    first = run(folder, "TABLE[0]")
    assert first == run(folder, "TABLE[0]")
    assert first[0] > 0 and first[1] == 0


def test_declaring_a_function_loads_no_numba():
    code = ("import sys, graphflow as gf; gf.numba_op(lambda x: x + 1); "
            "gf.numba_op(lambda x, out: None, signature='(n)->(n)'); "
            "print([m for m in ('numba', 'llvmlite') if m in sys.modules])")
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True,
                         cwd=Path(gf.__file__).parents[1])
    assert out.stdout.strip() == "[]"
