"""Functions of native code over 64-bit words, written by hand: what they share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from llvmlite import ir

_I64 = ir.IntType(64)


class Pen:
    """Writes functions over 64-bit words."""

    def __init__(self, module: ir.Module, name: str, arguments: int) -> None:
        kind = ir.FunctionType(_I64, [_I64] * arguments)
        self.function = ir.Function(module, kind, name)
        self.b = ir.IRBuilder(self.function.append_basic_block("entry"))
        self.arguments = list(self.function.args)

    def number(self, value: int) -> ir.Constant:
        return ir.Constant(_I64, value)

    def at(self, address: Any, offset: Any = 0, kind: Any = _I64) -> Any:
        """The value in memory, `offset` bytes behind an address."""
        if not (isinstance(offset, int) and offset == 0):
            step = self.number(offset) if isinstance(offset, int) else offset
            address = self.b.add(address, step)
        return self.b.load(self.b.inttoptr(address, kind.as_pointer()))

    def put(self, address: Any, offset: int, value: Any) -> None:
        """Writes a word."""
        place = self.b.add(address, self.number(offset))
        value = self.number(value) if isinstance(value, int) else value
        self.b.store(value, self.b.inttoptr(place, _I64.as_pointer()))

    def same(self, a: Any, b: Any) -> Any:
        return self.b.icmp_signed("==", a, ir.Constant(a.type, b) if isinstance(b, int) else b)

    def differ(self, a: Any, b: Any) -> Any:
        return self.b.not_(self.same(a, b))

    def leave_if(self, condition: Any, target: ir.Block) -> None:
        """To `target` if the condition holds."""
        following = self.function.append_basic_block()
        self.b.cbranch(condition, target, following)
        self.b.position_at_end(following)

    @contextmanager
    def each(self, count: Any) -> Iterator[Any]:
        """A loop; gives the number of the turn."""
        b = self.b
        before = b.block
        head, body, end = (self.function.append_basic_block() for _ in range(3))
        b.branch(head)
        b.position_at_end(head)
        turn = b.phi(_I64)
        turn.add_incoming(self.number(0), before)
        b.cbranch(b.icmp_signed("<", turn, count), body, end)
        b.position_at_end(body)
        yield turn
        turn.add_incoming(b.add(turn, self.number(1)), b.block)
        b.branch(head)
        b.position_at_end(end)

    def block(self) -> ir.Block:
        return self.function.append_basic_block()

    @contextmanager
    def written_in(self, block: ir.Block) -> Iterator[None]:
        """What follows is written at the end of `block`."""
        before = self.b.block
        self.b.position_at_end(block)
        yield
        self.b.position_at_end(before)
