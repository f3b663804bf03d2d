"""`graphflow run`: the outputs of a .gflow file for arrays in files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import numpy as np

from graphflow.cli.arrays import read_inputs, write_outputs
from graphflow.cli.commands import console, json_option, print_json
from graphflow.cli.model_file import (
    chosen_signature,
    dense_inputs,
    load_model,
    model_argument,
    signature_option,
)


@click.command(short_help="Compute the outputs of a .gflow file.")
@model_argument
@signature_option
@click.option("-i", "--input", "given", multiple=True, metavar="[NAME=]FILE",
              help="An input from an .npy, .csv or .npz file, or an .npz with all of them.")
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), default=None,
              metavar="FILE", help="Write to .npz, or one output to .npy or .csv.")
@click.option("--select", multiple=True, metavar="NAME", help="Only these outputs.")
@click.option("--device", type=click.Choice(["auto", "cpu", "reference"]), default="auto",
              show_default=True, help="cpu compiles; reference is plain NumPy.")
@json_option
def run(model: str, signature: str | None, given: tuple[str, ...], output: Path | None,
        select: tuple[str, ...], device: str, as_json: bool) -> None:
    """Compute the outputs of MODEL, a .gflow file, and print or write them.

    A table in a .csv file may have a row of titles. What a signature updates (a training step)
    changes variables in this process only; the file stays as it is.

    \b
    Examples:
      graphflow run model.gflow -i x=images.npy
      graphflow run model.gflow -i inputs.npz -o outputs.npz
      graphflow run iris.gflow -s predict -i x.csv --select label -o labels.csv
    """
    loaded = load_model(model)
    chosen = chosen_signature(loaded, signature)
    arrays = read_inputs(given, dense_inputs(chosen))
    with loaded.session(device=device) as session:
        made = chosen.run(session, **arrays)
    outputs = _selected(made, select)
    if output is not None:
        write_outputs(output, outputs)
    if as_json:
        print_json({name: {"dtype": str(array.dtype), "shape": list(array.shape),
                           "value": None if output is not None else _plain_value(array)}
                    for name, array in outputs.items()})
    elif output is None:
        _show(outputs)
    else:
        click.echo(f"{output}: {', '.join(f'{n} {_kind(a)}' for n, a in outputs.items())}")


def _selected(made: Mapping[str, Any], select: tuple[str, ...]) -> dict[str, np.ndarray]:
    """The dense outputs, by name. Raises ClickException for what cannot be given."""
    missing = [name for name in select if name not in made]
    if missing:
        raise click.ClickException(
            f"There is no output {missing[0]!r}; outputs are {', '.join(map(repr, made))}.")
    chosen = {name: made[name] for name in (select or made)}
    for name, value in chosen.items():
        if isinstance(value, tuple):
            raise click.ClickException(
                f"The output {name!r} is a {type(value).__name__}, which no file of arrays holds. "
                "Choose others with --select, or use gf.load in Python.")
    return {name: np.asarray(value) for name, value in chosen.items()}


def _show(outputs: Mapping[str, np.ndarray]) -> None:
    from rich.padding import Padding
    from rich.text import Text

    out = console()
    for name, array in outputs.items():
        out.print(Text.assemble((name, "bold"), f"  {_kind(array)}"))
        text = np.array2string(array, max_line_width=out.width - 2, precision=6, threshold=100)
        out.print(Padding(Text(text), (0, 0, 0, 2)))


def _kind(array: np.ndarray) -> str:
    return f"{array.dtype.name} {list(array.shape)}"


def _plain_value(array: np.ndarray) -> Any:
    """The values as JSON has them: complex numbers as pairs, strings as text."""
    if array.dtype.kind == "c":
        return np.stack([array.real, array.imag], -1).tolist()
    if array.dtype.kind in "biuf":
        return array.tolist()
    if array.dtype.kind == "V" or "float" in array.dtype.name:  # bfloat16
        return array.astype(np.float32).tolist()
    return np.vectorize(_text, otypes=[object])(array).tolist()


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
