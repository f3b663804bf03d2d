"""`einsum`: sums of products of tensors, named by one letter for each axis.

Several operands are contracted two at a time, in the order in which a greedy search finds the
smallest intermediate results; every such step is one op, `Einsum`, whose index maps are the
letters themselves, so that no operand is transposed or reshaped before.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import F as OPS
from graphflow.builder import apply, convert, op_function
from graphflow.dims import same
from graphflow.errors import AttributeValueError, ShapeError
from graphflow.lowering import Contraction, LoweringContext
from graphflow.opdef import Attr, ErrorSample, Infer, Sample, TensorType
from graphflow.ops.arguments import failure
from graphflow.ops.declare import declare
from graphflow.ops.precision import widened
from graphflow.ops.scope import scope
from graphflow.shapes import TensorShape

_GUESS = 32  # what an unknown size counts for in the search for an order


def _letters(equation: str) -> tuple[str, str, str]:
    """The axes of both operands and of the result in `ab,bc->ac`."""
    sources, _, out = equation.partition("->")
    left, _, right = sources.partition(",")
    return left, right, out


# ---- the op of two operands -------------------------------------------------------------------


def _infer(c: Infer) -> list[TensorType]:
    left, right, out = _letters(c.attrs["equation"])
    proper = all(len(set(part)) == len(part) for part in (left, right, out))
    if not proper or not set(out) <= set(left + right) or (set(left) ^ set(right)) - set(out):
        raise c.error(f"equation {c.attrs['equation']!r} is no product of two tensors in which "
                      "every axis is summed or kept", cls=AttributeValueError)
    sizes: dict[str, Any] = {}
    for i, part in enumerate((left, right)):
        if c.require_rank(i, len(part)) is None:
            continue
        for letter, size in zip(part, c.shape(i).sizes):
            sizes[letter] = size if letter not in sizes else c.require_same(
                sizes[letter], size, f"axis {letter!r} of {c.attrs['equation']!r} has two "
                                     f"sizes: {c.show(0)}, {c.show(1)}")
    known = TensorShape([None] * len(out)).sizes
    return [TensorType(c.dtype(0), TensorShape.of(
        [sizes.get(letter, unknown) for letter, unknown in zip(out, known)]))]


@widened
def _reference(a: np.ndarray, b: np.ndarray, equation: str) -> np.ndarray:
    """One matrix product for each element of the axes that both and the result have."""
    left, right, out = _letters(equation)
    batch = [x for x in left if x in right and x in out]
    summed = [x for x in left if x in right and x not in out]
    rows = [x for x in left if x not in right]
    columns = [x for x in right if x not in left]
    size = dict(zip(left + right, a.shape + b.shape))

    def matrix(x: np.ndarray, axes: str, *groups: list[str]) -> np.ndarray:
        order = [axes.index(letter) for group in groups for letter in group]
        shape = [math.prod(size[letter] for letter in group) for group in groups]
        return x.transpose(order).reshape(shape)

    made = np.matmul(matrix(a, left, batch, rows, summed),
                     matrix(b, right, batch, summed, columns))
    found = batch + rows + columns
    full = made.reshape([size[letter] for letter in found])
    return np.array(full.transpose([found.index(letter) for letter in out]), order="C")


def _grad(F: Any, op: Any, g: Any) -> list[Any]:
    a, b = op.inputs
    left, right, out = _letters(op.attrs["equation"])
    return [apply(EINSUM, (g, F.conj(b)), {"equation": f"{out},{right}->{left}"}),
            apply(EINSUM, (F.conj(a), g), {"equation": f"{left},{out}->{right}"})]


def _summed(ctx: LoweringContext) -> str:
    left, right, out = _letters(ctx.attrs["equation"])
    return "".join(x for x in left if x in right and x not in out)


def _extents(ctx: LoweringContext) -> tuple:
    left = _letters(ctx.attrs["equation"])[0]
    return tuple(ctx.in_shapes[0][left.index(letter)] for letter in _summed(ctx))


def _index(operand: int) -> Any:
    def index(out: tuple, inner: tuple, ctx: LoweringContext) -> tuple:
        parts = _letters(ctx.attrs["equation"])
        place = {**dict(zip(parts[2], out)), **dict(zip(_summed(ctx), inner))}
        return tuple(place[letter] for letter in parts[operand])

    return index


def _ramp(*sizes: int) -> np.ndarray:
    count = int(np.prod(sizes))
    return (np.arange(count, dtype=np.float64) * 7 % 11 - 5).reshape(sizes) / 2


def _samples() -> list[Sample]:
    def pair(equation: str, **size: int) -> Sample:
        left, right, _ = _letters(equation)
        return Sample((_ramp(*(size[x] for x in left)), _ramp(*(size[x] for x in right))),
                      {"equation": equation})

    z = _ramp(2, 3) + 1j * _ramp(2, 3)[::-1]
    return [
        pair("ij,jk->ik", i=2, j=3, k=4), pair("ij,kj->ki", i=2, j=3, k=2),
        pair("bij,bjk->bik", b=2, i=2, j=3, k=2), pair("i,j->ij", i=3, j=2),
        pair("i,i->", i=4), pair("ij,ij->", i=2, j=3), pair("ij,ij->ji", i=2, j=3),
        pair("aibj,bkja->ik", a=2, i=2, b=3, j=1, k=2), pair("i,ijk->kj", i=2, j=2, k=3),
        pair(",i->i", i=3), pair("ij,jk->ik", i=2, j=0, k=2), pair("ij,jk->ik", i=0, j=2, k=2),
        Sample((z, z.T), {"equation": "ij,jk->ki"}, dt.COMPLEX)]


EINSUM = declare(
    "Einsum", "a: T, b: T", attrs={"equation": Attr("str")}, infer=_infer, reference=_reference,
    grad=_grad, samples=_samples,
    lowering=Contraction(extents=_extents, left=_index(0), right=_index(1)),
    errors=lambda: [
        ErrorSample((_ramp(2, 3), _ramp(2, 3)), {"equation": "ij,jk->ik"}, ShapeError,
                    r"axis 'j' .* two sizes: a \[2, 3\], b \[2, 3\]"),
        ErrorSample((_ramp(2, 3), _ramp(3)), {"equation": "ij,jk->ik"}, ShapeError,
                    "b must have rank 2"),
        ErrorSample((_ramp(2, 2), _ramp(2, 3)), {"equation": "ii,ij->j"}, AttributeValueError,
                    "no product of two tensors")],
    T=dt.NUMBERS)


# ---- the equation -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Term:
    """A tensor and one letter for each of its axes."""

    value: Any
    axes: str


def _parse(name: str | None, equation: str, inputs: Sequence[Any]) -> tuple[list[str], str]:
    """The axes of each operand and of the result, ellipses replaced by letters of their own."""
    text = equation.replace(" ", "")
    sources, arrow, out = text.partition("->")
    parts = sources.split(",")
    plain = text.replace("...", "").replace("->", "").replace(",", "")
    if plain and not plain.isalpha():
        raise failure("einsum", name, f"equation {equation!r} has other characters than letters, "
                                      "',', '->' and '...'")
    if len(parts) != len(inputs):
        raise failure("einsum", name, f"equation {equation!r} has {len(parts)} operands, but "
                                      f"{len(inputs)} are given")
    free = [chr(c) for c in range(0x3B1, 0x3B1 + 64)]
    ranks = [x.shape.rank for x in inputs]
    if None in ranks:
        raise failure("einsum", name, "the ranks of the operands must be known, got "
                                      f"{', '.join(str(x.shape) for x in inputs)}",
                      "Use set_shape.", ShapeError)
    widths = [rank - len(part.replace("...", "")) for part, rank in zip(parts, ranks)]
    for part, width, x in zip(parts, widths, inputs):
        if part.count("...") > 1 or width < 0 or (width and "..." not in part):
            raise failure("einsum", name, f"{part!r} of {equation!r} does not fit the shape "
                                          f"{x.shape}", cls=ShapeError)
    widest = max((w for part, w in zip(parts, widths) if "..." in part), default=0)
    ellipsis = "".join(free[:widest])
    axes = [part.replace("...", ellipsis[widest - width:] if width else "")
            for part, width in zip(parts, widths)]
    if not arrow:
        counts = {letter: sources.count(letter) for letter in plain}
        out = ellipsis + "".join(sorted(x for x, times in counts.items() if times == 1))
    out = out.replace("...", ellipsis)
    unknown = set(out) - set("".join(axes))
    if unknown or len(set(out)) < len(out):
        raise failure("einsum", name, f"the result {out!r} of {equation!r} must name axes of the "
                                      "operands, each once")
    return axes, out


def _checked(name: str | None, equation: str, terms: Sequence[_Term]) -> dict[str, Any]:
    """The size of each letter, where it is known to be above 1. Raises ShapeError."""
    sizes: dict[str, Any] = {}
    for term in terms:
        for letter, size in zip(term.axes, term.value.shape.sizes):
            known = sizes.get(letter, 1)
            broadcasts = not letter.isascii() and same(size, 1)
            if broadcasts or (not letter.isascii() and same(known, 1)):
                sizes[letter] = known if broadcasts else size
            elif letter in sizes and same(known, size) is False:
                raise failure("einsum", name, f"axis {letter!r} of {equation!r} has the sizes "
                                              f"{known} and {size}", cls=ShapeError)
            else:
                sizes[letter] = size
    return sizes


def _simplified(term: _Term, others: str, sizes: dict[str, Any]) -> _Term:
    """Without repeated letters (diagonals), broadcast axes, and axes that nothing else names."""
    value, axes = term.value, term.axes
    for letter in dict.fromkeys(axes):
        while axes.count(letter) > 1:
            first, second = axes.index(letter), axes.rindex(letter)
            rest = [i for i in range(len(axes)) if i not in (first, second)]
            value = OPS.matrix_diag_part(OPS.transpose(value, [*rest, first, second]))
            axes = "".join(axes[i] for i in rest) + letter
    ones = [i for i, (letter, size) in enumerate(zip(axes, value.shape.sizes))
            if not letter.isascii() and same(size, 1) and not same(sizes[letter], 1)]
    if ones:
        value = OPS.squeeze(value, ones)
        axes = "".join(letter for i, letter in enumerate(axes) if i not in ones)
    lone = [i for i, letter in enumerate(axes) if letter not in others]
    if lone:
        value = OPS.reduce_sum(value, lone)
        axes = "".join(letter for letter in axes if letter in others)
    return _Term(value, axes)


def _next_pair(terms: Sequence[_Term], out: str, sizes: dict[str, Any]) -> tuple[int, int]:
    """The two operands whose product is smallest beside them."""
    def size_of(axes: Any) -> int:
        return math.prod(s if isinstance(s := sizes[x], int) else _GUESS for x in axes)

    def growth(pair: tuple[int, int]) -> tuple[int, int]:
        kept = set(out).union(*(t.axes for k, t in enumerate(terms) if k not in pair))
        both = set(terms[pair[0]].axes) | set(terms[pair[1]].axes)
        before = sum(size_of(terms[k].axes) for k in pair)
        return size_of(both & kept) - before, size_of(both)

    return min(itertools.combinations(range(len(terms)), 2), key=growth)


def _multiplied(a: _Term, b: _Term, needed: str) -> _Term:
    axes = a.axes + "".join(x for x in b.axes if x not in a.axes)
    out = "".join(x for x in axes if x in needed)
    equation = f"{a.axes},{b.axes}->{out}"
    return _Term(apply(EINSUM, (a.value, b.value), {"equation": equation}), out)


@op_function
def einsum(equation: str, *inputs: Any, **kwargs: Any) -> Any:
    """The sum of products that `equation` names, such as "ij,jk->ik" for a matrix product.

    equation: for each operand one letter per axis, "->", and the letters of the result. Letters
      that the result lacks are summed; a letter twice in one operand takes the diagonal; "..."
      stands for further axes, which broadcast. Without "->" the result has the letters that occur
      once, in alphabetical order, after the axes of "...".
    inputs: numbers of one dtype, of known rank. name: the only keyword.
    Raises AttributeValueError for an equation that makes no sense, ShapeError for operands that
    do not fit it.
    """
    name = kwargs.pop("name", None)
    if kwargs:
        raise failure("einsum", name, f"unknown arguments {sorted(kwargs)}")
    if len(inputs) == 1 and isinstance(inputs[0], (list, tuple)):
        inputs = tuple(inputs[0])
    with scope(name, "einsum") as last:
        tensors = [convert(x) for x in inputs]
        axes, out = _parse(name, equation, tensors)
        terms = [_Term(x, part) for x, part in zip(tensors, axes)]
        sizes = _checked(name, equation, terms)
        for k, term in enumerate(terms):
            others = out + "".join(t.axes for i, t in enumerate(terms) if i != k)
            terms[k] = _simplified(term, others, sizes)
        while len(terms) > 1:
            i, j = _next_pair(terms, out, sizes)
            second, first = terms.pop(j), terms.pop(i)
            needed = out + "".join(t.axes for t in terms)
            if not terms:
                return _product(first, second, out, last)
            terms.append(_multiplied(first, second, needed))
        return OPS.transpose(terms[0].value, [terms[0].axes.index(x) for x in out], name=last)


def _product(a: _Term, b: _Term, out: str, last: str | None) -> Any:
    """The last product, in the order of the result."""
    equation = f"{a.axes},{b.axes}->{out}"
    return apply(EINSUM, (a.value, b.value), {"equation": equation}, name=last)
