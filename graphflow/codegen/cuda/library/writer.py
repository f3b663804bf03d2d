"""A small language for kernels that are written by hand: numbers, loops, conditions, memory.

It writes LLVM IR in NVVM's dialect, as the emitter of loop IR does, so that hand-written kernels
go the same ways: to PTX, and to the fibres of `on_cpu`.

    k = Writer(name, kernel)
    for i in k.each(k.thread, n, k.threads):       # for (i = thread; i < n; i += threads)
        with k.when(x[i] > 0):
            y[i] = x[i]

Indices and sizes are int64; elements are moved as unsigned integers of their size.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from llvmlite import ir

from graphflow.codegen.cpu.memory import I8, I32, I64
from graphflow.codegen.cuda.machine import CAS, Machine, mark_kernel, new_module
from graphflow.codegen.cuda.scalars import intrinsic
from graphflow.codegen.library import LibraryKernel

THREADS = 256  # of a block
I1 = ir.IntType(1)


class Number:
    """An integer or truth value of the kernel, with operators. Comparisons are signed."""

    __slots__ = ("value", "writer")

    def __init__(self, writer: Writer, value: Any) -> None:
        self.writer, self.value = writer, value

    def _with(self, name: str, other: Any) -> Number:
        w = self.writer
        return Number(w, getattr(w.b, name)(self.value, w.raw(other, self.value.type)))

    def __add__(self, other: Any) -> Number:
        return self._with("add", other)

    def __sub__(self, other: Any) -> Number:
        return self._with("sub", other)

    def __rsub__(self, other: Any) -> Number:
        return Number(self.writer, self.writer.raw(other, self.value.type)) - self

    def __mul__(self, other: Any) -> Number:
        return self._with("mul", other)

    def __floordiv__(self, other: Any) -> Number:
        return self._with("udiv", other)

    def __mod__(self, other: Any) -> Number:
        return self._with("urem", other)

    def __and__(self, other: Any) -> Number:
        return self._with("and_", other)

    def __or__(self, other: Any) -> Number:
        return self._with("or_", other)

    def __xor__(self, other: Any) -> Number:
        return self._with("xor", other)

    def __lshift__(self, other: Any) -> Number:
        return self._with("shl", other)

    def __rshift__(self, other: Any) -> Number:
        return self._with("lshr", other)

    def __invert__(self) -> Number:
        return Number(self.writer, self.writer.b.not_(self.value))

    def _compared(self, form: str, other: Any, signed: bool = True) -> Number:
        w = self.writer
        compare = w.b.icmp_signed if signed else w.b.icmp_unsigned
        return Number(w, compare(form, self.value, w.raw(other, self.value.type)))

    def __lt__(self, other: Any) -> Number:
        return self._compared("<", other)

    def __le__(self, other: Any) -> Number:
        return self._compared("<=", other)

    def __gt__(self, other: Any) -> Number:
        return self._compared(">", other)

    def __ge__(self, other: Any) -> Number:
        return self._compared(">=", other)

    def equals(self, other: Any) -> Number:
        """Whether both are the same."""
        return self._compared("==", other)

    def differs(self, other: Any) -> Number:
        """Whether they are not."""
        return self._compared("!=", other)

    def below(self, other: Any) -> Number:
        """Whether it is less, both taken without sign."""
        return self._compared("<", other, signed=False)

    def to(self, kind: Any) -> Number:
        """It in another width; without sign."""
        w, width = self.writer, self.value.type.width
        if width == kind.width:
            return self
        return Number(w, (w.b.zext if width < kind.width else w.b.trunc)(self.value, kind))

    def signed(self, kind: Any) -> Number:
        """It in a greater width, with its sign."""
        w = self.writer
        return self if self.value.type.width == kind.width else Number(
            w, w.b.sext(self.value, kind))


class Memory:
    """Elements of one width, from a pointer on."""

    __slots__ = ("pointer", "writer")

    def __init__(self, writer: Writer, pointer: Any) -> None:
        self.writer, self.pointer = writer, pointer

    def at(self, index: Any) -> Any:
        """A pointer to an element."""
        return self.writer.b.gep(self.pointer, [self.writer.raw(index, I64)])

    def __getitem__(self, index: Any) -> Number:
        return Number(self.writer, self.writer.b.load(self.at(index)))

    def __setitem__(self, index: Any, value: Any) -> None:
        kind = self.pointer.type.pointee
        self.writer.b.store(self.writer.raw(value, kind), self.at(index))

    def __iter__(self) -> Iterator[Number]:
        raise TypeError("memory of a kernel has no end")

    def add(self, index: Any, value: Any) -> Number:
        """Adds to an element, whoever else does; gives what was there before."""
        return self._atomic("add", index, value)

    def least(self, index: Any, value: Any) -> Number:
        """Replaces an element by the lesser of both (signed)."""
        return self._atomic("min", index, value)

    def _atomic(self, form: str, index: Any, value: Any) -> Number:
        w = self.writer
        raw = w.raw(value, self.pointer.type.pointee)
        return Number(w, w.b.atomic_rmw(form, self.at(index), raw, "monotonic"))

    def take(self, index: Any, value: Any) -> Number:
        """Puts a value (64 bits) where 0 stands; gives what stood there."""
        w = self.writer
        kind = ir.FunctionType(I64, [self.pointer.type, I64, I64])
        made = w.b.asm(kind, f"{CAS} $0, [$1], $2, $3;", "=l,l,l,l,~{memory}",
                       [self.at(index), ir.Constant(I64, 0), w.raw(value, I64)], True)
        return Number(w, made)


class Variable:
    """A number that changes; NVVM keeps it in a register."""

    __slots__ = ("place", "writer")

    def __init__(self, writer: Writer, place: Any) -> None:
        self.writer, self.place = writer, place

    def get(self) -> Number:
        """What it is now."""
        return Number(self.writer, self.writer.b.load(self.place))

    def set(self, value: Any) -> None:
        """Changes it."""
        self.writer.b.store(self.writer.raw(value, self.place.type.pointee), self.place)


class Writer:
    """Writes one kernel.

    Attributes:
      thread, threads: the number of the thread in its block, and how many there are (int64).
      block, blocks: the number of the block, and how many there are.
      sizes: of the kernel.
    """

    def __init__(self, name: str, kernel: LibraryKernel) -> None:
        self.module = new_module(name)
        arguments = [I8.as_pointer()] * len(kernel.buffers) + [I64] * kernel.sizes
        function = ir.Function(self.module, ir.FunctionType(ir.VoidType(), arguments), name)
        mark_kernel(function, THREADS)
        self.b = ir.IRBuilder(function.append_basic_block("entry"))
        self._entry = self.b.block
        self._start = self.b.branch(function.append_basic_block("start"))
        self.b.position_at_end(function.basic_blocks[1])
        self._buffers = function.args[:len(kernel.buffers)]
        self.sizes = [Number(self, a) for a in function.args[len(kernel.buffers):]]
        self.machine = Machine(self.b)
        self.thread = Number(self, self.b.zext(self.machine.thread(), I64))
        self.threads = Number(self, self.b.zext(self.machine.threads(), I64))
        self.block = Number(self, self.machine.block())
        self.blocks = Number(self, self.machine.blocks())

    def text(self) -> str:
        """The finished module."""
        self.b.ret_void()
        return str(self.module)

    def raw(self, value: Any, kind: Any) -> Any:
        """The LLVM value of a number, or of Python's number in a width."""
        if isinstance(value, Number):
            return value.value
        if isinstance(value, Variable):
            return value.get().value
        return ir.Constant(kind, value)

    def number(self, value: int, kind: Any = I64) -> Number:
        """A constant."""
        return Number(self, ir.Constant(kind, value))

    # ---- memory -----------------------------------------------------------------------------

    def buffer(self, number: int, kind: Any, start: Any = 0) -> Memory:
        """A buffer as elements of a type, from so many bytes on."""
        first = self.b.gep(self._buffers[number], [self.raw(start, I64)])
        return Memory(self, self.b.bitcast(first, kind.as_pointer()))

    def shared(self, start: int, kind: Any) -> Memory:
        """The block's shared memory from so many bytes on."""
        pointer = self.machine.shared(ir.Constant(I64, start))
        return Memory(self, self.b.bitcast(pointer, ir.PointerType(kind, 3)))

    def variable(self, value: Any, kind: Any = I64) -> Variable:
        """A new variable."""
        here = self.b.block
        self.b.position_before(self._start)
        place = self.b.alloca(kind)
        self.b.position_at_end(here)
        made = Variable(self, place)
        made.set(value)
        return made

    # ---- order ------------------------------------------------------------------------------

    def each(self, first: Any, end: Any, step: Any = 1) -> Iterator[Number]:
        """`for i in k.each(first, end, step)` writes a loop; its body is written once."""
        index = self.variable(first)
        end, step = (self.raw(n, I64) for n in (end, step))
        with self.loop(lambda: index.get() < Number(self, end)):
            yield index.get()
            index.set(index.get() + Number(self, step))

    @contextmanager
    def loop(self, condition: Any) -> Iterator[None]:
        """Runs while `condition()` holds."""
        test = self.b.append_basic_block("test")
        body, after = self.b.append_basic_block("body"), self.b.append_basic_block("after")
        self.b.branch(test)
        self.b.position_at_end(test)
        self.b.cbranch(condition().value, body, after)
        self.b.position_at_end(body)
        yield
        self.b.branch(test)
        self.b.position_at_end(after)

    @contextmanager
    def when(self, condition: Number) -> Iterator[None]:
        """Runs if a condition holds."""
        with self.b.if_then(condition.value):
            yield

    def choose(self, condition: Number, yes: Any, no: Any) -> Number:
        """One of two numbers, at least one of which is no Python number."""
        kind = (yes if isinstance(yes, Number) else no).value.type
        return Number(self, self.b.select(
            condition.value, self.raw(yes, kind), self.raw(no, kind)))

    def barrier(self) -> None:
        """Waits for all threads of the block."""
        self.machine.barrier()

    # ---- warps ------------------------------------------------------------------------------

    def ballot(self, truth: Number) -> Number:
        """A bit (of 32) for each lane of the warp, whether it says yes."""
        function = intrinsic(self.module, "llvm.nvvm.vote.ballot.sync", I32, [I32, I1])
        return Number(self, self.b.call(function, [ir.Constant(I32, -1), truth.value]))

    def count_bits(self, word: Number) -> Number:
        """How many bits of a word are set, as int64."""
        function = intrinsic(self.module, "llvm.ctpop.i32", I32, [I32])
        return Number(self, self.b.call(function, [word.value])).to(I64)

    def lanes_before(self) -> Number:
        """A bit for each lane of the warp with a lower number than this one."""
        lane = (self.thread & 31).to(I32)
        return (self.number(1, I32) << lane) - 1
