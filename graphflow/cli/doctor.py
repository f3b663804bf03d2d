"""`graphflow doctor`: what the machine has, and whether graphflow works on it."""

from __future__ import annotations

import sys
from typing import Any

import click

from graphflow.cli.commands import console, json_option, plain, print_json

_MARKS = {"ok": ("✓", "green"), "note": ("–", "yellow"), "wrong": ("✗", "red")}


@click.command(short_help="What the machine has; does all work?")
@json_option
def doctor(as_json: bool) -> None:
    """Show what this machine has, and test that graphflow works on it.

    Versions, processor, cores, cache folder, CUDA; a training step is compiled, run and compared
    with NumPy. The exit code is 1 if something is wrong (✗). What graphflow can do without (–)
    is no fault.

    \b
    Examples:
      graphflow doctor
      graphflow doctor --json > machine.json
    """
    from graphflow.cli.checks import findings

    found = list(findings())
    wrong = [f for f in found if f.state == "wrong"]
    if as_json:
        print_json({"works": not wrong, "findings": [
            {"section": f.section, "name": f.name, "value": f.value, "state": f.state,
             "advice": f.advice} for f in found]})
    else:
        _show(found)
    sys.exit(1 if wrong else 0)


def _show(found: list[Any]) -> None:
    from rich.table import Table
    from rich.text import Text

    out = console()
    made = Table(box=None, show_header=False, pad_edge=False, padding=(0, 1, 0, 0))
    for _ in range(3):
        made.add_column(overflow="fold")
    section = ""
    for finding in found:
        if finding.section != section:
            section = finding.section
            made.add_row("", Text(section, "bold"), "")
        mark, style = _MARKS[finding.state]
        text = finding.value + (f"\n{finding.advice}" if finding.advice else "")
        made.add_row(Text(mark, style), *plain(finding.name, text))
    out.print(made)
    wrong = sum(f.state == "wrong" for f in found)
    out.print()
    out.print(Text("graphflow works here." if not wrong else
                   f"{wrong} thing{'s are' if wrong > 1 else ' is'} wrong.",
                   "bold green" if not wrong else "bold red"))
