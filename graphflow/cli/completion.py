"""`graphflow completion`: what a shell runs to complete commands, options and files."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class


@click.command(short_help="The script that completes in a shell.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the script that makes a shell complete graphflow's commands.

    \b
    Examples:
      eval "$(graphflow completion bash)"                          in ~/.bashrc
      eval "$(graphflow completion zsh)"                           in ~/.zshrc
      graphflow completion fish > ~/.config/fish/completions/graphflow.fish
    """
    from graphflow.cli import main

    kind = get_completion_class(shell)
    assert kind is not None  # click has these three
    click.echo(kind(main, {}, "graphflow", "_GRAPHFLOW_COMPLETE").source())
