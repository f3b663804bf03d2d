"""A process of `test_doctor_and_cache.py`: compiles kernels that no other process has."""

from __future__ import annotations

import sys

import numpy as np

import graphflow as gf

for number in range(int(sys.argv[1]), int(sys.argv[1]) + 3):
    with gf.Graph().as_default():
        x = gf.placeholder(gf.float64, [None])
        y = gf.reduce_sum(gf.exp(x * float(number)) - x)
        with gf.Session() as session:
            found = session.run(y, {x: np.array([0.0, 0.5, -1.0])})
    points = np.array([0.0, 0.5, -1.0])
    assert np.isclose(found, np.sum(np.exp(points * number) - points), rtol=1e-12)
