"""Blocks, patches, rolled and reversed elements: worked examples, arguments, gradients."""

import numpy as np
import pytest

import graphflow as gf


@pytest.fixture(autouse=True)
def graph():
    with gf.Graph().as_default() as graph:
        yield graph


def run(fetch, feeds=None):
    with gf.Session() as session:
        return session.run(fetch, feeds)


# ---- space, depth, batch ---------------------------------------------------------------------


def test_blocks_become_channels():
    image = np.arange(1, 17).reshape(1, 4, 4, 1)
    expected = [[[[1, 2, 5, 6], [3, 4, 7, 8]], [[9, 10, 13, 14], [11, 12, 15, 16]]]]
    deep = gf.space_to_depth(image, 2)
    assert deep.name == "SpaceToDepth:0"
    np.testing.assert_array_equal(run(deep), expected)
    np.testing.assert_array_equal(run(gf.nn.depth_to_space(deep, 2)), image)


def test_block_layouts_agree():
    x = np.arange(72.0).reshape(2, 4, 3, 3).repeat(2, 2)
    last = run(gf.space_to_depth(x, 2))
    first = run(gf.space_to_depth(x.transpose(0, 3, 1, 2), 2, data_format="NCHW"))
    np.testing.assert_array_equal(first.transpose(0, 2, 3, 1), last)
    back = run(gf.depth_to_space(first, 2, data_format="NCHW"))
    np.testing.assert_array_equal(back.transpose(0, 2, 3, 1), x)


def test_block_sizes_of_unknown_images():
    x = gf.placeholder(gf.float32, [None, None, 6, 3])
    y = gf.space_to_depth(x, 3)
    assert y.shape.as_list() == [None, None, 2, 27]
    assert run(y, {x: np.zeros((2, 9, 6, 3))}).shape == (2, 3, 2, 27)
    with pytest.raises(gf.errors.InvalidArgumentError):
        run(y, {x: np.zeros((2, 8, 6, 3))})


def test_space_to_batch_follows_its_definition():
    x = np.arange(1, 17).reshape(1, 4, 4, 1)
    parts = run(gf.space_to_batch(x, [[0, 0], [0, 0]], 2))
    for entry, (row, column) in enumerate(np.ndindex(2, 2)):
        np.testing.assert_array_equal(parts[entry], x[0, row::2, column::2])
    np.testing.assert_array_equal(run(gf.batch_to_space(parts, [[0, 0], [0, 0]], 2)), x)


def test_atrous_convolution_is_a_convolution_of_batch_entries():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 7, 6, 2)).astype(np.float32)
    w = rng.normal(size=(3, 3, 2, 4)).astype(np.float32)
    paddings, crops = gf.required_space_to_batch_paddings([7, 6], [2, 2], [[2, 2], [2, 2]])
    parts = gf.space_to_batch_nd(x, [2, 2], paddings)
    whole = gf.batch_to_space_nd(gf.nn.conv2d(parts, w, [1, 1, 1, 1], "VALID"), [2, 2], crops)
    direct = gf.nn.conv2d(x, w, [1, 1, 1, 1], "SAME", dilations=[1, 2, 2, 1])
    np.testing.assert_allclose(*run([whole, direct]), rtol=1e-4, atol=1e-5)


def test_paddings_that_fit():
    paddings, crops = run(gf.required_space_to_batch_paddings([5, 7], [2, 3], [[1, 0], [2, 1]]))
    np.testing.assert_array_equal(paddings, [[1, 0], [2, 3]])
    np.testing.assert_array_equal(crops, [[0, 0], [0, 2]])
    with pytest.raises(ValueError, match="required_space_to_batch_paddings gives"):
        gf.space_to_batch_nd(np.zeros((1, 5)), [2], [[0, 0]])


def test_block_arguments():
    with pytest.raises(ValueError, match="one of block_size and block_shape"):
        gf.space_to_batch(np.zeros((1, 4, 4, 1)), [[0, 0], [0, 0]])
    with pytest.raises(ValueError, match=r"crops must be \[m, 2\] integers"):
        gf.batch_to_space_nd(np.zeros((4, 2)), [2], [1, 1])
    with pytest.raises(ValueError, match="known while the graph is built"):
        gf.space_to_batch_nd(np.zeros((1, 4)), [2], gf.placeholder(gf.int32, [1, 2]))


# ---- patches ---------------------------------------------------------------------------------


def test_patches_are_what_a_window_sees():
    image = np.arange(1, 101).reshape(1, 10, 10, 1)
    patches = run(gf.extract_image_patches(image, [1, 3, 3, 1], [1, 5, 5, 1], [1, 1, 1, 1],
                                           "VALID"))
    assert patches.shape == (1, 2, 2, 9)
    np.testing.assert_array_equal(patches[0, 0, 1], [6, 7, 8, 16, 17, 18, 26, 27, 28])
    spread = run(gf.extract_image_patches(image, [1, 2, 2, 1], [1, 9, 9, 1], [1, 2, 3, 1],
                                          "SAME"))
    # Windows of 3 × 4 pixels, 9 apart, need 2 rows and 3 columns of padding: one goes in front.
    np.testing.assert_array_equal(spread[0, 0, 0], [0, 0, 0, 13])


def test_patches_times_weights_are_a_convolution():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(2, 7, 6, 3)).astype(np.float32)
    w = rng.normal(size=(3, 2, 3, 4)).astype(np.float32)
    patches = gf.extract_image_patches(x, [1, 3, 2, 1], [1, 2, 1, 1], [1, 1, 1, 1], "SAME")
    product = gf.tensordot(patches, w.reshape(18, 4), 1)
    direct = gf.nn.conv2d(x, w, [1, 2, 1, 1], "SAME")
    np.testing.assert_allclose(*run([product, direct]), rtol=1e-4, atol=1e-5)


