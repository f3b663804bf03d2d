"""Looking into checkpoints without a graph: names, shapes, types and values of the variables."""

from __future__ import annotations

import os
from collections.abc import Iterable
from difflib import get_close_matches

import numpy as np

from graphflow.dtypes import DType, as_dtype
from graphflow.errors import GraphError, NotFoundError
from graphflow.storage import PathLike, read_tensors, tensor_names
from graphflow.train.checkpoint_files import checkpoint_exists, checkpoint_file
from graphflow.train.checkpoint_state import latest_checkpoint

# Names of operations do not begin with an underscore, so no variable is called so.
COUNTER_PREFIX = "_graphflow/random_counters/"


class CheckpointReader:
    """Reads one checkpoint: TensorFlow's `NewCheckpointReader(filepattern)`.

    filepattern: a prefix, or the name of its file. Raises NotFoundError if there is none,
    DataLossError if it is damaged.
    """

    def __init__(self, filepattern: PathLike) -> None:
        self._file = checkpoint_file(filepattern)
        self._layout = {
            name: layout for name, layout in tensor_names(self._file).items()
            if not name.startswith(COUNTER_PREFIX)}
        self._values: dict[str, np.ndarray] | None = None

    def get_variable_to_shape_map(self) -> dict[str, list[int]]:
        """Name → shape of each variable."""
        return {name: list(shape) for name, (_, shape) in self._layout.items()}

    def get_variable_to_dtype_map(self) -> dict[str, DType]:
        """Name → element type of each variable."""
        return {name: as_dtype(dtype) for name, (dtype, _) in self._layout.items()}

    def has_tensor(self, tensor_str: str) -> bool:
        """True if the checkpoint holds a variable of this name."""
        return tensor_str in self._layout

    def get_tensor(self, tensor_str: str) -> np.ndarray:
        """The value of a variable. Raises NotFoundError, with near names, if there is none."""
        if tensor_str not in self._layout:
            raise NotFoundError(
                None, None,
                f"{self._file} has no variable {tensor_str!r}."
                f"{near_names(tensor_str, self._layout)}")
        if self._values is None:
            self._values = read_tensors(self._file)[0]
        return self._values[tensor_str].copy()

    def debug_string(self) -> bytes:
        """A line `name (dtype) [shape]` per variable."""
        lines = [f"{name} ({as_dtype(dtype).name}) {list(shape)}"
                 for name, (dtype, shape) in sorted(self._layout.items())]
        return "\n".join(lines).encode()


NewCheckpointReader = CheckpointReader


def load_checkpoint(ckpt_dir_or_file: PathLike) -> CheckpointReader:
    """A reader of the checkpoint with this prefix, or of the latest one of a directory.

    Raises GraphError (a ValueError) if a directory has none, NotFoundError if there is no file.
    """
    path = os.fspath(ckpt_dir_or_file)
    if os.path.isdir(path) and not checkpoint_exists(path):
        latest = latest_checkpoint(path)
        if latest is None:
            raise GraphError(
                f"Couldn't find 'checkpoint' file or checkpoints in given directory {path}.")
        path = latest
    return CheckpointReader(path)


def list_variables(ckpt_dir_or_file: PathLike) -> list[tuple[str, list[int]]]:
    """(name, shape) of each variable in a checkpoint, sorted by name. See `load_checkpoint`."""
    return sorted(load_checkpoint(ckpt_dir_or_file).get_variable_to_shape_map().items())


def load_variable(ckpt_dir_or_file: PathLike, name: str) -> np.ndarray:
    """The value of a variable in a checkpoint; `name` may end in ":0". See `load_checkpoint`."""
    return load_checkpoint(ckpt_dir_or_file).get_tensor(name.removesuffix(":0"))


def near_names(name: str, names: Iterable[str]) -> str:
    """` Near names: a, b.`, or nothing if no name is near."""
    near = get_close_matches(name, list(names), n=3)
    return f" Near names: {', '.join(near)}." if near else ""
