"""`python -m benchmarks`: graphflow beside its peers, in one run, with ratios."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import click
from rich.console import Console

from benchmarks.frameworks import Framework, select
from benchmarks.fresh import measure_cold, measure_imports, measure_memory
from benchmarks.report import Result, show, versions, write_json
from benchmarks.rotation import Row
from benchmarks.stepping import Settings, measure_steps
from benchmarks.workloads import WORKLOADS

Measure = Callable[[Sequence[Framework], Settings], list[Row]]


def _steps(workload: str) -> Measure:
    return lambda frameworks, settings: measure_steps(workload, frameworks, settings)


def _cold(workload: str) -> Measure:
    return lambda frameworks, settings: measure_cold(workload, frameworks, settings)


def _memory(frameworks: Sequence[Framework], settings: Settings) -> list[Row]:
    return measure_memory("mlp", frameworks, settings)


# name in --workloads → (title, unit, what measures it) for each of its tables
TABLES: dict[str, list[tuple[str, str, Measure]]] = {
    **{w.name: [(f"{w.name}: {w.title}", "s", _steps(w.name))] for w in WORKLOADS.values()},
    "import_time": [("import_time: import in a new process", "s", measure_imports)],
    "cold": [(f"cold {name}: build, compile, first step; new process, empty caches", "s",
              _cold(name)) for name in ("mlp", "cnn")],
    "memory": [("memory: peak resident size of the mlp process", "bytes", _memory)],
}


def _names(context: click.Context, option: click.Parameter, text: str) -> list[str]:
    return [n.strip() for n in text.split(",") if n.strip()]


@click.command(context_settings={"show_default": True})
@click.option("--only", default="", callback=_names, help="Frameworks, comma-separated.")
@click.option("--workloads", default=",".join(TABLES), callback=_names,
              help="What to measure, comma-separated.")
@click.option("--threads", default=1, type=click.IntRange(1), help="Threads of each worker.")
@click.option("--seconds", default=0.5, help="Length of one turn.")
@click.option("--turns", default=7, type=click.IntRange(1), help="Counted turns per framework.")
@click.option("--repeats", default=3, type=click.IntRange(1),
              help="Counted processes per framework (import_time, cold).")
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
    unknown = sorted(set(workloads) - set(TABLES))
    if unknown:
        raise click.BadParameter(f"no {', '.join(unknown)}; there are {', '.join(TABLES)}",
                                 param_hint="--workloads")
    console = Console(width=None if sys.stdout.isatty() else 160)
    progress = Console(stderr=True, quiet=quiet, highlight=False)
    results = []
    with tempfile.TemporaryDirectory(prefix="graphflow-benchmarks-") as folder:
        settings = Settings(threads, seconds, turns, repeats, load_limit, timeout,
                            Path(folder), progress.print)
        console.print(f"{threads} thread(s) per framework, {turns} turns of {seconds:g} s, "
                      f"others may use {load_limit:g} cores", highlight=False)
        for title, unit, measure in (t for name in workloads for t in TABLES[name]):
            result = Result(title, unit, tuple(measure(frameworks, settings)))
            results.append(result)
            show(console, result)
    console.print(f"Versions: {versions(results)}", highlight=False)
    if json_path:
        write_json(json_path, results, {
            "threads": threads, "seconds": seconds, "turns": turns, "repeats": repeats,
            "load_limit": load_limit})
    if not all(r.sound for r in results):
        sys.exit(1)


if __name__ == "__main__":
    main()
