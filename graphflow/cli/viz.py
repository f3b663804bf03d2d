"""`graphflow viz`: a graph as a page or a picture."""

from __future__ import annotations

from pathlib import Path

import click


@click.command(short_help="Draw a graph as a page or a picture.")
@click.argument("target")
@click.option("-o", "--output", type=click.Path(path_type=Path), default=None, metavar="FILE",
              help="A name in .html, .svg, .png or .dot; TARGET's own name in .html by default.")
@click.option("--view", default=None, metavar="NAME",
              help="The view in .svg, .png and .dot: graph, passes, kernels or memory.")
@click.option("--expand", default=None, metavar="DEPTH|all",
              help="How many levels of groups are open at first.")
@click.option("--no-fold", is_flag=True, help="Draw repeated blocks one by one.")
def viz(target: str, output: Path | None, view: str | None, expand: str | None,
        no_fold: bool) -> None:
    """Draw a graph: model.gflow, module:function, or a checkpoint.

    \b
    Examples:
      graphflow viz model.gflow
      graphflow viz train:build -o graph.svg
      graphflow viz graphflow-demo -o weights.html
    """
    from graphflow.viz.command import draw

    depth = int(expand) if expand is not None and expand.isdigit() else expand
    click.echo(str(draw(target, output, view=view, expand=depth, fold=not no_fold)))
