"""Files that somebody made to do harm: each is refused, with what is wrong and where."""

from __future__ import annotations

import io
import json
import struct
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphflow as tf
from graphflow.errors import LoadError, NotFoundError
from graphflow.export.archive import GRAPH, MANIFEST, WEIGHTS, digest_of, pack_archive
from graphflow.export.limits import LoadLimits
from graphflow.export.writer import build_members

Members = dict[str, bytes]


@pytest.fixture(scope="module")
def members() -> Members:
    """A file with a variable, a large constant, a branch, a loop and a signature."""
    with tf.Graph().as_default(), tf.Session(device="reference") as session:
        x = tf.placeholder(tf.float32, [None, 3], name="x")
        w = tf.get_variable("w", [3, 2])
        y = tf.identity(tf.matmul(x, w) + np.ones((1, 2), np.float32), name="y")
        y = tf.cond(tf.reduce_sum(y) > 0, lambda: y * 2.0, lambda: y, name="choice")
        _, y = tf.while_loop(lambda i, v: i < 3, lambda i, v: (i + 1, v * v), [0, y], name="loop")
        z = tf.reduce_sum(y) + tf.reduce_sum(tf.constant(np.arange(100, dtype=np.float32)))
        session.run(tf.global_variables_initializer())
        return build_members({"run": ({"x": x}, {"z": z})}, session)


def _with_manifest(members: Members, /, **changes: Any) -> Members:
    manifest = json.loads(members[MANIFEST])
    manifest["members"] = {n: digest_of(d) for n, d in members.items() if n != MANIFEST}
    manifest.update(changes)
    return {MANIFEST: json.dumps(manifest).encode(),
            **{n: d for n, d in members.items() if n != MANIFEST}}


def _load(data: bytes, tmp_path: Path, limits: LoadLimits | None = None) -> Any:
    path = tmp_path / "file.gflow"
    path.write_bytes(data)
    return tf.load(path, limits=limits)


def _refused(data: bytes, tmp_path: Path, message: str, **limits: int) -> None:
    with pytest.raises(LoadError, match=message) as caught:
        _load(data, tmp_path, LoadLimits(**limits))
    assert str(tmp_path / "file.gflow") in str(caught.value)


def _changed(members: Members, change: Callable[[dict], Any]) -> bytes:
    """The file with its graph changed, and a manifest that fits."""
    graph = json.loads(members[GRAPH])
    change(graph)
    return pack_archive(_with_manifest({**members, GRAPH: json.dumps(graph).encode()}))


def test_the_file_itself_loads(members: Members, tmp_path: Path) -> None:
    run = _load(pack_archive(members), tmp_path).signatures["run"]
    assert np.isfinite(run(np.zeros((1, 3)))["z"])


def test_there_is_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no such file"):
        tf.load(tmp_path / "nowhere.gflow")
    with pytest.raises(LoadError, match="is a directory"):
        tf.load(tmp_path)


# ---- the archive -------------------------------------------------------------------------------


