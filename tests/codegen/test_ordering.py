"""Updates come behind what reads the array that they change."""

from __future__ import annotations

import numpy as np

import graphflow as gf


def test_a_read_element_is_cleared_in_place():
    with gf.Graph().as_default():
        x = gf.placeholder(gf.float32, [None, 4])
        base = x * 2
        changed = gf.tensor_scatter_nd_update(base, [[1]], gf.zeros([1, 4]))
        before = gf.reduce_sum(base * base, 1)
        fed = np.arange(12, dtype=np.float32).reshape(3, 4)
        with gf.Session() as session:
            explained = session.explain([changed, before], {x: fed})
            kinds = [k.kind for k in explained.kernels]
            assert kinds.index("scatter") == len(kinds) - 1
            found = session.run([changed, before], {x: fed})
    expected = 2 * fed
    np.testing.assert_allclose(found[1], (expected**2).sum(1))
    expected[1] = 0
    np.testing.assert_array_equal(found[0], expected)


def test_what_reads_the_result_comes_behind_it():
    with gf.Graph().as_default():
        x = gf.placeholder(gf.float32, [None, 4])
        base = x * 2
        changed = gf.tensor_scatter_nd_update(base, [[0]], gf.zeros([1, 4]))
        again = gf.tensor_scatter_nd_add(changed, [[1]], gf.ones([1, 4]))
        both = gf.reduce_sum(changed + base, 1)
        fed = np.arange(12, dtype=np.float32).reshape(3, 4)
        with gf.Session() as session:
            found = session.run([again, both, base], {x: fed})
    base_value = 2 * fed
    changed_value = base_value.copy()
    changed_value[0] = 0
    np.testing.assert_array_equal(found[1], (changed_value + base_value).sum(1))
    changed_value[1] += 1
    np.testing.assert_array_equal(found[0], changed_value)
    np.testing.assert_array_equal(found[2], base_value)
