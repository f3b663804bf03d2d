"""The table of single kernels: a line for each, with every framework's time and share of peak."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from benchmarks.frameworks import PEAK
from benchmarks.report import Result, quantity
from benchmarks.rotation import Row

OURS = "graphflow_cpu"


def show_kernels(console: Console, title: str, results: Sequence[Result]) -> None:
    """Prints a line per kernel: for each framework its median time and its speed as a share of the
    fused multiply-adds that the machine did in the same turns; then the ratio of graphflow's time
    to the best peer's.
    """
    names = list(dict.fromkeys(r.name for t in results for r in t.rows if r.name != PEAK))
    table = Table(title=title, title_justify="left")
    table.add_column("kernel", no_wrap=True)
    for heading in (*names, f"{OURS} ÷ best peer"):
        table.add_column(heading, justify="right", overflow="fold")
    ratios: list[float] = []
    for result in results:
        rows = {r.name: r for r in result.rows}
        best = min((r.median for r in result.rows if r.peer and r.median), default=None)
        own = rows[OURS].median if OURS in rows else None
        ratios += [own / best] if own and best else []
        table.add_row(result.title, *(_cell(rows[name], rows.get(PEAK)) for name in names),
                      f"{own / best:.2f}×" if own and best else "")
    if ratios:
        mean = math.exp(sum(map(math.log, ratios)) / len(ratios))
        table.add_row("geometric mean", *[""] * len(names), f"{mean:.2f}×")
    console.print(table)
    for result in results:
        for row in result.rows:
            if row.problem and row.problem not in ("absent", "not applicable"):
                console.print(f"  {result.title}: {row.name} {row.problem}", highlight=False,
                              markup=False)


def _cell(row: Row, peak: Row | None) -> str:
    if row.median is None:
        return "–" if row.problem in ("absent", "not applicable") else (
            row.problem or "no quiet turn").partition(":")[0]
    share = "" if peak is None or not peak.median else f" {peak.median / row.median:4.0%}"
    return quantity(row.median, "s") + share
