"""Scalar expressions become LLVM values, each once, in front of the outermost loop that it needs.

`Values` knows where emission stands: the loops around, their indices, the accumulators, and what
is computed already. An operation over a vector is a vector; scalars are spread over the lanes
where they meet one.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from llvmlite import ir

from graphflow.codegen.cpu.lanes import Lanes
from graphflow.codegen.cpu.memory import (
    I64,
    from_memory,
    gather,
    load_strided,
    load_vector,
    memory_type,
)
from graphflow.codegen.cpu.rare import RareArms, any_lane, arms_function, find_arms, in_order
from graphflow.codegen.cpu.scalars import EMIT
from graphflow.dtypes import DType
from graphflow.errors import ProgramError
from graphflow.loop_ir.affine import slope, stride
from graphflow.loop_ir.expr import Expr, leaves, walk
from graphflow.loop_ir.nest import Kernel

Key = tuple[Expr, bool]
Place = tuple[Any, ...]  # a buffer, and a key


@dataclass(slots=True)
class Scope:
    """Where expressions of one loop depth go, and those that are there already.

    `block` is None while instructions go to the builder's present place.
    """

    block: Any = None
    values: dict[Any, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Vector:
    """The lanes loop that is being emitted.

    Attributes:
      number: of the loop.
      base: the index of the first lane.
      width: how many lanes.
      mask: which of them exist; None: all.
    """

    number: int
    base: Any
    width: int
    mask: Any


class Values:
    """The values of one kernel at the present place of its emission.

    Attributes:
      indices: loop number → its index (that of the first lane).
      accumulators: number → present value.
      inside, before: per depth, what is computed in the loop, and in front of it.
      vector: the lanes loop around, or None.
    """

    def __init__(self, function: ir.Function, kernel: Kernel) -> None:
        self.function, self.kernel = function, kernel
        self.builder = ir.IRBuilder(function.append_basic_block("entry"))
        self.indices: dict[int, Any] = {}
        self.accumulators: dict[int, Any] = {}
        self.inside = [Scope()]
        self.before: list[Scope] = [Scope()]
        self.vector: Vector | None = None
        self.depths: dict[int, int] = {}
        self._leaves: dict[Expr, frozenset[tuple[str, int]]] = {}
        self._plain: set[Expr] = set()
        self._arms: dict[Expr, dict[Expr, RareArms]] = {}
        self.local: dict[Key, Any] = {}
        self.buffers = [self._pointer(i, p.dtype) for i, p in enumerate(kernel.buffers)]
        self.sizes = [self._size(j) for j in range(kernel.sizes)]

    def _pointer(self, number: int, dtype: DType) -> Any:
        b = self.builder
        slot = b.gep(self.function.args[0], [ir.Constant(I64, number)])
        return b.bitcast(b.load(slot), memory_type(dtype).as_pointer())

    def _size(self, number: int) -> Any:
        return self.builder.load(
            self.builder.gep(self.function.args[1], [ir.Constant(I64, number)]))

    # ---- loops around -----------------------------------------------------------------------

    def enter(self, number: int, before: Any) -> None:
        """Emission goes into loop `number`; `before` is the block in front of it."""
        self.depths[number] = len(self.depths) + 1
        self.before.append(Scope(before))
        self.inside.append(Scope())

    def leave(self, number: int) -> None:
        """Emission leaves the innermost loop."""
        del self.depths[number], self.indices[number]
        self.before.pop()
        self.inside.pop()
        self.local = {}

    # ---- expressions ------------------------------------------------------------------------

    def value(self, expr: Expr, base: bool = False) -> Any:
        """The LLVM value; `base` asks for that of the first lane instead of a vector."""
        if expr not in self._arms:
            self._arms[expr] = {} if self._is_plain(expr) else find_arms(expr, self._used)
        arms = self._arms[expr]
        for node in in_order(expr, arms, lambda n: self._cached(n, base) is not None):
            if self._cached(node, base) is None:
                self._find(node, base, arms)
        return self._cached(expr, base)

    def _is_plain(self, expr: Expr) -> bool:
        """True if nothing in the expression is computed rarely."""
        for node in walk(expr, known=self._plain):
            if node.op == "rarely":
                return False
            self._plain.add(node)
        return True

    def vector_value(self, expr: Expr) -> Any:
        """The value, spread over the lanes if emission stands in a lanes loop."""
        return self.spread(self.value(expr))

    def spread(self, value: Any) -> Any:
        """A scalar in every lane of the lanes loop, if there is one around."""
        if self.vector is None or isinstance(value.type, ir.VectorType):
            return value
        return Lanes(self.builder, self.vector.width).splat(value)

    def depends(self, expr: Expr, number: int) -> bool:
        """True if the expression uses the index of loop `number`."""
        return ("index", number) in self._used(expr)

    def _used(self, expr: Expr) -> frozenset[tuple[str, int]]:
        """The indices and accumulators of an expression."""
        found = self._leaves.get(expr)
        if found is None:
            found = self._leaves[expr] = frozenset([
                (op, number) for op, number, _ in leaves(expr) if op in ("index", "accumulator")])
        return found

    def _key(self, node: Expr, base: bool) -> Key:
        return node, base and self.vector is not None and self.depends(node, self.vector.number)

    def _cached(self, node: Expr, base: bool) -> Any:
        key = self._key(node, base)
        return self.local[key] if key in self.local else self._known(key)

    def _known(self, key: Key | Place) -> Any:
        for scope in (*self.inside, *self.before):
            if key in scope.values:
                return scope.values[key]
        return None

    def _find(self, node: Expr, base: bool, arms: dict[Expr, RareArms]) -> None:
        """Computes a node where it belongs."""
        used = self._used(node)
        if any(kind == "accumulator" for kind, _ in used):
            self._make_into(self.local, node, base, arms, True)
            return
        depth = max((self.depths[n] for _, n in used), default=0)
        if depth == len(self.depths):
            self._make_into(self.inside[-1].values, node, base, arms, True)
            return
        with self._in_front(depth + 1) as known:
            self._make_into(known, node, base, arms, False)

    @contextmanager
    def _in_front(self, depth: int) -> Iterator[dict[Any, Any]]:
        """Emission in front of a loop around; gives what is computed there already."""
        scope, place = self.before[depth], self.builder.block
        self._go_to(scope.block)
        yield scope.values
        self._go_to(place)

    def _go_to(self, block: Any) -> None:
        """To the end of a block, but in front of its terminator if it has one."""
        if block.is_terminated:
            self.builder.position_before(block.terminator)
        else:
            self.builder.position_at_end(block)

    def _make_into(
        self, values: dict[Key, Any], node: Expr, base: bool, arms: dict[Expr, RareArms],
        here: bool,
    ) -> None:
        if node not in arms:
            values[self._key(node, base)] = self._make(node, base)
            return
        group = arms[node]
        for member, made in zip(group.nodes, self._rarely(group, base, branch=here)):
            values[self._key(member, base)] = made

    # ---- addresses --------------------------------------------------------------------------

    def address(self, buffer: int, offset: Expr, base: bool = False) -> Any:
        """Where an element of a buffer lies; `base`: that of the first lane.

        Elements that a constant number of others lies between have one address, and this number.
        """
        rest, constant = offset, 0
        if offset.op in ("add", "sub") and offset.args[1].op == "const":
            rest = offset.args[0]
            constant = offset.args[1].attr if offset.op == "add" else -offset.args[1].attr
        pointer = self._near(buffer, rest, base)
        return self.builder.gep(pointer, [ir.Constant(I64, constant)]) if constant else pointer

    def _near(self, buffer: int, offset: Expr, base: bool) -> Any:
        used = self._used(offset)
        if any(kind == "accumulator" for kind, _ in used):
            return self.builder.gep(self.buffers[buffer], [self.value(offset, base)])
        depth = max((self.depths[n] for _, n in used), default=0)
        key = (buffer, *self._key(offset, base))
        found = self._known(key)
        if found is None:
            if depth == len(self.depths):
                found = self.inside[-1].values[key] = self._stepped(buffer, offset, base, depth)
            else:
                with self._in_front(depth + 1) as known:
                    found = known[key] = self._stepped(buffer, offset, base, depth)
        return found

    def _stepped(self, buffer: int, offset: Expr, base: bool, depth: int) -> Any:
        """An address, from one that does not change in the innermost loop that it needs.

        This one is kept from LLVM's loop strength reduction, which would look at each address as
        a sum over all loops around: that took half of the time of generating code.
        """
        outer, inner = self._parted(offset, depth)
        if outer is None:
            return self.builder.gep(self.buffers[buffer], [self.value(offset, base)])
        far = max((self.depths[n] for _, n in self._used(outer)), default=0)
        key = (buffer, *self._key(outer, base), "start")
        start = self._known(key)
        if start is None:
            with self._in_front(far + 1) as known:
                start = self.builder.gep(self.buffers[buffer], [self.value(outer, base)])
                start = known[key] = Lanes(self.builder, 1).apart(start)
        return self.builder.gep(start, [self.value(inner, base)])

    def _parted(self, offset: Expr, depth: int) -> tuple[Expr | None, Expr]:
        """The terms of an offset that do not need the loop of that depth, and the others."""
        terms, outer, inner = [offset], [], []
        while terms:
            term = terms.pop()
            if term.op == "add":
                terms += reversed(term.args)
            elif depth and all(self.depths[n] < depth for _, n in self._used(term)):
                outer.append(term)
            else:
                inner.append(term)
        if not outer or not inner:
            return None, offset
        return sum(outer[1:], outer[0]), sum(inner[1:], inner[0])

    # ---- nodes ------------------------------------------------------------------------------

    def _make(self, node: Expr, base: bool) -> Any:
        if node.op == "const":
            return Lanes(self.builder, 1).number(node)
        if node.op == "index":
            return self._index(node, base)
        if node.op == "size":
            return self.sizes[node.attr]
        if node.op == "accumulator":
            return self.accumulators[node.attr]
        if node.op == "load":
            return self._load(node, base)
        if node.op not in EMIT:
            raise ProgramError(f"kernel: {node.op} must be expanded before emission.")
        lanes, operands = self.together([self._cached(a, base) for a in node.args])
        if node.op == "call" and lanes.count > 1:
            operands = [self._existing(o) for o in operands]
        return EMIT[node.op](lanes, node, *operands)

    def together(self, operands: list[Any]) -> tuple[Lanes, list[Any]]:
        """The operands with one number of lanes."""
        count = max((o.type.count for o in operands if isinstance(o.type, ir.VectorType)),
                    default=1)
        lanes = Lanes(self.builder, count)
        if count == 1:
            return lanes, operands
        return lanes, [o if isinstance(o.type, ir.VectorType) else lanes.splat(o)
                       for o in operands]

    def _existing(self, value: Any) -> Any:
        """A vector with its first lane in place of lanes that do not exist.

        A function from outside may not return for arguments that nobody gave it.
        """
        if self.vector is None or self.vector.mask is None:
            return value
        first = self.builder.extract_element(value, ir.Constant(ir.IntType(32), 0))
        return self.builder.select(self.vector.mask, value, self.spread(first))

    def _index(self, node: Expr, base: bool) -> Any:
        index, vector = self.indices[node.attr], self.vector
        if base or vector is None or node.attr != vector.number:
            return index
        return self.builder.add(Lanes(self.builder, vector.width).splat(index),
                                steps(vector.width))

    def _load(self, node: Expr, base: bool) -> Any:
        b, vector, (offset,) = self.builder, self.vector, node.args
        if base or vector is None or not self.depends(offset, vector.number):
            made = b.load(self.address(node.attr, offset, base))
            return from_memory(Lanes(b, 1), made, node.dtype)
        lanes = Lanes(b, vector.width)
        if stride(offset, vector.number) == 1:
            first = self.address(node.attr, offset, base=True)
            return load_vector(lanes, first, node.dtype, vector.mask)
        step = slope(offset, vector.number)
        if step is not None:
            first = self.address(node.attr, offset, base=True)
            return load_strided(lanes, first, self.value(step), node.dtype, vector.mask)
        return gather(lanes, self.buffers[node.attr], self.value(offset), node.dtype, vector.mask)

    def _rarely(self, group: RareArms, base: bool, branch: bool) -> list[Any]:
        """The values of `rarely` nodes.

        Not in a block in front of a loop, which must stay one block: there the arms always run.
        """
        b = self.builder
        lanes, operands = self.together([self._cached(e, base) for e in group.operands])
        condition, usual = operands[0], operands[1:1 + len(group.nodes)]
        function = arms_function(b.module, group, lanes.count)

        def chosen() -> list[Any]:
            made = b.call(function, operands[1 + len(usual):])
            return [b.select(condition, b.extract_value(made, i), y)
                    for i, y in enumerate(usual)]

        if not branch:
            return chosen()
        before = b.block
        mask = None if self.vector is None else self.vector.mask
        with b.if_then(any_lane(b, condition, mask), likely=False):
            rare = chosen()
            after_rare = b.block
        merged = []
        for y, x in zip(usual, rare):
            phi = b.phi(y.type)
            phi.add_incoming(y, before)
            phi.add_incoming(x, after_rare)
            merged.append(phi)
        return merged


def steps(width: int) -> Any:
    """0, 1, 2, …, one number per lane."""
    return ir.Constant(ir.VectorType(I64, width), [ir.Constant(I64, i) for i in range(width)])
