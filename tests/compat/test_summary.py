"""Summaries and event files. The bytes that stand here come from TensorFlow 2.21."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import pytest

import graphflow as tf
from graphflow import wire
from graphflow.summary.records import Value, histogram_of, png


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default() as graph:
        yield graph


def test_merged_summaries_have_the_values_of_the_run():
    x = tf.placeholder(tf.float32, [None], name="x")
    with tf.name_scope("train"):
        tf.summary.scalar("mean of x", tf.reduce_mean(x))
    tf.summary.histogram("x", x)
    merged = tf.summary.merge_all()
    with tf.Session() as sess:
        found = tf.Summary.FromString(sess.run(merged, {x: [1.0, 2.0, 3.0]}))
    assert [v.tag for v in found.value] == ["train/mean_of_x", "x_1"]
    assert found.value[0].simple_value == 2.0
    assert tf.summary.merge_all("nothing") is None


def test_an_event_file_is_read_back(tmp_path: Path):
    with tf.summary.FileWriter(str(tmp_path), tf.get_default_graph()) as writer:
        writer.add_summary(tf.Summary(value=[tf.Summary.Value(tag="a", simple_value=0.5)]), 7)
    [path] = tmp_path.iterdir()
    first, second = tf.summary.summary_iterator(path)
    assert first.file_version == "brain.Event:2"
    assert (second.step, second.summary.value[0].tag) == (7, "a")
    assert second.summary.value[0].simple_value == 0.5
    damaged = bytearray(path.read_bytes())
    damaged[-6] ^= 1
    with pytest.raises(ValueError, match="corrupted record"):
        list(wire.records(bytes(damaged)))


def test_records_have_tensorflows_bytes():
    assert wire.masked_crc(b"123456789") == _masked(0xE3069283)  # the published check value
    summary = tf.Summary(value=[tf.Summary.Value(tag="a", simple_value=0.5)])
    assert summary.SerializeToString() == b"\n\x08\n\x01a\x15\x00\x00\x00?"


def _masked(crc: int) -> int:
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def test_histogram_counts_every_value():
    values = np.array([-3.0, 0.0, 1e-13, 0.5, 0.5, 2.0])
    histogram = histogram_of(values)
    assert (histogram.min, histogram.max, histogram.num) == (-3.0, 2.0, 6.0)
    assert histogram.sum_squares == pytest.approx(13.5)
    assert sum(histogram.bucket) == 6
    limits = np.array(histogram.bucket_limit)
    below = np.cumsum(histogram.bucket)[np.searchsorted(limits, 0.4)]
    assert below == 3
    with pytest.raises(ValueError, match="Nan or Inf"):
        histogram_of(np.array([np.nan]))


def test_png_holds_the_pixels():
    pixels = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    data = png(pixels)
    at = data.index(b"IDAT")
    size = int.from_bytes(data[at - 4:at], "big")
    lines = np.frombuffer(zlib.decompress(data[at + 4:at + 4 + size]), np.uint8).reshape(2, 13)
    np.testing.assert_array_equal(lines[:, 1:].reshape(2, 4, 3), pixels)


def test_images_and_text_are_summaries():
    tf.summary.image("im", np.ones((2, 3, 3, 1), np.float32), max_outputs=1)
    tf.summary.text("note", tf.constant("hello"))
    with tf.Session() as sess:
        found = tf.Summary.FromString(sess.run(tf.summary.merge_all()))
    assert [v.tag for v in found.value] == ["im/image", "note"]
    assert all(isinstance(v, Value) and v.other for v in found.value)
    with pytest.raises(tf.errors.ShapeError, match="batch, height, width"):
        tf.summary.image("flat", np.ones((3, 3)))
