"""The native entry: a built-in function that runs a compiled step from Python objects.

A step that stays the same from call to call — the same fetches, feeds of the same types and
sizes — is written down once as a *record* (`runtime/entries.py`). The entry compares a call with
the records by identity and has the step run (`entry_step.py`): it reads the fields of the fed
arrays, makes the results, enters the dispatcher and gives the values back, without a line of
Python. Whatever is not exactly as the record says is a *miss*: nothing has happened, and the
session goes the long way.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from graphflow.codegen.entry_layout import (
    DATA,
    LIST,
    OBJECT_TYPE,
    RECORD,
    SINGLE,
    TABLE,
    ApiPen,
    RecordPen,
)
from graphflow.codegen.entry_step import Step

_I64 = ir.IntType(64)


class _Match(RecordPen):
    """`match(api, record, fetches, feeds, values)`: 1 if a call of `run` is the record's.

    Writes the fed objects to `values`, in the record's order.
    """

    def __init__(self, module: ir.Module) -> None:
        super().__init__(module, "gf_match", 5)
        self.function.linkage = "internal"

    def emit(self) -> None:
        _, _, fetches, feeds, values = self.arguments
        self.no, fed, yes = (self.block() for _ in range(3))
        self._match_fetches(fetches)
        with self.b.if_then(self.same(self.word("feed_count"), 0)):
            with self.b.if_then(self.same(feeds, self.object("none"))):
                self.b.branch(yes)
            self._match_feeds(feeds, values)
            self.b.branch(yes)
        self.b.branch(fed)
        self.b.position_at_end(fed)
        self._match_feeds(feeds, values)
        self.b.branch(yes)
        for block, answer in ((yes, 1), (self.no, 0)):
            with self.written_in(block):
                self.b.ret(self.number(answer))

    def _match_fetches(self, fetches: Any) -> None:
        b = self.b
        form = self.word("form")
        kind = self.at(fetches, OBJECT_TYPE)
        with b.if_else(self.same(form, SINGLE)) as (single, several):
            with single:
                self.leave_if(self.differ(fetches, self.at(self.word("picks"))), self.no)
            with several, b.if_else(self.same(form, LIST)) as (as_list, as_tuple):
                for block, name in ((as_list, "list"), (as_tuple, "tuple")):
                    with block:
                        self.leave_if(self.differ(kind, self.object(name)), self.no)
                        self._match_items(fetches, f"Py{name.title()}")

    def _match_items(self, fetches: Any, name: str) -> None:
        self.leave_if(self.differ(self.call(f"{name}_Size", fetches), self.word("pick_count")),
                      self.no)
        with self.rows("picks") as (turn, fetch, _):
            self.leave_if(self.differ(self.call(f"{name}_GetItem", fetches, turn), fetch), self.no)

    def _match_feeds(self, feeds: Any, values: Any) -> None:
        """The dict's keys must be the record's, in order."""
        b = self.b
        self.leave_if(self.differ(self.at(feeds, OBJECT_TYPE), self.object("dict")), self.no)
        self.leave_if(self.differ(self.call("PyDict_Size", feeds), self.word("feed_count")),
                      self.no)
        with b.goto_entry_block():
            cells = [b.alloca(_I64) for _ in range(3)]
        b.store(self.number(0), cells[0])
        addresses = [b.ptrtoint(cell, _I64) for cell in cells]
        with self.each(self.word("feed_count")) as turn:
            more = self.call("PyDict_Next", feeds, *addresses)
            self.leave_if(self.same(more, 0), self.no)
            self.leave_if(self.differ(b.load(cells[1]), self.at(self.slot("keys", turn))), self.no)
            place = b.add(values, b.mul(turn, self.number(8)))
            self.put(place, 0, b.load(cells[2]))


class _Entry(ApiPen):
    """`entry(self, arguments, count)`: the built-in function; `self` is the table, an array."""

    def __init__(self, module: ir.Module, name: str) -> None:
        super().__init__(module, name, 3)
        table, self.values, self.count = self.arguments
        self.table = self.at(table, DATA)
        self.api = self.word("api")

    def word(self, name: str) -> Any:
        return self.at(self.table, 8 * TABLE.index(name))

    def emit(self, match: ir.Function, step: ir.Function) -> None:
        b = self.b
        missed = self.block()
        self.leave_if(self.same(self.at(self.word("open")), 0), missed)
        with self.each(self.word("count")) as turn:
            offset = b.add(b.mul(turn, self.number(8)), self.number(8 * len(TABLE)))
            record = self.at(self.table, offset)
            with b.if_else(self.differ(self.word("positional"), 0)) as (called, run):
                with called:
                    count = self.at(record, 8 * RECORD.index("feed_count"))
                    values, fits = self.values, b.zext(self.same(count, self.count), _I64)
                    end_called = b.block
                with run:
                    fed = self.at(record, 8 * RECORD.index("fed"))
                    fits_run = b.call(match, [self.api, record, self.at(self.values),
                                              self.at(self.values, 8), fed])
                    end_run = b.block
            merged = [b.phi(_I64), b.phi(_I64)]
            for phi, (one, other) in zip(merged, ((values, fed), (fits, fits_run))):
                phi.add_incoming(one, end_called)
                phi.add_incoming(other, end_run)
            with b.if_then(self.differ(merged[1], 0)):
                result = b.call(step, [self.api, record, merged[0]])
                with b.if_then(self.differ(result, self.object("miss"))):
                    b.ret(result)
        b.branch(missed)
        b.position_at_end(missed)
        miss = self.object("miss")
        self.call("Py_IncRef", miss)
        b.ret(miss)


def emit_entry(module: ir.Module, name: str) -> None:
    """Writes the built-in function `name`, as Python calls one that takes positional arguments."""
    step, match = Step(module), _Match(module)
    step.emit()
    match.emit()
    _Entry(module, name).emit(match.function, step.function)
