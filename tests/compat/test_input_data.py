"""`examples.tutorials.mnist.input_data`: MNIST from its files, in batches."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

import graphflow as tf
from graphflow.examples.tutorials.mnist import input_data


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.RandomState(0)
    for part, count in (("train", 30), ("t10k", 10)):
        images = rng.randint(0, 256, (count, 28, 28), dtype=np.uint8)
        labels = rng.randint(0, 10, count, dtype=np.uint8)
        (tmp_path / f"{part}-images-idx3-ubyte").write_bytes(
            struct.pack(">IIII", 2051, count, 28, 28) + images.tobytes())
        (tmp_path / f"{part}-labels-idx1-ubyte").write_bytes(
            struct.pack(">II", 2049, count) + labels.tobytes())
    return tmp_path


def test_parts_have_their_sizes_and_types(folder: Path):
    mnist = input_data.read_data_sets(str(folder), one_hot=True, validation_size=6)
    assert [p.num_examples for p in (mnist.train, mnist.validation, mnist.test)] == [24, 6, 10]
    assert mnist.train.images.shape == (24, 784) and mnist.train.images.dtype == np.float32
    np.testing.assert_array_equal(mnist.test.labels.sum(1), np.ones(10))
    plain = input_data.read_data_sets(folder, reshape=False, validation_size=0, dtype=tf.uint8)
    assert plain.test.images.shape == (10, 28, 28, 1) and plain.test.images.dtype == np.uint8
    assert plain.test.labels.dtype == np.uint8


def test_batches_cover_each_epoch(folder: Path):
    train = input_data.read_data_sets(folder, validation_size=0, seed=1).train
    batches = [train.next_batch(12)[0] for _ in range(5)]
    assert all(len(b) == 12 for b in batches)
    assert train.epochs_completed == 1
    rows = np.concatenate(batches)
    assert len(np.unique(rows[:30], axis=0)) == 30
    assert len(np.unique(rows[30:60], axis=0)) == 30
    in_order = input_data.read_data_sets(folder, validation_size=0).train
    first = in_order.images[:4].copy()
    np.testing.assert_array_equal(in_order.next_batch(4, shuffle=False)[0], first)


def test_missing_files_are_told(tmp_path: Path):
    with pytest.raises(tf.errors.DatasetError, match="images"):
        input_data.read_data_sets(tmp_path)
