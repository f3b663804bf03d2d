"""What the commands share: errors as messages, output for people and for programs."""

from __future__ import annotations

import io
import json
import os
import sys
from typing import TYPE_CHECKING, Any

import click

from graphflow.errors import GraphflowError

if TYPE_CHECKING:
    from rich.console import Console

PIPED_WIDTH = 120       # columns of output that goes to a file or another program
INTERRUPTED = 130       # exit code after Ctrl-C, as shells have it

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


class Commands(click.Group):
    """A group whose commands end with a message, not a traceback, for graphflow's errors.

    The exit code is then 1; it is 2 for a wrong command line, 130 after Ctrl-C.
    """

    def invoke(self, ctx: click.Context) -> Any:
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):  # `µs` on a terminal that has ASCII alone
                stream.reconfigure(errors="replace")
        try:
            return super().invoke(ctx)
        except GraphflowError as error:
            raise click.ClickException(str(error)) from None
        except BrokenPipeError:
            raise
        except OSError as error:
            raise click.ClickException(_in_words(error)) from None
        except KeyboardInterrupt:
            click.echo("\nStopped.", err=True)
            sys.exit(INTERRUPTED)


def _in_words(error: OSError) -> str:
    where = f"{os.fspath(error.filename)}: " if error.filename else ""
    return f"{where}{error.strerror or error}"


def console() -> Console:
    """For output that is read: in colour on a terminal, plain elsewhere."""
    from rich.console import Console

    wide = None if sys.stdout.isatty() or "COLUMNS" in os.environ else PIPED_WIDTH
    return Console(highlight=False, width=wide, soft_wrap=False)


def print_json(data: Any) -> None:
    """One JSON document on standard output."""
    click.echo(json.dumps(data, indent=2, ensure_ascii=False))


def counted(number: int, what: str) -> str:
    """`1 kernel`, `2,000 kernels`."""
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def table(*titles: str, right: tuple[int, ...] = ()) -> Any:
    """An empty table without lines. Its cells are `rich.text.Text`: nothing in them is markup."""
    from rich.table import Table

    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold",
                 show_header=any(titles))
    for number, title in enumerate(titles):
        made.add_column(title, justify="right" if number in right else "left", overflow="fold")
    return made


def plain(*cells: object) -> list[Any]:
    """Cells in which nothing is markup."""
    from rich.text import Text

    return [Text(str(cell)) for cell in cells]
