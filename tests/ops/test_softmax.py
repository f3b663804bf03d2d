"""Softmax and the cross-entropies against scipy.special; extremes, conventions, messages."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.special

import graphflow as gf

RNG = np.random.default_rng(3)
LOGITS = RNG.normal(size=(4, 5)) * 3
LABELS = scipy.special.softmax(RNG.normal(size=(4, 5)), axis=1)
CLASSES = np.array([4, 0, 2, 2])


@pytest.fixture(autouse=True)
def graph():
    with gf.Graph().as_default() as graph:
        yield graph


def value(fetch, feed=None):
    with gf.Session() as session:
        return session.run(fetch, feed)


@pytest.mark.parametrize("axis", [None, 0, 1, -2])
def test_softmax_along_any_axis(axis):
    along = -1 if axis is None else axis
    got, logarithm = value([gf.nn.softmax(LOGITS, axis), gf.nn.log_softmax(LOGITS, axis)])
    np.testing.assert_allclose(got, scipy.special.softmax(LOGITS, along))
    np.testing.assert_allclose(logarithm, scipy.special.log_softmax(LOGITS, along))


def test_softmax_of_a_vector_and_by_the_old_name_of_axis():
    np.testing.assert_allclose(value(gf.nn.softmax(LOGITS[0])), scipy.special.softmax(LOGITS[0]))
    np.testing.assert_allclose(value(gf.nn.softmax(LOGITS, dim=0)),
                               scipy.special.softmax(LOGITS, 0))
    with pytest.raises(ValueError, match="got both axis and dim"):
        gf.nn.softmax(LOGITS, axis=0, dim=0)


def test_logits_of_ten_thousand():
    logits = gf.constant([[1e4, -1e4, 1e4 - 1]])
    labels = gf.constant([[0.0, 1.0, 0.0]])
    loss = gf.nn.softmax_cross_entropy_with_logits_v2(labels, logits)
    found = value([gf.nn.softmax(logits), gf.nn.log_softmax(logits), loss,
                   gf.gradients(loss, logits)[0]])
    p = scipy.special.expit(1.0)
    log_p = np.log(p)
    expected = ([[p, 0, 1 - p]], [[log_p, log_p - 2e4, log_p - 1]], [2e4 - log_p],
                [[p, -1, 1 - p]])
    for got, right in zip(found, expected):
        np.testing.assert_allclose(got, right, rtol=1e-5)


def test_a_class_that_is_masked_out():
    logits = gf.constant([[0.0, -np.inf, 0.0]])
    loss = gf.nn.sparse_softmax_cross_entropy_with_logits(labels=[2], logits=logits)
    got, slope = value([loss, gf.gradients(loss, logits)[0]])
    np.testing.assert_allclose(got, [np.log(2)], rtol=1e-6)
    np.testing.assert_allclose(slope, [[0.5, 0, -0.5]])


def test_cross_entropy_of_distributions_and_its_two_gradients():
    logits, labels = gf.constant(LOGITS), gf.constant(LABELS)
    loss = gf.nn.softmax_cross_entropy_with_logits_v2(labels=labels, logits=logits)
    log_p = scipy.special.log_softmax(LOGITS, 1)
    got, d_logits, d_labels = value([loss, *gf.gradients(loss, [logits, labels])])
    np.testing.assert_allclose(got, -(LABELS * log_p).sum(1))
    np.testing.assert_allclose(d_logits, np.exp(log_p) - LABELS)
    np.testing.assert_allclose(d_labels, -log_p)


def test_the_first_version_has_no_gradient_to_the_labels():
    logits, labels = gf.constant(LOGITS), gf.constant(LABELS)
    loss = gf.nn.softmax_cross_entropy_with_logits(labels=labels, logits=logits)
    assert gf.gradients(loss, labels) == [None]
    assert gf.gradients(loss, logits)[0] is not None


def test_cross_entropy_along_another_axis():
    loss = gf.nn.softmax_cross_entropy_with_logits_v2(LABELS.T.copy(), LOGITS.T.copy(), axis=0)
    old = gf.nn.softmax_cross_entropy_with_logits(labels=LABELS.T, logits=LOGITS.T, dim=0)
    expected = -(LABELS * scipy.special.log_softmax(LOGITS, 1)).sum(1)
    np.testing.assert_allclose(value([loss, old]), [expected] * 2)


def test_class_numbers_mean_one_hot_rows():
    logits = gf.placeholder(gf.float64, [None, 5])
    labels = gf.placeholder(gf.int64, [None])
    loss = gf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
    first, = gf.gradients(loss, logits)
    second, = gf.gradients(first, logits, LABELS)
    feed = {logits: LOGITS, labels: CLASSES}
    got, slope, curvature = value([loss, first, second], feed)
    p = scipy.special.softmax(LOGITS, 1)
    np.testing.assert_allclose(got, -np.log(p[np.arange(4), CLASSES]))
    np.testing.assert_allclose(slope, p - np.eye(5)[CLASSES])
    hessian = p[:, :, None] * np.eye(5) - p[:, :, None] * p[:, None, :]
    np.testing.assert_allclose(curvature, np.einsum("nij,nj->ni", hessian, LABELS), atol=1e-12)


@pytest.mark.parametrize("label", [5, -1])
def test_a_label_out_of_range(label):
    labels = gf.placeholder(gf.int32, [None])
    loss = gf.nn.sparse_softmax_cross_entropy_with_logits(
        labels=labels, logits=LOGITS, name="loss")
    with pytest.raises(gf.errors.InvalidArgumentError) as caught:
        value(loss, {labels: [1, 2, label, 3]})
    message = str(caught.value)
    assert f"labels[2] is {label}, outside the valid range [0, 5)" in message
    assert "'loss'" in message and "test_softmax.py" in message


def test_sigmoid_cross_entropy():
    x = np.array([-30.0, -1.0, 0.0, 0.5, 30.0])
    z = np.array([1.0, 0.25, 0.5, 0.0, 1.0])
    logits, labels = gf.constant(x), gf.constant(z)
    loss = gf.nn.sigmoid_cross_entropy_with_logits(labels=labels, logits=logits)
    assert loss.op.name == "logistic_loss"
    first = gf.gradients(loss, [logits, labels])
    second, = gf.gradients(first[0], logits)
    got, d_logits, d_labels, curvature = value([loss, *first, second])
    p = scipy.special.expit(x)
    np.testing.assert_allclose(got, -z * scipy.special.log_expit(x)
                               - (1 - z) * scipy.special.log_expit(-x))
    np.testing.assert_allclose(d_logits, p - z, atol=1e-15)
    np.testing.assert_allclose(d_labels, -x)
    np.testing.assert_allclose(curvature, p * (1 - p), rtol=1e-3, atol=1e-14)


def test_sigmoid_cross_entropy_keeps_small_losses():
    loss = gf.nn.sigmoid_cross_entropy_with_logits(labels=[1.0], logits=[30.0])
    np.testing.assert_allclose(value(loss), [np.exp(-30.0)], rtol=1e-5)


def test_weighted_cross_entropy():
    x, z = LOGITS[0], LABELS[0]
    got = value(gf.nn.weighted_cross_entropy_with_logits(targets=z, logits=x, pos_weight=3.0))
    expected = -3 * z * scipy.special.log_expit(x) - (1 - z) * scipy.special.log_expit(-x)
    np.testing.assert_allclose(got, expected)


NAMED_ONLY = ("softmax_cross_entropy_with_logits", "sparse_softmax_cross_entropy_with_logits",
              "sigmoid_cross_entropy_with_logits")


@pytest.mark.parametrize("name", NAMED_ONLY)
def test_losses_take_named_arguments_only(name):
    loss = getattr(gf.nn, name)
    with pytest.raises(ValueError, match=f"Only call `{name}` with named arguments"):
        loss(LOGITS, LABELS)
    with pytest.raises(ValueError, match="Both labels and logits must be provided"):
        loss(logits=LOGITS)


def test_class_numbers_given_to_the_dense_loss():
    labels = gf.placeholder(gf.int32, [None])
    for loss in (gf.nn.softmax_cross_entropy_with_logits,
                 gf.nn.softmax_cross_entropy_with_logits_v2):
        with pytest.raises(TypeError, match="use sparse_softmax_cross_entropy") as caught:
            loss(labels=labels, logits=LOGITS)
        assert str(caught.value).startswith(f"{loss.__name__}: labels must be probabilities")


@pytest.mark.parametrize("labels, match", [
    (np.zeros((4, 5), np.int32), "one row of probabilities .* softmax_cross_entropy_with_logits"),
    (np.zeros((4, 1), np.int32), r"Use gf.squeeze\(labels, -1\)"),
    (np.zeros((3,), np.int32), r"labels must have the shape \[4\]"),
])
def test_labels_of_the_wrong_shape(labels, match):
    with pytest.raises(gf.errors.ShapeError, match=match):
        gf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=LOGITS)


def test_labels_as_a_column_do_not_broadcast_silently():
    with pytest.raises(ValueError, match=r"same shape: logits \[4, 1\], labels \[4\]"):
        gf.nn.sigmoid_cross_entropy_with_logits(labels=np.zeros(4), logits=LOGITS[:, :1])
    with pytest.raises(ValueError, match=r"same shape: logits \[4, 5\], labels \[4, 1\]"):
        gf.nn.softmax_cross_entropy_with_logits(labels=LABELS[:, :1], logits=LOGITS)
