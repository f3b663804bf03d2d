"""The file `checkpoint` of a directory: which checkpoint is the latest, which others there are.

Its text is that of TensorFlow's protocol buffer `CheckpointState`:

    model_checkpoint_path: "model-200"
    all_model_checkpoint_paths: "model-100"
    all_model_checkpoint_paths: "model-200"

It is replaced as a whole, after the checkpoint that it names is on disk.
"""

from __future__ import annotations

import ast
import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from graphflow.errors import GraphError, GraphflowError, warn
from graphflow.options import Options
from graphflow.storage import PathLike, write_atomic
from graphflow.train.checkpoint_files import checkpoint_exists, checkpoint_file

_LINE = re.compile(r"""^\s*(\w+)\s*:\s*("(?:[^"\\]|\\.)*"|[-+.\w]+)\s*$""")


class CheckpointPathError(GraphflowError, RuntimeError):
    """A checkpoint would have the name of the file that lists the checkpoints."""


@dataclass(slots=True)
class CheckpointState:
    """What the file `checkpoint` says; oldest checkpoints first, times in seconds since 1970."""

    model_checkpoint_path: str = ""
    all_model_checkpoint_paths: list[str] = field(default_factory=list)
    all_model_checkpoint_timestamps: list[float] = field(default_factory=list)
    last_preserved_timestamp: float | None = None

    def to_text(self) -> str:
        """The text of the file."""
        lines = [f"model_checkpoint_path: {_quoted(self.model_checkpoint_path)}"]
        lines += [f"all_model_checkpoint_paths: {_quoted(p)}"
                  for p in self.all_model_checkpoint_paths]
        lines += [f"all_model_checkpoint_timestamps: {t!r}"
                  for t in self.all_model_checkpoint_timestamps]
        if self.last_preserved_timestamp is not None:
            lines.append(f"last_preserved_timestamp: {self.last_preserved_timestamp!r}")
        return "\n".join(lines) + "\n"

    @classmethod
    def from_text(cls, text: str) -> CheckpointState:
        """The state that a text describes. Raises ValueError for another text."""
        state = cls()
        for line in text.splitlines():
            if not line.strip() or line.lstrip().startswith("#"):
                continue
            match = _LINE.match(line)
            if match is None:
                raise ValueError(f"cannot read the line {line!r}")
            _set(state, match[1], match[2])
        return state


def _set(state: CheckpointState, key: str, text: str) -> None:
    if key == "model_checkpoint_path":
        state.model_checkpoint_path = _unquoted(text)
    elif key == "all_model_checkpoint_paths":
        state.all_model_checkpoint_paths.append(_unquoted(text))
    elif key == "all_model_checkpoint_timestamps":
        state.all_model_checkpoint_timestamps.append(float(text))
    elif key == "last_preserved_timestamp":
        state.last_preserved_timestamp = float(text)
    else:
        raise ValueError(f"unknown field {key!r}")


def _quoted(path: str) -> str:
    """In the protocol buffers' text form: UTF-8 bytes, escaped in octal where not ASCII."""
    escaped = "".join(
        {"\\": r"\\", '"': r"\"", "\n": r"\n"}.get(
            chr(b), chr(b) if 32 <= b < 127 else f"\\{b:03o}")
        for b in os.fsencode(path))
    return f'"{escaped}"'


def _unquoted(text: str) -> str:
    if not text.startswith('"'):
        raise ValueError(f"expected a quoted path, got {text}")
    try:
        raw = ast.literal_eval("b" + text) if text.isascii() else ast.literal_eval(text).encode()
    except (SyntaxError, ValueError):
        raise ValueError(f"cannot read the path {text}") from None
    return os.fsdecode(raw)


def generate_checkpoint_state_proto(
    save_dir: PathLike,
    model_checkpoint_path: PathLike,
    all_model_checkpoint_paths: Sequence[PathLike] | None = None,
    all_model_checkpoint_timestamps: Sequence[float] | None = None,
    last_preserved_timestamp: float | None = None,
    save_relative_paths: bool = False,
) -> CheckpointState:
    """The state that names `model_checkpoint_path` as the latest checkpoint of `save_dir`.

    all_model_checkpoint_paths: all that are there, oldest first; the latest is added if it is not
      the last of them.
    save_relative_paths: absolute paths become relative to `save_dir` too, so that it may be moved;
      relative ones do in any case, where `save_dir` is relative itself.
    Raises GraphError (a ValueError) if the timestamps are not one per path.
    """
    directory = os.fspath(save_dir)
    paths = [os.fspath(p) for p in all_model_checkpoint_paths or ()]
    latest = os.fspath(model_checkpoint_path)
    if not paths or paths[-1] != latest:
        paths.append(latest)
    times = list(all_model_checkpoint_timestamps or ())
    if times and len(times) != len(paths):
        raise GraphError(
            f"update_checkpoint_state: {len(times)} timestamps for {len(paths)} checkpoints.")

    def recorded(path: str) -> str:
        inside = save_relative_paths if os.path.isabs(path) else not os.path.isabs(directory)
        return os.path.relpath(path, directory or os.curdir) if inside else path

    return CheckpointState(
        recorded(latest), [recorded(p) for p in paths], times, last_preserved_timestamp)


