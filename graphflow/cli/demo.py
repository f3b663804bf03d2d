"""`graphflow demo`: trains a network on real images, and tells what it did."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any

import click

from graphflow.cli.commands import INTERRUPTED


@click.command(short_help="Train a network on handwritten digits.")
@click.option("--data", type=click.Path(path_type=Path), default=None, metavar="DIR",
              help="Train on the MNIST (IDX) or CIFAR-10 (binary) files in DIR.")
@click.option("--epochs", type=click.IntRange(1), default=15, show_default=True,
              help="Passes over the training images.")
@click.option("--batch-size", type=click.IntRange(1), default=32, show_default=True)
@click.option("--learning-rate", type=click.FloatRange(0, min_open=True), default=1e-3,
              show_default=True)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option("--limit", type=click.IntRange(1), default=None,
              help="Use at most this many images (for a quick look at a large data set).")
@click.option("--checkpoint", type=click.Path(path_type=Path, file_okay=False),
              default=Path("graphflow-demo"), show_default=True, metavar="DIR",
              help="Where checkpoints are kept.")
@click.option("--device", type=click.Choice(["auto", "cpu", "reference"]), default="auto",
              show_default=True, help="cpu compiles; reference is plain NumPy.")
@click.option("--resume", is_flag=True, help="Go on from the newest checkpoint.")
def demo(**options: Any) -> None:
    """Train a small convolutional network on real handwritten digits.

    \b
    Examples:
      graphflow demo
      graphflow demo --resume --epochs 3
      graphflow demo --data ~/mnist --epochs 1 --limit 5000
    """
    from graphflow.demo import Settings

    try:
        _run_demo(Settings(**options))
    except KeyboardInterrupt:
        click.echo("\nStopped. `graphflow demo --resume` goes on from the last finished epoch.",
                   err=True)
        sys.exit(INTERRUPTED)


def _run_demo(settings: Any) -> None:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
    )

    from graphflow import demo as training

    console = Console()
    data = training.load(settings)
    size = "×".join(map(str, data.train_images.shape[1:]))
    console.print(
        f"[bold]{data.name}[/bold]: {len(data.train_labels)} images to train on, "
        f"{len(data.test_labels)} held out; {size} values each, {data.num_classes} classes.")
    steps = math.ceil(len(data.train_labels) / settings.batch_size)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
               TextColumn("loss {task.fields[loss]}"), TextColumn("{task.fields[accuracy]}"),
               TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        tasks: dict[int, Any] = {}
        running: dict[int, float] = {}

        def on_step(epoch: int, step: int, loss: float) -> None:
            if epoch not in tasks:
                tasks[epoch] = progress.add_task(
                    f"epoch {epoch + 1}", total=steps, loss="–", accuracy="")
                running[epoch] = loss
            running[epoch] = 0.9 * running[epoch] + 0.1 * loss
            progress.update(tasks[epoch], completed=step + 1, loss=f"{running[epoch]:.4f}")

        def on_epoch(epoch: int, accuracy: float) -> None:
            progress.update(tasks[epoch], accuracy=f"held-out accuracy {accuracy:.2%}")

        report = training.train(settings, data, on_step, on_epoch)
    console.print(_story(settings, data, report), highlight=False)


def _story(settings: Any, data: Any, report: Any) -> str:
    began = (f"went on after {report.epochs_before} epochs" if report.epochs_before
             else "started from random weights")
    return "\n".join((
        "",
        f"The network {began} and took {report.steps} Adam steps of {settings.batch_size} images "
        f"in {report.seconds:.0f} s.",
        f"Its loss fell from {report.first_loss:.3f} to {report.last_loss:.4f}; it names "
        f"[bold]{report.accuracy:.2%}[/bold] of the {len(data.test_labels)} held-out images "
        "rightly, which it never trained on.",
        "Forward pass, gradients and update were one graph, built once and run with each batch; "
        "the gradients were appended to it by symbolic differentiation.",
        f"The checkpoint is {report.checkpoint}; `graphflow demo --resume` goes on from it."))
