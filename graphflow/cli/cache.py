"""`graphflow cache`: kernels and programs on disk. Safe while other processes use them."""

from __future__ import annotations

import click

from graphflow.cli.commands import counted, json_option, print_json


@click.group(short_help="The kernels and programs that are kept on disk.")
def cache() -> None:
    """Kernels and optimised programs on disk, so that a new process need not make them again.

    \b
    Examples:
      graphflow cache info
      graphflow cache clear
      du -sh "$(graphflow cache path)"

    GRAPHFLOW_CACHE_DIR names the folder, GRAPHFLOW_CACHE=0 turns the cache off, and
    GRAPHFLOW_CACHE=kernels keeps no programs.
    """


@cache.command()
@json_option
def info(as_json: bool) -> None:
    """Show where the cache is and how much is in it."""
    from graphflow.codegen.cache_folder import LIMIT, cache_state

    state = cache_state()
    if as_json:
        print_json({"folder": None if state.folder is None else str(state.folder),
                    "kernels": state.kernels, "programs": state.programs, "bytes": state.bytes,
                    "limit": LIMIT, "complaint": state.complaint})
        return
    if state.folder is not None:
        number, programs = counted(state.kernels, "kernel"), counted(state.programs, "program")
        click.echo(f"{state.folder}: {number}, {programs}, {state.bytes / 2**20:.1f} MiB "
                   f"of at most {LIMIT // 2**20} MiB.")
    if state.complaint is not None:
        click.echo(f"The cache is not used: {state.complaint}.")


@cache.command()
@json_option
def path(as_json: bool) -> None:
    """Print the folder of the cache. Exit code 1 if there is none."""
    from graphflow.options import cache_folder

    folder = cache_folder()
    if folder is None:
        raise click.ClickException(
            "There is no cache: GRAPHFLOW_CACHE is 0, or there is no home directory.")
    if as_json:
        print_json({"folder": str(folder)})
    else:
        click.echo(str(folder))


@cache.command()
@json_option
def clear(as_json: bool) -> None:
    """Remove kernels and programs from disk. Those that are running are not disturbed."""
    from graphflow.codegen.cache_folder import clear_cache

    removed = clear_cache()
    if as_json:
        print_json({"removed": removed})
    else:
        click.echo(f"Removed {counted(removed, 'kernel')}.")
