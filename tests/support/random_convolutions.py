"""Convolutions drawn at random, and what is wrong with what is compiled for them.

A case is a convolution with its gradients. Expected values are sums in float64, one window
position at a time; a result may differ from them by the error bound of a sum of as many terms:
(terms + 2) · ε · Σ |x · w| (Higham, Accuracy and Stability of Numerical Algorithms, section 3.1).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

import graphflow as gf
from graphflow.options import Options


@dataclass(frozen=True)
class Case:
    """One convolution: image [n, h, w, c], filter [kh, kw, c / groups, out]."""

    image: tuple[int, int, int, int]
    filter: tuple[int, int, int, int]
    strides: tuple[int, int]
    dilations: tuple[int, int]
    padding: tuple[tuple[int, int], tuple[int, int]]
    data_format: str
    dtype: str
    known_batch: bool
    threads: int
    seed: int

    @property
    def groups(self) -> int:
        return self.image[3] // self.filter[2]


def draw(seed: int) -> Case:
    """Case number `seed`."""
    rng = np.random.default_rng(seed)

    def pick(*values: int) -> int:
        return int(rng.choice(values))

    kernel = (pick(1, 2, 3, 3, 5), pick(1, 2, 3, 3, 5, 7))
    dilations = (pick(1, 1, 1, 2), pick(1, 1, 1, 2, 3))
    strides = (pick(1, 1, 2, 3), pick(1, 1, 2, 3))
    padding = tuple((int(rng.integers(0, k)), int(rng.integers(0, k))) for k in kernel)
    covered = [(k - 1) * d + 1 - sum(p) for k, d, p in zip(kernel, dilations, padding)]
    height, width = (max(1, n) + int(rng.integers(0, more)) for n, more in zip(covered, (9, 36)))
    inside, outside = pick(1, 2, 3, 5, 8, 16, 17, 33), pick(1, 3, 8, 10, 16, 24, 32, 48, 70)
    groups = pick(1, 1, 1, 1, 2, 0)
    if groups == 0:  # depthwise
        groups, inside, outside = inside, 1, inside * pick(1, 1, 2)
    elif groups == 2:
        outside *= 2
    return Case(
        (pick(1, 2, 3, 9), height, width, inside * groups), (*kernel, inside, outside), strides,
        dilations, (padding[0], padding[1]), "NCHW" if rng.random() < 0.15 else "NHWC",
        "float64" if rng.random() < 0.3 else "float32", bool(rng.random() < 0.5), pick(1, 1, 2),
        seed)


def complaints(case: Case) -> list[str]:
    """What differs by more than rounding explains, each in a few words."""
    rng = np.random.default_rng(case.seed)
    x, w = (rng.standard_normal(s).astype(case.dtype) for s in (case.image, case.filter))
    forward = _forward(x, w, case)
    g = rng.standard_normal(forward.shape).astype(case.dtype)
    bias = rng.standard_normal(forward.shape[-1]).astype(case.dtype)
    made = _compiled(case, x, w, g, bias)
    magnitude = _forward(abs(x), abs(w), case)
    kernel = case.filter[0] * case.filter[1]
    terms = kernel * case.filter[2]
    expected = {
        "forward": (forward, magnitude, terms),
        "with bias and ReLU": (np.maximum(forward + bias, 0), magnitude + abs(bias), terms + 1),
        "by image": (_by_image(g, w, case), _by_image(abs(g), abs(w), case),
                     kernel * case.filter[3] // case.groups),
        "by filter": (_by_filter(x, g, case), _by_filter(abs(x), abs(g), case),
                      g.size // g.shape[-1]),
    }
    found = []
    for (name, (want, size, count)), got in zip(expected.items(), made):
        bound = (count + 2) * np.finfo(case.dtype).eps * size + np.finfo(case.dtype).tiny
        if got.shape != want.shape:
            found.append(f"{name}: shape {got.shape}, not {want.shape}")
        elif not (abs(got - want) <= bound).all():
            found.append(f"{name}: {np.nanmax(abs(got - want) / bound):.3g} times the bound")
    return found


def _compiled(
    case: Case, x: np.ndarray, w: np.ndarray, g: np.ndarray, bias: np.ndarray
) -> list[np.ndarray]:
    order = (0, 3, 1, 2) if case.data_format == "NCHW" else (0, 1, 2, 3)
    back = np.argsort(order)
    pads = [[[0, 0], *map(list, case.padding), [0, 0]][a] for a in order]
    strides, dilations = ([(1, *v, 1)[a] for a in order] for v in (case.strides, case.dilations))
    batch = case.image[0] if case.known_batch else None
    with gf.Graph().as_default():
        image, grad = (gf.placeholder(case.dtype, [batch, *np.transpose(a, order).shape[1:]])
                       for a in (x, g))
        filter, b = gf.placeholder(case.dtype, w.shape), gf.placeholder(case.dtype, bias.shape)
        y = gf.nn.conv2d(image, filter, strides, pads, data_format=case.data_format,
                         dilations=dilations)
        z = gf.nn.relu(gf.nn.bias_add(y, b, data_format=case.data_format))
        dx, dw = gf.gradients(y, [image, filter], grad)
        feeds = {image: np.transpose(x, order), filter: w, grad: np.transpose(g, order), b: bias}
        with gf.Session(options=Options(threads=case.threads)) as session:
            made = [session.run(one, {k: v for k, v in feeds.items() if k in used})
                    for one, used in ((y, (image, filter)), (z, (image, filter, b)),
                                      (dx, (image, filter, grad)), (dw, (image, filter, grad)))]
    return [*(np.transpose(v, back) for v in made[:3]), made[3]]


# ---- sums in float64 --------------------------------------------------------------------------


def _positions(case: Case) -> Iterator[tuple[int, int, tuple[slice, slice, slice]]]:
    """For each window position, the places of the padded image that it sees."""
    sizes = [n + sum(p) for n, p in zip(case.image[1:3], case.padding)]
    out = [(n - (k - 1) * d - 1) // s + 1 for n, k, d, s in zip(
        sizes, case.filter, case.dilations, case.strides)]
    for i, j in np.ndindex(*case.filter[:2]):
        first = [k * d for k, d in zip((i, j), case.dilations)]
        yield i, j, (slice(None), *(slice(f, f + (o - 1) * s + 1, s)
                                    for f, o, s in zip(first, out, case.strides)))


def _padded(x: np.ndarray, case: Case) -> np.ndarray:
    return np.pad(x.astype(np.float64), ((0, 0), *case.padding, (0, 0)))


def _grouped(a: np.ndarray, case: Case) -> np.ndarray:
    """[…, channels] as […, groups, channels of one]."""
    return a.astype(np.float64).reshape(*a.shape[:-1], case.groups, -1)


def _forward(x: np.ndarray, w: np.ndarray, case: Case) -> np.ndarray:
    image, filter = _grouped(_padded(x, case), case), _grouped(w, case)
    total = sum(np.einsum("nhwgc,cgo->nhwgo", image[at], filter[i, j])
                for i, j, at in _positions(case))
    return np.asarray(total).reshape(*np.shape(total)[:3], -1)


def _by_image(g: np.ndarray, w: np.ndarray, case: Case) -> np.ndarray:
    total = _grouped(_padded(np.zeros(case.image), case), case)
    grad, filter = _grouped(g, case), _grouped(w, case)
    for i, j, at in _positions(case):
        total[at] += np.einsum("nhwgo,cgo->nhwgc", grad, filter[i, j])
    (top, _), (left, _) = case.padding
    _, height, width, _ = case.image
    return total[:, top:top + height, left:left + width].reshape(case.image)


def _by_filter(x: np.ndarray, g: np.ndarray, case: Case) -> np.ndarray:
    image, grad = _grouped(_padded(x, case), case), _grouped(g, case)
    total = np.zeros((*case.filter[:3], case.groups, case.filter[3] // case.groups))
    for i, j, at in _positions(case):
        total[i, j] = np.einsum("nhwgc,nhwgo->cgo", image[at], grad)
    return total.reshape(case.filter)
