"""Values as functions of their index: what a kernel computes when it needs one element.

`Elements` gives, for a value and an index, the scalar expression of that element: a load if the
value lies in a buffer, else the body of the op that makes it, with the elements of its inputs in
place (that is fusion). One `Elements` belongs to one kernel and collects its buffers and sizes.
With a `Frame`, indices are those of its merged axes, the same for every value.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from graphflow.codegen.frames import Frame
from graphflow.codegen.ranges import surely_inside
from graphflow.codegen.told import factor_size, key_size
from graphflow.dims import Dim, SymDim
from graphflow.dtypes import DType, float32, uint32
from graphflow.dtypes import int64 as int64_dtype
from graphflow.errors import ProgramError
from graphflow.loop_ir import b
from graphflow.loop_ir.expr import Expr
from graphflow.loop_ir.index_arithmetic import simplified
from graphflow.loop_ir.nest import BufferParameter, load
from graphflow.lowering import Gather, Generate, LoweringContext, Pointwise, Sizes, View
from graphflow.passes.patterns import uniform
from graphflow.program import Node, Value

Index = tuple[Any, ...]


class NotCompilable(ProgramError):
    """A node has no kernel (yet); the message says why."""


def int64(value: Any) -> Expr:
    """An index expression from an int or an expression."""
    return value if isinstance(value, Expr) else b.const(int(value), int64_dtype)


class Elements:
    """The elements of values, inside one kernel.

    Attributes:
      loads: values that lie in buffers, in the order of the kernel's parameters.
      written: values that the kernel stores to, likewise.
      sizes: the run-time sizes, by parameter number.
      private: values whose memory is private; see `BufferParameter`.
      tells_factors: True if constant numbers are told when the kernel runs; see `told`.
      sizes_are_constants: True if sizes that are known are to be part of the code.
    """

    def __init__(self, stored: Callable[[Value], bool], frame: Frame | None = None) -> None:
        self._stored = stored
        self._frame = frame
        self.parameters: list[tuple[Value, bool]] = []
        self._numbers: dict[tuple[Value, bool], int] = {}
        self.sizes: list[Dim] = []
        self.private: set[Value] = set()
        self.tells_factors = False
        self.sizes_are_constants = False
        self._loops = 0
        self._memo: dict[tuple[Value, Index], Expr] = {}

    def within(self, frame: Frame, stored: Callable[[Value], bool]) -> Elements:
        """The elements of the same kernel where indices are those of a frame."""
        inner = Elements(stored, frame)
        inner.parameters, inner._numbers, inner.sizes, inner.private = (
            self.parameters, self._numbers, self.sizes, self.private)
        inner.sizes_are_constants = self.sizes_are_constants
        return inner

    def give(self, value: Value, index: Index, element: Expr) -> None:
        """Says what the element of `value` at `index` is."""
        self._memo[value, index] = element

    # ---- parameters -------------------------------------------------------------------------

    def size(self, dim: Dim) -> Expr:
        """The size as an expression: 0 and 1 are constants, all else run-time parameters."""
        if not isinstance(dim, SymDim) and (self.sizes_are_constants or dim in (0, 1)):
            return int64(dim)
        return self._told(dim)

    def _told(self, number: Dim) -> Expr:
        """A number that stands among the sizes."""
        if number not in self.sizes:
            self.sizes.append(number)
        return b.size(self.sizes.index(number))

    def is_stored(self, value: Value) -> bool:
        """True if the value lies in memory."""
        return self._stored(value)

    def buffer(self, value: Value, written: bool = False) -> int:
        """The parameter number of a stored value."""
        key = (value, written)
        if key not in self._numbers:
            self._numbers[key] = len(self.parameters)
            self.parameters.append(key)
        return self._numbers[key]

    def buffer_parameters(self) -> tuple[BufferParameter, ...]:
        return tuple(BufferParameter(v.dtype, w, v in self.private) for v, w in self.parameters)

    def loop(self) -> int:
        """A new loop number."""
        self._loops += 1
        return self._loops - 1

    # ---- elements ---------------------------------------------------------------------------

    def shape(self, value: Value) -> tuple[Any, ...]:
        """The sizes of a value: ints where they are known, else expressions."""
        return tuple(d if isinstance(d, int) else self.size(d) for d in value.shape.sizes)

    def offset(self, value: Value, index: Index) -> Expr:
        """The position of an element in a row-major buffer."""
        total: Expr | None = None
        sizes: Sequence[Dim] = value.shape.sizes
        if self._frame is not None:
            full = self._frame.patterns[value]
            if index and not full[0] and self._frame.anchored:
                # Memory that is written anew for each row: a load must not leave the row's turn.
                total = int64(index[0]) * 0
            index = tuple(i for i, f in zip(index, full) if f)
            sizes = [d for d, f in zip(self._frame.sizes, full) if f]
        for i, dim in zip(index, sizes):
            total = int64(i) if total is None else _plus(_times(total, self.size(dim)), int64(i))
        return int64(0) if total is None else total

    def element(self, value: Value, index: Index) -> Expr:
        """The element of `value` at `index`."""
        key = (value, index)
        if key not in self._memo:
            self._memo[key] = self._make(value, index)
        return self._memo[key]

    def _make(self, value: Value, index: Index) -> Expr:
        if value.node.opdef.name == "Const":
            told = factor_size(value) if self.tells_factors else None
            if told is not None:
                return b.bitcast(b.cast(self._told(told), uint32), float32)
            known = _known_element(value, index)
            if known is not None:
                return _literal(known, value.dtype)
        if self._stored(value):
            return load(self.buffer(value), self.offset(value, index), value.dtype)
        return self._by_op(value, index)

    def _by_op(self, value: Value, index: Index) -> Expr:
        node = value.node
        lowering = node.opdef.lowering
        if isinstance(lowering, Pointwise):
            return self._pointwise(node, lowering, value, index)
        if isinstance(lowering, Generate):
            return self._generate(node, lowering, value, index)
        if isinstance(lowering, View):
            return self._view(node, lowering, index)
        if isinstance(lowering, Gather):
            return self._gathered(node, lowering, value, index)
        if isinstance(lowering, Sizes):
            return self._size(node, lowering, value, index)
        raise NotCompilable(f"{node.opdef.name} has no element function")

    def computed(self, value: Value, index: Index) -> Expr:
        """The element, computed by its op even if the value is stored elsewhere later."""
        key = (value, index)
        if key not in self._memo:
            self._memo[key] = self._by_op(value, index)
        return self._memo[key]

    def literal(self, value: Any, dtype: DType) -> Expr:
        """A constant, from a Python number or an expression."""
        return _literal(value, dtype)

    def context(self, node: Node) -> LoweringContext:
        """What the node's lowering functions are told."""
        return LoweringContext(
            tuple(self.shape(v) for v in node.inputs), tuple(self.shape(v) for v in node.outputs),
            tuple(v.dtype for v in node.inputs), tuple(v.dtype for v in node.outputs),
            node.attrs)

    def loader(self, node: Node) -> Callable[[int, Index], Expr]:
        """`load(k, index)` for indirect lowerings: an integer input as int64."""
        def read(k: int, index: Index) -> Expr:
            return b.cast(self.element(node.inputs[k], tuple(index)), int64_dtype)

        return read

    def _pointwise(
        self, node: Node, lowering: Pointwise, value: Value, index: Index
    ) -> Expr:
        inputs = [self.element(v, self.broadcast(index, v)) for v in node.inputs]
        made = lowering.body(b, *inputs, **node.attrs)
        made = made if isinstance(made, tuple) else (made,)
        return made[value.index]

    def broadcast(self, index: Index, value: Value) -> Index:
        """The index into an input that broadcasts to where `index` points."""
        if self._frame is not None:
            return index
        sizes = value.shape.sizes
        tail = index[len(index) - len(sizes):]
        return tuple(0 if d == 1 else i for i, d in zip(tail, sizes))

    def _generate(
        self, node: Node, lowering: Generate, value: Value, index: Index
    ) -> Expr:
        scalars = [self.element(node.inputs[k], ()) for k in lowering.scalars]
        attrs = dict(node.attrs)
        for name in lowering.keys:
            attrs[name] = b.cast(self._told(key_size(attrs[name])), uint32)
        made = lowering.body(b, self.offset(value, index), *scalars, **attrs)
        return made if isinstance(made, Expr) else made[value.index]

    def _size(self, node: Node, lowering: Sizes, value: Value, index: Index) -> Expr:
        """The size at a place: itself where the place is known, else chosen among all."""
        place = self.offset(value, index)
        sizes = [b.cast(int64(v), value.dtype) for v in lowering.values(self.context(node))]
        if place.op == "const" and 0 <= place.attr < len(sizes):
            return sizes[place.attr]
        chosen = sizes.pop() if sizes else b.const(0, value.dtype)
        for number, size in reversed(list(enumerate(sizes))):
            chosen = b.select(b.eq(place, number), size, chosen)
        return chosen

    def _view(self, node: Node, lowering: View, index: Index) -> Expr:
        ctx = self.context(node)
        source = tuple(lowering.source(index, ctx))
        x = node.inputs[0]
        if lowering.fill is None:
            return self.element(x, source)
        inside = self.inside(source, self.shape(x))
        picked = self.element(x, self.clamped(x, source))
        fill = _literal(lowering.fill(ctx), x.dtype)
        return picked if inside is None else b.select(inside, picked, fill)

    def _gathered(self, node: Node, lowering: Gather, value: Value, index: Index) -> Expr:
        """The element that an indirect load finds; an index is clamped unless it is surely in."""
        x = node.inputs[0]
        if self._frame is not None:
            return self._picked(node, lowering, index)
        source = tuple(simplified(int64(i)) for i in lowering.source(
            index, self.loader(node), self.context(node)))
        ranges = dict(zip(index, value.shape.sizes))
        near = self.clamped(x, source)
        return self.element(x, tuple(
            i if surely_inside(i, d, ranges, self.size) else c
            for i, c, d in zip(source, near, x.shape.sizes)))

    def _picked(self, node: Node, lowering: Gather, index: Index) -> Expr:
        """The element that `picks_in_row` says a row has, in a kernel over rows."""
        x = node.inputs[0]

        def read(k: int, _: Index) -> Expr:
            return b.cast(self.element(node.inputs[k], index), int64_dtype)

        row, column = lowering.source((index[0],), read, self.context(node))
        size = self.size(x.shape.sizes[-1])
        return self.element(x, (row, b.max(b.min(int64(column), size - 1), 0)))

    def clamped(self, value: Value, index: Sequence[Any]) -> Index:
        """The index, moved to the nearest element that exists."""
        return tuple(
            b.max(b.min(int64(i), self.size(d) - 1), 0) for i, d in zip(index, value.shape.sizes))

    def inside(self, index: Sequence[Any], sizes: Sequence[Any]) -> Expr | None:
        """The condition that an index lies in the sizes."""
        condition: Expr | None = None
        for i, n in zip(index, sizes):
            here = b.logical_and(b.ge(int64(i), 0), b.lt(int64(i), int64(n)))
            condition = here if condition is None else b.logical_and(condition, here)
        return condition


