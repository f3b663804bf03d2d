"""`graphflow compile`: an object file with a C header from a .gflow file."""

from __future__ import annotations

import re
from pathlib import Path

import click

from graphflow.cli.commands import json_option, print_json
from graphflow.cli.model_file import chosen_signature, load_model, model_argument


@click.command("compile", short_help="Make an object file with a C header.")
@model_argument
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), default=None,
              metavar="NAME", help="Write NAME.o, NAME.h and NAME_main.c; MODEL's name if not "
              "given.")
@click.option("-s", "--signature", "names", multiple=True, metavar="NAME",
              help="Only these signatures.")
@click.option("--target", default="native", show_default=True, metavar="TARGET",
              help="native, x86-64-v3, x86-64-v4, aarch64 or aarch64-apple.")
@click.option("--size", "sizes", multiple=True, metavar="INPUT.AXIS=NUMBER",
              help="A number for a size that the graph leaves open.")
@json_option
def compile_command(
    model: str, output: Path | None, names: tuple[str, ...], target: str,
    sizes: tuple[str, ...], as_json: bool,
) -> None:
    """Compile signatures of MODEL, a .gflow file, to an object file that needs no Python.

    The header has one function for each signature, on plain pointers and sizes; NAME_main.c is a
    program that calls them.

    \b
    Examples:
      graphflow compile model.gflow
      graphflow compile model.gflow -o build/model --target x86-64-v3 --size x.0=1
      cc model_main.c model.o -o model && ./model
    """
    from graphflow.ahead import compile_object

    loaded = load_model(model)
    chosen = {n: chosen_signature(loaded, n) for n in names} or dict(loaded.signatures)
    base = output if output is not None else Path(Path(model).stem)
    made = compile_object(base, chosen, target=target, sizes=dict(map(_size, sizes)))
    if as_json:
        print_json({"object": str(made.object), "header": str(made.header),
                    "example": str(made.example), "functions": list(made.functions),
                    "state_bytes": made.state_bytes})
    else:
        click.echo(f"{made.object}  {made.object.stat().st_size} bytes\n{made.header}  "
                   f"{', '.join(made.functions)}\n{made.example}")


def _size(text: str) -> tuple[str, int]:
    found = re.fullmatch(r"(.+\.\d+)=(\d+)", text)
    if found is None:
        raise click.BadParameter(f"{text!r} is not INPUT.AXIS=NUMBER, as in x.0=1.",
                                 param_hint="--size")
    return found[1], int(found[2])
