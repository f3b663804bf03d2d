"""Attention and its gradient are computed in blocks, without the matrix of scores in memory.

Looks for the op `Attention`, and for what programs write out: softmax(q · kᵀ · scale + mask) · v
with what differentiation makes of it. The written form is replaced where nothing but the product
with the values and the gradients of queries, keys and values uses the weights. Results differ by
roundings: in half types there are none between the inputs and the result, which is float32 until
then.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from graphflow.builder import F, apply
from graphflow.dims import Dim, same
from graphflow.dtypes import float32
from graphflow.lowering import Sizes
from graphflow.ops.attention import HALVES, TYPES
from graphflow.passes.base import Pass, Rebuilder, Replacement, op_names, rebuilt
from graphflow.passes.patterns import uniform
from graphflow.program import Node, Program, Value
from graphflow.shapes import TensorShape

PRODUCTS = ("MatMul", "BatchMatMulV2")
OPS = ("Attention", "AttentionGrad")
FEWEST_QUERIES = 16  # for fewer, lanes would stay empty
KEYS = 64            # of a block: with four vectors of queries, their scores take 16 KiB


# ---- which attentions are computed in blocks ----------------------------------------------------


def shapes_of(node: Node) -> list[TensorShape]:
    """The shapes of query, key, value and perhaps a mask of an `Attention` or its gradient."""
    mask = node.inputs[3 if node.opdef.name == "Attention" else 6:]
    return [v.shape for v in (*node.inputs[:3], *mask)]


def fits(shapes: Sequence[TensorShape]) -> bool:
    """True if there is a kernel for query, key, value and perhaps a mask of these shapes.

    Their leading sizes must be equal, the mask's sizes those of the scores or 1.
    """
    if any(s.rank is None for s in shapes):
        return False
    query, key, value = (s.sizes for s in shapes[:3])
    batch = query[:-2]
    if not all(len(s) == len(query) and _equal(s[:-2], batch) for s in (key, value)):
        return False
    if len(shapes) == 3:
        return True
    mask, scores = shapes[3].sizes, (*batch, query[-2], key[-2])
    return len(mask) <= len(scores) and all(
        (isinstance(d, int) and d == 1) or same(d, e) is True
        for d, e in zip(mask, scores[len(scores) - len(mask):]))


def _equal(sizes: tuple[Dim, ...], others: tuple[Dim, ...]) -> bool:
    return len(sizes) == len(others) and all(same(p, q) is True for p, q in zip(sizes, others))


def pays(shapes: Sequence[TensorShape]) -> bool:
    """True unless there are few queries, for which two plain products are faster."""
    queries = shapes[0].sizes[-2]
    return not isinstance(queries, int) or queries >= FEWEST_QUERIES


# ---- the written form ---------------------------------------------------------------------------


@dataclass(slots=True)
class _Site:
    """One attention that a program writes out.

    Attributes:
      query, key, value, mask, g: its inputs, and the gradient of its result, where there are.
      turned: True if `key` has the keys as columns.
      scale: what the products of queries and keys are multiplied by.
      roots: the nodes that are replaced → what by: `out`, `query`, `key` or `value`.
    """

    query: Value
    key: Value
    turned: bool
    scale: float
    mask: Value | None
    value: Value | None = None
    g: Value | None = None
    roots: dict[Node, str] = field(default_factory=dict)


class _Search:
    """Finds the attentions that a program writes out."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.users: dict[Value, list[Node]] = {}
        for node in program.nodes:
            if not isinstance(node.opdef.lowering, Sizes):  # these read no element
                for value in dict.fromkeys(node.inputs):
                    self.users.setdefault(value, []).append(node)
        self.results = {*program.outputs, *program.writes.values()}

    def sites(self) -> Iterator[_Site]:
        for node in self.program.nodes:
            if node.opdef.name == "Softmax":
                site = self._site(node)
                if site is not None and self._worth(site):
                    yield site

    def _worth(self, site: _Site) -> bool:
        if site.value is None or not site.roots:
            return False
        if site.query.dtype not in (*TYPES, *HALVES) or site.key.shape.rank is None:
            return False
        key = _exchanged_shape(site.key.shape) if site.turned else site.key.shape
        shapes = [site.query.shape, key, site.value.shape]
        if site.mask is not None:
            shapes.append(site.mask.shape)
        return fits(shapes) and pays(shapes)

    def _inner(self, value: Value) -> bool:
        """True if a value is used once, inside."""
        return value not in self.results and len(self.users.get(value, ())) == 1

    def _site(self, softmax: Node) -> _Site | None:
        weights, (scores,) = softmax.outputs[0], softmax.inputs
        rank = weights.shape.rank
        if rank is None or softmax.attrs["axis"] not in (-1, rank - 1) or weights in self.results:
            return None
        site = self._scores(scores)
        if site is None:
            return None
        slopes: list[Node] = []
        for user in self.users.get(weights, ()):
            if _is_product(user, False, False) and user.inputs[0] is weights:
                if site.roots or user.inputs[1] is weights:
                    return None
                site.value, site.roots[user] = user.inputs[1], "out"
            elif _is_product(user, True, False) and user.inputs[0] is weights and (
                    site.g is None and user.inputs[1] is not weights):
                site.g = user.inputs[1]
                slopes.insert(0, user)
            elif user.opdef.name == "Mul":
                slopes.append(user)
            else:
                return None
        return site if self._gradients(site, weights, slopes) else None

    # ---- scores -----------------------------------------------------------------------------

    def _scores(self, scores: Value) -> _Site | None:
        """q · kᵀ · scale + mask, the last two of which may be missing."""
        if scores.node.opdef.name in ("Add", "AddV2"):
            for inner, mask in (scores.node.inputs, scores.node.inputs[::-1]):
                site = self._scaled(inner) if self._inner(scores) else None
                if site is not None:
                    site.mask = mask
                    return site
            return None
        return self._scaled(scores)

    def _scaled(self, scores: Value) -> _Site | None:
        scale = 1.0
        while self._inner(scores) and (step := _scaling(scores.node)) is not None:
            scores, factor = step
            scale *= factor
        node = scores.node
        if not self._inner(scores) or not (
                _is_product(node, False, True) or _is_product(node, False, False)):
            return None
        query, key = node.inputs
        return _Site(query, key, not node.attrs["transpose_b"], scale, None)

    # ---- gradients --------------------------------------------------------------------------

    def _gradients(self, site: _Site, weights: Value, users: list[Node]) -> bool:
        """Adds the gradients' nodes to the site; False if the weights have other uses."""
        muls = [u for u in users if u.opdef.name == "Mul"]
        if len(muls) != len(users):
            site.roots[users[0]] = "value"
        if not muls:
            return True
        if len(muls) != 2:
            return False
        for along, slope in (muls, muls[::-1]):
            if self._slope(site, weights, along, slope):
                return self._products(site, slope.outputs[0])
        return False

    def _slope(self, site: _Site, weights: Value, along: Node, slope: Node) -> bool:
        """(dP − Σ dP · P) · P, with dP = g · vᵀ."""
        difference, grad = _other(slope, weights), _other(along, weights)
        if difference is None or grad is None or difference.node.opdef.name != "Sub":
            return False
        first, total = difference.node.inputs
        node, last = total.node, (weights.shape.rank or 0) - 1
        plain = (
            first is grad and node.opdef.name == "Sum" and node.inputs[0] is along.outputs[0]
            and node.attrs["keepdims"] and tuple(node.attrs["axis"]) in ((last,), (-1,))
            and all(map(self._inner, (along.outputs[0], total, difference)))
            and grad not in self.results and len(self.users[grad]) == 2
            and _is_product(grad.node, False, True))
        if not plain:
            return False
        g, value = grad.node.inputs
        if site.g not in (None, g) or site.value not in (None, value):
            return False
        site.g, site.value = g, value
        return True

    def _products(self, site: _Site, slopes: Value) -> bool:
        """The gradients of queries and keys, which alone use those of the scores."""
        scale = 1.0
        while self._inner(slopes) and (step := _scaling(self.users[slopes][0])) is not None and (
                step[0] is slopes):
            slopes = self.users[slopes][0].outputs[0]
            scale *= step[1]
        if slopes in self.results or scale != site.scale:
            return False
        for user in self.users.get(slopes, ()):
            role = _role(user, slopes, site)
            if role is None:
                return False
            site.roots[user] = role
        return True


