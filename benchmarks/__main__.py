"""`python -m benchmarks`: graphflow beside its peers, in one run, with ratios."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import click
from rich.console import Console

from benchmarks.frameworks import KERNELS, Framework, select
from benchmarks.fresh import measure_cold, measure_imports, measure_memory, measure_warm
from benchmarks.growth import COUNTS, SHAPES, measure_growth
from benchmarks.installed import measure_installed
from benchmarks.kernel_report import show_kernels
from benchmarks.kernel_workloads import KERNEL_TABLES
from benchmarks.kernels import measure_kernels
from benchmarks.report import Result, show, versions, write_json
from benchmarks.rotation import Row
from benchmarks.saved_start import measure_saved
from benchmarks.stepping import Settings, measure_steps
from benchmarks.workloads import WORKLOADS

Measure = Callable[[Sequence[Framework], Settings], list[Row]]


def _steps(workload: str) -> Measure:
    return lambda frameworks, settings: measure_steps(workload, frameworks, settings)


def _cold(workload: str) -> Measure:
    return lambda frameworks, settings: measure_cold(workload, frameworks, settings)


def _memory(warm: bool) -> Measure:
    return lambda frameworks, settings: measure_memory("mlp", frameworks, settings, warm)


def _warm(frameworks: Sequence[Framework], settings: Settings) -> list[Row]:
    return measure_warm("mlp", frameworks, settings)


@dataclass(frozen=True, slots=True)
class Table:
    """One table to make; `rate` as in `Result`."""

    title: str
    unit: str
    measure: Measure
    rate: tuple[float, str] = (0.0, "")


def _tables() -> dict[str, list[Table]]:
    """By the name in --workloads."""
    tables: dict[str, list[Table]] = {}
    for w in (w for w in WORKLOADS.values() if w.kernel is None):
        tables.setdefault(w.table or w.name, []).append(
            Table(f"{w.name}: {w.title}", "s", _steps(w.name), (w.amount, w.unit)))
    return tables | {
        "import_time": [Table("import_time: import in a new process", "s", measure_imports)],
        "cold": [Table(f"cold {name}: build, compile, first step; new process, empty caches",
                       "s", _cold(name)) for name in ("mlp", "cnn", "resnet20")],
        "warm": [Table("warm mlp: from the start of a process to the first loss, caches filled",
                       "s", _warm)],
        "saved_start": [Table("saved_start: a saved mlp, from NumPy imported to the first result; "
                              "new process, caches filled", "s", measure_saved)],
        "memory": [Table(f"memory: peak resident size of the mlp process, {caches}", "bytes",
                         _memory(warm))
                   for caches, warm in (("caches filled", True), ("empty caches", False))],
        "installed": [Table("installed: size of the package and all that it requires", "bytes",
                            measure_installed)],
        "growth": [Table(f"growth {shape} {count}: {count} operations built, differentiated, "
                         "made ready to run", "s", measure_growth(shape, count))
                   for shape in SHAPES for count in COUNTS],
    }


TABLES = _tables()
NAMES = [*TABLES, *KERNEL_TABLES]


def _measured(
    console: Console, name: str, frameworks: Sequence[Framework], settings: Settings
) -> list[Result]:
    """The results of all tables of one name, which are printed."""
    if name in KERNEL_TABLES or name in KERNELS:
        title, kernels = KERNEL_TABLES.get(name, ("", ()))
        results = list(measure_kernels(
            [k.name for k in kernels] or [name], frameworks, settings))
        show_kernels(console, f"{name}: {title}" if title else name, results)
        return results
    results = []
    for table in TABLES[name]:
        rows = tuple(table.measure(frameworks, settings))
        results.append(Result(table.title, table.unit, rows, table.rate))
        show(console, results[-1])
    return results


def _names(context: click.Context, option: click.Parameter, text: str) -> list[str]:
    return [n.strip() for n in text.split(",") if n.strip()]


@click.command(context_settings={"show_default": True})
@click.option("--only", default="", callback=_names, help="Frameworks, comma-separated.")
@click.option("--workloads", default=",".join(NAMES), callback=_names,
              help="What to measure, comma-separated.")
@click.option("--threads", default=1, type=click.IntRange(1), help="Threads of each worker.")
@click.option("--seconds", default=0.5, help="Length of one turn.")
@click.option("--turns", default=7, type=click.IntRange(1), help="Counted turns per framework.")
@click.option("--repeats", default=3, type=click.IntRange(1),
              help="Counted processes per framework (import_time, cold, warm, growth).")
@click.option("--load-limit", default=0.05,
              help="Cores that other processes may use in a turn that counts; inf counts all.")
@click.option("--timeout", default=600.0, help="Seconds to wait for an answer of a worker.")
@click.option("--json", "json_path", type=click.Path(path_type=Path),
              help="Also write the results here.")
@click.option("--quiet", is_flag=True, help="Tables only.")
def main(
    only: list[str], workloads: list[str], threads: int, seconds: float, turns: int,
    repeats: int, load_limit: float, timeout: float, json_path: Path | None, quiet: bool,
) -> None:
    """Compares graphflow with its peers on the same work and prints ratios.

    The exit status is 1 if graphflow failed or computed something wrong anywhere.
    """
    try:
        frameworks = select(only)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--only") from None
    unknown = sorted(set(workloads) - set(NAMES) - KERNELS)
    if unknown:
        raise click.BadParameter(f"no {', '.join(unknown)}; there are {', '.join(NAMES)}",
                                 param_hint="--workloads")
    console = Console(width=None if sys.stdout.isatty() else 160)
    progress = Console(stderr=True, quiet=quiet, highlight=False)
    results = []
    with tempfile.TemporaryDirectory(prefix="graphflow-benchmarks-") as folder:
        settings = Settings(threads, seconds, turns, repeats, load_limit, timeout,
                            Path(folder), progress.print)
        console.print(f"{threads} thread(s) per framework, {turns} turns of {seconds:g} s, "
                      f"others may use {load_limit:g} cores", highlight=False)
        for name in workloads:
            results += _measured(console, name, frameworks, settings)
    console.print(f"Versions: {versions(results)}", highlight=False)
    if json_path:
        write_json(json_path, results, {
            "threads": threads, "seconds": seconds, "turns": turns, "repeats": repeats,
            "load_limit": load_limit})
    if not all(r.sound for r in results):
        sys.exit(1)


if __name__ == "__main__":
    main()
