"""`loader.load`: a saved graph joins the graph of a session, with its values."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphflow.errors import LoadError, NotFoundError
from graphflow.export.archive import GRAPH, WEIGHTS, read_archive
from graphflow.export.graph_def import scope_for
from graphflow.export.graph_reader import GraphReader
from graphflow.export.limits import LoadLimits
from graphflow.export.plain import as_kind, field
from graphflow.export.reader import BuiltGraph, build_graph, read_manifest
from graphflow.export.signatures import Signature
from graphflow.export.strict_json import from_json
from graphflow.export.weights import unpack_arrays
from graphflow.saved_model.builder import INIT_SIGNATURE
from graphflow.saved_model.constants import SAVED_MODEL_FILENAME, TAGS_COLLECTION
from graphflow.saved_model.signature_constants import PREDICT_METHOD_NAME
from graphflow.saved_model.signature_def_utils import SignatureDef
from graphflow.saved_model.utils import build_tensor_info


@dataclass(frozen=True, slots=True)
class LoadedMetaGraph:
    """What `load` gives.

    Attributes:
      signature_def: name → SignatureDef over the tensors of the session's graph.
      tags: what the graph was saved for.
    """

    signature_def: dict[str, SignatureDef]
    tags: tuple[str, ...]


def maybe_saved_model_directory(export_dir: str | os.PathLike[str]) -> bool:
    """True if there is a saved graph in the folder."""
    return os.path.isfile(os.path.join(os.fspath(export_dir), SAVED_MODEL_FILENAME))


def load(
    sess: Any, tags: Sequence[str], export_dir: str | os.PathLike[str],
    import_scope: str | None = None, **saver_kwargs: Any,
) -> LoadedMetaGraph:
    """Adds the graph saved in `export_dir` to the graph of `sess`, and sets the variables there.

    tags: must be those it was saved with. import_scope: a scope that all names get.
    Raises NotFoundError if there is no saved graph, LoadError for other tags (a RuntimeError in
    TensorFlow) or a damaged file. Names that are taken get a number.
    """
    path = os.path.join(os.fspath(export_dir), SAVED_MODEL_FILENAME)
    if not os.path.isfile(path):
        raise NotFoundError(None, None, f"SavedModel file does not exist at: {path}.")
    limits = LoadLimits()
    try:
        members = read_archive(path, limits)
        read_manifest(members, limits)
        plain = as_kind(from_json(members[GRAPH], GRAPH, limits), dict, GRAPH)
        saved = _take_tags(plain)
        if set(saved) != set(tags):
            raise LoadError(f"it was saved with the tags {sorted(saved)}, not {sorted(tags)}.")
        arrays = unpack_arrays(members[WEIGHTS], limits)
        scope = scope_for(sess.graph, import_scope or "")
        built = build_graph(
            GraphReader(sess.graph, arrays, limits, prefix=scope, rename=True), plain, arrays)
    except LoadError as error:
        raise LoadError(f"{path}: {error}") from error
    with sess.store.writing(list(built.values)):
        sess.store.commit((k, np.array(v, order="C")) for k, v in built.values.items())
    return _described(built, sess, saved)


def _take_tags(plain: dict[str, Any]) -> tuple[str, ...]:
    collections = field(plain, "collections", dict, GRAPH)
    items = as_kind(collections.pop(TAGS_COLLECTION, []), list, GRAPH)
    return tuple(str(item[1]) for item in items if isinstance(item, list) and len(item) == 2)


def _described(built: BuiltGraph, sess: Any, tags: tuple[str, ...]) -> LoadedMetaGraph:
    init = built.signatures.pop(INIT_SIGNATURE, None)
    if init is not None:
        sess.run(list(init.updates))

    def info(signature: Signature) -> SignatureDef:
        return SignatureDef({k: build_tensor_info(v) for k, v in signature.inputs.items()},
                            {k: build_tensor_info(v) for k, v in signature.outputs.items()},
                            PREDICT_METHOD_NAME)

    return LoadedMetaGraph({k: info(v) for k, v in built.signatures.items()}, tags)
