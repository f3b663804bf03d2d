"""Convolutions and their gradients over random sizes, strides, dilations, padding and groups.

`random_convolution_run.py` runs as many as one likes.
"""

from __future__ import annotations

import numpy as np
import pytest
from random_convolutions import complaints, draw

import graphflow as gf
from graphflow.options import Options


@pytest.mark.parametrize("seed", range(8))
def test_random_convolutions_are_sums_within_the_error_bound(seed: int) -> None:
    case = draw(seed)
    assert complaints(case) == [], case


@pytest.mark.parametrize("groups", [1, 32])
def test_convolutions_are_the_same_bits_for_any_number_of_threads(groups: int) -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((12, 14, 14, 32)).astype(np.float32)
    w = rng.standard_normal((3, 3, 32 // groups, 32)).astype(np.float32)
    made = []
    for threads in (1, 2, 3):
        with gf.Graph().as_default():
            image = gf.placeholder(gf.float32, [None, *x.shape[1:]])
            filter = gf.placeholder(gf.float32, w.shape)
            y = gf.nn.max_pool(gf.nn.conv2d(image, filter, 2, "SAME"), 2, 2, "SAME")
            with gf.Session(options=Options(threads=threads)) as session:
                made.append(session.run([y, *gf.gradients(y, [image, filter])],
                                        {image: x, filter: w}))
    for other in made[1:]:
        for one, two in zip(made[0], other):
            np.testing.assert_array_equal(one, two)
