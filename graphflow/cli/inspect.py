"""`graphflow inspect`: what is in a .gflow file. Nothing of it is run."""

from __future__ import annotations

import os
from collections import Counter
from typing import Any

import click
import numpy as np

from graphflow.cli.commands import console, counted, json_option, plain, print_json, table
from graphflow.cli.model_file import load_model, made_up, model_argument, value_text
from graphflow.codegen.memory_text import bytes_text
from graphflow.errors import GraphflowError
from graphflow.tensor import Tensor

_SHOWN = 20


@click.command(short_help="What is in a .gflow file.")
@model_argument
@click.option("--batch", type=click.IntRange(1), default=1, show_default=True,
              help="What unknown sizes are in the memory plans.")
@click.option("--all", "everything", is_flag=True, help="List all variables and all ops.")
@json_option
def inspect(model: str, batch: int, everything: bool, as_json: bool) -> None:
    """Show signatures, variables, ops, sizes and memory plans of MODEL, a .gflow file.

    Nothing that is in the file is run.

    \b
    Examples:
      graphflow inspect model.gflow
      graphflow inspect model.gflow --batch 64 --json
    """
    found = _facts(model, batch)
    if as_json:
        print_json(found)
    else:
        _show(found, None if everything else _SHOWN)


def _facts(path: str, batch: int) -> dict[str, Any]:
    """All that is shown, as what JSON can hold."""
    from graphflow.export.archive import GRAPH, MANIFEST, WEIGHTS, read_archive
    from graphflow.export.limits import LoadLimits
    from graphflow.export.reader import read_manifest

    loaded = load_model(path)
    members = read_archive(path, LoadLimits())
    manifest = read_manifest(members, LoadLimits())
    operations = loaded.graph.get_operations()
    ops = Counter(op.type for op in operations)
    variables = [_variable(v) for v in loaded.variables]
    return {
        "file": path, "bytes": os.path.getsize(path), "format": manifest["version"],
        "written_by": manifest.get("graphflow"), "training": loaded.training,
        "members": {name: len(members[name]) for name in (MANIFEST, GRAPH, WEIGHTS)
                    if name in members},
        "signatures": {name: _signature(loaded, s, batch)
                       for name, s in sorted(loaded.signatures.items())},
        "operations": len(operations), "ops": dict(ops.most_common()),
        "variables": variables,
        "parameters": sum(v["elements"] or 0 for v in variables if v["trainable"]),
        "variable_bytes": sum(v["bytes"] or 0 for v in variables)}


def _variable(variable: Any) -> dict[str, Any]:
    shape = variable.shape.as_list() if variable.shape.rank is not None else None
    elements = None if shape is None or None in shape else int(np.prod(shape, dtype=np.int64))
    dtype = variable.dtype.base_dtype
    return {"name": variable.op.name, "dtype": dtype.name, "shape": shape, "elements": elements,
            "bytes": None if elements is None else elements * dtype.size,
            "trainable": bool(variable.trainable)}


def _signature(loaded: Any, signature: Any, batch: int) -> dict[str, Any]:
    found: dict[str, Any] = {
        "inputs": {n: value_text(v) for n, v in signature.inputs.items()},
        "outputs": {n: value_text(v) for n, v in signature.outputs.items()},
        "updates": [op.name for op in signature.signature.updates]}
    try:
        found["memory"] = _memory(loaded, signature, batch)
    except (GraphflowError, click.ClickException) as error:
        found["memory"] = {"unknown": getattr(error, "message", None) or str(error)}
    return found


