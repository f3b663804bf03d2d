"""`SavedModelBuilder`: gathers a graph, its variables and signatures, and writes the folder."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from graphflow.errors import GraphError
from graphflow.export.archive import write_archive
from graphflow.export.signatures import Signature
from graphflow.export.writer import build_members
from graphflow.saved_model.constants import SAVED_MODEL_FILENAME, TAGS_COLLECTION
from graphflow.saved_model.signature_def_utils import SignatureDef

INIT_SIGNATURE = "__saved_model_init_op"


class SavedModelBuilder:
    """Writes the whole graph of a session, in the form of TensorFlow 1's class.

    Args:
      export_dir: a folder that does not exist, or is empty. Raises GraphError (an
        AssertionError in TensorFlow) otherwise.
    """

    def __init__(self, export_dir: str | os.PathLike[str]) -> None:
        self._directory = os.fspath(export_dir)
        if os.path.isdir(self._directory) and os.listdir(self._directory):
            raise GraphError(
                f"Export directory {self._directory} already exists, and isn't empty. Please "
                "choose a different export directory, or delete all the contents of the "
                "specified directory.")
        self._members: dict[str, bytes] | None = None

    def add_meta_graph_and_variables(
        self, sess: Any, tags: Sequence[str],
        signature_def_map: Mapping[str, SignatureDef] | None = None, assets_collection: Any = None,
        legacy_init_op: Any = None, clear_devices: bool = False, main_op: Any = None,
        strip_default_attrs: bool = False, saver: Any = None, assets_list: Any = None,
        **kwargs: Any,
    ) -> None:
        """Takes the graph and the values of `sess` as they are now.

        tags: what the graph is for. signature_def_map: name → SignatureDef. legacy_init_op,
          main_op: an operation that `loader.load` runs at its end.
        The other arguments are accepted for TensorFlow's sake. Raises GraphError if it is called
        twice, ExportError for what no file can hold.
        """
        if self._members is not None:
            raise GraphError("Graph state including variables and assets has already been saved. "
                             "Please invoke `add_meta_graph()` instead.")
        signatures = {k: v.signature() for k, v in (signature_def_map or {}).items()}
        init = main_op if main_op is not None else legacy_init_op
        if init is not None:
            signatures[INIT_SIGNATURE] = Signature(updates=[init])
        collection = sess.graph.get_collection_ref(TAGS_COLLECTION)
        collection[:] = [str(tag) for tag in tags]
        try:
            self._members = build_members(signatures, sess, training=True)
        finally:
            collection.clear()

    def save(self, as_text: bool = False) -> bytes:
        """Writes the folder; gives the path of the file as bytes, as TensorFlow does.

        Raises GraphError if nothing was added.
        """
        if self._members is None:
            raise GraphError("SavedModelBuilder.save: call add_meta_graph_and_variables first.")
        os.makedirs(self._directory, exist_ok=True)
        path = os.path.join(self._directory, SAVED_MODEL_FILENAME)
        write_archive(path, self._members)
        return os.fsencode(path)
