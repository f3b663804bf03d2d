"""A `MemoryReport` as text, and how numbers of bytes and operations are written."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from graphflow.passes.trace import WIDTH, ending, shortened

if TYPE_CHECKING:
    from graphflow.codegen.memory_report import ArenaValue, MemoryReport, StoredValue


def bytes_text(count: int | None) -> str:
    """`512 B`, `3.1 KiB`, `12.0 MiB`; `?` if it depends on values."""
    if count is None:
        return "?"
    size = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024 or unit == "GiB":
            return f"{count} B" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    raise AssertionError("not reached")


def flops_text(count: int | None) -> str:
    """`0`, `640`, `12.3 k`, `4.5 M`, `1.2 G`; `?` if it depends on values."""
    if count is None:
        return "?"
    size = float(count)
    for unit in ("", " k", " M", " G", " T"):
        if size < 1000 or unit == " T":
            return str(count) if not unit else f"{size:.1f}{unit}"
        size /= 1000
    raise AssertionError("not reached")


def table(
    rows: Sequence[Sequence[str]], right: Iterable[int] = (), keep_end: bool = False
) -> list[str]:
    """Rows as aligned columns, at most `WIDTH` wide.

    right: the numbers of the columns that are flush right. What is too long loses the end of its
    last column, or the beginning of it if `keep_end`.
    """
    right = set(right)
    widths = [max(map(len, column)) for column in zip(*rows)] if rows else []
    lines = []
    for row in rows:
        cells = [c.rjust(w) if k in right else c.ljust(w)
                 for k, (c, w) in enumerate(zip(row[:-1], widths))]
        left = "  " + "".join(cell + "  " for cell in cells)
        room, last = WIDTH - len(left), row[-1]
        if len(row) - 1 in right:
            last = last.rjust(widths[-1])
        last = ending(last, room) if keep_end else shortened(last, room)
        lines.append((left + last).rstrip())
    return lines


def shape_text(value: StoredValue) -> str:
    """`float32 [64, 10]`."""
    if value.shape is None:
        return f"{value.dtype} <unknown>"
    return f"{value.dtype} [{', '.join('?' if n is None else str(n) for n in value.shape)}]"


def memory_text(report: MemoryReport) -> str:
    """The report as a table."""
    lines = ["Memory", *table([
        ("arena", bytes_text(report.arena_bytes), _peak(report)),
        ("variables", *_sum(report.variables)),
        ("their new values", *_sum(report.updates)),
        ("outputs", *_sum(report.outputs)),
        ("inputs", *_sum(report.inputs)),
        ("constants", *_sum(report.constants)),
        *([("from host steps", *_sum(report.host))] if report.host else []),
        ("all", bytes_text(report.total_bytes), "")], right=(1,))]
    if report.at_peak:
        lines += ["", f"Alive in the arena at its peak, step {report.peak_step}",
                  *_values(report.at_peak)]
    if report.variables:
        lines += ["", "Variables", *table([
            (bytes_text(v.bytes), shape_text(v), v.origin.name, v.origin.site or "")
            for v in sorted(report.variables, key=lambda v: -(v.bytes or 0))],
            right=(0,), keep_end=True)]
    return "\n".join(lines)


def arena_text(report: MemoryReport) -> str:
    """Every value of the arena in the order in which they are written, with place and life."""
    rows = [("value", "offset", "bytes", "steps", "", "of")]
    for v in report.values:
        alive = v in report.at_peak
        rows.append((
            v.name, "later" if v.offset is None else str(v.offset), bytes_text(v.bytes),
            str(v.first) if v.first == v.last else f"{v.first}–{v.last}",
            "at peak" if alive else "", v.origin.name))
    return "\n".join(table(rows, right=(1, 2), keep_end=True))


def _peak(report: MemoryReport) -> str:
    later = sum(v.offset is None for v in report.values)
    parts = [_counted(len(report.values) - later, "value")]
    if report.peak_step is not None:
        parts.append(f"peak {bytes_text(report.peak_bytes)}, {len(report.at_peak)} of them, at "
                     f"step {report.peak_step}")
    if later:
        parts.append(f"{later} more are placed later")
    return "; ".join(parts)


def _sum(values: Sequence[StoredValue]) -> tuple[str, str]:
    unknown = sum(v.bytes is None for v in values)
    note = f", {unknown} of a size that depends on values" if unknown else ""
    total = bytes_text(sum(v.bytes or 0 for v in values))
    return total, f"{len(values)}{note}" if values else "none"


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _values(values: Iterable[ArenaValue]) -> list[str]:
    return table([
        (bytes_text(v.bytes), shape_text(v), v.origin.name, v.origin.site or "")
        for v in values], right=(0,), keep_end=True)
