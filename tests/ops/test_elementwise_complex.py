"""Complex numbers: parts, conjugates, moduli, and TensorFlow's convention for their gradients."""

from __future__ import annotations

import numpy as np
import pytest

import graphflow as gf

Z = np.array([1 + 2j, -3 + 0.5j, 2j, -1.5 - 1j])


@pytest.fixture(autouse=True)
def graph():
    with gf.Graph().as_default() as graph:
        yield graph


def value(fetch, feed=None):
    with gf.Session() as session:
        return session.run(fetch, feed)


@pytest.mark.parametrize("dtype, parts", [("complex64", "float32"), ("complex128", "float64")])
def test_parts(dtype, parts):
    z = gf.constant(Z.astype(dtype))
    for function, expected in ((gf.real, Z.real), (gf.imag, Z.imag), (gf.abs, np.abs(Z)),
                               (gf.angle, np.angle(Z))):
        part = function(z)
        assert part.dtype.name == parts
        np.testing.assert_allclose(value(part), expected, rtol=1e-6)
    np.testing.assert_array_equal(value(gf.conj(z)), Z.conj())
    rebuilt = gf.complex(gf.real(z), gf.imag(z))
    assert rebuilt.dtype.name == dtype
    np.testing.assert_array_equal(value(rebuilt), Z)


def test_real_numbers_have_parts_too():
    x = gf.constant([-1.5, 2.0])
    assert gf.real(x) is x
    assert gf.conj(x) is x
    np.testing.assert_array_equal(value(gf.imag(x)), [0, 0])
    np.testing.assert_allclose(value(gf.angle(x)), np.angle([-1.5, 2.0]))


def test_complex_wants_one_type_of_parts():
    with pytest.raises(TypeError, match="Complex 'Complex'.*same dtype"):
        gf.complex(gf.constant(1.0), gf.constant(1.0, gf.float64))


def parts_of_gradient(loss):
    """∂L/∂a + i·∂L/∂b by central differences."""
    step, found = 1e-6, np.zeros_like(Z)
    for i in range(Z.size):
        for direction in (1, 1j):
            shift = np.zeros_like(Z)
            shift[i] = step * direction
            found[i] += direction * (loss(Z + shift) - loss(Z - shift)) / (2 * step)
    return found


@pytest.mark.parametrize("build, loss", [
    (lambda z: gf.abs(z), lambda z: np.abs(z).sum()),
    (lambda z: gf.angle(z), lambda z: np.angle(z).sum()),
    (lambda z: gf.real(z * z), lambda z: (z * z).real.sum()),
    (lambda z: gf.imag(gf.exp(z)), lambda z: np.exp(z).imag.sum()),
    (lambda z: gf.real(gf.sign(z) * (2 - 1j)), lambda z: (z / np.abs(z) * (2 - 1j)).real.sum()),
    (lambda z: gf.real(1 / z), lambda z: (1 / z).real.sum()),
    (lambda z: gf.real(gf.pow(z, 2 + 1j)), lambda z: np.power(z, 2 + 1j).real.sum()),
    (lambda z: gf.real(z * gf.conj(z)), lambda z: (np.abs(z)**2).sum())])
def test_gradients_of_real_losses(build, loss):
    z = gf.constant(Z)
    gradient, = gf.gradients(build(z), z)
    np.testing.assert_allclose(value(gradient), parts_of_gradient(loss), rtol=1e-5, atol=1e-7)


def test_the_modulus_at_zero_has_gradient_zero():
    z = gf.constant([0j])
    np.testing.assert_array_equal(value(gf.gradients(gf.abs(z), z)[0]), [0])