def _zip(entries: list[tuple[Any, bytes]]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for info, data in entries:
            with_warning = isinstance(info, str) and info in archive.namelist()
            if with_warning:
                with pytest.warns(UserWarning, match="Duplicate"):
                    archive.writestr(info, data)
            else:
                archive.writestr(info, data)
    return file.getvalue()


@pytest.mark.parametrize("name", [
    "evil.py", "../manifest.json", "/etc/passwd", "native/../x", "native/a/b", "native/",
    "MANIFEST.JSON", "C:\\x", "graph.json/", "native/.hidden"])
def test_members_of_other_names(name: str, members: Members, tmp_path: Path) -> None:
    data = _zip([*members.items(), (name, b"x")])
    _refused(data, tmp_path, "none that a .gflow file has")


def test_native_members_are_known_and_not_run(members: Members, tmp_path: Path) -> None:
    extra = _with_manifest({**members, "native/x86_64.o": b"\x7fELF"})
    assert _load(pack_archive(extra), tmp_path).signatures
    _refused(pack_archive({**members, "native/x.o": b"x"}), tmp_path, "native/x.o: it is not the")


def test_members_that_are_there_twice_or_missing(members: Members, tmp_path: Path) -> None:
    _refused(_zip([*members.items(), (GRAPH, b"{}")]), tmp_path, "is there twice")
    for name in members:
        rest = {k: v for k, v in members.items() if k != name}
        _refused(pack_archive(rest), tmp_path, f"'{name}' is missing")


@pytest.mark.parametrize("attributes", [0o120777 << 16, 0o040755 << 16 | 0x10, 0o020666 << 16])
def test_links_folders_and_devices(attributes: int, members: Members, tmp_path: Path) -> None:
    info = zipfile.ZipInfo(GRAPH)
    info.external_attr = attributes
    entries = [(k, v) for k, v in members.items() if k != GRAPH]
    _refused(_zip([*entries, (info, members[GRAPH])]), tmp_path, "a link, a folder or a device")


def test_bombs(members: Members, tmp_path: Path) -> None:
    info = zipfile.ZipInfo(GRAPH)
    info.compress_type = zipfile.ZIP_DEFLATED
    entries = [(k, v) for k, v in members.items() if k != GRAPH]
    bomb = _zip([*entries, (info, b" " * (1 << 24))])
    _refused(bomb, tmp_path, "unpacks to more than 200 times")
    _refused(bomb, tmp_path, "unpacks to", ratio=10**9, file_bytes=1 << 20)
    _refused(pack_archive(members), tmp_path, "the limit is 100", file_bytes=100)
    _refused(pack_archive(members), tmp_path, "bytes of JSON", json_bytes=100)


def test_what_stands_around_the_members(members: Members, tmp_path: Path) -> None:
    data = pack_archive(members)
    _refused(b"#!/bin/sh\n" + data, tmp_path, "does not begin where|damaged")
    end = data.rindex(b"PK\x05\x06")
    comment = data[:end + 20] + struct.pack("<H", 4) + b"evil"
    _refused(comment, tmp_path, "between or after")
    central = data.index(b"PK\x01\x02")
    gap = data[:central] + b"gap!" + data[central:end] + data[end:end + 16] + struct.pack(
        "<I", central + 4) + data[end + 20:]
    _refused(gap, tmp_path, "between or after|damaged")


def test_overlapping_members(members: Members, tmp_path: Path) -> None:
    data = bytearray(pack_archive(members))
    second = data.index(b"PK\x01\x02", data.index(b"PK\x01\x02") + 4)
    data[second + 42:second + 46] = struct.pack("<I", 0)  # where its local header stands
    _refused(bytes(data), tmp_path, "does not begin where|damaged")


def test_encrypted_and_otherwise_packed(members: Members, tmp_path: Path) -> None:
    data = bytearray(pack_archive(members))
    central = data.index(b"PK\x01\x02")
    data[central + 8] |= 1
    _refused(bytes(data), tmp_path, "encrypted")
    data[central + 8] &= 0xFE
    data[central + 10] = zipfile.ZIP_LZMA
    _refused(bytes(data), tmp_path, "packed by method 14")


@pytest.mark.parametrize("data", [b"", b"PK", b"PK\x05\x06" + bytes(18), b"\0" * 1000])
def test_no_archive_at_all(data: bytes, tmp_path: Path) -> None:
    _refused(data, tmp_path, "damaged|is missing")


def test_cut_short_anywhere(members: Members, tmp_path: Path) -> None:
    data = pack_archive(members)
    for end in range(0, len(data), max(1, len(data) // 97)):
        _refused(data[:end], tmp_path, "file.gflow")


# ---- the manifest ------------------------------------------------------------------------------


@pytest.mark.parametrize("changes, message", [
    ({"format": "onnx"}, "the format is 'onnx'"),
    ({"minimum_reader": 2}, "needs a reader of format 2"),
    ({"version": 0}, "format 0 does not exist"),
    ({"version": True}, "an integer was expected"),
    ({"ops": {"MatMul": 2}}, "version 2 of MatMul, this graphflow has version 1"),
    ({"training": 1}, "training: a bool was expected"),
    ({"more": 1}, "unknown key 'more'"),
    ({"members": {}}, "not the member that the manifest describes"),
    ({"members": None}, "an object was expected"),
])
def test_manifests(
    changes: dict, message: str, members: Members, tmp_path: Path
) -> None:
    _refused(pack_archive(_with_manifest(members, **changes)), tmp_path, message)


def test_a_later_version_that_this_reader_can_read(members: Members, tmp_path: Path) -> None:
    later = _with_manifest(members, version=9)
    assert _load(pack_archive(later), tmp_path).signatures


# ---- JSON --------------------------------------------------------------------------------------


@pytest.mark.parametrize("text, message", [
    (b'{"operations":[],"operations":[]}', "'operations' stands there twice"),
    (b'{"seed":NaN}', "NaN is no number"),
    (b'{"seed":-Infinity}', "Infinity is no number"),
    (b'{"seed":1e999}', "too large"),
    (b'{"seed":' + b"9" * 5000 + b"}", "more than 64 bits"),
    (b"[" * 60_000, "more than 256 deep"),
    (b'{"a":' * 300 + b"1" + b"}" * 300, "more than 256 deep"),
    (b"[1,2", "no JSON"), (b"\xff\xfe{}", "no JSON"), (b"[]", "an object was expected"),
    (b'{"more":1}', "unknown key 'more'"), (b"{}", "a list was expected"),
])
def test_json(text: bytes, message: str, members: Members, tmp_path: Path) -> None:
    _refused(pack_archive(_with_manifest({**members, GRAPH: text})), tmp_path, message)


def test_too_many_values(members: Members, tmp_path: Path) -> None:
    text = b'{"operations":[' + b"0," * 2000 + b"0]}"
    _refused(pack_archive(_with_manifest({**members, GRAPH: text})), tmp_path,
             "more than 1000 values", json_values=1000)


# ---- operations --------------------------------------------------------------------------------


def _operation(graph: dict, op: str) -> dict:
    return next(r for r in graph["operations"] if r["op"] == op)


def _add(graph: dict, **record: Any) -> None:
    graph["operations"].append({"name": "added", **record})


def _path(graph: dict, *keys: Any) -> Any:
    for key in keys:
        graph = graph[key]
    return graph


_CASES: list[tuple[str, Callable[[dict], Any], str]] = [
    ("unknown op", lambda g: _add(g, op="Evil"), "no op 'Evil'"),
    ("function", lambda g: _add(g, op="PyFunc"), "may not hold PyFunc"),
    ("file", lambda g: _add(g, op="ReadFile", inputs=[[0, 0]]), "may not hold ReadFile"),
    ("write", lambda g: _add(g, op="WriteFile", inputs=[[0, 0], [0, 0]]), "may not hold Write"),
    ("program leaf", lambda g: _add(g, op="StateValue", attrs={
        "key": "w", "type": ["float32", []]}), "has no place in a graph"),
    ("stray capture", lambda g: _add(g, op="Capture"), "has no place in a graph"),
    ("itself", lambda g: _add(g, op="Neg", inputs=[[len(g["operations"]), 0]]), "outside of"),
    ("later", lambda g: g["operations"].insert(0, {
        "op": "Neg", "name": "n", "inputs": [[2, 0]]}), "outside of"),
    ("negative", lambda g: _add(g, op="Neg", inputs=[[-1, 0]]), "outside of"),
    ("output", lambda g: _add(g, op="Neg", inputs=[[0, 1]]), "outside of"),
    ("no pair", lambda g: _add(g, op="Neg", inputs=[0]), "a list was expected"),
    ("arity", lambda g: _add(g, op="Neg", inputs=[[0, 0], [0, 0]]), "takes 1 inputs, got 2"),
    ("too few", lambda g: _add(g, op="MatMul", inputs=[[0, 0]]), "takes 2 inputs, got 1"),
    ("value for variable", lambda g: _add(
        g, op="AssignAdd", inputs=[[0, 0], [0, 0]]), "must be a variable"),
    ("variable for value", lambda g: _add(g, op="Neg", inputs=[[
        g["operations"].index(_operation(g, "Variable")), 0]]), "must be a value"),
    ("element types", lambda g: _add(g, op="LogicalNot", inputs=[[0, 0]]), "DTypeError"),
    ("shapes", lambda g: _add(g, op="MatMul", inputs=[[0, 0], [g["operations"].index(
        _operation(g, "MatMul")), 0]], attrs={"transpose_b": True}), "ShapeError"),
    ("same name", lambda g: g["operations"].append(
        {"op": "NoOp", "name": "x"}), "already has an operation"),
    ("name", lambda g: _add(g, op="NoOp", name="a b"), "not a valid operation name"),
    ("control", lambda g: _add(g, op="NoOp", controls=[999]), "outside of"),
    ("attribute", lambda g: _add(g, op="NoOp", attrs={"x": 1}), "unknown key 'x'"),
    ("kind", lambda g: _operation(g, "Placeholder")["attrs"].update(dtype=1), "a text was"),
    ("dtype", lambda g: _operation(g, "Placeholder")["attrs"].update(dtype="0100,f4"),
     "no element type"),
    ("handle", lambda g: _operation(g, "Variable")["attrs"].update(handle=False),
     "not the file's to say"),
    ("variable's type", lambda g: _operation(g, "Variable")["attrs"].update(dtype="float64"),
     "float64"),
    ("variable's shape", lambda g: _operation(g, "Variable")["attrs"].update(
        shape={"sizes": [4, 2]}), r"\[3, 2\]|ShapeError"),
    ("huge shape", lambda g: _operation(g, "Placeholder")["attrs"].update(
        shape={"sizes": [2**40, 2**40]}), r"more than 2\*\*48 elements"),
    ("huge size", lambda g: _operation(g, "Placeholder")["attrs"].update(
        shape={"sizes": [2**63]}), "outside of"),
    ("negative size", lambda g: _operation(g, "Placeholder")["attrs"].update(
        shape={"sizes": [-1]}), "outside of"),
    ("axes", lambda g: _operation(g, "Placeholder")["attrs"].update(
        shape={"sizes": [1] * 100}), "100 axes"),
    ("constant", lambda g: _operation(g, "Const")["attrs"].update(
        value={"dtype": "float32", "shape": [2**40], "bytes": ""}), "stands in the JSON"),
    ("constant's bytes", lambda g: _operation(g, "Const")["attrs"].update(
        value={"dtype": "float32", "shape": [2], "bytes": "00"}), "1 bytes for float32"),
    ("bools", lambda g: _operation(g, "Const")["attrs"].update(
        value={"dtype": "bool", "shape": [1], "bytes": "07"}), "0 or 1"),
    ("array", lambda g: _operation(g, "Const")["attrs"].update(
        value={"array": "constants/nowhere"}), "no array"),
    ("set shape", lambda g: _operation(g, "MatMul").update(shapes={"0": [7, 7]}), "shapes:"),
    ("set shape of", lambda g: _operation(g, "MatMul").update(shapes={"1": [7]}), "no output"),
    ("set shape at", lambda g: _operation(g, "MatMul").update(shapes={"-1": []}), "no output"),
    ("site", lambda g: _operation(g, "MatMul").update(site=["\x1b[2J", 1]), "no file name"),
    ("line", lambda g: _operation(g, "MatMul").update(site=["a.py", 2**40]), "outside of"),
    ("own", lambda g: _operation(g, "MatMul").update(own=True), "Pass it as gf.load"),
    ("key", lambda g: _operation(g, "MatMul").update(code="import os"), "unknown key 'code'"),
    ("outputs without end", lambda g: _add(g, op="Split", inputs=[[0, 0]], attrs={
        "num": 10**9, "axis": 0}), "must be at most 65536"),
    ("two variables of one key", lambda g: _add(g, **{
        **_operation(g, "Variable"), "name": "w2"}), "share the key 'w'"),
    ("variable in a branch", lambda g: _path(
        _operation(g, "If"), "attrs", "then", "operations").append(
            {**_operation(g, "Variable"), "name": "w2"}), "outside of branches and loops"),
    ("seed", lambda g: g.update(seed="x"), "an integer was expected"),
    ("collection", lambda g: g["collections"].update(x=[["object", "os.system"]]), "no item"),
    ("variable twice", lambda g: g["variables"].append(g["variables"][0]), "there twice"),
    ("no variable", lambda g: g["variables"][0].update(handle=[0, 0]), "no variable"),
    ("mode", lambda g: g["variables"][0].update(aggregation="EVIL"), "does not exist"),
    ("signature", lambda g: _path(g, "signatures", 0, 1, "inputs", 0, 1).update(tensor=[999, 0]),
     "outside of"),
    ("signature's type", lambda g: _path(g, "signatures", 0, 1, "inputs", 0, 1).update(
        dtype="int8"), "not int8"),
    ("signature's shape", lambda g: _path(g, "signatures", 0, 1, "inputs", 0, 1).update(
        shape=[1]), "the graph gives"),
    ("signatures", lambda g: g["signatures"].append(g["signatures"][0]), "there twice"),
    # ---- branches and loops
    ("too few inputs", lambda g: _operation(g, "While")["inputs"].pop(), "more tensors than|"
     "inputs for"),
    ("too many inputs", lambda g: _operation(g, "While")["inputs"].append([0, 0]), "inputs for"),
    ("loop_vars", lambda g: _operation(g, "While")["attrs"].update(loop_vars=1), "While|captures"),
    ("lead", lambda g: _operation(g, "If")["attrs"].update(lead=0), "If"),
    ("carried", lambda g: _operation(g, "While")["attrs"].update(carried=[0]), "carried"),
    ("results", lambda g: _operation(g, "If")["attrs"].update(results=7), "If|a branch"),
    ("saved", lambda g: _operation(g, "If")["attrs"].update(saved=[-1, 0]), "saved|If"),
    ("saved of loop", lambda g: _operation(g, "While")["attrs"].update(saved=3), "While|body"),
    ("body", lambda g: _operation(g, "While")["attrs"].pop("body"), "an object was expected"),
    ("no body", lambda g: _operation(g, "While")["attrs"].update(body=[]), "an object was"),
    ("outputs", lambda g: _path(_operation(g, "While"), "attrs", "body", "outputs").pop(),
     "While|IndexError"),
    ("condition", lambda g: _path(_operation(g, "While"), "attrs", "condition").update(
        outputs=[[0, 0]]), "one bool"),
    ("unbound", lambda g: _path(_operation(g, "While"), "attrs", "body", "operations").append(
        {"op": "Capture", "name": "c", "attrs": {"type": ["float32", []], "handle": False}}),
     "stands for nothing"),
    ("two roles", lambda g: _path(_operation(g, "While"), "attrs", "body", "inputs").__setitem__(
        1, _path(_operation(g, "While"), "attrs", "body", "inputs")[0]), "another role"),
    ("capture's type", lambda g: _path(_operation(g, "If"), "attrs", "then", "operations")[0][
        "attrs"].update(type=["float64", []]), "must be float32"),
    ("sizes", lambda g: _path(_operation(g, "While"), "attrs", "body", "operations")[0][
        "attrs"].update(type=["int32", [{"sum": [[1, [[["floordiv", 1, 0], 1]]]]}]]), "no size"),
    ("power", lambda g: _path(_operation(g, "While"), "attrs", "body", "operations")[0][
        "attrs"].update(type=["int32", [{"sum": [[1, [["?0", 10**9]]]]}]]), "outside of"),
]


@pytest.mark.parametrize(
    "change, message", [c[1:] for c in _CASES], ids=[c[0] for c in _CASES])
def test_graphs(
    change: Callable[[dict], Any], message: str, members: Members, tmp_path: Path
) -> None:
    _refused(_changed(members, change), tmp_path, message)


def test_branches_inside_branches(members: Members, tmp_path: Path) -> None:
    def nest(graph: dict) -> None:
        inner = _operation(graph, "If")
        for k in range(30):
            outer = json.loads(json.dumps(_operation(graph, "If")))
            outer["attrs"]["then"]["operations"].append({**inner, "name": f"inner{k}"})
            inner = outer
        graph["operations"].append({**inner, "name": "outer"})

    _refused(_changed(members, nest), tmp_path, "deep|outside of")


def test_inference_is_not_made_to_work(members: Members, tmp_path: Path) -> None:
    """Values that follow from constants are computed for small results alone."""
    def spread(graph: dict) -> None:
        for name, number in (("many", 10**9), ("one", 1)):
            graph["operations"].append({"op": "Const", "name": name, "attrs": {"value": {
                "dtype": "int32", "shape": [], "bytes": number.to_bytes(4, "little").hex()}}})
        many, one = len(graph["operations"]) - 2, len(graph["operations"]) - 1
        _add(graph, op="Range", name="range", inputs=[[one, 0], [many, 0], [one, 0]])
        _add(graph, op="ExpandDims", name="vector", inputs=[[many, 0]], attrs={"axis": [0]})
        _add(graph, op="Fill", name="fill", inputs=[[many + 3, 0], [one, 0]])

    start = time.perf_counter()
    _load(_changed(members, spread), tmp_path)
    assert time.perf_counter() - start < 2.0


def test_outputs_are_counted(members: Members, tmp_path: Path) -> None:
    def split(graph: dict) -> None:
        _add(graph, op="Placeholder", name="any", attrs={"dtype": "int8", "shape": {
            "sizes": None}})
        at = len(graph["operations"]) - 1
        for k in range(40):
            _add(graph, op="Split", name=f"split{k}", inputs=[[at, 0]], attrs={
                "num": 60_000, "axis": 0})

    _refused(_changed(members, split), tmp_path, "the limit is 100000", operations=100_000)


@pytest.mark.parametrize("op, times", [("Square", 1), ("FloorDiv", 2), ("Maximum", 2)])
def test_sizes_do_not_grow_without_end(
    op: str, times: int, members: Members, tmp_path: Path
) -> None:
    """A size squared sixty times over has no room to be written down."""
    def grow(graph: dict) -> None:
        records = graph["operations"]
        _add(graph, op="Placeholder", name="sizes", attrs={
            "dtype": "int32", "shape": {"sizes": [None, None]}})
        _add(graph, op="Shape", name="shape", inputs=[[len(records) - 1, 0]],
             attrs={"out_type": "int32"})
        _add(graph, op="Sum", name="sum", inputs=[[len(records) - 1, 0]],
             attrs={"axis": [0], "keepdims": False})
        for k in range(60):
            last = [len(records) - 1, 0]
            _add(graph, op="Add", name=f"add{k}", inputs=[last, last])
            _add(graph, op=op, name=f"next{k}", inputs=[last, [len(records) - 1, 0]][:times])

    start = time.perf_counter()
    _load(_changed(members, grow), tmp_path)
    assert time.perf_counter() - start < 5.0


def test_a_large_constant_is_kept_once(members: Members, tmp_path: Path) -> None:
    def repeat(graph: dict) -> None:
        large = next(r for r in graph["operations"]
                     if r["op"] == "Const" and "array" in r["attrs"]["value"])
        for k in range(50):
            graph["operations"].append({**large, "name": f"again{k}"})

    loaded = _load(_changed(members, repeat), tmp_path)
    values = {id(op.attrs["value"]) for op in loaded.graph.get_operations()
              if op.type == "Const" and op.attrs["value"].array.size == 100}
    assert len(values) == 1


# ---- weights -----------------------------------------------------------------------------------


def _weights(members: Members, change: Callable[[dict], Any]) -> bytes:
    data = members[WEIGHTS]
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8:8 + length])
    change(header)
    text = json.dumps(header).encode()
    changed = len(text).to_bytes(8, "little") + text + data[8 + length:]
    return pack_archive(_with_manifest({**members, WEIGHTS: changed}))


def _entry(header: dict) -> dict:
    return header["variables/w"]


@pytest.mark.parametrize("change, message", [
    (lambda h: _entry(h).update(shape=[3, 3]), "24 bytes for float32"),
    (lambda h: _entry(h).update(shape=[2**33, 2**33]), "bytes for float32"),
    (lambda h: _entry(h).update(shape=[-3, -2]), "outside of"),
    (lambda h: _entry(h).update(dtype="F8"), "does not write arrays of"),
    (lambda h: _entry(h).update(dtype="F16", shape=[3, 4]), "checksum"),
    (lambda h: _entry(h).update(data_offsets=[0, 24]), "does not begin where"),
    (lambda h: _entry(h).update(data_offsets=[2**62, 2**62 + 24]), "does not begin where"),
    (lambda h: _entry(h).update(data_offsets=[24]), "names no array"),
    (lambda h: _entry(h).update(more=1), "unknown key"),
    (lambda h: h.pop("variables/w"), "bytes of data|does not begin"),
    (lambda h: h.update(__metadata__={}), "no checksum"),
    (lambda h: h.update(__metadata__=[]), "an object was expected"),
    (lambda h: h["__metadata__"].update(more="x"), "checksum"),
])
def test_weights(
    change: Callable[[dict], Any], message: str, members: Members, tmp_path: Path
) -> None:
    _refused(_weights(members, change), tmp_path, message)


def test_weights_cut_short(members: Members, tmp_path: Path) -> None:
    for data in (b"", b"\xff" * 8, members[WEIGHTS][:-1], (2**60).to_bytes(8, "little")):
        _refused(pack_archive(_with_manifest({**members, WEIGHTS: data})), tmp_path, WEIGHTS)


def test_weights_for_nothing(members: Members, tmp_path: Path) -> None:
    graph = json.loads(members[GRAPH])
    _operation(graph, "Variable")["attrs"]["shared_name"] = "other"
    data = pack_archive(_with_manifest({**members, GRAPH: json.dumps(graph).encode()}))
    _refused(data, tmp_path, "is for no variable")


# ---- mutated files -----------------------------------------------------------------------------


def test_mutated_files() -> None:
    """A few thousand cases of the fuzzer; it runs millions from the command line."""
    import importlib.util

    path = Path(__file__).with_name("fuzz.py")
    spec = importlib.util.spec_from_file_location("graphflow_fuzz", path)
    assert spec is not None and spec.loader is not None
    fuzz = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(fuzz)
    accepted, found = fuzz.run_cases(range(2000), fuzz.seeds())
    more, of_ops = fuzz.run_cases(range(2000, 3000), fuzz.seeds_of_ops())
    assert not found and not of_ops
    assert accepted and more
