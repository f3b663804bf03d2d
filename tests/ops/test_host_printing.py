"""Print and tf.print: the text (as TensorFlow printed it), where it goes, how often."""

from __future__ import annotations

import sys

import numpy as np
import pytest

import graphflow as gf
from graphflow.ops.host_state import HostState, using_host_state
from graphflow.ops.value_text import flat_text, nested_text


@pytest.fixture(autouse=True)
def graph():
    with gf.Graph().as_default() as graph:
        yield graph


FLOATS = np.array([0.1, 1 / 3, 1e-10, 1e20, np.nan, np.inf], np.float32)
CUBE = np.arange(24).reshape(2, 3, 4)
WORDS = np.array([b"a", b'b"\n'], object)

# What TensorFlow's Print showed for (value, summarize); made with tensorflow.compat.v1 2.21.
FLAT = [
    (np.arange(6.0).reshape(2, 3), None, "[0 1 2]..."),
    (np.arange(6.0).reshape(2, 3), 10, "[0 1 2][3 4 5]"),
    (np.arange(6.0).reshape(2, 3), 2, "[0 1...]..."),
    (np.array(5), None, "5"),
    (FLOATS, None, "0.1 0.333333343 1e-10..."),
    (FLOATS, -1, "0.1 0.333333343 1e-10 1e+20 nan inf"),
    (np.array([0.1, 1 / 3, 2 / 3]), 2, "0.1 0.33333333333333331..."),
    (np.array([0.1, 1 / 3], np.float16), None, "0.0999755859 0.333251953"),
    (np.array([True, False]), None, "1 0"),
    (np.array([1, -1], np.int8), None, "1 -1"),
    (WORDS, None, r"a b\"\n"),
    (CUBE, None, "[[0 1 2...]]..."),
    (CUBE, 10, "[[0 1 2 3][4 5 6 7][8 9...]]..."),
    (CUBE, -1, "[[0 1 2 3][4 5 6 7][8 9 10 11]][[12 13 14 15][16 17 18 19][20 21 22 23]]"),
    (np.zeros((0, 3)), None, ""),
    (np.zeros((2, 0, 3)), -1, ""),
]


@pytest.mark.parametrize("value, summarize, expected", FLAT)
def test_flat_text(value, summarize, expected):
    assert flat_text(value, summarize) == expected


# What tf.print showed, from the same program.
NESTED = [
    (np.arange(6.0).reshape(2, 3), 3, "[[0 1 2]\n [3 4 5]]"),
    (np.arange(20), 3, "[0 1 2 ... 17 18 19]"),
    (np.arange(20), 2, "[0 1 ... 18 19]"),
    (FLOATS, 2, "[0.1 0.333333343 ... nan inf]"),
    (WORDS, 3, r'["a" "b\"\n"]'),
    (CUBE, 3, "[[[0 1 2 3]\n  [4 5 6 7]\n  [8 9 10 11]]\n\n"
              " [[12 13 14 15]\n  [16 17 18 19]\n  [20 21 22 23]]]"),
    (np.arange(100).reshape(10, 10), 2,
     "[[0 1 ... 8 9]\n [10 11 ... 18 19]\n ...\n [80 81 ... 88 89]\n [90 91 ... 98 99]]"),
    (np.zeros((0, 3)), 3, "[]"),
    (np.array([True, False]), 3, "[1 0]"),
]


@pytest.mark.parametrize("value, ends, expected", NESTED)
def test_nested_text(value, ends, expected):
    assert nested_text(value, ends) == expected


# --- Print ------------------------------------------------------------------------------------


def test_print_shows_message_and_values_and_passes_its_input(capfd):
    x = gf.Print(gf.constant([1.0, 2.0]), [1, 2.5, "hi", [1, 2, 3, 4]], "seen: ")
    assert x.name == "Print:0"
    with gf.Session() as session:
        np.testing.assert_array_equal(session.run(x), [1, 2])
    assert capfd.readouterr().err == "seen: [1][2.5][hi][1 2 3...]\n"


def test_print_shows_nothing_unless_it_is_used(capfd):
    x = gf.constant(1)
    gf.Print(x, [x])
    with gf.Session() as session:
        session.run(x)
    assert capfd.readouterr().err == ""


