"""Kills a process while it exports: `python tests/export/killed.py --kills 1000`.

A child exports the same graph again and again with other values, and says which it has finished.
It is killed at a random moment; the file must then be one of the last two, whole.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import graphflow as tf


def _write(path: Path, pipe: int, first: int) -> None:
    """Exports with v = first, first + 1, …, until it is killed."""
    v = tf.Variable(np.zeros(40_000, np.float32), name="v")
    number = tf.placeholder(tf.float32, [])
    step = tf.assign(v, tf.fill([40_000], number))
    with tf.Session(device="reference") as session:
        while True:
            session.run(step, {number: first})
            tf.export(path, {"run": ({}, {"v": v})}, session)
            os.write(pipe, b"%d\n" % first)
            first += 1


def _kill_one(path: Path, first: int, wait: float) -> int:
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        with tf.Graph().as_default():
            _write(path, write, first)
    os.close(write)
    with os.fdopen(read, "rb") as lines:
        finished = [int(lines.readline())]
        time.sleep(wait)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        finished += [int(line) for line in lines]
    return finished[-1]


def run(kills: int, folder: Path, seed: int = 5) -> int:
    """Kills so often; gives the number of the last export. Raises AssertionError."""
    waits, last, path = random.Random(seed), 0, folder / "model.gflow"
    for _ in range(kills):
        finished = _kill_one(path, last + 1, waits.uniform(0.0, 0.02))
        loaded = tf.load(path)
        with loaded.session(device="reference") as session:
            value = loaded.signatures["run"].run(session)["v"]
        last = int(value[0])
        assert last in (finished, finished + 1), (last, finished)
        np.testing.assert_array_equal(value, np.full(40_000, last, np.float32))
        assert len(list(folder.iterdir())) <= 2  # at most one half-written file beside it
    return last


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=1000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        exports = run(options.kills, Path(folder))
    print(f"{options.kills} kills, {exports} exports: all files whole")
    return 0


if __name__ == "__main__":
    sys.exit(main())
