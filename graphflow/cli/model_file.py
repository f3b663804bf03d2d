"""A `.gflow` file on the command line: its signatures, and arrays for their inputs."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import click
import numpy as np
from click.shell_completion import CompletionItem

from graphflow.errors import GraphflowError
from graphflow.tensor import Tensor

UNKNOWN = 1     # the size that unknown ones get where nothing is said


def load_model(path: str) -> Any:
    """What `gf.load` gives for a file. Raises LoadError, NotFoundError."""
    from graphflow.export import load

    return load(path)


def chosen_signature(model: Any, name: str | None) -> Any:
    """The signature of that name; the only one if there is no name. Raises ClickException."""
    names = sorted(model.signatures)
    if name is not None:
        if name not in names:
            raise click.ClickException(
                f"There is no signature {name!r}; the file has {_listed(names)}.")
        return model.signatures[name]
    if len(names) != 1:
        raise click.ClickException(
            f"The file has {len(names)} signatures: choose one of {_listed(names)} with "
            "--signature." if names else "The file has no signatures: nothing in it can be run.")
    return model.signatures[names[0]]


def dense_inputs(signature: Any) -> dict[str, Tensor]:
    """The inputs by name. Raises ClickException if one is no dense tensor of numbers."""
    for name, value in signature.inputs.items():
        if not isinstance(value, Tensor):
            raise click.ClickException(
                f"The input {name!r} is a {type(value).__name__}, which no file of arrays holds. "
                "Use gf.load in Python.")
    return dict(signature.inputs)


def made_up(name: str, tensor: Tensor, batch: int, seed: int = 0) -> np.ndarray:
    """An array that fits a tensor: zeros for integers, which may be indices; else random.

    batch: what unknown sizes are.
    Raises ClickException for strings and unknown ranks.
    """
    if tensor.shape.rank is None or tensor.dtype.is_string:
        what = "strings" if tensor.dtype.is_string else "of unknown rank"
        raise click.ClickException(
            f"The input {name!r} is {what}: nothing can be made up for it. Give it with "
            f"--input {name}=FILE.")
    shape = tuple(batch if n is None else n for n in tensor.shape.as_list())
    kind = tensor.dtype.numpy
    if not (tensor.dtype.is_floating or tensor.dtype.is_complex):
        return np.zeros(shape, kind)
    return np.random.default_rng(seed).standard_normal(shape).astype(kind)


def value_text(value: Any) -> str:
    """`float32 [?, 784]`; of a sparse value, what kind it is too."""
    kind = "" if isinstance(value, Tensor) else f"{type(value).__name__} "
    shape = value.shape
    sizes = "unknown shape" if shape.rank is None else (
        f"[{', '.join('?' if n is None else str(n) for n in shape.as_list())}]")
    return f"{kind}{value.dtype.name} {sizes}"


def complete_signature(
    ctx: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """The signatures of the file that stands on the command line."""
    words = [ctx.params.get("model"), *ctx.args]  # an option without its value is not parsed
    path = next((word for word in words if word and os.path.isfile(word)), None)
    if path is None:
        return []
    try:
        names: Sequence[str] = sorted(load_model(path).signatures)
    except (GraphflowError, OSError):
        return []
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


model_argument = click.argument("model", type=click.Path(exists=True, dir_okay=False))
signature_option = click.option(
    "-s", "--signature", default=None, metavar="NAME", shell_complete=complete_signature,
    help="Which signature; needed if there are several.")


def feeds_of(signature: Any, arrays: Mapping[str, Any]) -> dict[Any, Any]:
    """The feed_dict for arrays by the names of inputs."""
    return {signature.inputs[name]: array for name, array in arrays.items()}


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names))
