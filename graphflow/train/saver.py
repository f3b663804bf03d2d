"""`Saver`: writes the variables of a session to checkpoints, and reads them back.

A checkpoint is one safetensors file, written under a temporary name, synced, and renamed; then
the directory's file `checkpoint` is replaced in the same way; then older checkpoints are deleted.
So a process that is killed at any moment leaves the last good checkpoint readable, and
`latest_checkpoint` names it. Values go straight to and from the session's store, under its
writing lock: nothing is added to the graph, which may be finalized.
"""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from graphflow.dtypes import array_dtype
from graphflow.errors import (
    DTypeError,
    ExportError,
    FailedPreconditionError,
    GraphError,
    GraphflowError,
    InvalidArgumentError,
    NotFoundError,
)
from graphflow.graph import Graph, get_default_graph
from graphflow.ops.variable_collections import global_variables
from graphflow.ops.variables import Variable
from graphflow.scopes import GraphKeys
from graphflow.session import BaseSession
from graphflow.shapes import TensorShape
from graphflow.storage import (
    PathLike,
    read_tensors,
    remove_leftovers,
    write_atomic,
    write_tensors,
)
from graphflow.train.checkpoint_files import (
    checkpoint_exists,
    checkpoint_file,
    checkpoint_prefix,
    get_checkpoint_mtimes,
    remove_checkpoint,
)
from graphflow.train.checkpoint_reader import COUNTER_PREFIX, near_names
from graphflow.train.checkpoint_state import update_checkpoint_state
from graphflow.train.training_util import global_step as value_of_step

Tensors = dict[str, np.ndarray]


class UnbuiltSaverError(GraphflowError, RuntimeError):
    """A Saver with `defer_build=True` was used before `build()`."""


