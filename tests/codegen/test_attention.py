"""Attention in blocks: the kernels against float64 NumPy, and which programs get them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from thread_bits import bits

import graphflow as gf
from graphflow.options import Options

RNG = np.random.default_rng(0)
NEVER = ("attention",)  # the pass, left out


def drawn(*sizes: int, dtype: Any = np.float32) -> np.ndarray:
    return RNG.normal(size=sizes).astype(dtype)


def expected(
    q: np.ndarray, k: np.ndarray, v: np.ndarray, g: np.ndarray, scale: float, added: Any = 0.0
) -> list[np.ndarray]:
    """softmax(q·kᵀ·scale + added)·v and the gradients of its product with g, in float64."""
    q, k, v, g = (x.astype(np.float64) for x in (q, k, v, g))
    with np.errstate(invalid="ignore"):
        scores = q @ k.swapaxes(-1, -2) * scale + added
        weights = np.exp(scores - scores.max(-1, keepdims=True, initial=-np.inf))
        weights /= weights.sum(-1, keepdims=True)
    out = weights @ v
    slopes = weights * (g @ v.swapaxes(-1, -2) - (g * out).sum(-1, keepdims=True)) * scale
    return [out, slopes @ k, slopes.swapaxes(-1, -2) @ q, weights.swapaxes(-1, -2) @ g]


def placeholders(arrays: list[np.ndarray], known: bool) -> list[Any]:
    return [gf.placeholder(gf.as_dtype(a.dtype), a.shape if known else
                           [None] * (a.ndim - 1) + [a.shape[-1]]) for a in arrays]


def ops(session: gf.Session, fetches: Any, feed: dict[Any, np.ndarray]) -> set[str]:
    """The ops that the kernels compute."""
    return {op for kernel in session.explain(fetches, feed).kernels for op in kernel.ops}


def later(queries: int, keys: int) -> np.ndarray:
    return np.where(np.arange(keys) > np.arange(queries)[:, None], -np.inf, 0.0)


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize(("queries", "keys", "depth", "length"), [
    (64, 64, 32, 32), (100, 70, 20, 5), (17, 200, 3, 33), (129, 1, 8, 8), (16, 63, 1, 1)])
def test_blocks_of_every_size(
    queries: int, keys: int, depth: int, length: int, known: bool
) -> None:
    arrays = [drawn(2, 3, queries, depth), drawn(2, 3, keys, depth), drawn(2, 3, keys, length),
              drawn(2, 3, queries, length)]
    with gf.Graph().as_default():
        q, k, v, g = placeholders(arrays, known)
        out = gf.nn.scaled_dot_product_attention(q, k, v, scale=0.3)
        fetches = [out, *gf.gradients(out, [q, k, v], grad_ys=g)]
        with gf.Session() as session:
            feed = dict(zip((q, k, v, g), arrays))
            found = session.run(fetches, feed)
            assert {"Attention", "AttentionGrad"} <= ops(session, fetches, feed)
    for a, b in zip(found, expected(*arrays, 0.3)):
        np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("queries", [1, 2, 40])
def test_one_variant_serves_any_number_of_queries(queries: int) -> None:
    with gf.Graph().as_default():
        q, k, v, g = (gf.placeholder(gf.float64, [None, None, 6]) for _ in range(4))
        out = gf.nn.scaled_dot_product_attention(q, k, v, scale=1.0)
        fetches = [out, *gf.gradients(out, [q, k, v], grad_ys=g)]
        arrays = [drawn(2, n, 6, dtype=np.float64) for n in (queries, 9, 9, queries)]
        with gf.Session() as session:
            found = session.run(fetches, dict(zip((q, k, v, g), arrays)))
    for a, b in zip(found, expected(*arrays, 1.0)):
        np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("shape", [
    (40, 90), (1, 90), (40, 1), (90,), (2, 1, 1, 90), (2, 3, 40, 90), (1, 3, 40, 1)])
def test_masks_broadcast(shape: tuple[int, ...]) -> None:
    arrays = [drawn(2, 3, n, d) for n, d in ((40, 24), (90, 24), (90, 10), (40, 10))]
    mask = drawn(*shape)
    with gf.Graph().as_default():
        q, k, v, g, m = placeholders([*arrays, mask], True)
        out = gf.nn.scaled_dot_product_attention(q, k, v, mask=m, scale=0.2)
        fetches = [out, *gf.gradients(out, [q, k, v], grad_ys=g)]
        with gf.Session() as session:
            found = session.run(fetches, dict(zip((q, k, v, g, m), [*arrays, mask])))
    for a, b in zip(found, expected(*arrays, 0.2, mask)):
        np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize(("queries", "keys"), [(130, 130), (40, 90), (90, 40)])
def test_causal_attention(queries: int, keys: int, known: bool) -> None:
    arrays = [drawn(3, n, 16) for n in (queries, keys, keys, queries)]
    with gf.Graph().as_default():
        q, k, v, g = placeholders(arrays, known)
        out = gf.nn.scaled_dot_product_attention(q, k, v, causal=True, scale=0.25)
        fetches = [out, *gf.gradients(out, [q, k, v], grad_ys=g)]
        with gf.Session() as session:
            found = session.run(fetches, dict(zip((q, k, v, g), arrays)))
    for a, b in zip(found, expected(*arrays, 0.25, later(queries, keys))):
        np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-5)


def written(q: Any, k: Any, v: Any, form: str, mask: Any = None) -> Any:
    """Attention as programs write it."""
    if form == "columns":
        scores = gf.matmul(q / 4.0, gf.transpose(k, [0, 2, 1]))
    else:
        scores = gf.matmul(q, k, transpose_b=True)
        scores = {"times": lambda s: s * 0.25, "over": lambda s: s / 4.0}[form](scores)
    return gf.matmul(gf.nn.softmax(scores if mask is None else scores + mask), v)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("form", ["times", "over", "columns"])
def test_written_attention_is_found(form: str, masked: bool) -> None:
    arrays = [drawn(4, 33, 16) for _ in range(4)]
    added = np.where(RNG.random((4, 1, 33)) < 0.3, -1e9, 0).astype(np.float32)
    added[..., 0] = 0
    with gf.Graph().as_default():
        q, k, v, g, m = placeholders([*arrays, added], True)
        out = written(q, k, v, form, m if masked else None)
        fetches = [out, *gf.gradients(out, [q, k, v], grad_ys=g)]
        feed = dict(zip((q, k, v, g, m), [*arrays, added]))
        with gf.Session() as session:
            found = session.run(fetches, feed)
            assert {"Attention", "AttentionGrad"} <= ops(session, fetches, feed)
            assert "Exp" not in ops(session, fetches, feed)
    for a, b in zip(found, expected(*arrays, 0.25, added if masked else 0.0)):
        np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-5)


def test_weights_that_are_used_stay() -> None:
    q, k, v = (drawn(4, 33, 16) for _ in range(3))
    with gf.Graph().as_default():
        weights = gf.nn.softmax(gf.matmul(q, k, transpose_b=True))
        both = [gf.matmul(weights, v), weights]
        mask = gf.placeholder(gf.float32, [4, 33, 33])
        out = written(q, k, v, "times", mask)
        slope = [out, gf.gradients(out, mask)[0]]
        with gf.Session() as session:
            for fetches, feed in ((both, {}), (slope, {mask: np.zeros((4, 33, 33))})):
                assert "Attention" not in ops(session, fetches, feed)


def test_rows_that_see_nothing_are_what_the_formula_gives() -> None:
    q, k, v = (drawn(2, 70, 8) for _ in range(3))
    hidden = np.zeros((70, 70), np.float32)
    hidden[3] = -np.inf
    hidden[5, :65] = -np.inf
    found = []
    for disabled in ((), NEVER):
        with gf.Graph().as_default(), gf.Session(
                options=Options(disable_passes=disabled)) as session:
            x = gf.placeholder(gf.float32, q.shape)
            out = written(x, gf.constant(k), gf.constant(v), "times", gf.constant(hidden))
            found.append(session.run(out, {x: q}))
    assert np.isnan(found[0][:, 3]).all()
    assert np.isnan(found[0]).sum() == 2 * 8
    np.testing.assert_allclose(*found, rtol=1e-5, atol=1e-6)


def test_hidden_keys_of_boolean_masks() -> None:
    q, k, v = (drawn(70, 8) for _ in range(3))
    seen = RNG.random((70, 70)) < 0.5
    seen[3] = False
    with gf.Graph().as_default(), gf.Session() as session:
        x = gf.placeholder(gf.float32, q.shape)
        out = session.run(gf.nn.scaled_dot_product_attention(x, k, v, mask=seen), {x: q})
    wanted = expected(q, k, v, q, 8 ** -0.5, np.where(seen, 0.0, -1e30))[0]
    np.testing.assert_allclose(out, wanted, rtol=2e-5, atol=2e-5)
    np.testing.assert_allclose(out[3], v.mean(0), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("batch", "queries", "keys"), [(0, 20, 20), (2, 0, 20), (2, 20, 0)])
def test_nothing_to_attend_to(batch: int, queries: int, keys: int) -> None:
    arrays = [drawn(batch, n, 4) for n in (queries, keys, keys, queries)]
    with gf.Graph().as_default():
        q, k, v, g = (gf.placeholder(gf.float32, [None, None, 4]) for _ in range(4))
        out = gf.nn.scaled_dot_product_attention(q, k, v)
        fetches = [out, *gf.gradients(out, [q, k, v], grad_ys=g)]
        with gf.Session() as session:
            found = session.run(fetches, dict(zip((q, k, v, g), arrays)))
    for a, like in zip(found, (arrays[3], *arrays[:3])):
        np.testing.assert_array_equal(a, np.zeros(like.shape, np.float32))


def test_bits_do_not_depend_on_threads() -> None:
    arrays = [drawn(6, n, 16) for n in (150, 130, 130, 150)]
    with gf.Graph().as_default():
        q, k, v, g = placeholders(arrays, False)
        out = gf.nn.scaled_dot_product_attention(q, k, v, causal=True)
        total = gf.concat([out, *gf.gradients(out, [q, k, v], grad_ys=g)], 1)
        _, all_bits = bits(total, dict(zip((q, k, v, g), arrays)))
    assert len(all_bits) == 1


def test_memory_is_no_matrix_of_scores() -> None:
    queries, sizes = 1024, {}
    arrays = [drawn(2, queries, 16) for _ in range(4)]
    for disabled in ((), NEVER):
        with gf.Graph().as_default(), gf.Session(
                options=Options(disable_passes=disabled)) as session:
            q, k, v, g = placeholders(arrays, True)
            out = written(q, k, v, "times")
            fetches = [out, *gf.gradients(out, [q, k, v], grad_ys=g)]
            feed = dict(zip((q, k, v, g), arrays))
            session.run(fetches, feed)
            sizes[disabled] = session.memory_report(fetches, feed).arena_bytes
    assert sizes[NEVER] >= 2 * queries * queries * 4
    assert sizes[()] <= queries * queries
