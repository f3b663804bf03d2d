"""Image files and whole files: decoding, encoding, reading, writing, and what goes wrong."""

from __future__ import annotations

import builtins
import io

import numpy as np
import pytest

import graphflow as tf

Image = pytest.importorskip("PIL.Image", reason="Pillow is an extra")
RNG = np.random.default_rng(3)
COLOR = RNG.integers(0, 256, (5, 7, 3)).astype(np.uint8)


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default() as graph:
        yield graph


def run(fetch, feeds=None):
    with tf.Session() as session:
        return session.run(fetch, feeds)


def saved(array, kind, **options):
    """The bytes of an image file that Pillow writes."""
    out = io.BytesIO()
    Image.fromarray(array).save(out, kind, **options)
    return out.getvalue()


RAMP = np.add.outer(np.arange(16) * 8, np.arange(24) * 4)
SMOOTH = RAMP[..., None].repeat(3, 2).astype(np.uint8)


def test_png_files_are_decoded_exactly():
    contents = tf.placeholder(tf.string, [])
    decoded = tf.image.decode_png(contents)
    assert decoded.shape.as_list() == [None, None, None] and decoded.dtype is tf.uint8
    np.testing.assert_array_equal(run(decoded, {contents: saved(COLOR, "PNG")}), COLOR)
    gray = run(decoded, {contents: saved(COLOR[..., 0], "PNG")})
    np.testing.assert_array_equal(gray, COLOR[..., :1])
    assert tf.image.decode_png(contents, 4).shape.as_list() == [None, None, 4]
    alpha = run(tf.image.decode_png(contents, 4), {contents: saved(COLOR, "PNG")})
    np.testing.assert_array_equal(alpha[..., 3], 255)


def test_sixteen_bits():
    wide = RNG.integers(0, 65536, (3, 4, 1)).astype(np.uint16)
    contents = tf.image.encode_png(wide)
    np.testing.assert_array_equal(run(tf.image.decode_png(contents, dtype=tf.uint16)), wide)
    np.testing.assert_array_equal(run(tf.image.decode_png(contents)), wide >> 8)
    widened = run(tf.image.decode_png(saved(COLOR, "PNG"), dtype=tf.uint16))
    np.testing.assert_array_equal(widened, COLOR.astype(np.uint16) * 257)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_what_is_encoded_as_png_comes_back(channels):
    x = RNG.integers(0, 256, (4, 3, channels)).astype(np.uint8)
    contents = tf.image.encode_png(x, compression=9)
    assert contents.dtype is tf.string and contents.shape.rank == 0
    np.testing.assert_array_equal(run(tf.image.decode_image(contents, channels)), x)
    assert run(contents)[:4] == b"\x89PNG"


def test_jpeg_files():
    contents = run(tf.image.encode_jpeg(SMOOTH, quality=98))
    np.testing.assert_array_equal(
        run(tf.image.decode_jpeg(contents)), np.asarray(Image.open(io.BytesIO(contents))))
    assert np.abs(run(tf.image.decode_jpeg(contents)).astype(int) - SMOOTH).max() <= 6
    assert run(tf.image.decode_jpeg(contents, channels=1, ratio=2)).shape == (8, 12, 1)
    assert run(tf.image.extract_jpeg_shape(contents)).tolist() == [16, 24, 3]
    assert run(tf.image.is_jpeg([contents, b"GIF89a"])).tolist() == [True, False]
    window = run(tf.image.decode_and_crop_jpeg(contents, [2, 3, 5, 6]))
    np.testing.assert_array_equal(window, run(tf.image.decode_jpeg(contents))[2:7, 3:9])


def test_bmp_gif_and_any():
    np.testing.assert_array_equal(run(tf.image.decode_bmp(saved(COLOR, "BMP"))), COLOR)
    out = io.BytesIO()
    frames = [Image.fromarray(np.full((4, 5), v, np.uint8)) for v in (0, 255)]
    frames[0].save(out, "GIF", save_all=True, append_images=frames[1:])
    found = run(tf.image.decode_gif(out.getvalue()))
    assert found.shape == (2, 4, 5, 3) and found[0].max() == 0 and found[1].min() == 255
    assert run(tf.image.decode_image(out.getvalue())).shape == (2, 4, 5, 3)
    first = tf.image.decode_image(out.getvalue(), expand_animations=False)
    assert run(first).shape[:2] == (4, 5)
    floats = run(tf.io.decode_image(saved(COLOR, "PNG"), dtype=tf.float32))
    np.testing.assert_allclose(floats, COLOR / 255.0, rtol=1e-5)


def test_an_input_pipeline_of_one_file(tmp_path):
    path = tmp_path / "folder" / "picture.png"
    written = tf.write_file(str(path), tf.image.encode_png(COLOR))
    name = tf.placeholder(tf.string, [])
    image = tf.image.decode_png(tf.read_file(name), channels=3)
    small = tf.image.resize_images(image, [10, 14], tf.image.ResizeMethod.NEAREST_NEIGHBOR)
    with tf.Session() as session:
        session.run(written)
        found = session.run(small, {name: str(path)})
    np.testing.assert_array_equal(found, COLOR.repeat(2, 0).repeat(2, 1))
    assert run(tf.matching_files(str(tmp_path / "*" / "*.png"))).tolist() == [str(path).encode()]


def test_what_cannot_be_read_is_named(tmp_path):
    with pytest.raises(tf.errors.NotFoundError, match="missing.png"):
        run(tf.read_file(str(tmp_path / "missing.png")))
    with pytest.raises(tf.errors.InvalidArgumentError, match="beginning b'no image'"):
        run(tf.image.decode_png(b"no image at all"))
    with pytest.raises(tf.errors.InvalidArgumentError, match="are not GIF data"):
        run(tf.image.decode_gif(saved(COLOR, "PNG")))
    with pytest.raises(tf.errors.InvalidArgumentError, match="format 'grayscale' takes 1"):
        run(tf.image.encode_jpeg(COLOR, "grayscale"))


def test_pillow_is_asked_for_where_it_is_missing(monkeypatch):
    plain = builtins.__import__

    def without_pillow(name, *args, **kwargs):
        if name.startswith("PIL"):
            raise ImportError(name)
        return plain(name, *args, **kwargs)

    contents = saved(COLOR, "PNG")
    monkeypatch.setattr(builtins, "__import__", without_pillow)
    with pytest.raises(tf.errors.UnimplementedError, match=r"pip install graphflow\[image\]"):
        run(tf.image.decode_png(contents))