class Saver:
    """Saves and restores variables, in the form of `tf.train.Saver`.

    Args:
      var_list: variables, or a dict from the names in the checkpoint to variables. None: all
        global variables (and SAVEABLE_OBJECTS) that exist now. A Saver of all of them also keeps
        the counters of the random operations, so that a restored run goes on drawing where the
        saved one was.
      reshape: restores a value of another shape with as many elements.
      max_to_keep: how many recent checkpoints are kept; None or 0 keeps all.
      keep_checkpoint_every_n_hours: one more is kept for good in each such time.
      defer_build: the variables are looked up when `build()` is called.
      allow_empty: a Saver without variables is fine; it saves nothing.
      pad_step_number: step numbers in names have eight digits.
      save_relative_paths: the file `checkpoint` holds no absolute paths.
      sharded, name, restore_sequentially, saver_def, builder, write_version, filename: accepted
        for TensorFlow's sake.

    Raises GraphError (a ValueError) if there are no variables or two have one name, DTypeError (a
    TypeError) for something else than variables.
    """

    def __init__(
        self,
        var_list: Any = None,
        reshape: bool = False,
        sharded: bool = False,
        max_to_keep: int | None = 5,
        keep_checkpoint_every_n_hours: float = 10000.0,
        name: str | None = None,
        restore_sequentially: bool = False,
        saver_def: Any = None,
        builder: Any = None,
        defer_build: bool = False,
        allow_empty: bool = False,
        write_version: Any = None,
        pad_step_number: bool = False,
        save_relative_paths: bool = False,
        filename: str | None = None,
    ) -> None:
        if defer_build and var_list is not None:
            raise GraphError(
                "Saver: if var_list is given, defer_build has no purpose: leave one of them out.")
        self._var_list, self._allow_empty = var_list, allow_empty
        self._reshape, self._pad_step_number = reshape, pad_step_number
        self._max_to_keep = max_to_keep or 0
        self._save_relative_paths = save_relative_paths
        self._keep_seconds = keep_checkpoint_every_n_hours * 3600
        self._next_kept = time.time() + self._keep_seconds
        self._last_checkpoints: list[tuple[str, float]] = []
        self._variables: dict[str, Variable] | None = None
        self._keeps_counters = False
        self._meta_graph: tuple[Graph, int, bytes] | None = None
        self._saving = threading.RLock()
        if not defer_build:
            self.build()

    def build(self) -> None:
        """Looks the variables up, once."""
        if self._variables is not None:
            return
        chosen = self._var_list
        if chosen is None:
            chosen = [*global_variables(),
                      *get_default_graph().get_collection(GraphKeys.SAVEABLE_OBJECTS)]
        variables = _by_name(chosen)
        if not variables and not self._allow_empty:
            raise GraphError("Saver: No variables to save. Make the variables first.")
        self._variables = variables
        self._keeps_counters = bool(variables) and _covers_all(variables.values())

    # ---- saving -----------------------------------------------------------------------------

    def save(
        self,
        sess: Any,
        save_path: PathLike,
        global_step: Any = None,
        latest_filename: str | None = None,
        meta_graph_suffix: str = "meta",
        write_meta_graph: bool = True,
        write_state: bool = True,
        strip_default_attrs: bool = False,
        save_debug_info: bool = False,
    ) -> str | None:
        """Writes a checkpoint; gives its prefix, which `restore` takes (None if it is empty).

        save_path: the prefix. global_step: a number, or a variable, tensor or name to run, which
          is added to the prefix: `model` becomes `model-100`.
        latest_filename: instead of "checkpoint". write_state: False leaves that file alone, and
          the checkpoint out of those that `max_to_keep` counts.
        write_meta_graph: also writes the graph, to a file of the prefix and `meta_graph_suffix`,
          for `import_meta_graph`, without what no file can hold (`py_func`, summaries).
        strip_default_attrs, save_debug_info: accepted for TensorFlow's sake.
        Raises FailedPreconditionError for variables without a value, GraphError (a ValueError)
        for a path that cannot be used, DTypeError (a TypeError) if `sess` is not a Session,
        ClosedSessionError. If anything fails, the checkpoints that exist are as before.
        """
        variables = self._ready(sess)
        latest_filename = latest_filename or "checkpoint"
        if os.path.split(latest_filename)[0]:
            raise GraphError(
                f"Saver.save: 'latest_filename' must not contain path components, got "
                f"{latest_filename!r}."
            )
        prefix = checkpoint_prefix(save_path)
        directory = os.path.dirname(prefix)
        if global_step is not None:
            prefix = f"{prefix}-{self._step_text(sess, global_step)}"
        elif os.path.basename(prefix) == latest_filename:
            raise GraphError(
                f"Saver.save: 'latest_filename' collides with 'save_path': {latest_filename!r} "
                f"and {prefix!r}. Use another save path, such as {prefix + '/model'!r}."
            )
        if not os.path.isdir(directory or os.curdir):
            raise GraphError(
                f"Saver.save: Parent directory of {prefix} doesn't exist, can't save. Make it "
                f"first: os.makedirs({directory!r})."
            )
        if not variables:
            return None
        with self._saving:
            write_tensors(checkpoint_file(prefix), self._values(sess, variables))
            if write_meta_graph:
                self._write_graph(sess.graph, f"{prefix}.{meta_graph_suffix}")
            if write_state:
                self._record(prefix, directory, latest_filename)
        return prefix

    def _write_graph(self, graph: Graph, path: str) -> None:
        """Writes the meta graph; its bytes are kept while the graph stays as it is."""
        from graphflow.train.meta_graph import meta_graph_of

        if self._meta_graph is None or self._meta_graph[:2] != (graph, graph.version):
            try:
                contents = meta_graph_of(graph).SerializeToString()
            except ExportError:  # the values are what a checkpoint is for
                contents = b""
            self._meta_graph = graph, graph.version, contents
        if self._meta_graph[2]:
            write_atomic(path, self._meta_graph[2])

    def export_meta_graph(
        self, filename: PathLike | None = None, collection_list: Iterable[str] | None = None,
        as_text: bool = False, export_scope: str | None = None, clear_devices: bool = False,
        clear_extraneous_savers: bool = False, strip_default_attrs: bool = False,
        save_debug_info: bool = False,
    ) -> Any:
        """`train.export_meta_graph` of the default graph."""
        from graphflow.train.meta_graph import export_meta_graph

        return export_meta_graph(
            filename, collection_list=collection_list, clear_devices=clear_devices)

    def _step_text(self, sess: Any, step: Any) -> str:
        if not isinstance(step, (int, np.integer)):
            step = value_of_step(sess, step)
        return f"{int(step):08d}" if self._pad_step_number else f"{int(step)}"

    def _values(self, sess: BaseSession, variables: Mapping[str, Variable]) -> Tensors:
        """The values of all variables at one moment, and the counters."""
        keys = {name: v._shared_name for name, v in variables.items()}
        if self._keeps_counters:
            keys |= {COUNTER_PREFIX + key: key for key in _counter_keys(sess.graph)
                     if sess.store.has(key)}
        # No lock: a run that waits for a queue holds those of the variables that it writes.
        found = sess.store.read(dict.fromkeys(keys.values()))
        values = {name: found[key] for name, key in keys.items()}
        missing = [name for name, value in values.items() if value is None]
        if missing:
            operation = variables[missing[0]].op
            raise FailedPreconditionError(
                operation.node_def, operation,
                f"Saver.save: uninitialized variables: {', '.join(missing)}. Run "
                "gf.global_variables_initializer() or restore a checkpoint first.")
        return {name: value for name, value in values.items() if value is not None}

    def _record(self, prefix: str, directory: str, latest_filename: str) -> None:
        """Makes `prefix` the latest checkpoint, then deletes what is no longer kept."""
        old: list[tuple[str, float]] = []
        if self._max_to_keep:
            kept = [entry for entry in self._last_checkpoints if entry[0] != prefix]
            kept.append((prefix, time.time()))
            old = kept[:-self._max_to_keep]
            self._last_checkpoints = kept[-self._max_to_keep:]
        update_checkpoint_state(
            directory, prefix, self.last_checkpoints, latest_filename,
            save_relative_paths=self._save_relative_paths)
        for path, written in old:
            if written > self._next_kept:
                self._next_kept += self._keep_seconds
            else:
                remove_checkpoint(path)
        remove_leftovers(directory or os.curdir)

    # ---- restoring --------------------------------------------------------------------------

    def restore(self, sess: Any, save_path: PathLike | None) -> None:
        """Sets the variables to the values of a checkpoint; they need not be initialised before.

        save_path: the prefix that `save` gave, or the name of the file.
        Raises GraphError (a ValueError) if there is no such checkpoint, NotFoundError for
        variables that it does not hold, InvalidArgumentError for those of another shape or type,
        DataLossError if it is damaged. All of them are listed, and no variable is changed.
        """
        variables = self._ready(sess)
        if not variables:
            return
        if save_path is None:
            raise GraphError("Saver.restore: Can't load save_path when it is None.")
        if not checkpoint_exists(save_path):
            fix = (" It is a directory: use gf.train.latest_checkpoint(directory)."
                   if os.path.isdir(save_path) else "")
            raise GraphError(
                f"Saver.restore: The passed save_path is not a valid checkpoint: "
                f"{os.fspath(save_path)} (there is no file {checkpoint_file(save_path)}).{fix}"
            )
        path = checkpoint_file(save_path)
        found, _ = read_tensors(path)
        self._check(path, variables, found)
        items = [(v._shared_name, _shaped(found[name], v.shape)) for name, v in variables.items()]
        if self._keeps_counters:
            items += [(key, found[COUNTER_PREFIX + key]) for key in _counter_keys(sess.graph)
                      if COUNTER_PREFIX + key in found]
        with sess.store.writing([key for key, _ in items]):
            sess.store.commit(items)

    def _check(self, path: str, variables: Mapping[str, Variable], found: Tensors) -> None:
        """Raises NotFoundError or InvalidArgumentError, listing all that does not fit."""
        has = [name for name in found if not name.startswith(COUNTER_PREFIX)]
        missing = [f"  {name}.{near_names(name, has)}" for name in variables if name not in found]
        misfits = [
            f"  {line}" for name, v in variables.items() if name in found
            for line in self._misfit(name, v, found[name])]
        if not missing and not misfits:
            return
        lines = [f"Saver.restore: {path} does not fit the variables."]
        if missing:
            lines += ["Missing in the checkpoint:", *missing]
        if misfits:
            lines += ["Of another shape or type:", *misfits]
        if missing:
            lines += ["The checkpoint has:", *(
                f"  {name} {array_dtype(found[name]).name} {list(found[name].shape)}"
                for name in sorted(has))]
            lines.append("To restore a part, make a Saver of these variables: Saver([w, …]), or "
                         "Saver({'name in the checkpoint': w, …}).")
        kind = NotFoundError if missing else InvalidArgumentError
        raise kind(None, None, "\n".join(lines))

    def _misfit(self, name: str, variable: Variable, value: np.ndarray) -> Iterable[str]:
        shape, dtype = variable.shape, array_dtype(value)
        fits = shape.is_compatible_with(value.shape) or (
            self._reshape and shape.num_elements() == math.prod(value.shape))
        if not fits:
            yield f"{name}: checkpoint {list(value.shape)}, graph {shape}"
        if dtype is not variable.dtype:
            yield f"{name}: checkpoint {dtype.name}, graph {variable.dtype.name}"

    def _ready(self, sess: Any) -> dict[str, Variable]:
        """The variables, if `sess` is an open session of their graph."""
        if self._variables is None:
            raise UnbuiltSaverError(
                "Saver: `build()` should be called before save and restore if defer_build=True.")
        if not isinstance(sess, BaseSession):
            raise DTypeError(f"Saver: 'sess' must be a Session, got {sess!r}.")
        sess._check_open()
        for name, variable in self._variables.items():
            if variable.graph is not sess.graph:
                raise GraphError(
                    f"Saver: variable '{name}' belongs to another graph than the session's.")
        return self._variables

    # ---- the checkpoints that are kept ------------------------------------------------------

    @property
    def last_checkpoints(self) -> list[str]:
        """The prefixes of the checkpoints that are kept, oldest first."""
        return [path for path, _ in self._last_checkpoints]

    def set_last_checkpoints(self, last_checkpoints: list[str]) -> None:
        """Sets the kept checkpoints; those of unknown age are never deleted for being old."""
        self._last_checkpoints = [(path, math.inf) for path in last_checkpoints]

    def set_last_checkpoints_with_time(
        self, last_checkpoints_with_time: Sequence[tuple[str, float]]
    ) -> None:
        """Sets the kept checkpoints as (prefix, seconds since 1970), oldest first."""
        self._last_checkpoints = list(last_checkpoints_with_time)

    def recover_last_checkpoints(self, checkpoint_paths: Iterable[str]) -> None:
        """After a restart: takes over those of the checkpoints that still exist."""
        found = [(path, times[0]) for path in checkpoint_paths
                 if (times := get_checkpoint_mtimes([path]))]
        self.set_last_checkpoints_with_time(found)


