"""Sessions with hooks, queues, tables and feature columns take TensorFlow 1.15's arguments."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from test_signatures import lookup, same_default
from test_training_signatures import signature

RECORDED = json.loads(Path(__file__).with_name("session_signatures.json").read_text("utf-8"))
SIGNATURES: dict[str, list[list[Any]]] = RECORDED["signatures"]
_LATER = "as in 1.15; the last argument came later"
_CONSTANTS = "a class of constants, which nobody calls"
_ABSENT = "there are no columns of sequences"
DIFFERENCES = {
    "train.CheckpointSaverHook": _LATER, "train.MonitoredTrainingSession": _LATER,
    "lookup.StaticHashTable": _LATER, "lookup.StaticVocabularyTable": _LATER,
    "lookup.TextFileIndex": _CONSTANTS, "python_io.TFRecordCompressionType": _CONSTANTS,
    "train.SessionRunValues": "the last two may be left out",
    "train.Supervisor.managed_session": "a decorator hides TensorFlow's arguments",
    "nest.map_structure": "the arguments by name are written out",
    **{f"feature_column.sequence_{name}": _ABSENT for name in (
        "categorical_column_with_hash_bucket", "categorical_column_with_identity",
        "categorical_column_with_vocabulary_file", "categorical_column_with_vocabulary_list",
        "numeric_column")},
}


@pytest.mark.parametrize("path", SIGNATURES)
def test_signature_is_tensorflows(path: str) -> None:
    if path in DIFFERENCES:
        return
    target = lookup(path)
    assert target is not None, f"{path} is missing"
    wanted, found = SIGNATURES[path], signature(target)
    assert [name for name, _ in found] == [name for name, _ in wanted]
    assert [(a, b) for (_, a), (_, b) in zip(wanted, found) if not same_default(a, b)] == []
