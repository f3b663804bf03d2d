"""Files with machine code: another process runs it without compiling, if it trusts the file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

import graphflow as gf

X = np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4)

CHILD = """
import json, sys
import numpy as np
import graphflow as gf
model = gf.load(sys.argv[1], native=sys.argv[2] or None)
if sys.argv[3]:
    import graphflow.codegen.compile as c
    def refuse(*_):
        raise SystemExit("compiled")
    c._codegen = refuse
x = np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4)
found = [model.signatures["serve"](x=x)["y"].tolist() for _ in range(4)]
steps = [model.signatures["train"](x=x)["loss"].item() for _ in range(4)]
print(json.dumps([found[-1], steps, "numba" in sys.modules,
                  "graphflow.passes.pipeline" in sys.modules]))
"""


@pytest.fixture
def model(tmp_path):
    """A file with code, and what its signatures give."""
    with gf.Graph().as_default():
        x = gf.placeholder(gf.float32, [None, 4], name="x")
        w = gf.Variable(np.ones([4, 2], np.float32))
        y = gf.tanh(gf.matmul(x, w))
        loss = gf.reduce_mean(gf.square(y - 1))
        train = gf.train.AdamOptimizer(0.1).minimize(loss)
        with gf.Session() as session:
            session.run(gf.global_variables_initializer())
            gf.export(tmp_path / "net.gflow", {
                "serve": ({"x": x}, {"y": y}),
                "train": gf.Signature({"x": x}, {"loss": loss}, [train])}, session, compiled=True)
            value = session.run(y, {x: X})
            losses = [session.run([loss, train], {x: X})[0].item() for _ in range(4)]
    return tmp_path / "net.gflow", value.tolist(), losses


def _child(path, native, forbidden, tmp_path, **settings):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GRAPHFLOW_")}
    environment |= {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
                    "GRAPHFLOW_CACHE_DIR": str(tmp_path / "cache"), **settings}
    return subprocess.run([sys.executable, "-c", CHILD, path, native, forbidden], text=True,
                          capture_output=True, env=environment, cwd=tmp_path)


def test_trusted_code_runs_without_numba_passes_or_compiling(model, tmp_path):
    path, value, losses = model
    done = _child(path, "trusted", "forbidden", tmp_path)
    assert done.returncode == 0, done.stderr
    found, steps, numba, passes = json.loads(done.stdout)
    assert found == value and steps == losses and not numba and not passes


def test_code_is_not_run_unless_trusted(model, tmp_path):
    path, value, losses = model
    assert _child(path, "", "forbidden", tmp_path).stderr.strip() == "compiled"
    found, steps, numba, _ = json.loads(_child(path, "", "", tmp_path).stdout)
    assert found == value and steps == losses and numba


def _with(path: Path, changes: dict[str, bytes]) -> Path:
    """The file with other native members; digests are made to fit."""
    from graphflow.export.archive import digest_of, write_archive

    with zipfile.ZipFile(path) as archive:
        members = {n: archive.read(n) for n in archive.namelist()}
    members |= changes
    manifest = json.loads(members["manifest.json"])
    manifest["members"] = {n: digest_of(d) for n, d in members.items() if n != "manifest.json"}
    members["manifest.json"] = json.dumps(manifest).encode()
    other = path.with_name("other.gflow")
    write_archive(other, members)
    return other


def test_code_for_another_machine_is_left_alone(model, tmp_path):
    path, value, losses = model
    names = zipfile.ZipFile(path).namelist()
    wrong = {n: b"\xcc" * 64 for n in names if n.startswith("native/object")}
    other = _with(path, {"native/environment": b"elsewhere", **wrong})
    found, steps, _, _ = json.loads(_child(other, "trusted", "", tmp_path).stdout)
    assert found == value and steps == losses


def test_records_that_cannot_be_read_are_made_anew(model, tmp_path):
    path, value, losses = model
    names = zipfile.ZipFile(path).namelist()
    other = _with(path, {n: b"nonsense" for n in names if n.startswith("native/record")})
    done = _child(other, "trusted", "", tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)[:2] == [value, losses]


def test_trust_in_the_code_is_no_trust_in_the_graph(model):
    path, _, _ = model
    with zipfile.ZipFile(path) as archive:
        graph = archive.read("graph.json")
    for wrong, said in ((b'"ReadFile"', "may not hold ReadFile"), (b'"NoSuchOp"', "has no op")):
        other = _with(path, {"graph.json": graph.replace(b'"Tanh"', wrong)})
        with pytest.raises(gf.errors.LoadError, match=said):
            gf.load(other, native="trusted")
    other = _with(path, {"weights.safetensors": b"\xff" * 64})
    with pytest.raises(gf.errors.LoadError, match="weights.safetensors"):
        gf.load(other, native="trusted")


def test_files_without_code_and_wrong_words(model, tmp_path):
    path, value, _ = model
    x = gf.placeholder(gf.float32, [2])
    with gf.Session() as session:
        gf.export(tmp_path / "plain.gflow", {"s": ({"x": x}, {"y": x * 2})}, session)
    loaded = gf.load(tmp_path / "plain.gflow", native="trusted")
    np.testing.assert_array_equal(loaded.signatures["s"]([1, 2])["y"], [2, 4])
    with pytest.raises(ValueError, match='"trusted" or None'):
        gf.load(path, native=True)
    np.testing.assert_array_equal(gf.load(path).signatures["serve"](X)["y"].tolist(), value)