def _role(user: Node, slopes: Value, site: _Site) -> str | None:
    """Which gradient a product with the slopes is."""
    if user.opdef.name not in PRODUCTS or user.inputs[0] is user.inputs[1]:
        return None
    left, right = user.inputs
    if left is slopes and right is site.key and _is_product(user, False, site.turned):
        return "query"
    if site.turned:
        key = right is slopes and left is site.query
    else:
        key = left is slopes and right is site.query
    return "key" if key and _is_product(user, True, False) else None


def _is_product(node: Node, turn_a: bool, turn_b: bool) -> bool:
    return node.opdef.name in PRODUCTS and (
        node.attrs["transpose_a"], node.attrs["transpose_b"]) == (turn_a, turn_b) and not (
        node.attrs["adjoint_a"] or node.attrs["adjoint_b"])


def _scaling(node: Node) -> tuple[Value, float] | None:
    """What a node multiplies by a number, and the number."""
    if node.opdef.name not in ("Mul", "RealDiv"):
        return None
    pairs = [node.inputs] if node.opdef.name == "RealDiv" else [node.inputs, node.inputs[::-1]]
    for value, by in pairs:
        number = uniform(by)
        if number is not None and number != 0 and value.shape.rank == node.outputs[0].shape.rank:
            return value, float(number) if node.opdef.name == "Mul" else 1 / float(number)
    return None


