"""Memory of large results that is used again: NumPy's memory handler, in native code.

A fresh block of some megabytes costs more than what is computed into it: the system clears it
page by page when it is first touched, and takes it back when the array goes. So blocks of arrays
that are gone wait for results of the same size. NumPy asks such a handler for an array's memory
and gives it back to the same one, on any thread and without the interpreter lock; what is shared
is changed by single atomic operations (`numpy.org/neps/nep-0049.html` has the interface).

A block begins with its size, `HEAD` bytes before the data, which are aligned for vectors.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from graphflow.codegen.pen import Pen

HEAD = 64
SLOTS = 32                    # blocks that wait
HUGE = 1 << 22                # bytes from which on large pages are asked for
_PAGE = 1 << 12
_LARGE_PAGES = 14             # Linux's MADV_HUGEPAGE

# The words of the table: functions of the C library (`advise` may be 0); how many bytes may wait
# and do; whose turn it is to make room; the blocks.
TABLE = ("allocate", "free", "advise", "room", "waiting", "turn")
FUNCTIONS = ("malloc", "calloc", "realloc", "free")  # of the handler, in NumPy's order

_I8, _I64 = ir.IntType(8), ir.IntType(64)


class _TablePen(Pen):
    """Writes functions whose first argument is the table."""

    def __init__(self, module: ir.Module, name: str, arguments: int) -> None:
        super().__init__(module, f"gf_recycling_{name}", arguments)
        self.function.linkage = "internal"
        self.table = self.arguments[0]

    def word(self, name: str) -> Any:
        return self.at(self.table, 8 * TABLE.index(name))

    def call(self, name: str, *arguments: Any) -> Any:
        """Calls a function of the C library."""
        kind = ir.FunctionType(_I64, [_I64] * len(arguments)).as_pointer()
        return self.b.call(self.b.inttoptr(self.word(name), kind), arguments)

    def place(self, name: str) -> Any:
        """The place of a word."""
        address = self.b.add(self.table, self.number(8 * TABLE.index(name)))
        return self.b.inttoptr(address, _I64.as_pointer())

    def slot(self, number: Any) -> Any:
        """The place of a block that waits."""
        offset = self.b.add(self.b.mul(number, self.number(8)), self.number(8 * len(TABLE)))
        return self.b.inttoptr(self.b.add(self.table, offset), _I64.as_pointer())

    def exchange(self, place: Any, value: Any) -> Any:
        """Writes a word; gives the one before."""
        return self.b.atomic_rmw("xchg", place, value, "acq_rel")

    def add_waiting(self, change: Any) -> Any:
        """Changes how many bytes wait; gives how many did."""
        return self.b.atomic_rmw("add", self.place("waiting"), change, "monotonic")

    def put_in(self, place: Any, block: Any) -> Any:
        """Whether a slot was empty and has the block now."""
        return self.b.extract_value(
            self.b.cmpxchg(place, self.number(0), block, "acq_rel", "monotonic"), 1)

    def drop(self, block: Any) -> None:
        """Gives a block that waited back to the system."""
        self.add_waiting(self.b.neg(self.at(block)))
        self.call("free", block)


def _emit_malloc(pen: _TablePen) -> None:
    """`malloc(table, size)`: a block of that size that waits, or a fresh one; 0 if none is."""
    b, size = pen.b, pen.arguments[1]
    with pen.each(pen.number(SLOTS)) as turn:
        place = pen.slot(turn)
        block = pen.exchange(place, pen.number(0))
        with b.if_then(pen.differ(block, 0)):
            with b.if_then(pen.same(pen.at(block), size)):
                pen.add_waiting(b.neg(size))
                b.ret(b.add(block, pen.number(HEAD)))
            back = pen.put_in(place, block)
            with b.if_then(b.not_(back)):  # another one has come meanwhile
                pen.drop(block)
    whole = b.and_(b.add(size, pen.number(2 * HEAD - 1)), pen.number(-HEAD))
    block = pen.call("allocate", pen.number(HEAD), whole)
    with b.if_then(pen.same(block, 0)):
        b.ret(block)
    wanted = b.and_(b.icmp_signed(">=", size, pen.number(HUGE)),
                    pen.differ(pen.word("advise"), 0))
    with b.if_then(wanted):
        first = b.and_(b.add(block, pen.number(_PAGE - 1)), pen.number(-_PAGE))
        length = b.and_(b.sub(whole, pen.number(_PAGE)), pen.number(-_PAGE))
        pen.call("advise", first, length, pen.number(_LARGE_PAGES))
    pen.put(block, 0, size)
    b.ret(b.add(block, pen.number(HEAD)))


def _emit_free(pen: _TablePen) -> None:
    """`free(table, data, size)`: the block waits, if there is room; the oldest ones go for it."""
    b, data = pen.b, pen.arguments[1]
    with b.if_then(pen.same(data, 0)):
        b.ret(pen.number(0))
    block = b.sub(data, pen.number(HEAD))
    size = pen.at(block)
    before = pen.add_waiting(size)
    full = b.icmp_signed(">", b.add(before, size), pen.word("room"))
    with b.if_then(full), pen.each(pen.number(SLOTS)) as turn:
        other = pen.exchange(pen.slot(turn), pen.number(0))
        with b.if_then(pen.differ(other, 0)):
            pen.drop(other)
    with b.if_then(b.icmp_signed(">", size, pen.word("room"))):
        pen.drop(block)
        b.ret(pen.number(0))
    with pen.each(pen.number(SLOTS)) as turn, b.if_then(pen.put_in(pen.slot(turn), block)):
        b.ret(pen.number(0))
    turn = b.atomic_rmw("add", pen.place("turn"), pen.number(1), "monotonic")
    oldest = pen.exchange(pen.slot(b.urem(turn, pen.number(SLOTS))), block)
    with b.if_then(pen.differ(oldest, 0)):
        pen.drop(oldest)
    b.ret(pen.number(0))


def _emit_calloc(pen: _TablePen, malloc: ir.Function) -> None:
    """`calloc(table, count, size)`: a block of zeros."""
    b = pen.b
    size = b.mul(pen.arguments[1], pen.arguments[2])
    data = b.call(malloc, [pen.table, size])
    with b.if_then(pen.differ(data, 0)):
        _call_memory(pen, "llvm.memset.p0i8.i64", data, ir.Constant(_I8, 0), size)
    b.ret(data)


def _emit_realloc(pen: _TablePen, malloc: ir.Function, free: ir.Function) -> None:
    """`realloc(table, data, size)`: a block of another size with what fits of the old one."""
    b, data, size = pen.b, pen.arguments[1], pen.arguments[2]
    new = b.call(malloc, [pen.table, size])
    with b.if_then(b.and_(pen.differ(new, 0), pen.differ(data, 0))):
        had = pen.at(b.sub(data, pen.number(HEAD)))
        kept = b.select(b.icmp_signed("<", had, size), had, size)
        _call_memory(pen, "llvm.memcpy.p0i8.p0i8.i64", new,
                     b.inttoptr(data, _I8.as_pointer()), kept)
        b.call(free, [pen.table, data, had])
    b.ret(new)


def _call_memory(pen: _TablePen, name: str, to: Any, of: Any, size: Any) -> None:
    module, target = pen.b.module, pen.b.inttoptr(to, _I8.as_pointer())
    kind = ir.FunctionType(ir.VoidType(), [target.type, of.type, _I64, ir.IntType(1)])
    pen.b.call(ir.Function(module, kind, name), [target, of, size, ir.Constant(ir.IntType(1), 0)])


def emit_recycling(module: ir.Module, name: str) -> None:
    """Writes the function `name(place)`, which puts down the addresses of `FUNCTIONS`."""
    pens = {n: _TablePen(module, n, 3 if n != "malloc" else 2) for n in FUNCTIONS}
    malloc, free = pens["malloc"].function, pens["free"].function
    _emit_malloc(pens["malloc"])
    _emit_free(pens["free"])
    _emit_calloc(pens["calloc"], malloc)
    _emit_realloc(pens["realloc"], malloc, free)
    pen = Pen(module, name, 1)
    for k, n in enumerate(FUNCTIONS):
        pen.put(pen.arguments[0], 8 * k, pen.b.ptrtoint(pens[n].function, _I64))
    pen.b.ret(pen.number(0))
