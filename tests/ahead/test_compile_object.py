"""Objects with a C header: compiled by the system's C compiler, called, compared with Session."""

from __future__ import annotations

import ctypes
import shutil
import subprocess

import numpy as np
import pytest

import graphflow as gf
from graphflow.ahead import compile_object
from graphflow.codegen.link import ALLOWED_SYMBOLS
from graphflow.codegen.objects import undefined_symbols

CC = shutil.which("cc")
needs_cc = pytest.mark.skipif(CC is None, reason="there is no C compiler on this machine")
RANDOM = np.random.RandomState(0)


class Library:
    """A compiled object as a shared library."""

    def __init__(self, made):
        library = made.object.with_suffix(".so")
        subprocess.run([CC, "-shared", "-nostdlib", "-o", library, made.object], check=True)
        self.c = ctypes.CDLL(str(library))
        self.prefix = made.object.stem
        self.state = self._state() if made.state_bytes else None

    def _state(self):
        size = getattr(self.c, f"{self.prefix}_state_bytes")
        size.restype = ctypes.c_int64
        state = np.zeros(size() + 64, np.uint8)
        getattr(self.c, f"{self.prefix}_init_state")(ctypes.c_void_p(state.ctypes.data))
        return state

    def call(self, name, inputs, sizes, outputs):
        """(what the function returned, the outputs); outputs: (shape, dtype) each."""
        function = getattr(self.c, f"{self.prefix}_{name}")
        need = getattr(self.c, f"{self.prefix}_{name}_workspace_bytes")
        need.restype = ctypes.c_int64
        numbers = [ctypes.c_int64(n) for n in sizes]
        workspace = np.full(need(*numbers) + 64, 0xAB, np.uint8)
        made = [np.zeros(shape, dtype) for shape, dtype in outputs]
        guard = workspace[-64:].copy()
        pointers = [ctypes.c_void_p(a.ctypes.data) for a in (*inputs, *made, workspace)]
        if self.state is not None:
            pointers.append(ctypes.c_void_p(self.state.ctypes.data))
        count = len(inputs)
        answer = function(*pointers[:count], *numbers, *pointers[count:])
        np.testing.assert_array_equal(workspace[-64:], guard)
        return answer, made


def compiled(tmp_path, session, inputs, outputs, updates=(), **options):
    signature = gf.Signature(inputs, outputs, updates)
    return compile_object(tmp_path / "model", {"run": signature}, session, **options)


def check(tmp_path, inputs, outputs, feeds, sizes=(), updates=(), steps=1, **options):
    """The C function gives what Session gives."""
    with gf.Session() as session:
        session.run(gf.global_variables_initializer())
        library = Library(compiled(tmp_path, session, inputs, outputs, updates, **options))
        for _ in range(steps):
            expected = session.run([list(outputs.values()), list(updates)],
                                   dict(zip(inputs.values(), feeds)))[0]
            answer, found = library.call("run", feeds, sizes,
                                         [(np.shape(e), np.asarray(e).dtype) for e in expected])
            assert answer == 0
            for a, b in zip(found, expected):
                np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def dense(x, units, activation=None):
    w = gf.Variable(gf.truncated_normal([int(x.shape[-1]), units], stddev=0.1, seed=3))
    y = gf.matmul(x, w) + gf.Variable(gf.ones([units]))
    return y if activation is None else activation(y)


@needs_cc
@pytest.mark.parametrize("batch", [1, 3, 64])
def test_a_perceptron_for_any_batch(tmp_path, batch):
    x = gf.placeholder(gf.float32, [None, 20])
    p = gf.nn.softmax(dense(dense(x, 16, gf.nn.relu), 5))
    feed = RANDOM.randn(batch, 20).astype(np.float32)
    check(tmp_path, {"x": x}, {"p": p, "best": gf.argmax(p, 1)}, [feed], [batch])