def _other(mul: Node, value: Value) -> Value | None:
    """The other factor of a product."""
    left, right = mul.inputs
    if (left is value) == (right is value):
        return None
    return right if left is value else left


def _exchanged_shape(shape: TensorShape) -> TensorShape:
    *batch, rows, columns = shape.sizes
    return TensorShape.of((*batch, columns, rows))


# ---- the pass -----------------------------------------------------------------------------------


def _programs(program: Program) -> Iterator[Program]:
    yield program
    for node in program.nodes:
        for value in node.attrs.values():
            if isinstance(value, Program):
                yield from _programs(value)


def _run(program: Program) -> Program:
    names = op_names(program)
    if names.isdisjoint(("Softmax", *OPS)):
        return program
    sites = {root: site for one in _programs(program) for site in _Search(one).sites()
             for root in site.roots} if "Softmax" in names else {}

    def rewrite(node: Node, rebuilder: Rebuilder) -> Replacement:
        if node.opdef.name in OPS:
            return _in_blocks(node)
        for old in rebuilder.originals(node.outputs[0]):
            if old.node in sites:
                return _replaced(sites[old.node], sites[old.node].roots[old.node], rebuilder)
        return None

    return rebuilt(program, rewrite, "pass 'attention'", only={*PRODUCTS, *OPS})


def _in_blocks(node: Node) -> Replacement:
    shapes = shapes_of(node)
    if node.attrs["block_keys"] or not fits(shapes) or not pays(shapes):
        return None
    return apply(node.opdef, node.inputs, {**node.attrs, "block_keys": KEYS})


def _replaced(site: _Site, role: str, rebuilder: Rebuilder) -> Value | None:
    """What stands for one of the results of an attention."""
    g = None if role == "out" else site.g
    needed = [v for v in (site.query, site.key, site.value, site.mask, g) if v is not None]
    given = [v for v in map(rebuilder.now, needed) if v is not None]
    if len(given) != len(needed):
        return None
    kind = site.query.dtype
    query, key, value, *rest = [F.cast(v, float32) for v in given] if kind in HALVES else given
    mask = [rest.pop(0)] if site.mask is not None else []
    attrs = {"scale": site.scale, "causal": False, "block_keys": KEYS}
    if site.turned:
        key = _exchanged(key)
    out, logs = apply("Attention", (query, key, value, *mask), attrs)
    if role == "out":
        return F.cast(out, kind)
    (slope,) = rest
    along = F.reduce_sum(slope * out, -1)
    made = apply("AttentionGrad", (query, key, value, logs, along, slope, *mask), attrs)
    found = F.cast(made[("query", "key", "value").index(role)], kind)
    return _exchanged(found) if role == "key" and site.turned else found


def _exchanged(matrix: Value) -> Value:
    rank = len(matrix.shape.sizes)
    return F.transpose(matrix, [*range(rank - 2), rank - 1, rank - 2])


ATTENTION = Pass("attention", "specialise", _run, doc=__doc__)
