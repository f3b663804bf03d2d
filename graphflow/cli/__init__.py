"""The command line: `graphflow demo | viz | inspect | run | compile | bench | cache | doctor`."""

from __future__ import annotations

import click

from graphflow.cli.bench import bench
from graphflow.cli.cache import cache
from graphflow.cli.commands import Commands
from graphflow.cli.compile import compile_command
from graphflow.cli.completion import completion
from graphflow.cli.demo import demo
from graphflow.cli.doctor import doctor
from graphflow.cli.inspect import inspect
from graphflow.cli.run import run
from graphflow.cli.viz import viz

__all__ = ["main"]


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="graphflow")
def main() -> None:
    """graphflow: a define-then-run tensor compiler that speaks TensorFlow 1.

    \b
    Examples:
      graphflow demo                              train a network on digits
      graphflow inspect model.gflow               what is in a file
      graphflow run model.gflow -i x=x.npy        compute its outputs
      graphflow compile model.gflow               an object file with a C header
      graphflow bench model.gflow --batch 32      how fast it is, and why
      graphflow doctor                            does everything work here?

    Exit codes: 0 for success, 1 if something is wrong, 2 for a wrong command line.
    """


for command in (demo, viz, inspect, run, compile_command, bench, cache, doctor, completion):
    main.add_command(command)
