"""What the passes do to a Program, step by step: recorded, or printed while it happens."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import TextIO

from graphflow.passes.listing import Change, Line, Listing, differences, listed
from graphflow.passes.pipeline import PassRecord, optimise
from graphflow.program import Program

WIDTH = 110


@dataclass(frozen=True, slots=True, eq=False)
class PassRun:
    """One run of one pass.

    Attributes:
      name: of the pass.
      seconds: what it took, the verifier left out.
      changed: False if it gave back the very Program.
      before_nodes, after_nodes: the number of nodes, those in the bodies of regions included.
      changes: the lines that are gone and those that are new.
      program: what it gave.
    """

    name: str
    seconds: float
    changed: bool
    before_nodes: int
    after_nodes: int
    changes: tuple[Change, ...]
    program: Program


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """All runs of passes over one Program.

    Attributes:
      source, result: the Program before and after, as lines with common names.
      runs: in order, those that changed nothing included.
    """

    source: Listing
    result: Listing
    runs: tuple[PassRun, ...]


def traced(program: Program, disabled: Collection[str] = frozenset()) -> Trace:
    """Optimises a Program and says how."""
    source = listed(program)
    at = [source]
    runs: list[PassRun] = []

    def on_pass(record: PassRecord, after: Program) -> None:
        changes: tuple[Change, ...] = ()
        if record.changed:
            earlier = at[0]
            at[0] = listed(after, earlier)
            changes = differences(earlier, at[0])
        runs.append(PassRun(record.name, record.seconds, record.changed, record.before_nodes,
                            record.after_nodes, changes, after))

    optimise(program, disabled, on_pass)
    return Trace(source, at[0], tuple(runs))


def dump(
    program: Program, which: bool | Collection[str] = True,
    disabled: Collection[str] = frozenset(), stream: TextIO | None = None,
) -> None:
    """Prints a Program as it is, and after each pass that changes it, new lines with a `+`.

    which: True for all passes, or the names of some. It prints to standard error, or `stream`.
    """
    stream = stream if stream is not None else sys.stderr
    at = [listed(program)]
    print(f"program: {len(program.nodes)} nodes", program_text(at[0].lines), "", sep="\n",
          file=stream)

    def on_pass(record: PassRecord, after: Program) -> None:
        if not record.changed:
            return
        earlier, at[0] = at[0], listed(after, at[0])
        if which is True or (which and record.name in which):
            new = {c.line.name for c in differences(earlier, at[0]) if c.mark == "+"}
            print(pass_title(record), program_text(at[0].lines, new), "", sep="\n", file=stream)

    optimise(program, disabled, on_pass)


# ---- text ---------------------------------------------------------------------------------------


def pass_title(record: PassRecord | PassRun) -> str:
    """`fold: 106 → 104 nodes, 0.41 ms`."""
    return (f"{record.name}: {record.before_nodes} → {record.after_nodes} nodes, "
            f"{1e3 * record.seconds:.2f} ms")


def program_text(lines: Iterable[Line], new: Collection[str] = ()) -> str:
    """Lines of a Program in columns, at most `WIDTH` wide; those named in `new` with a `+`."""
    return _columns([("+" if line.name in new else " ", line) for line in lines])


def change_text(changes: Iterable[Change]) -> str:
    """Lines that are gone and new ones, in columns, with `-` and `+` in front."""
    return _columns([(change.mark, change.line) for change in changes])


def _columns(marked: list[tuple[str, Line]]) -> str:
    heads = ["  " * line.depth + line.name for _, line in marked]
    head = max((len(h) for h, (_, line) in zip(heads, marked) if line.op), default=0)
    call = min(max((len(line.expression) for _, line in marked if line.op), default=0), 46)
    kind = min(max((len(line.type) for _, line in marked if line.op), default=0), 28)
    out = []
    for start, (mark, line) in zip(heads, marked):
        if not line.op:
            text = f"{mark} {start} {line.expression}".rstrip()
            out.append(shortened(text, WIDTH))
            continue
        left = f"{mark} {start:<{head}}  {shortened(line.expression, call):<{call}}"
        room = WIDTH - len(left) - kind - 4
        out.append(f"{left}  {shortened(line.type, kind):<{kind}}  "
                   f"{ending(line.origin, room)}".rstrip())
    return "\n".join(out)


def shortened(text: str, room: int) -> str:
    """The text, its end left out where it is too long."""
    return text if len(text) <= room else text[:room - 1] + "…"


def ending(text: str, room: int) -> str:
    """The text, its beginning left out where it is too long."""
    return text if len(text) <= room else "…" + text[len(text) - room + 1:]
