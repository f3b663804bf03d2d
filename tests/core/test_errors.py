"""Each mistake as a newcomer makes it: the message names thing, shape, line and fix."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import graphflow as gf

BUILT = r"Built at .*test_errors\.py:\d+"


@pytest.fixture(autouse=True)
def graph():
    with gf.Graph().as_default() as graph:
        yield graph


def f32(*sizes, name=None):
    return gf.placeholder(gf.float32, sizes, name=name)


# ---- building: ranks, sizes, types, axes, attributes --------------------------------------------


BUILD_MISTAKES = {
    "inner sizes": (lambda: gf.matmul(f32(32, 784), f32(512, 10), name="dense/h1"), ValueError,
                    r"MatMul 'dense/h1': inner sizes differ: .*\[32, 784\].*\[512, 10\]"),
    "transposed": (lambda: gf.matmul(f32(32, 784), f32(10, 784)), ValueError,
                   r"inner sizes differ.*\[32, 784\].*\[10, 784\].*Did you mean transpose_b"),
    "rank of matmul": (lambda: gf.matmul(f32(3), f32(3, 2)), ValueError, r"rank.*\[3\]"),
    "broadcast": (lambda: f32(2, 3) + f32(2, 4), ValueError,
                  r"Add 'add': shapes cannot be broadcast together: x \[2, 3\], y \[2, 4\].*"
                  "Sizes must be equal or 1"),
    "types": (lambda: f32(2) * gf.zeros([2], gf.float64), TypeError,
              r"Mul 'mul': inputs must have the same dtype: x is float32, y is float64.*"
              r"gf\.cast\(y, gf\.float32\)"),
    "fraction beside integers": (lambda: gf.constant([1, 2]) + 1.5, TypeError,
                                 r"Add 'add'.*1\.5.*int32.*Cast the other input first: gf\.cast"),
    "text beside numbers": (lambda: f32(2) + "a", TypeError, "Add 'add'.*'a'.*text"),
    "wrong type": (lambda: gf.logical_and(f32(2), f32(2)), TypeError,
                   r"LogicalAnd.*x must be one of bool, got float32 \[2\].*gf\.cast"),
    "axis": (lambda: gf.reduce_sum(f32(2, 3), axis=2), ValueError,
             r"Sum.*2.*\[-2, 2\).*\[2, 3\]"),
    "axis of concat": (lambda: gf.concat([f32(2, 3), f32(2, 3)], 2), ValueError,
                       r"ConcatV2.*2.*\[-2, 2\)"),
    "sizes of concat": (lambda: gf.concat([f32(2, 3), f32(4, 5)], 0), ValueError,
                        r"ConcatV2.*\[2, 3\].*\[4, 5\]"),
    "reshape": (lambda: gf.reshape(f32(2, 3), [4, 2]), ValueError,
                r"Reshape.*cannot reshape \[2, 3\] \(6 elements\) into \[4, 2\] \(8 elements\)"),
    "reshape with -1": (lambda: gf.reshape(f32(2, 3), [4, -1]), ValueError,
                        "6 is not a multiple of 4"),
    "permutation": (lambda: gf.transpose(f32(2, 3), [0, 0]), ValueError, r"Transpose.*\[0, 0\]"),
    "squeeze": (lambda: gf.squeeze(f32(2, 3), [0]), ValueError, r"Squeeze.*\[2, 3\]"),
    "split": (lambda: gf.split(f32(5, 3), 2), ValueError, r"Split.*5.*2|Split.*2.*5"),
    "index": (lambda: f32(2, 3)[5], ValueError, r"StridedSlice.*5.*\[2, 3\]"),
    "too many indices": (lambda: f32(2)[0, 0], ValueError, r"StridedSlice.*\[2\]"),
    "channels": (lambda: gf.nn.conv2d(f32(1, 8, 8, 3), f32(3, 3, 4, 8), [1, 1, 1, 1], "SAME"),
                 ValueError, r"Conv2D.*\[1, 8, 8, 3\].*\[3, 3, 4, 8\]"),
    "padding": (lambda: gf.nn.conv2d(f32(1, 8, 8, 3), f32(3, 3, 3, 8), [1, 1, 1, 1], "same pad"),
                ValueError, "padding.*'same pad'"),
    "classes": (lambda: gf.nn.softmax_cross_entropy_with_logits(
        labels=f32(4, 10), logits=f32(4, 9)), ValueError, r"logits \[4, 9\], labels \[4, 10\]"),
    "float labels": (lambda: gf.nn.sparse_softmax_cross_entropy_with_logits(
        labels=f32(4), logits=f32(4, 9)), TypeError, r"labels.*int32.*float32"),
    "float indices": (lambda: gf.gather(f32(4, 2), [0.5]), TypeError,
                      r"Gather.*indices must be one of int32, int64, got float32 \[1\].*gf\.cast"),
}


@pytest.mark.parametrize("mistake", BUILD_MISTAKES)
def test_a_mistake_in_building_names_op_shapes_and_line(mistake):
    build, kind, message = BUILD_MISTAKES[mistake]
    with pytest.raises(kind, match=message) as caught:
        build()
    assert isinstance(caught.value, gf.GraphflowError)


@pytest.mark.parametrize("mistake", BUILD_MISTAKES)
def test_and_it_names_the_line(mistake):
    build, kind, _ = BUILD_MISTAKES[mistake]
    with pytest.raises(kind, match=BUILT):
        build()


def test_a_refused_operation_leaves_the_graph_as_it_was(graph):
    x, y = f32(2, 3), f32(4, 5)
    before = graph.get_operations()
    for _ in range(2):
        with pytest.raises(ValueError):
            x + y
    assert graph.get_operations() == before and not x.consumers()


def test_variables_and_scopes():
    with pytest.raises(ValueError, match="'w'.*initial_value must be specified"):
        gf.Variable(name="w")
    with pytest.raises(ValueError, match=r"w.*must be fully defined.*\[x\.0, 2\]"):
        gf.get_variable("w", [f32(None, name="x").shape[0], 2])
    gf.get_variable("v", [2])
    with pytest.raises(ValueError, match="v already exists.*reuse"):
        gf.get_variable("v", [2])
    with gf.variable_scope("", reuse=True):
        with pytest.raises(ValueError, match=r"v.*\[3\].*\[2\]|v.*\(3,\).*\(2,\)"):
            gf.get_variable("v", [3])
        with pytest.raises(ValueError, match="missing.*does not exist"):
            gf.get_variable("missing", [2])


# ---- running ------------------------------------------------------------------------------------


def failing(build, feeds=None):
    """The error of a run, which must name a line of this file."""
    fetch = build() if callable(build) else build
    with gf.Session() as session, pytest.raises(gf.errors.OpError, match=BUILT) as caught:
        session.run(fetch, feeds)
    return caught.value


def test_an_uninitialized_variable():
    v = gf.Variable(np.ones((3, 2)), name="layer/w")
    error = failing(v * 2.0)
    assert isinstance(error, gf.errors.FailedPreconditionError)
    assert "Variable 'layer/w': float64 [3, 2] has no value" in error.message
    assert "global_variables_initializer" in error.message and error.op is not None
    assert error.error_code == gf.errors.FAILED_PRECONDITION


def test_an_unfed_placeholder():
    x = f32(None, 784, name="images")
    error = failing(gf.reduce_sum(x))
    assert isinstance(error, gf.errors.InvalidArgumentError) and error.op is x.op
    assert error.message.startswith(
        "Placeholder 'images': needs a value: dtype float32, shape [images.0, 784].")
    assert "feed_dict={images: value}" in error.message


def test_a_wrong_value_at_run_time():
    table, index = gf.constant([[1.0], [2.0]]), gf.placeholder(gf.int32, [None], name="index")
    rows = gf.gather(table, index, name="rows")
    error = failing(rows, {index: [1, 7]})
    assert isinstance(error, gf.errors.InvalidArgumentError) and error.op is rows.op
    assert "'rows'" in error.message and "7" in error.message and "[0, 2)" in error.message
    assert error.node_def == rows.op.node_def


def test_an_assertion():
    x = gf.placeholder(gf.float32, [None], name="x")
    with gf.control_dependencies([gf.assert_positive(x, message="no rates below zero")]):
        y = gf.sqrt(x)
    error = failing(y, {x: [1.0, -4.0]})
    assert "no rates below zero" in error.message and "-4" in error.message


def test_not_a_number():
    x = f32(2)
    error = failing(gf.check_numerics(gf.log(x), "loss", name="check"), {x: [1.0, -1.0]})
    assert "loss" in error.message and "NaN" in error.message and "'check'" in error.message


def test_an_exception_of_a_host_function_is_its_cause():
    def host():
        return {}["rate"]

    y = gf.py_func(host, [], gf.float32, name="host")
    error = failing(y)
    assert isinstance(error, gf.errors.UnknownError) and isinstance(error.__cause__, Exception)
    assert "KeyError" in error.message and "'host'" in error.message


def test_sizes_that_only_the_feed_shows():
    x, w = f32(None, None, name="x"), f32(None, None, name="w")
    error = failing(gf.matmul(x, w, name="h"), {x: np.ones((4, 3)), w: np.ones((5, 2))})
    assert isinstance(error, ValueError)
    assert "[4, 3]" in error.message and "[5, 2]" in error.message and "'h'" in error.message


def test_a_mistake_inside_a_loop_is_found_at_its_line():
    x = f32(2)
    y = gf.while_loop(lambda i, a: i < 3, lambda i, a: (
        i + 1, gf.gather(a, [0, i], name="pick")), [0, x])[1]
    error = failing(y, {x: [1.0, 2.0]})
    assert "pick'" in error.message and error.op.type.startswith("Gather")


def test_an_error_names_its_operation_even_where_the_gradient_fails():
    x = f32(2, name="x")
    y = gf.reduce_sum(gf.check_numerics(gf.sqrt(x), "root"))
    g, = gf.gradients(y, x)
    assert failing(gf.check_numerics(g, "slope"), {x: [0.0, 1.0]}).message.count("slope") == 1


# ---- the classes --------------------------------------------------------------------------------


@pytest.mark.parametrize("name, builtin", [
    ("InvalidArgumentError", ValueError), ("ResourceExhaustedError", MemoryError),
    ("UnimplementedError", NotImplementedError), ("FailedPreconditionError", Exception),
    ("NotFoundError", Exception), ("OutOfRangeError", Exception), ("DataLossError", Exception),
    ("CancelledError", Exception), ("AbortedError", Exception), ("InternalError", Exception),
    ("UnavailableError", Exception), ("AlreadyExistsError", Exception),
    ("PermissionDeniedError", Exception), ("UnauthenticatedError", Exception),
    ("DeadlineExceededError", Exception), ("UnknownError", Exception),
])
def test_run_time_errors_have_tensorflows_form(name, builtin):
    error = getattr(gf.errors, name)(None, None, "what went wrong")
    assert isinstance(error, gf.errors.OpError) and isinstance(error, builtin)
    assert (error.message, error.op, error.node_def) == ("what went wrong", None, None)
    code = name.removesuffix("Error")
    words = "".join(f"_{c}" if c.isupper() else c.upper() for c in code).lstrip("_")
    assert error.error_code == getattr(gf.errors, words)


@pytest.mark.parametrize("kind, builtin", [
    (gf.errors.ShapeError, ValueError), (gf.errors.DTypeError, TypeError),
    (gf.errors.AttributeValueError, ValueError), (gf.errors.GraphError, ValueError),
    (gf.errors.GradientError, LookupError), (gf.errors.FetchError, TypeError),
    (gf.errors.FeedError, ValueError), (gf.errors.ClosedSessionError, RuntimeError),
    (gf.errors.FinalizedGraphError, RuntimeError), (gf.errors.ProgramError, AssertionError),
])
def test_build_errors_are_the_builtins_that_users_catch(kind, builtin):
    assert issubclass(kind, gf.GraphflowError) and issubclass(kind, builtin)


def test_errors_are_pickled_with_their_text():
    x = f32(None, name="x")
    errors = [failing(x + 1.0), gf.errors.ShapeError("a"), gf.errors.OpError(None, None, "b", 3),
              gf.errors.GraphflowWarning("graph-growth", "grows")]
    with pytest.raises(KeyError) as caught:
        x.graph.get_operation_by_name("y")
    for error in [*errors, caught.value]:
        again = pickle.loads(pickle.dumps(error))
        assert type(again) is type(error) and str(again) == str(error)


def test_messages_have_one_form():
    text = gf.errors.describe("MatMul", "h", "inner sizes differ", site="a.py:3", fix="Transpose.")
    assert text == "MatMul 'h': inner sizes differ. Built at a.py:3. Transpose."
    assert gf.errors.describe("MatMul", None, "is it?") == "MatMul: is it?"