def test_print_first_n_and_summarize(capfd):
    x = gf.Print(gf.constant(1), [[1, 2, 3]], "m", first_n=2, summarize=1)
    with gf.Session() as session:
        for _ in range(4):
            session.run(x)
    assert capfd.readouterr().err == "m[1...]\n" * 2


def test_first_n_counts_per_host_state(capfd):
    x = gf.Print(gf.constant(1), [], "m", first_n=1)
    for state in (HostState(), HostState()):
        with using_host_state(state):
            for _ in range(2):
                x.op.opdef.reference(np.int32(1), **x.op.attrs)
    assert capfd.readouterr().err == "m\n" * 2


def test_first_n_counts_per_session(capfd):
    x = gf.Print(gf.constant(1), [], "m", first_n=1)
    for _ in range(2):
        with gf.Session() as session:
            session.run(x)
            session.run(x)
    assert capfd.readouterr().err == "m\n" * 2


def test_print_in_a_loop_counts_every_iteration(capfd):
    last = gf.while_loop(lambda i: i < 5, lambda i: gf.Print(i + 1, [i], "i = ", first_n=3), [0])
    with gf.Session() as session:
        assert session.run(last) == 5
    assert capfd.readouterr().err == "i = [0]\ni = [1]\ni = [2]\n"


def test_print_in_a_branch_that_is_not_taken(capfd):
    which = gf.placeholder(gf.bool, [])
    x = gf.cond(which, lambda: gf.Print(1, [1], "yes "), lambda: gf.Print(2, [2], "no "))
    with gf.Session() as session:
        assert session.run(x, {which: False}) == 2
    assert capfd.readouterr().err == "no [2]\n"


def test_the_gradient_passes_through_print():
    x = gf.constant(3.0)
    gradient, = gf.gradients(gf.Print(x * x, [x]), x)
    with gf.Session() as session:
        assert session.run(gradient) == 6.0


def test_print_wants_a_list():
    with pytest.raises(TypeError, match=r"data must be a list.*Print\(x, \[x\]\)"):
        gf.Print(gf.constant(1), gf.constant(2))


# --- tf.print ---------------------------------------------------------------------------------


def printed(capfd, *inputs, **kwargs):
    operation = gf.print(*inputs, **kwargs)
    assert isinstance(operation, gf.Operation) and operation.type == "PrintV2"
    with gf.Session() as session:
        session.run(operation)
    return capfd.readouterr()


def test_tensors_among_python_values(capfd):
    """The expected text is what tf.print of TensorFlow showed."""
    text = printed(capfd, "a", [1, gf.constant(2), {"k": gf.constant("s"), "b": "t"}], (1,), None,
                   2.5, np.arange(3), sep="|", end="!\n").err
    assert text == "a|[1, 2, {'b': 't', 'k': \"s\"}]|(1,)|None|2.5|array([0, 1, 2])!\n"


def test_one_string_stands_bare_and_two_in_quotes(capfd):
    assert printed(capfd, gf.constant("sc")).err == "sc\n"
    assert printed(capfd, gf.constant("sc"), gf.constant("sd")).err == '"sc" "sd"\n'
    assert printed(capfd).err == "\n"
    assert printed(capfd, "x{}y", gf.constant([1])).err == "x{}y [1]\n"


def test_streams(capfd, tmp_path):
    assert printed(capfd, "out", output_stream=sys.stdout).out == "out\n"
    path = tmp_path / "log.txt"
    for _ in range(2):
        printed(capfd, gf.constant(7), output_stream=f"file://{path}")
    assert path.read_text() == "7\n7\n"
    texts = []
    printed(capfd, gf.constant([1, 2]), output_stream=texts.append, end="")
    assert texts == ["[1 2]"]
    with pytest.raises(TypeError, match="output_stream 3 is not supported"):
        gf.print("x", output_stream=3)
    with pytest.raises(TypeError, match="unknown keyword arguments"):
        gf.print("x", colour="red")


def test_a_control_input_prints_first(capfd):
    x = gf.constant(4)
    with gf.control_dependencies([gf.print("x is", x)]):
        y = gf.identity(x)
    with gf.Session() as session:
        assert session.run(y) == 4
    assert capfd.readouterr().err == "x is 4\n"


def test_prints_appear_in_the_order_of_building(capfd):
    operations = [gf.print(i) for i in range(5)]
    with gf.Session() as session:
        session.run(operations[::-1])
    assert capfd.readouterr().err == "0\n1\n2\n3\n4\n"