@needs_cc
def test_a_convolution_network(tmp_path):
    x = gf.placeholder(gf.float32, [None, 9, 9, 2])
    w = gf.Variable(RANDOM.randn(3, 3, 2, 4).astype(np.float32))
    h = gf.nn.max_pool(gf.nn.relu(gf.nn.conv2d(x, w, [1, 1, 1, 1], "SAME")), [1, 2, 2, 1],
                       [1, 2, 2, 1], "VALID")
    y = dense(gf.reshape(h, [-1, 4 * 4 * 4]), 3)
    check(tmp_path, {"x": x}, {"y": y}, [RANDOM.randn(2, 9, 9, 2).astype(np.float32)], [2])


@needs_cc
def test_training_changes_the_callers_state(tmp_path):
    x, y = gf.placeholder(gf.float32, [None, 4]), gf.placeholder(gf.float32, [None, 1])
    loss = gf.reduce_mean(gf.square(dense(dense(x, 8, gf.tanh), 1) - y))
    train = gf.train.AdamOptimizer(0.05).minimize(loss)
    feeds = [RANDOM.randn(6, 4).astype(np.float32), RANDOM.randn(6, 1).astype(np.float32)]
    check(tmp_path, {"x": x, "y": y}, {"loss": loss}, feeds, [6], [train], steps=5)


@needs_cc
@pytest.mark.parametrize("flag", [True, False])
def test_conditionals_and_loops(tmp_path, flag):
    x, n = gf.placeholder(gf.float32, [None]), gf.placeholder(gf.int32, [])
    p = gf.placeholder(gf.bool, [])
    chosen = gf.cond(p, lambda: x * 2 + gf.reduce_sum(x), lambda: gf.sin(x))
    _, a, b = gf.while_loop(lambda i, a, b: i < n, lambda i, a, b: (i + 1, b, a + b * 0.5),
                            [0, chosen, x])
    feeds = [RANDOM.randn(5).astype(np.float32), np.array(7, np.int32), np.array(flag)]
    check(tmp_path, {"x": x, "n": n, "p": p}, {"a": a, "b": b}, feeds, [5])


@needs_cc
def test_a_recurrent_network_and_sorting(tmp_path):
    x = gf.placeholder(gf.float32, [3, 4, 2])
    outputs, state = gf.nn.dynamic_rnn(gf.nn.rnn_cell.GRUCell(5), x, dtype=gf.float32)
    top, where = gf.nn.top_k(gf.reduce_sum(outputs, 2), 2)
    check(tmp_path, {"x": x}, {"top": top, "where": where, "outputs": outputs, "state": state},
          [RANDOM.randn(3, 4, 2).astype(np.float32)])


def test_a_loop_that_keeps_each_turn_is_refused(tmp_path):
    x = gf.placeholder(gf.float32, [])
    y = gf.while_loop(lambda y: y < 10, lambda y: gf.exp(y), [x])
    with gf.Session() as session, pytest.raises(gf.errors.ExportError, match="of each turn"):
        compiled(tmp_path, session, {"x": x}, {"dy": gf.gradients(y, x)[0]})


@needs_cc
def test_refused_values_and_sizes(tmp_path):
    table = gf.Variable(RANDOM.randn(4, 3).astype(np.float32))
    count = gf.Variable(0)
    at, x = gf.placeholder(gf.int32, [None]), gf.placeholder(gf.float32, [None, 3])
    out = gf.nn.embedding_lookup(table, at) + x
    with gf.Session() as session:
        session.run(gf.global_variables_initializer())
        made = compiled(tmp_path, session, {"at": at, "x": x}, {"out": out},
                        [count.assign_add(1).op])
    library = Library(made)
    rows, like = np.array([1, 3], np.int32), np.zeros([2, 3], np.float32)
    shape = [((2, 3), np.float32)]
    sizes = [2] * made.header.read_text().split("model_run(")[1].split(")")[0].count("int64_t")
    assert library.call("run", [rows, like], sizes, shape)[0] == 0
    before = library.state.copy()
    assert library.call("run", [np.array([1, 4], np.int32), like], sizes, shape)[0] == 1
    np.testing.assert_array_equal(library.state, before)
    assert library.call("run", [rows, like], [-1] * len(sizes), [((0,), np.float32)])[0] == 2


