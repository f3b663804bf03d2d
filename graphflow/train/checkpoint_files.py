"""The file of a checkpoint: `<prefix>.safetensors`, where the prefix is `model-100`.

Users pass prefixes, as in TensorFlow; the file's own name is taken as well.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress

from graphflow.storage import PathLike

SUFFIX = ".safetensors"


def checkpoint_prefix(path: PathLike) -> str:
    """The prefix of a checkpoint, from the prefix or from the name of its file."""
    return os.fspath(path).removesuffix(SUFFIX)


def checkpoint_file(prefix: PathLike) -> str:
    """The file of a checkpoint, from its prefix or from the name itself."""
    return checkpoint_prefix(prefix) + SUFFIX


def checkpoint_exists(checkpoint_prefix: PathLike) -> bool:
    """True if there is a file of the checkpoint with this prefix."""
    return os.path.isfile(checkpoint_file(checkpoint_prefix))


def get_checkpoint_mtimes(checkpoint_prefixes: Iterable[PathLike]) -> list[float]:
    """When the checkpoints were written, in seconds since 1970; those that are gone are left out.
    """
    times = []
    for prefix in checkpoint_prefixes:
        with suppress(FileNotFoundError):
            times.append(os.stat(checkpoint_file(prefix)).st_mtime)
    return times


def remove_checkpoint(
    checkpoint_prefix: PathLike, checkpoint_format_version: int = 2,
    meta_graph_suffix: str = "meta",
) -> None:
    """Deletes the checkpoint with this prefix, if it is there, and the graph beside it.

    `checkpoint_format_version` is accepted for TensorFlow's sake.
    """
    for name in (checkpoint_file(checkpoint_prefix), f"{checkpoint_prefix}.{meta_graph_suffix}"):
        with suppress(FileNotFoundError):
            os.remove(name)
