"""`graphflow bench`: how fast a .gflow file runs, and where the time goes."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np

from graphflow.cli.arrays import read_inputs
from graphflow.cli.commands import console, json_option, plain, print_json, table
from graphflow.cli.model_file import (
    chosen_signature,
    dense_inputs,
    feeds_of,
    load_model,
    made_up,
    model_argument,
    signature_option,
    value_text,
)

PERCENTILES = (50, 90, 99)
_WARM_UP = 5
_FEWEST, _MOST = 20, 200_000


@click.command(short_help="How fast a .gflow file runs, and why.")
@model_argument
@signature_option
@click.option("-i", "--input", "given", multiple=True, metavar="[NAME=]FILE",
              help="An input from a file, as for `graphflow run`; others are made up.")
@click.option("--batch", type=click.IntRange(1), default=1, show_default=True,
              help="What unknown sizes of made-up inputs are.")
@click.option("--seconds", type=click.FloatRange(0, min_open=True), default=2.0,
              show_default=True, help="For how long runs are timed.")
@click.option("--threads", type=click.IntRange(1), default=None,
              help="How many threads share a run.  [default: all cores]")
@click.option("--trace", type=click.Path(path_type=Path, dir_okay=False), default=None,
              metavar="FILE", help="Write a trace of one run for Perfetto (JSON).")
@json_option
def bench(model: str, signature: str | None, given: tuple[str, ...], batch: int,
          seconds: float, threads: int | None, trace: Path | None, as_json: bool) -> None:
    """Time runs of MODEL, a .gflow file: latency, throughput, share of peak per kernel.

    A run is one call in Python with arrays in memory. Made-up inputs are random, integers zero.

    \b
    Examples:
      graphflow bench model.gflow --batch 32
      graphflow bench model.gflow -s train -i batch.npz --threads 1
      graphflow bench model.gflow --trace trace.json
    """
    began = time.perf_counter()
    loaded = load_model(model)
    chosen = chosen_signature(loaded, signature)
    loading = time.perf_counter() - began
    inputs = dense_inputs(chosen)
    arrays: dict[str, np.ndarray] = read_inputs(given, inputs)
    for number, (name, tensor) in enumerate(inputs.items()):
        if name not in arrays:
            arrays[name] = made_up(name, tensor, batch, seed=number)
    fetches = [list(chosen.signature.outputs.values()), list(chosen.signature.updates)]
    with loaded.session(options=_options(threads)) as session:
        feeds = feeds_of(chosen, arrays)
        call = session.make_callable(fetches, list(feeds))
        first, taken = _timed(call, list(feeds.values()), seconds)
        profile = session.profile(fetches, feeds)
    figures = _figures(taken, arrays)
    if trace is not None:
        profile.chrome_trace(trace)
    if as_json:
        print_json({"model": model, "signature": chosen.name,
                    "inputs": {n: {"dtype": a.dtype.name, "shape": list(a.shape)}
                               for n, a in arrays.items()},
                    "load_seconds": loading, "first_seconds": first, **figures,
                    "profile": profile.as_dict()})
        return
    _show(chosen, arrays, (loading, first), figures, profile)
    if trace is not None:
        click.echo(f"\n{trace}: a trace of one run, for https://ui.perfetto.dev")


def _options(threads: int | None) -> Any:
    from dataclasses import replace

    from graphflow.options import Options

    return replace(Options.from_environment(), threads=threads)


def _timed(call: Any, values: Sequence[Any], seconds: float) -> tuple[float, np.ndarray]:
    """The seconds of the first call, and those of each of many later ones."""
    began = time.perf_counter()
    call(*values)
    first = time.perf_counter() - began
    for _ in range(_WARM_UP):
        call(*values)
    taken: list[float] = []
    end = time.perf_counter() + seconds
    while len(taken) < _FEWEST or (time.perf_counter() < end and len(taken) < _MOST):
        began = time.perf_counter()
        call(*values)
        taken.append(time.perf_counter() - began)
    return first, np.array(taken)


def _figures(taken: np.ndarray, arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    """Latencies in seconds; runs in a second, and examples if all inputs have as many."""
    sizes = {a.shape[0] for a in arrays.values() if a.ndim}
    runs = len(taken) / float(taken.sum())
    return {
        "runs": len(taken), "fastest": float(taken.min()), "mean": float(taken.mean()),
        **{f"p{p}": float(np.percentile(taken, p)) for p in PERCENTILES},
        "slowest": float(taken.max()), "runs_per_second": runs,
        "examples_per_second": runs * sizes.pop() if len(sizes) == 1 else None}


def _show(
    chosen: Any, arrays: dict[str, np.ndarray], starting: tuple[float, float],
    figures: dict[str, Any], profile: Any,
) -> None:
    from rich.text import Text

    from graphflow.profiling.text import seconds_text

    out = console()
    given = ", ".join(f"{n} {a.dtype.name} {list(a.shape)}" for n, a in arrays.items())
    out.print(Text(f"Signature '{chosen.name}' of {given or 'no inputs'} → "
                   f"{', '.join(f'{n} {value_text(v)}' for n, v in chosen.outputs.items())}"))
    out.print(Text(f"Loaded in {seconds_text(starting[0])}; the first run took "
                   f"{seconds_text(starting[1])}."))
    out.print()
    names = ("fastest", *(f"p{p}" for p in PERCENTILES), "slowest")
    made = table(*names, "runs/s", *(["examples/s"] if figures["examples_per_second"] else []),
                 right=tuple(range(7)))
    cells = [seconds_text(figures[name]) for name in names]
    cells += [f"{figures[name]:,.0f}" for name in ("runs_per_second", "examples_per_second")
              if figures[name]]
    made.add_row(*plain(*cells))
    out.print(made)
    out.print()
    out.print(profile)
