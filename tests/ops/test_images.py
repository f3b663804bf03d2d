"""Images: random changes, resizing beside SciPy and Pillow, static shapes, mistakes.

What TensorFlow gives is recorded in tests/oracle.
"""

from __future__ import annotations

import colorsys

import numpy as np
import pytest
from both_devices import assert_same_error, on_both
from scipy import stats

import graphflow as tf

RNG = np.random.default_rng(7)
PICTURE = RNG.random((6, 5, 3)).astype(np.float32)


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default() as graph:
        yield graph


def value(fetch, feeds=None):
    """The value, the same compiled and by the reference."""
    native, reference = on_both(tf.get_default_graph(), lambda s: s.run(fetch, feeds or {}))
    np.testing.assert_allclose(native, reference, rtol=1e-5, atol=1e-6)
    return native


# ---- resizing -----------------------------------------------------------------------------------


def test_area_of_a_whole_ratio_is_the_mean_of_blocks():
    x = RNG.random((1, 6, 8, 2)).astype(np.float32)
    wanted = x.reshape(1, 3, 2, 2, 4, 2).mean((2, 4))
    np.testing.assert_allclose(value(tf.image.resize_area(x, [3, 2])), wanted, rtol=1e-5)


def test_bilinear_is_exact_for_planes():
    """A plane a·y + b·x + c stays one; with corners aligned its corners stay too."""
    y, x = np.mgrid[0:5, 0:7].astype(np.float32)
    plane = (2 * y - 3 * x + 1)[None, ..., None]
    found = value(tf.image.resize_bilinear(plane, [9, 4], align_corners=True))[0, ..., 0]
    ys, xs = np.meshgrid(np.linspace(0, 4, 9), np.linspace(0, 6, 4), indexing="ij")
    np.testing.assert_allclose(found, 2 * ys - 3 * xs + 1, atol=1e-5)


def test_bicubic_of_half_pixel_centers_is_exact_for_parabolas_inside():
    """Keys's kernel with parameter −½ reproduces polynomials of degree two (Keys 1981)."""
    x = np.arange(16, dtype=np.float32)
    row = (0.5 * x**2 - x + 3).reshape(1, 1, 16, 1)
    found = value(tf.image.resize_bicubic(row, [1, 32], half_pixel_centers=True))[0, 0, 4:-4, 0]
    at = (np.arange(32) + 0.5) / 2 - 0.5
    np.testing.assert_allclose(found, (0.5 * at**2 - at + 3)[4:-4], rtol=1e-5)


def test_sizes_may_be_fed_and_batches_may_differ():
    x, size = tf.placeholder(tf.float32, [None, None, None, 1]), tf.placeholder(tf.int32, [2])
    y = tf.image.resize_nearest_neighbor(x, size)
    assert y.shape.as_list() == [None, None, None, 1]
    for shape, wanted in (((2, 3, 4, 1), (6, 2)), ((1, 5, 5, 1), (5, 10))):
        fed = RNG.random(shape).astype(np.float32)
        found = value(y, {x: fed, size: wanted})
        rows = np.arange(wanted[0]) * shape[1] // wanted[0]
        columns = np.arange(wanted[1]) * shape[2] // wanted[1]
        np.testing.assert_array_equal(found, fed[:, rows][:, :, columns])


# ---- colours ------------------------------------------------------------------------------------


def test_hue_saturation_value_as_in_the_standard_library():
    found = value(tf.image.rgb_to_hsv(PICTURE))
    wanted = [colorsys.rgb_to_hsv(*map(float, p)) for p in PICTURE.reshape(-1, 3)]
    np.testing.assert_allclose(found.reshape(-1, 3), wanted, atol=1e-6)
    np.testing.assert_allclose(value(tf.image.hsv_to_rgb(found)), PICTURE, atol=1e-6)


def test_gradients_at_gray_pixels_are_numbers():
    x = tf.constant(np.full((1, 2, 3), 0.5, np.float32))
    y = tf.image.adjust_saturation(tf.image.adjust_hue(x, 0.2), 1.5)
    assert np.isfinite(value(tf.gradients(y, x)[0])).all()


def test_standardised_images_have_mean_0_and_variance_1():
    x = RNG.integers(0, 255, (4, 8, 8, 3)).astype(np.uint8)
    found = value(tf.image.per_image_standardization(x))
    np.testing.assert_allclose(found.mean((1, 2, 3)), 0, atol=1e-5)
    np.testing.assert_allclose(found.std((1, 2, 3)), 1, rtol=1e-5)
    flat = value(tf.image.per_image_standardization(np.full((2, 2, 1), 9, np.uint8)))
    np.testing.assert_array_equal(flat, np.zeros((2, 2, 1)))


