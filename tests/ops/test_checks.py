"""Assert, check_numerics and order checks, run as users do."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

import graphflow as gf


@pytest.fixture(autouse=True)
def graph():
    with gf.Graph().as_default() as graph:
        yield graph


def run(fetch, feed=None):
    with gf.Session() as session:
        return session.run(fetch, feed)


def fed(value):
    """A tensor whose value is not known while building."""
    array = np.asarray(value)
    return gf.placeholder_with_default(array, array.shape)


SIGNATURES = {  # of TensorFlow 1.15
    "Assert": "condition, data, summarize=None, name=None",
    "check_numerics": "tensor, message, name=None",
    "verify_tensor_all_finite": "t=None, msg=None, name=None, x=None, message=None",
    "is_non_decreasing": "x, name=None",
    "is_strictly_increasing": "x, name=None",
    "add_check_numerics_ops": "",
}


@pytest.mark.parametrize("name", list(SIGNATURES))
def test_signatures(name):
    found = ", ".join(
        p.name if p.default is p.empty else f"{p.name}={p.default}"
        for p in inspect.signature(getattr(gf, name)).parameters.values())
    assert found == SIGNATURES[name]


# --- Assert -----------------------------------------------------------------------------------


def test_assert_shows_its_data_as_tensorflow_does():
    operation = gf.Assert(fed(False), ["msg", 1, np.arange(10)], name="guard")
    assert isinstance(operation, gf.Operation)
    with pytest.raises(gf.errors.InvalidArgumentError) as caught:
        run(operation)
    assert "assertion failed: [msg] [1] [0 1 2...]" in caught.value.message
    assert "guard" in caught.value.message and "test_checks.py:" in caught.value.message
    assert isinstance(caught.value, ValueError)


def test_assert_summarize():
    with pytest.raises(gf.errors.InvalidArgumentError, match=r"failed: \[1.5 2\.\.\.\]"):
        run(gf.Assert(fed(False), [gf.constant([1.5, 2, 3])], summarize=2))


def test_assert_that_holds_is_silent():
    assert run(gf.Assert(fed(True), ["x"])) is None


def test_assert_guards_what_depends_on_it():
    x = gf.placeholder(gf.float32, [])
    with gf.control_dependencies([gf.Assert(x > 0, ["x must be positive, got", x])]):
        y = gf.sqrt(x)
    assert run(y, {x: 4.0}) == 2.0
    with pytest.raises(gf.errors.InvalidArgumentError, match="positive, got.*-1"):
        run(y, {x: -1.0})


def test_a_false_constant_fails_when_it_runs_only():
    """So that it may stand in a branch that is not taken, as in TensorFlow."""
    operation = gf.Assert(False, ["never"])
    with pytest.raises(gf.errors.InvalidArgumentError, match="never"):
        run(operation)


def test_assert_in_a_branch_and_in_a_loop():
    which = gf.placeholder(gf.bool, [])

    def refuse():
        with gf.control_dependencies([gf.Assert(False, ["never"])]):
            return gf.constant(0)

    x = gf.cond(which, lambda: gf.constant(1), refuse)
    assert run(x, {which: True}) == 1
    with pytest.raises(gf.errors.InvalidArgumentError, match="never"):
        run(x, {which: False})

    def body(i):
        with gf.control_dependencies([gf.assert_less(i, limit, message="too far")]):
            return i + 1

    limit = gf.placeholder(gf.int32, [])
    last = gf.while_loop(lambda i: i < 5, body, [0])
    assert run(last, {limit: 9}) == 5
    with pytest.raises(gf.errors.InvalidArgumentError, match=r"too far.*\[3\].*\[3\]"):
        run(last, {limit: 3})


def test_assert_wrong_arguments():
    with pytest.raises(TypeError, match=r"data must be a list.*Assert\(condition, \[x\]\)"):
        gf.Assert(True, "x")
    with pytest.raises(ValueError, match=r"condition must be a scalar.*\[2\].*reduce_all"):
        gf.Assert([True, False], ["x"])
    with pytest.raises(TypeError):
        gf.Assert(gf.constant(1), ["x"])


# --- check_numerics ---------------------------------------------------------------------------


@pytest.mark.parametrize("values, kinds", [
    ([1, np.nan], "NaN"), ([1, -np.inf], "Inf"), ([np.inf, np.nan], "Inf and NaN")])
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_check_numerics_names_what_it_found(values, kinds, dtype):
    checked = gf.check_numerics(gf.cast(fed(np.float32(values)), dtype), "my message")
    with pytest.raises(gf.errors.InvalidArgumentError, match=(
            f"my message : Tensor had {kinds} values.*test_checks.py")):
        run(checked)


def test_check_numerics_passes_good_values_and_gradients():
    x = fed(np.float32([1, 2]))
    y = gf.check_numerics(x, "m")
    np.testing.assert_array_equal(run(y), [1, 2])
    np.testing.assert_array_equal(run(gf.gradients(y * y, x))[0], [2, 4])


def test_check_numerics_checks_the_gradient_too():
    x = fed(np.float32(0))
    gradient = gf.gradients(gf.sqrt(gf.check_numerics(x, "m")), x)
    with pytest.raises(gf.errors.InvalidArgumentError, match=(
            r"Not a number \(NaN\) or infinity \(Inf\) values detected in gradient. : "
            "Tensor had Inf")):
        run(gradient)


def test_verify_tensor_all_finite():
    np.testing.assert_array_equal(run(gf.verify_tensor_all_finite(fed([1.0]), "m")), [1])
    bad = fed([np.nan])
    for checked in (gf.verify_tensor_all_finite(bad, "old"),
                    gf.verify_tensor_all_finite(x=bad, message="new")):
        assert checked.op.name.startswith("VerifyFinite")
        with pytest.raises(gf.errors.InvalidArgumentError, match="(old|new) : Tensor had NaN"):
            run(checked)
    with pytest.raises(TypeError, match="x and message must be given"):
        gf.verify_tensor_all_finite(bad)


def test_add_check_numerics_ops_names_the_first_bad_tensor():
    x = gf.placeholder(gf.float32, [], name="x")
    gf.sqrt(gf.log(x, name="bad"), name="worse")
    checks = gf.add_check_numerics_ops()
    run(checks, {x: 4.0})
    with pytest.raises(gf.errors.InvalidArgumentError, match="bad:0 : Tensor had Inf"):
        run(checks, {x: 0.0})


# --- order ------------------------------------------------------------------------------------


@pytest.mark.parametrize("values, non_decreasing, strictly", [
    ([1, 2, 3], True, True), ([1, 1, 2], True, False), ([3, 1], False, False),
    ([[1, 2], [2, 4]], True, False), ([7], True, True),
    (np.array([0, 255], np.uint8), True, True),
])
def test_order(values, non_decreasing, strictly):
    assert run(gf.is_non_decreasing(values)) == non_decreasing
    assert run(gf.is_strictly_increasing(fed(values))) == strictly


def test_order_of_an_empty_vector():
    assert run(gf.is_strictly_increasing(np.zeros((0,), np.float32)))
