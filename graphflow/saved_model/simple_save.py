"""`simple_save`: a graph for serving, in one call."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from graphflow.saved_model.builder import SavedModelBuilder
from graphflow.saved_model.signature_constants import DEFAULT_SERVING_SIGNATURE_DEF_KEY
from graphflow.saved_model.signature_def_utils import predict_signature_def
from graphflow.saved_model.tag_constants import SERVING


def simple_save(
    session: Any, export_dir: str | os.PathLike[str], inputs: Mapping[str, Any],
    outputs: Mapping[str, Any], legacy_init_op: Any = None,
) -> None:
    """Writes the graph and the variables of `session`, with one signature, to a new folder.

    inputs, outputs: name → tensor. Raises GraphError if the folder is not empty, ExportError for
    what no file can hold.
    """
    builder = SavedModelBuilder(export_dir)
    builder.add_meta_graph_and_variables(
        session, [SERVING],
        {DEFAULT_SERVING_SIGNATURE_DEF_KEY: predict_signature_def(inputs, outputs)},
        legacy_init_op=legacy_init_op)
    builder.save()