@needs_cc
def test_the_example_compiles_without_a_warning_and_runs(tmp_path):
    x = gf.placeholder(gf.float16, [None, 3])
    y = gf.placeholder(gf.bool, [2])
    n = gf.Variable(0, dtype=gf.int64)
    outputs = {"x": x * 2, "while": gf.logical_not(y), "z": gf.complex(1.0, 2.0),
               "n": n.assign_add(1)}
    with gf.Session() as session:
        session.run(n.initializer)
        made = compile_object(tmp_path / "my-model", {
            "a b": ({"x": x, "int": y}, outputs), "other": ({}, {"n": n})}, session)
    program = tmp_path / "example"
    subprocess.run([CC, "-std=c11", "-Wall", "-Wextra", "-Werror", "-pedantic", made.example,
                    made.object, "-o", program], check=True, cwd=tmp_path)
    printed = subprocess.run([program], check=True, capture_output=True, text=True).stdout
    assert "my_model_a_b: 0" in printed and "n[0] = 1" in printed
    subprocess.run([CC, "-x", "c++", "-fsyntax-only", "-Wall", "-Werror", made.header],
                   check=True) if shutil.which("c++") else None


@pytest.mark.parametrize("target", ["x86-64-v3", "x86-64-v4", "aarch64"])
def test_other_targets_need_nothing_but_the_c_library(tmp_path, target):
    x = gf.placeholder(gf.float32, [None, 20])
    p = gf.nn.softmax(dense(gf.nn.l2_normalize(x, 1), 5))
    with gf.Session() as session:
        session.run(gf.global_variables_initializer())
        made = compiled(tmp_path, session, {"x": x}, {"p": p}, target=target)
    data = made.object.read_bytes()
    assert undefined_symbols(data) <= ALLOWED_SYMBOLS | {"_GLOBAL_OFFSET_TABLE_"}
    machine = int.from_bytes(data[18:20], "little")  # e_machine of the ELF header
    assert machine == {"aarch64": 183}.get(target, 62)


def test_sizes_can_be_fixed(tmp_path):
    x = gf.placeholder(gf.float32, [None, None])
    with gf.Session() as session:
        made = compiled(tmp_path, session, {"x": x}, {"y": x * 2}, sizes={"x.1": 3})
    assert "x float32[x_0, 3]" in made.header.read_text()


@pytest.mark.parametrize(("build", "said"), [
    (lambda x: gf.py_func(lambda a: a, [x], gf.float32), "PyFunc"),
    (lambda x: gf.boolean_mask(x, x > 0), "depends on values"),
    (lambda x: gf.as_string(x), "strings"),
    (lambda x: gf.reshape(x, [-1, 7]), "not all sizes are legal"),
])
def test_what_needs_python_is_refused(tmp_path, build, said):
    x = gf.placeholder(gf.float32, [None])
    with gf.Session() as session, pytest.raises(gf.errors.ExportError, match=said):
        compiled(tmp_path, session, {"x": x}, {"y": build(x)})


def test_wrong_calls(tmp_path):
    x = gf.placeholder(gf.float32, [2])
    v = gf.Variable([1.0, 2.0])
    with gf.Session() as session:
        with pytest.raises(gf.errors.ExportError, match="no target 'z80'"):
            compiled(tmp_path, session, {"x": x}, {"y": x}, target="z80")
        with pytest.raises(gf.errors.ExportError, match="has no value"):
            compiled(tmp_path, session, {"x": x}, {"y": x * v})
        with pytest.raises(gf.errors.ExportError, match="no signature"):
            compile_object(tmp_path / "model", {}, session)