def picks_in_row(node: Node) -> bool:
    """True for a gather that takes one element of each row: out[i…] = x[i…, label[i…]]."""
    lowering = node.opdef.lowering
    if not isinstance(lowering, Gather) or node.inputs[0].shape.rank is None:
        return False
    index = tuple(b.index(k) for k in range(len(node.outputs[0].shape.sizes)))
    label, other = b.arg(0, int64_dtype), b.arg(1, int64_dtype)
    elements = Elements(lambda v: True)
    source = lowering.source(
        index, lambda k, at: label if tuple(at) == index else other, elements.context(node))
    return bool(index) and tuple(source) == (*index, label)


def _known_element(value: Value, index: Index) -> Any:
    """The element of a constant where it is the same everywhere, or at an index that is known."""
    same = uniform(value)
    if same is not None:
        return same
    places = [i.attr if isinstance(i, Expr) and i.op == "const" else i for i in index]
    array = value.node.attrs["value"].array
    if array.size == 1:
        return array.reshape(())[()]
    inside = len(places) == array.ndim and all(
        isinstance(i, int) and 0 <= i < n for i, n in zip(places, array.shape))
    return array[tuple(places)] if inside else None


def _plus(x: Expr, y: Expr) -> Expr:
    if y.op == "const" and y.attr == 0:
        return x
    return y if x.op == "const" and x.attr == 0 else x + y


def _times(x: Expr, y: Expr) -> Expr:
    if y.op == "const" and y.attr == 1:
        return x
    if x.op == "const" and x.attr == 0:
        return x
    return y if x.op == "const" and x.attr == 1 else x * y


def _literal(value: Any, dtype: DType) -> Expr:
    if isinstance(value, Expr):
        return value
    if dtype.is_complex:
        return b.const(complex(value), dtype)
    if dtype.is_floating:
        return b.const(float(value), dtype)
    return b.const(bool(value) if dtype.is_bool else int(value), dtype)
