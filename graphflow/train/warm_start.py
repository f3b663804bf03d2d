"""Values of a checkpoint as initial values: `init_from_checkpoint`, `warm_start`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from graphflow.builder import F
from graphflow.errors import GraphError
from graphflow.graph import get_default_graph
from graphflow.ops.variable_collections import global_variables, trainable_variables
from graphflow.ops.variables import Variable
from graphflow.scopes import GraphKeys
from graphflow.train.checkpoint_reader import load_checkpoint
from graphflow.train.checkpoint_state import latest_checkpoint


def init_from_checkpoint(ckpt_dir_or_file: Any, assignment_map: Any) -> None:
    """Variables get their initial values from a checkpoint, when initialisers are run.

    ckpt_dir_or_file: a checkpoint's prefix, or a folder (its latest one).
    assignment_map: names in the checkpoint to names of variables or variables; or scopes, ending
      in "/" on both sides, for all below them ("/" is the root). A list of names maps each to
      itself.
    Raises GraphError (a ValueError) for what is not there, or has another shape.
    """
    path = os.fspath(ckpt_dir_or_file)
    if os.path.isdir(path):
        path = latest_checkpoint(path) or path
    reader = load_checkpoint(path)
    shapes = reader.get_variable_to_shape_map()
    pairs = assignment_map.items() if isinstance(assignment_map, Mapping) else (
        (name, name) for name in assignment_map)
    for source, target in pairs:
        for name, variable in _matches(source, target, shapes, path):
            _begin_with(variable, name, reader.get_tensor(name))


def _matches(source: str, target: Any, shapes: Mapping[str, Any], path: str
             ) -> list[tuple[str, Variable]]:
    """(name in the checkpoint, variable) for one entry of the map."""
    variables = {v.op.name: v for v in global_variables()}
    if isinstance(target, Variable):
        found = [(source, target)]
    elif source.endswith("/"):
        head, own = source.lstrip("/"), str(target).lstrip("/")
        found = [(head + name[len(own):], v) for name, v in variables.items()
                 if name.startswith(own) and head + name[len(own):] in shapes]
        if not found:
            raise GraphError(f"Tensor {source!r} is not found in {path!r} checkpoint for the "
                             f"variables of scope {target!r}.")
    else:
        if target not in variables:
            raise GraphError(f"Variable name {target!r} not found among the global variables.")
        found = [(source, variables[target])]
    for name, variable in found:
        if name not in shapes:
            raise GraphError(f"Tensor {name!r} is not found in {path!r} checkpoint. It has: "
                             f"{', '.join(sorted(shapes))}.")
        if not variable.shape.is_compatible_with(shapes[name]):
            raise GraphError(f"Shape of variable {variable.name} ({variable.shape}) doesn't match "
                             f"with shape of tensor {name} ({list(shapes[name])}) from checkpoint "
                             "reader.")
    return found


def _begin_with(variable: Variable, name: str, value: Any) -> None:
    """The variable's initialiser assigns this value from now on."""
    with get_default_graph().fresh_scopes():
        variable._initializer = variable.assign(
            F.constant(value, dtype=variable.dtype, name=f"{variable.op.name}/from_checkpoint")).op


def warm_start(
    ckpt_to_initialize_from: Any, vars_to_warm_start: Any = ".*",
    var_name_to_vocab_info: Any = None,
    var_name_to_prev_var_name: Mapping[str, str] | None = None,
) -> None:
    """Trainable variables whose names match a pattern begin with a checkpoint's values.

    vars_to_warm_start: a regex, or a list of names or patterns of all variables.
    var_name_to_prev_var_name: other names in the checkpoint.
    """
    import re

    graph = get_default_graph()
    if isinstance(vars_to_warm_start, str) or vars_to_warm_start is None:
        pool = trainable_variables()
        patterns = [vars_to_warm_start or ".*"]
    else:
        pool, patterns = graph.get_collection(GraphKeys.GLOBAL_VARIABLES), list(vars_to_warm_start)
    names = var_name_to_prev_var_name or {}
    chosen = {names.get(v.op.name, v.op.name): v for v in pool
              if any(re.match(p, v.op.name) for p in patterns)}
    init_from_checkpoint(ckpt_to_initialize_from, chosen)