def _by_name(var_list: Any) -> dict[str, Variable]:
    """Name in the checkpoint → variable. Raises GraphError or DTypeError."""
    if isinstance(var_list, Mapping):
        named = list(var_list.items())
    else:
        items = list(var_list) if isinstance(var_list, (list, tuple, set)) else [var_list]
        named = [(getattr(getattr(v, "op", None), "name", ""), v) for v in items]
    variables: dict[str, Variable] = {}
    for name, variable in named:
        if not isinstance(variable, Variable):
            raise DTypeError(f"Saver: Variable to save is not a Variable: {variable!r}.")
        if not isinstance(name, str):
            raise DTypeError(f"Saver: names in the checkpoint are strings, got {name!r}.")
        if name in variables:
            raise GraphError(f"Saver: At least two variables have the same name: {name}.")
        if any(variable is other for other in variables.values()):
            raise GraphError(
                f"Saver: the same variable would be saved under two names: {name} is "
                f"'{variable.op.name}' again.")
        variables[name] = variable
    return variables


def _covers_all(variables: Iterable[Variable]) -> bool:
    """True if no global variable of the graph is left out."""
    saved = set(map(id, variables))
    graph = next(iter(variables)).graph
    return all(id(v) in saved for v in graph.get_collection(GraphKeys.GLOBAL_VARIABLES))


def _counter_keys(graph: Graph) -> list[str]:
    """The state keys of the counters of the graph's random operations."""
    return [op.attrs["shared_name"] for op in graph.get_operations() if op.type == "RandomCounter"]


def _shaped(value: np.ndarray, shape: TensorShape) -> np.ndarray:
    """The value in the variable's shape (they have as many elements)."""
    if shape.is_compatible_with(value.shape):
        return value
    return value.reshape(shape.known_sizes())