def update_checkpoint_state(
    save_dir: PathLike,
    model_checkpoint_path: PathLike,
    all_model_checkpoint_paths: Sequence[PathLike] | None = None,
    latest_filename: str | None = None,
    all_model_checkpoint_timestamps: Sequence[float] | None = None,
    last_preserved_timestamp: float | None = None,
    save_relative_paths: bool = False,
) -> None:
    """Writes the file `checkpoint` (or `latest_filename`) of `save_dir`, atomically.

    See `generate_checkpoint_state_proto` for the arguments. Raises CheckpointPathError (a
    RuntimeError) if a checkpoint has the file's name, NotFoundError if there is no such directory.
    """
    state = generate_checkpoint_state_proto(
        save_dir, model_checkpoint_path, all_model_checkpoint_paths,
        all_model_checkpoint_timestamps, last_preserved_timestamp, save_relative_paths)
    target = _state_file(save_dir, latest_filename)
    if target == state.model_checkpoint_path:
        raise CheckpointPathError(
            f"Save path '{target}' conflicts with the path used for the checkpoint state. Use "
            "another save path.")
    write_atomic(target, state.to_text().encode())


def _state_file(directory: PathLike, latest_filename: str | None) -> str:
    return os.path.join(os.fspath(directory), latest_filename or "checkpoint")


def get_checkpoint_state(
    checkpoint_dir: PathLike, latest_filename: str | None = None
) -> CheckpointState | None:
    """What the file `checkpoint` of a directory says, or None if there is none.

    Relative paths are given under `checkpoint_dir`. A file that cannot be read or names no
    checkpoint gives None, with the warning `checkpoint-state`.
    """
    path = _state_file(checkpoint_dir, latest_filename)
    try:
        with open(path, "rb") as file:
            state = CheckpointState.from_text(file.read().decode(errors="surrogateescape"))
        if not state.model_checkpoint_path:
            raise ValueError("it names no checkpoint")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        _warn("checkpoint-state", f"{path}: {error}. It is ignored.")
        return None

    def under(relative: str) -> str:
        return os.path.join(os.fspath(checkpoint_dir), relative)

    state.model_checkpoint_path = under(state.model_checkpoint_path)
    state.all_model_checkpoint_paths = [under(p) for p in state.all_model_checkpoint_paths]
    return state


def latest_checkpoint(checkpoint_dir: PathLike, latest_filename: str | None = None) -> str | None:
    """The prefix of the latest checkpoint of a directory, or None if there is none.

    Where its file is missing, None, with the warning `checkpoint-missing`.
    """
    state = get_checkpoint_state(checkpoint_dir, latest_filename)
    if state is None:
        return None
    if checkpoint_exists(state.model_checkpoint_path):
        return state.model_checkpoint_path
    _warn("checkpoint-missing",
          f"{_state_file(checkpoint_dir, latest_filename)} names "
          f"{checkpoint_file(state.model_checkpoint_path)}, which does not exist.")
    return None


def checkpoints_iterator(
    checkpoint_dir: PathLike, min_interval_secs: float = 0, timeout: float | None = None,
    timeout_fn: Callable[[], bool] | None = None,
) -> Iterator[str]:
    """The prefix of each new checkpoint of a directory, as they appear.

    min_interval_secs: at least so long between two. timeout: the seconds to wait for one; then it
    ends, unless `timeout_fn` is given and does not say so. None waits for ever.
    """
    last = None
    while True:
        since = time.monotonic()
        found = latest_checkpoint(checkpoint_dir)
        while found is None or found == last:
            if timeout is not None and time.monotonic() - since >= timeout:
                if timeout_fn is None or timeout_fn():
                    return
                since = time.monotonic()
            time.sleep(min(1.0, timeout / 4 if timeout else 1.0))
            found = latest_checkpoint(checkpoint_dir)
        last = found
        yield found
        time.sleep(max(0.0, since + min_interval_secs - time.monotonic()))


def _warn(warning_id: str, message: str) -> None:
    warn(warning_id, message, silenced=Options.from_environment().silence, stacklevel=4)


