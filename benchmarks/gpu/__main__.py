"""`python -m benchmarks.gpu`: steps and kernels on an NVIDIA GPU, beside PyTorch and JAX there."""

from __future__ import annotations

import platform
import sys
import tempfile
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from benchmarks.gpu import kernels
from benchmarks.gpu.frameworks import STEPS, frameworks
from benchmarks.report import Result, show
from benchmarks.stepping import Settings, measure_steps
from benchmarks.workers.graphflow_cuda import SUPPORT
from benchmarks.workloads import WORKLOADS

NO_GPU = 2  # the exit status


@click.command(context_settings={"show_default": True})
@click.option("--workloads", default=",".join(STEPS), help="Steps, comma-separated.")
@click.option("--seconds", default=0.5, help="Length of one turn.")
@click.option("--turns", default=7, type=click.IntRange(1), help="Counted turns per framework.")
@click.option("--scale", default=16, type=click.IntRange(1), help="Of the sizes of kernels.")
@click.option("--fake", is_flag=True,
              help="On the GPU of the tests: shows that the benchmark runs; its times are none.")
def main(workloads: str, seconds: float, turns: int, scale: int, fake: bool) -> None:
    """Times training steps and single kernels on an NVIDIA GPU.

    PyTorch (eager and compiled; its products are cuBLAS's) and JAX take part where they are
    installed for the GPU. Without a GPU it says so, measures nothing, and ends with status 2.
    """
    console = Console()
    missing = None if fake else _missing()
    if missing is not None:
        console.print(f"There is no GPU to measure: {missing}", soft_wrap=True, markup=False)
        sys.exit(NO_GPU)
    if fake:
        console.print("On the fake GPU of the tests: results are checked, times mean nothing.")
    with _device(fake):
        _describe(console)
        _measure_kernels(console, scale, fake)
    names = [n.strip() for n in workloads.split(",") if n.strip()]
    sound = _measure_steps(console, names, seconds, turns, fake)
    sys.exit(0 if sound else 1)


def _missing() -> str | None:
    """What is missing for a session on a GPU, or None."""
    import graphflow as gf
    from graphflow.hardware import cuda_absence

    reason = cuda_absence()
    if reason is not None:
        return reason
    try:
        gf.Session(graph=gf.Graph(), device="cuda").close()
    except gf.errors.UnavailableError as error:
        return str(error)
    return None


def _device(fake: bool) -> Any:
    if not fake:
        return nullcontext()
    sys.path.insert(0, str(SUPPORT))
    from fake_gpu import using_fake_gpu

    return using_fake_gpu(engine="llvm")


def _session() -> Any:
    import graphflow as gf

    options = gf.Options(device="cuda", fetches="device", silence=frozenset({"not-compiled"}))
    return gf.Session(graph=gf.Graph(), options=options)


def _describe(console: Console) -> None:
    """The machine, without which times mean nothing."""
    import graphflow as gf

    with _session() as session:
        driver = session.placement[1].driver
        console.print(
            f"{driver.name}, compute capability {driver.capability[0]}.{driver.capability[1]}, "
            f"{driver.processors} multiprocessors, {driver.clock / 1e6:.0f} MHz at most; "
            f"{platform.platform()}, Python {platform.python_version()}, "
            f"graphflow {gf.__version__}", soft_wrap=True)


def _measure_kernels(console: Console, scale: int, fake: bool) -> None:
    import graphflow as gf

    table = Table(title="kernels on arrays of the GPU, µs by events", title_justify="left")
    for heading in ("kernel", "graphflow", "PyTorch", "PyTorch ÷ graphflow", "graphflow reaches"):
        table.add_column(heading, justify="left" if heading == "kernel" else "right")
    with _session() as session:
        bandwidth = kernels.copy_bandwidth(session.placement[1], 4 * 256 * 64 * scale ** 2)
        table.caption = f"a copy on the device: {1e-9 * bandwidth:.0f} GB/s read and written"
        for case in kernels.cases(scale):
            with _session() as own:
                ours = kernels.on_graphflow(case, gf, own, 1 if fake else kernels.REPEATS)
            theirs = kernels.Timing(None, "") if fake else kernels.on_torch(case)
            ratio = "" if ours.seconds is None or theirs.seconds is None else (
                f"{theirs.seconds / ours.seconds:.2f}")
            table.add_row(case.name, *kernels.columns([ours, theirs]), ratio,
                          kernels.shares(case, ours, bandwidth))
    console.print(table)


def _measure_steps(
    console: Console, names: list[str], seconds: float, turns: int, fake: bool
) -> bool:
    """Prints a table for each step; whether graphflow did its part in all of them."""
    sound = True
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(1, seconds, turns, 1, float("inf"), 900.0, Path(folder),
                            lambda text: console.print(text, style="dim", highlight=False))
        for name in names:
            workload = WORKLOADS[name]
            rows = tuple(measure_steps(name, frameworks(fake), settings))
            result = Result(f"{name}: {workload.title}", "s", rows)
            show(console, result)
            sound &= result.sound
    return sound


if __name__ == "__main__":
    main()