# ---- random changes -----------------------------------------------------------------------------


def test_each_image_of_a_batch_is_flipped_by_itself():
    x = np.tile(np.arange(4, dtype=np.float32).reshape(1, 2, 2, 1), (2000, 1, 1, 1))
    for function, turned in ((tf.image.random_flip_left_right, [1, 0, 3, 2]),
                             (tf.image.random_flip_up_down, [2, 3, 0, 1])):
        found = value(function(x, seed=5)).reshape(-1, 4)
        flipped = (found == turned).all(1)
        assert (flipped | (found == np.arange(4)).all(1)).all()
        assert stats.binomtest(int(flipped.sum()), len(x)).pvalue > 0.01


@pytest.mark.parametrize(("function", "arguments", "law"), [
    (tf.image.random_brightness, (0.4,), stats.uniform(-0.4, 0.8)),
    (tf.image.random_contrast, (0.5, 2.0), stats.uniform(0.5, 1.5)),
])
def test_random_changes_are_uniform(function, arguments, law):
    """The change of one picture, told from its first pixel, over many runs."""
    x = np.zeros((2, 2, 1), np.float32)
    x[0, 0] = 1
    changed = function(x, *arguments, seed=3)
    with tf.Session() as session:
        runs = np.array([session.run(changed) for _ in range(300)])[:, :, :, 0]
    if function is tf.image.random_brightness:
        found = runs[:, 1, 1]
    else:
        found = runs[:, 0, 0] - runs[:, 1, 1]
    assert stats.kstest(found, law.cdf).pvalue > 0.01


def test_random_hue_and_saturation_keep_value_and_shape():
    x = tf.constant(PICTURE)
    for changed in (tf.image.random_hue(x, 0.3, seed=1),
                    tf.image.random_saturation(x, 0.2, 0.9, seed=1)):
        assert changed.shape.as_list() == [6, 5, 3]
        np.testing.assert_allclose(value(changed).max(-1), PICTURE.max(-1), rtol=1e-5)


def test_padding_at_a_random_place():
    """Offsets that the run decides: the picture is there once, black is around it."""
    x = tf.placeholder(tf.float32, [None, None, 1])
    offset = tf.random_uniform([], maxval=4, dtype=tf.int32, seed=2)
    padded = tf.image.pad_to_bounding_box(x, offset, offset, 7, 7)
    assert padded.shape.as_list() == [7, 7, 1]
    with tf.Session() as session:
        at, found = session.run([offset, padded], {x: np.ones((3, 4, 1))})
    wanted = np.zeros((7, 7, 1))
    wanted[at:at + 3, at:at + 4] = 1
    np.testing.assert_array_equal(found, wanted)


# ---- boxes --------------------------------------------------------------------------------------


def test_suppression_keeps_what_does_not_overlap():
    def overlap(a, b):
        low, high = np.maximum(a[:2], b[:2]), np.minimum(a[2:], b[2:])
        both = np.prod(np.maximum(high - low, 0))
        return both / (np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]) - both)

    corners = RNG.random((60, 2))
    boxes = np.concatenate([corners, corners + RNG.uniform(0.1, 0.5, (60, 2))], 1)
    boxes = boxes.astype(np.float32)
    scores = RNG.permutation(60).astype(np.float32)
    wanted = []
    for i in np.argsort(-scores):
        if all(overlap(boxes[i], boxes[j]) <= 0.4 for j in wanted):
            wanted.append(i)
    found = value(tf.image.non_max_suppression(boxes, scores, 60, 0.4))
    assert found.tolist() == wanted and found.dtype == np.int32
    chosen = tf.gather(boxes, tf.image.non_max_suppression(boxes, scores, 5, 0.4))
    np.testing.assert_array_equal(value(chosen), boxes[wanted[:5]])


def test_a_crop_at_the_whole_image_is_a_resize_with_aligned_corners():
    batch = PICTURE[None]
    crop = tf.image.crop_and_resize(batch, [[0.0, 0.0, 1.0, 1.0]], [0], [4, 9])
    np.testing.assert_allclose(
        value(crop), value(tf.image.resize_bilinear(batch, [4, 9], align_corners=True)),
        atol=1e-6)


