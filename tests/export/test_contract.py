"""Contract: every op of the registry comes back from a file as it was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from contract_cases import build, cases_of, ops_that

import graphflow as tf
from graphflow.errors import ExportError
from graphflow.lowering import Host
from graphflow.opdef import REGISTRY


def _reaches_out(opdef: Any) -> bool:
    return isinstance(opdef.lowering, Host) and opdef.lowering.reaches_out


WRITABLE = ops_that(lambda opdef: not _reaches_out(opdef))
REFUSED = ops_that(_reaches_out)


def _signature(name: str, kind: str) -> tuple[tf.Signature, dict[str, np.ndarray]]:
    """All cases of an op over one kind of inputs, in the default graph, and what to feed."""
    inputs, outputs, feeds, updates = {}, {}, {}, []
    for number, case in enumerate(cases_of(REGISTRY[name])):
        tensors, made = build(case, kind)
        for k, tensor in enumerate(tensors if kind != "constants" else ()):
            inputs[f"x{number}_{k}"] = tensor
            feeds[f"x{number}_{k}"] = case.inputs[k]
        for k, tensor in enumerate(made):
            outputs[f"y{number}_{k}"] = tensor
        updates += [op for op in tf.get_default_graph().get_operations() if not op.outputs]
    return tf.Signature(inputs, outputs, list(dict.fromkeys(updates))), feeds


@pytest.mark.parametrize("name", WRITABLE)
def test_every_op_comes_back(name: str, tmp_path: Path) -> None:
    for kind in ("constants", "unknown sizes"):
        with tf.Graph().as_default(), tf.Session(device="reference") as session:
            signature, feeds = _signature(name, kind)
            path, again = tmp_path / "op.gflow", tmp_path / "again.gflow"
            tf.export(path, {"run": signature}, session)
            wanted = session.run(dict(signature.outputs),
                                 {signature.inputs[k]: v for k, v in feeds.items()})
        loaded = tf.load(path)
        with loaded.session(device="reference") as session:
            found = loaded.signatures["run"].run(session, **feeds)
            tf.export(again, loaded.signatures, session)
        assert path.read_bytes() == again.read_bytes()
        for key, tensor in signature.outputs.items():
            other = loaded.signatures["run"].outputs[key]
            assert other.dtype is tensor.dtype
            assert other.shape.rank == tensor.shape.rank, f"{key}: {other.shape}"
            if tensor.shape.rank is not None:
                assert other.shape.as_list() == tensor.shape.as_list(), key
            assert np.asarray(found[key]).dtype == np.asarray(wanted[key]).dtype
            np.testing.assert_array_equal(
                _bits(found[key]), _bits(wanted[key]), err_msg=f"{name} {key}")


def _bits(value: Any) -> np.ndarray:
    """The bytes of an array, so that NaNs compare; strings as they are."""
    array = np.asarray(value)
    return array if array.dtype == object else np.frombuffer(array.tobytes(), np.uint8)


@pytest.mark.parametrize("name", REFUSED)
def test_what_reaches_out_is_refused(name: str, tmp_path: Path) -> None:
    with tf.Graph().as_default(), tf.Session() as session:
        signature, _ = _signature(name, "constants")
        with pytest.raises(ExportError, match=name):
            tf.export(tmp_path / "op.gflow", {"run": signature}, session)
    assert not list(tmp_path.iterdir())
