"""Tables: one per workload, with the ratio of the best peer's median to each row's."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.rotation import Row

NOTES_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Result:
    """One table: what was measured, in "s" or "bytes", and a row per framework.

    rate: what a step goes through, and the unit of that per second, for a column of its own.
    """

    title: str
    unit: str
    rows: tuple[Row, ...]
    rate: tuple[float, str] = (0.0, "")

    def yardstick(self) -> Row | None:
        """The row that the others are compared with: the best peer, else the best of all."""
        measured = [(r.median, r) for r in self.rows if r.median is not None]
        ranked = sorted([m for m in measured if m[1].peer] or measured, key=lambda m: m[0])
        return ranked[0][1] if ranked else None

    @property
    def sound(self) -> bool:
        """Whether graphflow did its part: nothing failed, nothing wrong."""
        return not any(r.problem and r.problem.startswith(("failed", "wrong"))
                       for r in self.rows if not r.peer)


def show(console: Console, result: Result) -> None:
    """Prints the table and what there is to say about its rows."""
    yardstick = result.yardstick()
    ratio = f"{yardstick.name} ÷ this" if yardstick else "ratio"
    table = Table(title=result.title, title_justify="left")
    table.add_column("framework", no_wrap=True)
    for heading in ("first", "error", "median", "min", "turn medians", "cores", "turns", ratio):
        table.add_column(heading, justify="right", no_wrap=True)
    amount, rate_unit = result.rate
    if amount:
        table.add_column(rate_unit, justify="right", no_wrap=True)
    for row in sorted(result.rows, key=lambda r: (r.median is None, r.median or 0)):
        cells = _cells(row, result.unit, yardstick)
        if amount:
            cells.append(f"{amount / row.median:#.3g}" if row.median else "")
        table.add_row(*cells)
    console.print(table)
    for row in result.rows:
        if row.problem and row.problem not in ("absent", "not applicable"):
            console.print(f"  {row.name} {row.problem}", highlight=False, markup=False)
        for note in row.notes[:NOTES_SHOWN]:
            console.print(f"  {row.name} notes: {note}", highlight=False, markup=False)
        if len(row.notes) > NOTES_SHOWN:
            console.print(f"  {row.name} notes {len(row.notes) - NOTES_SHOWN} more such things")


def _cells(row: Row, unit: str, yardstick: Row | None) -> list[str]:
    first = "" if row.first is None else f"{row.first:.6g}"
    error = "" if row.error is None else f"{row.error:.0e}"
    median = row.median
    turns = f"{len(row.medians)}/{row.tried}" if row.tried else ""
    if median is None or yardstick is None or yardstick.median is None:
        why = (row.problem or "no quiet turn").partition(":")[0]
        return [row.name, first, error, why, "", "", "", turns, ""]
    spread = f"{quantity(min(row.medians), unit)} – {quantity(max(row.medians), unit)}" \
        if row.medians else ""
    cores = f"{sum(row.cores) / len(row.cores):.2f}" if row.cores else ""
    return [row.name, first, error, quantity(median, unit), quantity(min(row.values), unit),
            spread, cores, turns, _ratio(yardstick.median / median)]


def _ratio(ratio: float) -> str:
    return f"{ratio:.2f}×" if ratio >= 0.1 else f"{ratio:.2g}×"


def quantity(value: float, unit: str) -> str:
    """value in "s" or "bytes" → text with three digits, such as "12.3 µs"."""
    if unit == "bytes":
        return f"{value / 2**20:.0f} MiB"
    for factor, name in ((1e6, "µs"), (1e3, "ms")):
        if value * factor < 999.5:
            return f"{value * factor:#.3g} {name}".replace(". ", " ")
    return f"{value:#.3g} s".replace(". ", " ")


def versions(results: Sequence[Result]) -> str:
    """The versions that took part, in one line."""
    found = {r.name.partition(":")[0]: r.version for t in results for r in t.rows if r.version}
    return ", ".join(f"{name} {version}" for name, version in found.items())


def write_json(path: Path, results: Sequence[Result], settings: dict[str, Any]) -> None:
    """Everything that was measured, without the single steps; numbers without end are null."""
    tables = []
    for result in results:
        rows = []
        for row in result.rows:
            record = asdict(row)
            values = record.pop("values")
            record.update(median=row.median, minimum=min(values, default=None))
            if result.rate[0] and row.median:
                record.update(rate=result.rate[0] / row.median, rate_unit=result.rate[1])
            rows.append(record)
        tables.append({"title": result.title, "unit": result.unit, "rows": rows})
    document = _finite({"settings": settings, "results": tables})
    path.write_text(json.dumps(document, indent=1, allow_nan=False) + "\n")


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _finite(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_finite(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