def test_distorted_boxes_show_enough_of_an_object():
    objects = tf.placeholder(tf.float32, [1, None, 4])
    drawn = tf.image.sample_distorted_bounding_box(
        [60, 80, 3], objects, seed=1, min_object_covered=0.5, aspect_ratio_range=(0.8, 1.2),
        area_range=(0.1, 0.6))
    crop = tf.slice(tf.zeros([60, 80, 3]), drawn[0], drawn[1])
    fed = {objects: [[[0.1, 0.2, 0.4, 0.5]]]}  # rows 6 … 24, columns 16 … 40
    with tf.Session() as session:
        for _ in range(50):
            ((y, x, _), (h, w, _), box), cut = session.run([drawn, crop], fed)
            assert cut.shape == (h, w, 3) and 480 <= h * w <= 2880 and 0.75 < w / h < 1.25
            shown = max(0, min(y + h, 24) - max(y, 6)) * max(0, min(x + w, 40) - max(x, 16))
            assert shown >= 0.5 * 18 * 24
            np.testing.assert_allclose(
                box[0, 0], [y / 60, x / 80, (y + h) / 60, (x + w) / 80], rtol=1e-5)
        with pytest.raises(tf.errors.InvalidArgumentError):
            session.run(drawn, {objects: np.zeros((1, 0, 4))})
    whole = tf.image.sample_distorted_bounding_box(
        [60, 80, 3], np.zeros((1, 0, 4), np.float32), area_range=(1.0, 1.0), max_attempts=3,
        use_image_if_no_bounding_boxes=True)
    assert value(whole[1]).tolist() == [60, 80, -1]


# ---- mistakes -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("build", "match"), [
    (lambda: tf.image.flip_left_right(tf.zeros([3, 3])), "image must be .height, width, channels"),
    (lambda: tf.image.rot90(tf.placeholder(tf.float32)), "Use gf.ensure_shape"),
    (lambda: tf.image.resize_images(tf.zeros([3, 3, 1]), [2, 2], 7), "numbers of gf.image.Resize"),
    (lambda: tf.image.resize_images(tf.zeros([3, 3, 1]), [2]), r"size must be \[new_height"),
    (lambda: tf.image.resize_bilinear(tf.zeros([3, 3, 1]), [2, 2]), "images must have rank 4"),
    (lambda: tf.image.crop_to_bounding_box(tf.zeros([3, 3, 1]), 1, 1, 3, 1),
     "height must be >= target"),
    (lambda: tf.image.pad_to_bounding_box(tf.zeros([3, 3, 1]), 0, 0, 2, 3),
     "height must be <= target"),
    (lambda: tf.image.central_crop(tf.zeros([3, 3, 1]), 0.0), r"must be in \(0, 1\], got 0.0"),
    (lambda: tf.image.rgb_to_hsv(tf.zeros([3, 3, 1])), "last axis must have 3 channels, got"),
    (lambda: tf.image.grayscale_to_rgb(tf.zeros([3, 3, 3])), "last axis must have 1 channel, got"),
    (lambda: tf.image.adjust_gamma(tf.zeros([3, 3, 3]), -1), "gamma must not be negative"),
    (lambda: tf.image.random_saturation(tf.zeros([3, 3, 3]), 2, 1), "need 0 <= lower < upper"),
    (lambda: tf.image.random_hue(tf.zeros([3, 3, 3]), 0.7), r"max_delta must be in \[0, 0.5\]"),
    (lambda: tf.image.non_max_suppression(tf.zeros([3, 3]), tf.zeros([3]), 2),
     r"boxes must be \[n, 4\], got \[3, 3\]"),
    (lambda: tf.image.ssim(tf.zeros([8, 8, 1]), tf.zeros([8, 8, 1]), 1), "Give a smaller filter"),
    (lambda: tf.image.psnr(tf.zeros([8, 8, 1]), tf.zeros([8, 7, 1]), 1), "images differ in shape"),
    (lambda: tf.image.draw_bounding_boxes(tf.zeros([1, 8, 8, 2]), tf.zeros([1, 1, 4])),
     "images must be"),
])
def test_mistakes_are_named(build, match):
    with pytest.raises((ValueError, TypeError), match=match):
        build()


def test_images_without_pixels_cannot_be_resized(graph):
    x = tf.placeholder(tf.float32, [1, None, None, 1])
    y = tf.image.resize_bilinear(x, [2, 2])
    assert_same_error(graph, y, {x: np.zeros((1, 0, 3, 1))}, "")
