"""`numba_op` of functions of numbers: values, types, fusion, gradients, places where they work."""

from __future__ import annotations

import math
import threading

import ml_dtypes
import numba
import numpy as np
import pytest

import graphflow as gf

GLOBAL_SCALE = 0.1


@pytest.fixture(autouse=True)
def graph():
    with gf.Graph().as_default():
        yield


@pytest.fixture(params=["cpu", "reference"])
def session(graph: None, request: pytest.FixtureRequest):
    options = gf.Options(device=request.param, disable_passes=frozenset({"fold"}))
    with gf.Session(options=options) as sess:  # what is folded is not compiled
        yield sess


def softclip(x):
    return x if x < 1.0 else 1.0 + math.log(x)


def softclip_of(x):
    return np.where(x < 1, x, 1 + np.log(np.maximum(x, 1)))


RNG = np.random.default_rng(7)


@pytest.mark.parametrize("shape", [(), (0, 3), (1,), (37,), (5, 1, 19)], ids=str)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_values(session, shape, dtype):
    x = RNG.normal(1.0, 2.0, shape).astype(dtype)
    y = gf.numba_op(softclip)(gf.constant(x))
    assert y.dtype == gf.as_dtype(dtype) and y.shape.as_list() == list(shape)
    np.testing.assert_allclose(session.run(y), softclip_of(x), rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
def test_half_precision_is_computed_in_single(session, dtype):
    x = np.linspace(-2, 5, 40).astype(dtype)
    y = session.run(gf.numba_op(softclip)(gf.constant(x)))
    assert y.dtype == dtype
    expected = softclip_of(x.astype(np.float32)).astype(dtype)
    np.testing.assert_allclose(y.astype(np.float32), expected.astype(np.float32), rtol=0.01)


def test_inputs_broadcast_and_may_differ_in_type(session):
    power = gf.numba_op(lambda x, n: x ** n, name="power")
    x = RNG.uniform(0.5, 2, (3, 1)).astype(np.float32)
    n = np.arange(4, dtype=np.int32)
    y = power(gf.constant(x), gf.constant(n))
    assert y.dtype == gf.float32 and y.shape.as_list() == [3, 4]
    np.testing.assert_allclose(session.run(y), x ** n.astype(np.float32), rtol=1e-6)


def test_unknown_shapes(session):
    x = gf.placeholder(gf.float32)
    y = gf.numba_op(softclip)(x)
    assert y.shape.rank is None
    for shape in ((3,), (2, 2)):
        assert session.run(y, {x: np.ones(shape)}).shape == shape


FUNCTIONS = [
    "exp", "expm1", "log", "log1p", "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh",
    "tanh", "asinh", "atanh", "erf", "erfc", "lgamma", "sqrt", "gamma", "log2", "log10"]


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_mathematics(session, name, dtype):
    """Functions of `math`, against those of the C library in float64."""
    function = getattr(math, name)
    x = np.linspace(0.05, 0.95, 29).astype(dtype)
    expected = [function(float(v)) for v in x]
    y = session.run(gf.numba_op(lambda v: function(v), name=name)(gf.constant(x)))
    assert y.dtype == dtype
    np.testing.assert_allclose(y, expected, rtol=5e-7 if dtype is np.float32 else 2e-15,
                               atol=1e-15)


def test_functions_of_two_numbers(session):
    def polar(x, y):
        return math.hypot(x, y) * math.atan2(y, x) + math.pow(abs(x), 0.5) + np.minimum(x, y)

    x, y = RNG.normal(size=(2, 50))
    expected = np.hypot(x, y) * np.arctan2(y, x) + np.sqrt(abs(x)) + np.minimum(x, y)
    found = session.run(gf.numba_op(polar)(gf.constant(x), gf.constant(y)))
    np.testing.assert_allclose(found, expected, rtol=1e-13)


# ---- types --------------------------------------------------------------------------------------


def test_float_literals_have_the_precision_of_the_inputs():
    scale = 0.3
    op = gf.numba_op(lambda x: x * 0.5 + GLOBAL_SCALE * scale)
    assert op(gf.constant(1.0)).dtype == gf.float32
    assert op(gf.constant(1.0, gf.float64)).dtype == gf.float64
    assert op(gf.constant(1.0, gf.bfloat16)).dtype == gf.bfloat16


@pytest.mark.parametrize("function, inputs, expected", [
    (lambda n: n + 1, ["int32"], "int32"),
    (lambda n: n + 1, ["uint8"], "uint8"),
    (lambda n, m: n * m, ["int32", "int64"], "int64"),
    (lambda n: n / 2, ["int32"], "float64"),
    (lambda x, y: x * y, ["float32", "float64"], "float64"),
    (lambda x: x > 0, ["float32"], "bool"),
    (lambda c: not c, ["bool"], "bool"),
    (lambda z: abs(z), ["complex64"], "float32"),
    (lambda z: z * 1j, ["complex64"], "complex64"),
])
def test_type_of_the_result(function, inputs, expected):
    given = [gf.ones([2], gf.as_dtype(t)) for t in inputs]
    assert gf.numba_op(function, name="f")(*given).dtype == gf.as_dtype(expected)


def test_dtype_names_the_result(session):
    y = gf.numba_op(lambda x: x * 2.5, dtype=gf.int64)(gf.constant([1.0, 2.0]))
    assert y.dtype == gf.int64
    assert session.run(y).tolist() == [2, 5]


def test_complex_numbers(session):
    z = (RNG.normal(size=21) + 1j * RNG.normal(size=21)).astype(np.complex64)
    op = gf.numba_op(lambda z, x: (z * z + 1j * x, z.real), name="f")
    x = RNG.normal(size=21).astype(np.float32)
    w, real = session.run(op(gf.constant(z), gf.constant(x)))
    np.testing.assert_allclose(w, z * z + 1j * x, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(real, z.real)


def test_floats_beside_tensors_have_their_type(session):
    op = gf.numba_op(lambda x, y: x + y, name="f")
    assert op(gf.constant(1.0, gf.float64), 0.1).dtype == gf.float64
    assert session.run(op(gf.constant(1.0, gf.float64), 0.1)) == 1.1


def test_defaults_are_inputs(session):
    def leaky(x, slope=0.1):
        return x if x > 0 else slope * x

    op = gf.numba_op(leaky)
    np.testing.assert_allclose(session.run(op([-1.0, 2.0])), [-0.1, 2])
    np.testing.assert_allclose(session.run(op([-1.0, 2.0], 0.5)), [-0.5, 2])


def test_decorated_functions(session):
    @numba.njit
    def halved(x):
        return x / 2

    @gf.numba_op
    @numba.njit(fastmath=True)
    def quartered(x):
        return halved(halved(x))

    np.testing.assert_array_equal(session.run(quartered([4.0, 8.0])), [1, 2])


def test_bools_and_unsigned_integers(session):
    op = gf.numba_op(lambda c, n: n if c else n + 3, name="f")
    c, n = RNG.normal(size=40) > 0, RNG.integers(0, 256, 40).astype(np.uint8)
    found = session.run(op(gf.constant(c), gf.constant(n)))
    np.testing.assert_array_equal(found, np.where(c, n, n + np.uint8(3)))
    flags = session.run(gf.numba_op(lambda c, d: c and not d, name="g")(c, c[::-1].copy()))
    np.testing.assert_array_equal(flags, c & ~c[::-1])


def test_results_that_are_constant(session):
    op = gf.numba_op(lambda x: (1, True, 0.5, x), name="f")
    found = session.run(op(gf.constant([3.0, 4.0])))
    assert [v.tolist() for v in found] == [[1, 1], [True, True], [0.5, 0.5], [3, 4]]
    assert found[2].dtype == np.float32


def test_several_outputs(session):
    @gf.numba_op
    def divided(n, m):
        return n // m, n % m, n > m

    n = RNG.integers(-50, 50, 33).astype(np.int32)
    quotient, rest, larger = session.run(divided(gf.constant(n), 7))
    np.testing.assert_array_equal(quotient, n // 7)
    np.testing.assert_array_equal(rest, n % 7)
    np.testing.assert_array_equal(larger, n > 7)


# ---- fusion -------------------------------------------------------------------------------------


def test_a_chain_is_one_kernel():
    op = gf.numba_op(softclip)
    x = gf.placeholder(gf.float32, [None, 8])
    y = gf.reduce_sum(gf.square(op(x * 2.0) + 1.0), axis=1)
    with gf.Session() as sess:
        made = sess.explain(y, {x: np.ones((3, 8))})
    assert len(made.kernels) == 1 and not made.host_steps


def test_an_activation_belongs_to_the_kernel_of_its_product():
    op = gf.numba_op(elu)
    x = gf.placeholder(gf.float32, [None, 40])
    w, bias = (RNG.normal(size=s).astype(np.float32) for s in ((40, 24), 24))
    y = op(gf.matmul(x, gf.constant(w)) + gf.constant(bias))
    v = RNG.normal(size=(17, 40)).astype(np.float32)
    with gf.Session() as sess:
        assert [k.kind for k in sess.explain(y, {x: v}).kernels] == ["contraction"]
        z = v @ w + bias
        np.testing.assert_allclose(sess.run(y, {x: v}), np.where(z > 0, z, np.expm1(z)),
                                   rtol=1e-4, atol=1e-5)


def test_functions_of_one_name_stay_apart(session):
    x = gf.constant([1.0, 2.0])
    ops = [gf.numba_op(lambda v, k=k: v * k, name="f") for k in (2.0, 3.0)]
    first, second = session.run([op(x) for op in ops])
    assert first.tolist() == [2, 4] and second.tolist() == [3, 6]


def test_loops_are_not_entered_for_lanes_that_do_not_exist(session):
    """For 0, which fills such lanes, the loop would not end."""
    @gf.numba_op
    def collatz(n):
        steps = 0
        while n != 1:
            n = n // 2 if n % 2 == 0 else 3 * n + 1
            steps += 1
        return steps

    # https://oeis.org/A006577
    expected = [0, 1, 7, 2, 5, 8, 16, 3, 19, 6, 14, 9, 9, 17, 17, 4, 12, 20, 20]
    assert session.run(collatz(gf.range(1, 20))).tolist() == expected


# ---- gradients ----------------------------------------------------------------------------------


def elu(x):
    return x if x > 0 else math.expm1(x)


def elu_gradient(x, y, dy):
    return dy * gf.where(x > 0, gf.ones_like(x), y + 1)


def test_gradient(session):
    op = gf.numba_op(elu, grad=elu_gradient)
    v = RNG.normal(size=12)
    x = gf.constant(v)
    first = gf.gradients(op(x) * gf.constant(v), x)[0]
    expected = v * np.where(v > 0, 1, np.exp(v))
    np.testing.assert_allclose(session.run(first), expected, rtol=1e-12)
    second = gf.gradients(gf.gradients(op(x), x)[0], x)[0]
    np.testing.assert_allclose(session.run(second), np.where(v > 0, 0, np.exp(v)), rtol=1e-12)


def test_gradient_by_another_numba_op_agrees_with_differences():
    slope = gf.numba_op(lambda x, y, dy: dy * (1.0 if x > 0 else y + 1.0), name="slope")
    op = gf.numba_op(elu, grad=slope)
    x = gf.constant(RNG.normal(size=(3, 5)))
    with gf.Session():
        assert gf.test.compute_gradient_error(x, [3, 5], op(x), [3, 5]) < 1e-6


def test_gradients_of_broadcast_inputs(session):
    op = gf.numba_op(lambda x, y: x * y, name="product", grad=(
        lambda x, y, z, dz: dz * y, lambda x, y, z, dz: dz * x))
    x, y = gf.constant(RNG.normal(size=(4, 3))), gf.constant(RNG.normal(size=3))
    dx, dy = session.run(gf.gradients(op(x, y), [x, y]))
    a, b = session.run([x, y])
    np.testing.assert_allclose(dx, np.broadcast_to(b, (4, 3)))
    np.testing.assert_allclose(dy, a.sum(0))


def test_no_gradient_is_an_error():
    x = gf.constant([1.0])
    y = gf.numba_op(softclip)(x, name="clip")
    with pytest.raises(LookupError, match=r"numba/softclip 'clip': it has no gradient.*grad="):
        gf.gradients(y, x)


def test_gradients_must_be_as_many_as_inputs():
    op = gf.numba_op(lambda x, y: x + y, name="f", grad=lambda x, y, z, dz: dz)
    x = gf.constant(1.0)
    with pytest.raises(gf.GraphflowError, match="gave 1 gradients for 2 inputs"):
        gf.gradients(op(x, x), x)


# ---- places -------------------------------------------------------------------------------------


def test_in_branches_and_loops(session):
    op = gf.numba_op(elu, grad=elu_gradient)
    x = gf.constant([-1.0, 2.0], gf.float64)
    branch = gf.cond(gf.reduce_sum(x) > 0, lambda: op(x), lambda: x)
    loop = gf.while_loop(lambda i, v: i < 3, lambda i, v: (i + 1, op(v)), (0, x))[1]
    scanned = gf.scan(lambda a, v: a + op(v), x)
    expected = np.array([-1.0, 2.0])
    for _ in range(3):
        expected[0] = np.expm1(expected[0])
    found = session.run([branch, loop, scanned, gf.gradients(loop, x)[0]])
    np.testing.assert_allclose(found[0], [np.expm1(-1), 2])
    np.testing.assert_allclose(found[1], expected)
    np.testing.assert_allclose(found[2], [-1, 1])
    slope = np.exp(-1) * np.exp(np.expm1(-1)) * np.exp(np.expm1(np.expm1(-1)))
    np.testing.assert_allclose(found[3], [slope, 1])


def test_in_a_keras_lambda():
    op = gf.numba_op(elu, grad=elu_gradient)
    model = gf.keras.Sequential([
        gf.keras.layers.Lambda(op, input_shape=(3,)), gf.keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    x = RNG.normal(size=(8, 3)).astype(np.float32)
    assert np.isfinite(model.fit(x, x[:, :1], epochs=1, verbose=0).history["loss"]).all()


def test_in_several_threads():
    op = gf.numba_op(lambda x: x * 3.0 + 1.0, name="f")
    failures: list[BaseException] = []

    def work(size: int) -> None:
        try:
            with gf.Graph().as_default(), gf.Session() as sess:
                x = np.arange(size, dtype=np.float32)
                np.testing.assert_allclose(sess.run(op(gf.constant(x))), 3 * x + 1)
        except BaseException as error:  # reported by the main thread
            failures.append(error)

    threads = [threading.Thread(target=work, args=(k + 5,)) for k in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not failures


# ---- errors -------------------------------------------------------------------------------------


def checked_root(x):
    if x < 0:
        raise ValueError("a negative number")
    return math.sqrt(x)


def test_a_function_may_raise(session):
    x = gf.placeholder(gf.float32, [None])
    y = gf.numba_op(checked_root)(x, name="root")
    np.testing.assert_allclose(session.run(y, {x: [4.0, 9.0]}), [2, 3])
    with pytest.raises(gf.errors.InvalidArgumentError,
                       match=r"'root'.*checked_root raised ValueError: a negative number.*\.py:"):
        session.run(y, {x: [1.0] * 20 + [-1.0]})


def test_what_numba_cannot_compile_is_an_error_with_its_reason():
    op = gf.numba_op(lambda x: x.upper(), name="f")
    with pytest.raises(TypeError, match=r"numba/f 'f'.*for \(float32\).*upper.*Built at .*\.py:"):
        op(gf.constant(1.0))


@pytest.mark.parametrize("function, problem", [
    (lambda x: None, "gives None"),
    (lambda x: x if x > 0 else None, "gives None"),
    (lambda x: "text", "is no number"),
    (lambda x: print(x) or x, "only Python's runtime has"),
    (lambda x: np.zeros(3)[0] + x, "a kernel allocates no memory"),
])
def test_functions_that_give_no_number(function, problem):
    with pytest.raises(gf.GraphflowError, match=problem):
        gf.numba_op(function, name="f")(gf.constant(1.0))


def test_names_without_a_value():
    def late(x):
        return x * factor

    op = gf.numba_op(late)
    with pytest.raises(TypeError, match="closes over a variable that has no value yet"):
        op(gf.constant(1.0))
    factor = 2.0


def test_wrong_inputs():
    op = gf.numba_op(lambda x, y: x + y, name="f")
    with pytest.raises(TypeError, match=r"it takes 2 inputs \(x, y\), got 1"):
        op(gf.constant(1.0))
    with pytest.raises(TypeError, match="got string"):
        op(gf.constant("a"), gf.constant(1.0))
    with pytest.raises(ValueError, match="cannot be broadcast"):
        op(gf.ones([2]), gf.ones([3]))


@pytest.mark.parametrize("function", [len, 3, lambda *xs: xs[0], lambda: 1.0, lambda *, x: x])
def test_what_is_no_function_of_numbers(function):
    with pytest.raises(TypeError, match="expected a Python function|a fixed number of inputs"):
        gf.numba_op(function)


def test_results_and_dtype_must_agree():
    with pytest.raises(TypeError, match="it gives 1 results, and dtype names 2"):
        gf.numba_op(lambda x: x, name="f", dtype=(gf.int32, gf.int32))(gf.constant(1.0))
