"""Convolutions drawn at random, and what is wrong with what is compiled for them.

A case is a convolution with its gradients, over one (a line is an image of one row), two or three
spatial axes. Expected values are sums in float64, one window position at a time; a result may
differ from them by the error bound of a sum of as many terms: (terms + 2) · ε · Σ |x · w| (Higham,
Accuracy and Stability of Numerical Algorithms, section 3.1). Half types are summed in float32, and
each operation rounds its result once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod

import ml_dtypes
import numpy as np

import graphflow as gf
from graphflow.options import Options

Pairs = tuple[tuple[int, int], ...]
EPSILON = {"float16": 2.0 ** -11, "bfloat16": 2.0 ** -8}  # of one rounding
ROUNDINGS = 4  # of half types, in the longest epilogue


@dataclass(frozen=True)
class Case:
    """One convolution: image [n, *spatial, c], filter [*window, c / groups, out]."""

    image: tuple[int, ...]
    filter: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    padding: Pairs
    channels_last: bool
    dtype: str
    known_batch: bool
    epilogue: str
    threads: int
    seed: int

    @property
    def groups(self) -> int:
        return self.image[-1] // self.filter[-2]

    @property
    def numpy(self) -> np.dtype:
        return np.dtype(ml_dtypes.bfloat16 if self.dtype == "bfloat16" else self.dtype)


def draw(seed: int) -> Case:
    """Case number `seed`."""
    rng = np.random.default_rng(seed)

    def pick(*values: int) -> int:
        return int(rng.choice(values))

    axes = pick(1, 2, 2, 2, 2, 3)
    kernel = (*(pick(1, 2, 3, 3, 5) for _ in range(axes - 1)), pick(1, 2, 3, 3, 5, 7))
    dilations = (*(pick(1, 1, 1, 2) for _ in kernel[1:]), pick(1, 1, 1, 2, 3))
    strides = tuple(pick(1, 1, 2, 3) for _ in kernel)
    padding = tuple((int(rng.integers(0, k)), int(rng.integers(0, k))) for k in kernel)
    covered = [(k - 1) * d + 1 - sum(p) for k, d, p in zip(kernel, dilations, padding)]
    more = (*((9,) * (axes - 1) if axes < 3 else (4, 6)), 36)
    spatial = tuple(max(1, n) + int(rng.integers(0, m)) for n, m in zip(covered, more))
    if axes == 1:  # as `conv1d` has it
        kernel, dilations, strides, padding, spatial = (
            (1, *kernel), (1, *dilations), (1, *strides), ((0, 0), *padding), (1, *spatial))
    inside, outside = pick(1, 2, 3, 5, 8, 16, 17, 33), pick(1, 3, 8, 10, 16, 24, 32, 48, 70)
    groups = pick(1, 1, 1, 1, 2, 5, 0)
    if groups == 0:  # depthwise
        groups, inside, outside = inside, 1, inside * pick(1, 1, 2)
    elif groups > 1:
        outside *= groups
    kinds = ("float32",) * 6 + ("float64",) * 2 + ("float16", "bfloat16")
    return Case(
        (pick(1, 2, 3, 9), *spatial, inside * groups), (*kernel, inside, outside), strides,
        dilations, padding, bool(rng.random() < 0.75), str(rng.choice(kinds)),
        bool(rng.random() < 0.5), str(rng.choice(("bias and ReLU", "scale and residual"))),
        pick(1, 1, 2), seed)


def complaints(case: Case) -> list[str]:
    """What differs by more than rounding explains, each in a few words."""
    rng = np.random.default_rng(case.seed)
    x, w = (rng.standard_normal(s).astype(case.numpy) for s in (case.image, case.filter))
    forward = _forward(x, w, case)
    g, residual = (rng.standard_normal(forward.shape).astype(case.numpy) for _ in range(2))
    bias = rng.standard_normal(forward.shape[-1]).astype(case.numpy)
    made = _compiled(case, x, w, g, bias, residual)
    magnitude = _forward(abs(x), abs(w), case)
    terms = prod(case.filter[:-1])
    wide_bias, wide_residual = bias.astype(np.float64), residual.astype(np.float64)
    after = np.maximum(forward + wide_bias, 0), magnitude + abs(wide_bias), terms + 1
    if case.epilogue != "bias and ReLU":
        after = (forward * wide_bias + wide_residual,
                 magnitude * abs(wide_bias) + abs(wide_residual), terms + 2)
    expected = {
        "forward": (forward, magnitude, terms),
        case.epilogue: after,
        "by image": (_by_image(g, w, case), _by_image(abs(g), abs(w), case),
                     terms // case.filter[-2] * case.filter[-1] // case.groups),
        "by filter": (_by_filter(x, g, case), _by_filter(abs(x), abs(g), case),
                      g.size // g.shape[-1]),
    }
    found = []
    for (name, (want, size, count)), got in zip(expected.items(), made):
        bound = _bound(case, size, count)
        if got.shape != want.shape:
            found.append(f"{name}: shape {got.shape}, not {want.shape}")
        elif not (abs(got.astype(np.float64) - want) <= bound).all():
            error = abs(got.astype(np.float64) - want)
            found.append(f"{name}: {np.nanmax(error / bound):.3g} times the bound")
    return found


def _bound(case: Case, size: np.ndarray, count: int) -> np.ndarray:
    half = EPSILON.get(case.dtype, 0.0)
    sums = np.finfo(np.float32 if half else case.dtype)
    tiny = 2.0 ** -24 if case.dtype == "float16" else float(sums.tiny)  # where halves end
    return np.asarray(((count + 2) * float(sums.eps) + ROUNDINGS * half) * size + tiny)


def _compiled(
    case: Case, x: np.ndarray, w: np.ndarray, g: np.ndarray, bias: np.ndarray,
    residual: np.ndarray,
) -> list[np.ndarray]:
    rank = len(case.image)
    order = (*range(rank),) if case.channels_last else (0, rank - 1, *range(1, rank - 1))
    back = np.argsort(order)
    pads = [[[0, 0], *map(list, case.padding), [0, 0]][a] for a in order]
    strides, dilations = ([(1, *v, 1)[a] for a in order] for v in (case.strides, case.dilations))
    letters = "NHWC" if rank == 4 else "NDHWC"
    layout = "".join(letters[a] for a in order)
    batch = case.image[0] if case.known_batch else None
    convolve = gf.nn.conv2d if rank == 4 else gf.nn.conv3d
    with gf.Graph().as_default():
        image, grad, other = (
            gf.placeholder(case.dtype, [batch, *np.transpose(a, order).shape[1:]])
            for a in (x, g, residual))
        filter, b = gf.placeholder(case.dtype, w.shape), gf.placeholder(case.dtype, bias.shape)
        y = convolve(image, filter, strides, pads, data_format=layout, dilations=dilations)
        if case.epilogue == "bias and ReLU":
            z, more = gf.nn.relu(gf.nn.bias_add(
                y, b, data_format="NHWC" if case.channels_last else "NCHW")), (b,)
        else:
            ones = [1] * (rank - 2)
            z = y * gf.reshape(b, [-1] if case.channels_last else [-1, *ones]) + other
            more = (b, other)
        dx, dw = gf.gradients(y, [image, filter], grad)
        feeds = {image: np.transpose(x, order), filter: w, grad: np.transpose(g, order), b: bias,
                 other: np.transpose(residual, order)}
        with gf.Session(options=Options(threads=case.threads)) as session:
            made = [session.run(one, {k: v for k, v in feeds.items() if k in used})
                    for one, used in ((y, (image, filter)), (z, (image, filter, *more)),
                                      (dx, (image, filter, grad)), (dw, (image, filter, grad)))]
    return [*(np.transpose(v, back) for v in made[:3]), made[3]]


# ---- sums in float64 --------------------------------------------------------------------------


def _positions(case: Case) -> Iterator[tuple[tuple[int, ...], tuple[slice, ...]]]:
    """For each window position, the places of the padded image that it sees."""
    sizes = [n + sum(p) for n, p in zip(case.image[1:-1], case.padding)]
    out = [(n - (k - 1) * d - 1) // s + 1 for n, k, d, s in zip(
        sizes, case.filter, case.dilations, case.strides)]
    for place in np.ndindex(*case.filter[:-2]):
        first = [k * d for k, d in zip(place, case.dilations)]
        yield place, (slice(None), *(slice(f, f + (o - 1) * s + 1, s)
                                     for f, o, s in zip(first, out, case.strides)))


def _padded(x: np.ndarray, case: Case) -> np.ndarray:
    return np.pad(x.astype(np.float64), ((0, 0), *case.padding, (0, 0)))


def _grouped(a: np.ndarray, case: Case) -> np.ndarray:
    """[…, channels] as […, groups, channels of one]."""
    return a.astype(np.float64).reshape(*a.shape[:-1], case.groups, -1)


def _flat(a: np.ndarray, sizes: Sequence[int]) -> np.ndarray:
    return np.asarray(a).reshape(*sizes, -1)


def _forward(x: np.ndarray, w: np.ndarray, case: Case) -> np.ndarray:
    image, filter = _grouped(_padded(x, case), case), _grouped(w, case)
    total = sum(np.einsum("...gc,cgo->...go", image[at], filter[place])
                for place, at in _positions(case))
    return _flat(np.asarray(total), np.shape(total)[:-2])


def _by_image(g: np.ndarray, w: np.ndarray, case: Case) -> np.ndarray:
    total = _grouped(_padded(np.zeros(case.image), case), case)
    grad, filter = _grouped(g, case), _grouped(w, case)
    for place, at in _positions(case):
        total[at] += np.einsum("...go,cgo->...gc", grad, filter[place])
    inside = tuple(slice(low, low + n) for (low, _), n in zip(case.padding, case.image[1:-1]))
    return total[:, *inside].reshape(case.image)


def _by_filter(x: np.ndarray, g: np.ndarray, case: Case) -> np.ndarray:
    image, grad = _grouped(_padded(x, case), case), _grouped(g, case)
    total = np.zeros((*case.filter[:-1], case.groups, case.filter[-1] // case.groups))
    groups = grad.reshape(-1, *grad.shape[-2:])
    for place, at in _positions(case):
        seen = image[at].reshape(-1, *image.shape[-2:])
        total[place] = np.einsum("pgc,pgo->cgo", seen, groups)
    return total.reshape(case.filter)