def test_the_gradient_of_patches_counts_how_often_a_pixel_is_seen():
    x = gf.constant(np.zeros((1, 4, 4, 1), np.float32))
    y = gf.extract_image_patches(x, [1, 3, 3, 1], [1, 1, 1, 1], [1, 1, 1, 1], "VALID")
    seen = run(gf.gradients(y, x)[0])[0, :, :, 0]
    np.testing.assert_array_equal(seen, np.outer([1, 2, 2, 1], [1, 2, 2, 1]))


def test_patch_arguments():
    x = np.zeros((1, 4, 4, 1), np.float32)
    with pytest.raises(ValueError, match="the first and the last of them 1"):
        gf.extract_image_patches(x, [2, 2, 2, 1], [1, 1, 1, 1], [1, 1, 1, 1], "SAME")
    with pytest.raises(ValueError, match="padding must be SAME or VALID"):
        gf.extract_image_patches(x, [1, 2, 2, 1], [1, 1, 1, 1], [1, 1, 1, 1], "FULL")
    volume = np.arange(32.0).reshape(1, 4, 4, 2, 1)
    y = gf.extract_volume_patches(volume, [1, 2, 2, 2, 1], [1, 2, 2, 2, 1], "VALID")
    assert y.name == "ExtractVolumePatches:0"
    assert run(y).shape == (1, 2, 2, 1, 8)


# ---- roll, reverse_sequence, sequence_mask ---------------------------------------------------


def test_roll_by_numbers_and_by_tensors():
    x = np.arange(12).reshape(3, 4)
    np.testing.assert_array_equal(run(gf.roll(x, 1, 0)), np.roll(x, 1, 0))
    np.testing.assert_array_equal(run(gf.manip.roll(x, [2, -3], [1, 1])), np.roll(x, -1, 1))
    shift = gf.placeholder(gf.int32, [])
    np.testing.assert_array_equal(run(gf.roll(x, shift, -1), {shift: 5}), np.roll(x, 5, -1))
    shifts = gf.placeholder(gf.int64, [2])
    both = gf.roll(x, shifts, [0, 1], name="turned")
    assert both.name == "turned:0"
    np.testing.assert_array_equal(run(both, {shifts: [1, -1]}), np.roll(x, (1, -1), (0, 1)))


def test_reversed_sequences():
    x = gf.constant([[1, 2, 3, 0], [4, 5, 0, 0]])
    y = gf.reverse_sequence(x, [3, 2], seq_dim=1, batch_dim=0)
    np.testing.assert_array_equal(run(y), [[3, 2, 1, 0], [5, 4, 0, 0]])
    with pytest.raises(ValueError, match="seq_axis is missing"):
        gf.reverse_sequence(x, [3, 2])
    with pytest.raises(ValueError, match="seq_dim is the old name"):
        gf.reverse_sequence(x, [3, 2], seq_axis=1, seq_dim=1)


@pytest.mark.parametrize("lengths", [[3, 5], [3, -1]])
def test_lengths_beyond_the_axis_are_refused(lengths):
    n = gf.placeholder(gf.int32, [None])
    y = gf.reverse_sequence(np.zeros((2, 4)), n, seq_axis=1)
    with pytest.raises(gf.errors.InvalidArgumentError, match=r"is not in \[0, 4\]"):
        run(y, {n: lengths})


def test_sequence_masks():
    mask = gf.sequence_mask([1, 3, 2], 5)
    assert mask.dtype == gf.bool and mask.name == "SequenceMask/Less:0"
    np.testing.assert_array_equal(run(mask), np.arange(5) < np.array([[1], [3], [2]]))
    longest = run(gf.sequence_mask([[1, 3], [2, 0]], dtype=gf.float32))
    assert longest.dtype == np.float32 and longest.shape == (2, 2, 3)
    np.testing.assert_array_equal(longest.sum(-1), [[1, 3], [2, 0]])
    n = gf.placeholder(gf.int64, [None])
    np.testing.assert_array_equal(run(gf.sequence_mask(n), {n: [2, 1]}),
                                  [[True, True], [True, False]])
    with pytest.raises(ValueError, match="maxlen must be a scalar"):
        gf.sequence_mask([1, 2], [3, 4])


# ---- repeat ----------------------------------------------------------------------------------


def test_repeats_as_numpy_does():
    x = np.arange(6).reshape(2, 3)
    for repeats, axis in ((2, None), (3, 1), ([1, 2], 0), ([0, 2, 1], -1), ([2], 1)):
        np.testing.assert_array_equal(
            run(gf.repeat(x, repeats, axis)), np.repeat(x, repeats, axis))
    assert run(gf.repeat(["a", "b"], [3, 2])).tolist() == [b"a", b"a", b"a", b"b", b"b"]


def test_repeats_that_the_run_decides():
    counts, n = gf.placeholder(gf.int64, [None]), gf.placeholder(gf.int32, [])
    x = gf.constant([[1.0, 2.0, 3.0]])
    y = gf.repeat(x, counts, axis=1)
    np.testing.assert_array_equal(run(y, {counts: [1, 0, 2]}), [[1, 3, 3]])
    np.testing.assert_array_equal(run(gf.gradients(y, x)[0], {counts: [1, 0, 2]}), [[1, 0, 2]])
    np.testing.assert_array_equal(run(gf.repeat(x, n), {n: 2}), [1, 1, 2, 2, 3, 3])


def test_repeat_refuses():
    with pytest.raises(ValueError, match="2 numbers for the 3 elements along axis 0"):
        gf.repeat([1, 2, 3], [1, 2])
    with pytest.raises(ValueError, match="none negative"):
        gf.repeat([1, 2, 3], -1)