def _memory(loaded: Any, signature: Any, batch: int) -> dict[str, Any]:
    """The memory plan of a call, for inputs of which unknown sizes are `batch`."""
    feeds = {}
    for name, tensor in signature.inputs.items():
        if not isinstance(tensor, Tensor):
            raise click.ClickException(f"the input {name!r} is a {type(tensor).__name__}")
        feeds[tensor] = made_up(name, tensor, batch)
    fetches = [list(signature.signature.outputs.values()), list(signature.signature.updates)]
    with loaded.session() as session:
        made = session.explain(fetches, feeds)
    memory = made.memory
    flops = [k.flops for k in made.kernels]
    return {"batch": batch, "arena": memory.arena_bytes, "peak": memory.peak_bytes,
            "variables": memory.variable_bytes, "outputs": memory.output_bytes,
            "all": memory.total_bytes, "kernels": len(made.kernels),
            "host_steps": len(made.host_steps),
            "flops": sum(n for n in flops if n is not None)}


# ---- text --------------------------------------------------------------------------------------


def _show(found: dict[str, Any], most: int | None) -> None:
    out = console()
    head = table("", "")
    variables = counted(len(found["variables"]), "variable")
    kind = "training program" if found["training"] else "signatures"
    for title, text in (
        ("file", f"{found['file']}, {bytes_text(found['bytes'])}"),
        ("format", f"{found['format']}, written by graphflow {found['written_by']}; {kind}"),
        ("parameters", f"{found['parameters']:,} to train in {variables}, "
                       f"{bytes_text(found['variable_bytes'])} in all"),
        ("graph", f"{counted(found['operations'], 'operation')} of "
                  f"{counted(len(found['ops']), 'kind')}"),
    ):
        head.add_row(*plain(title, text))
    out.print(head)
    for name, signature in found["signatures"].items():
        out.print()
        _show_signature(out, name, signature)
    if found["variables"]:
        out.print()
        _show_variables(out, found["variables"], most)
    out.print()
    ops = list(found["ops"].items())
    shown = ", ".join(f"{op} {n}" for op, n in ops[:most])
    rest = len(ops) - len(ops[:most])
    made = table("", "")
    made.add_row("[bold]ops[/bold]", *plain(shown + (f", and {rest} more kinds" if rest else "")))
    out.print(made)


def _show_signature(out: Any, name: str, signature: dict[str, Any]) -> None:
    from rich.text import Text

    out.print(Text.assemble(("signature ", "bold"), (name, "bold")))
    made = table("", "", "")
    for title in ("inputs", "outputs"):
        for number, (key, text) in enumerate(signature[title].items()):
            made.add_row(*plain(f"  {title if not number else ''}", key, text))
    for number, update in enumerate(signature["updates"]):
        made.add_row(*plain("  updates" if not number else "", update, ""))
    memory = signature["memory"]
    if "unknown" in memory:
        made.add_row(*plain("  no plan", "", memory["unknown"]))
    else:
        parts = [counted(memory["kernels"], "kernel")]
        parts += [f"{counted(memory['host_steps'], 'step')} in Python"
                  ] if memory["host_steps"] else []
        parts.append(counted(memory["flops"], "operation"))
        made.add_row(*plain("  a run", f"batch {memory['batch']}", ", ".join(parts)))
        made.add_row(*plain("", "memory", f"{bytes_text(memory['all'])}, of which the arena "
                            f"{bytes_text(memory['arena'])}"))
    out.print(made)


def _show_variables(out: Any, variables: list[dict[str, Any]], most: int | None) -> None:
    made = table("variable", "type", "elements", "bytes", "", right=(2, 3))
    longest = sorted(variables, key=lambda v: -(v["bytes"] or 0))[:most]
    for v in variables:
        if any(v is other for other in longest):
            shape = "unknown" if v["shape"] is None else (
                f"[{', '.join('?' if n is None else str(n) for n in v['shape'])}]")
            made.add_row(*plain(
                v["name"], f"{v['dtype']} {shape}",
                "?" if v["elements"] is None else f"{v['elements']:,}", bytes_text(v["bytes"]),
                "" if v["trainable"] else "not trained"))
    out.print(made)
    rest = len(variables) - len(longest)
    if rest:
        out.print(*plain(f"and {rest} smaller ones; --all lists them"))
