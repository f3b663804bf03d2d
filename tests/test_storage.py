"""`storage`: round trips, damage of every kind, and writers killed at any moment."""

from __future__ import annotations

import fcntl
import json
import os
import random
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save

from graphflow import dtypes, storage
from graphflow.errors import DataLossError, NotFoundError

SHAPES = [(), (1,), (0,), (3, 0, 2), (5,), (2, 3, 4)]


def sample(dtype: np.dtype, shape: tuple[int, ...]) -> np.ndarray:
    count = int(np.prod(shape))
    if dtype.kind == "O":
        texts = np.empty(count, object)
        texts[:] = [bytes(range(i)) + b"\0 \xff" * (i % 3) for i in range(count)]
        return texts.reshape(shape)
    raw = np.random.default_rng(count).integers(0, 256, count * dtype.itemsize).astype(np.uint8)
    if dtype == np.bool_:
        raw &= 1
    return raw.view(dtype).reshape(shape)  # NaNs with payloads included


def assert_same(actual: np.ndarray, expected: np.ndarray) -> None:
    assert (actual.dtype, actual.shape) == (expected.dtype, expected.shape)
    if actual.dtype.kind == "O":
        assert actual.tolist() == expected.tolist()
    else:
        assert actual.tobytes() == expected.tobytes()


# --- tensors ----------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", dtypes.ALL, ids=lambda dtype: dtype.name)
def test_round_trip(dtype: dtypes.DType, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    tensors = {f"layer/{shape}:0": sample(dtype.numpy, shape) for shape in SHAPES}
    storage.write_tensors(path, tensors, {"step": "7", "ü": "\n\"{}"})
    restored, metadata = storage.read_tensors(path)
    assert metadata == {"step": "7", "ü": "\n\"{}"}
    assert set(restored) == set(tensors)
    for name, value in tensors.items():
        assert_same(restored[name], value)
        assert restored[name].flags.writeable
    assert storage.tensor_names(path) == {
        name: (dtype.numpy, value.shape) for name, value in tensors.items()}


def test_many_dtypes_in_one_file(tmp_path: Path) -> None:
    path = tmp_path / "mixed"
    tensors = {dtype.name: sample(dtype.numpy, (3, 2)) for dtype in dtypes.ALL}
    storage.write_tensors(path, tensors)
    restored, metadata = storage.read_tensors(str(path))
    assert metadata == {}
    for name, value in tensors.items():
        assert_same(restored[name], value)
    assert list(storage.tensor_names(path)) == sorted(tensors)


def test_nothing_at_all(tmp_path: Path) -> None:
    storage.write_tensors(tmp_path / "empty", {})
    assert storage.read_tensors(tmp_path / "empty") == ({}, {})
    assert storage.tensor_names(tmp_path / "empty") == {}


def test_arrays_of_any_layout_and_byte_order(tmp_path: Path) -> None:
    path = tmp_path / "layouts"
    base = np.arange(24.0).reshape(4, 6)
    tensors = {"transposed": base.T, "strided": base[::-2, ::3], "big-endian": base.astype(">f8"),
               "fortran": np.asfortranarray(base), "complex": (base + 1j)[:, ::2],
               "text": np.array([["a", "bcd"], ["", "ö"]]), "fixed": np.array([b"ab", b"c"]),
               "scalar": np.float32(3), "zero stride": np.broadcast_to(base[0], (3, 6))}
    before = {name: value.copy() for name, value in tensors.items()}
    storage.write_tensors(path, tensors)
    restored, _ = storage.read_tensors(path)
    for name in set(tensors) - {"text", "fixed"}:
        np.testing.assert_array_equal(restored[name], before[name])
        np.testing.assert_array_equal(tensors[name], before[name])
    assert restored["big-endian"].dtype == np.float64
    assert restored["text"].tolist() == [[b"a", b"bcd"], [b"", "ö".encode()]]
    assert restored["fixed"].tolist() == [b"ab", b"c"]


def test_other_programs_read_the_file(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    kernel = np.arange(6, dtype=np.float32).reshape(2, 3)
    tensors = {"kernel": kernel, "phase": np.array([1 + 2j], np.complex64)}
    storage.write_tensors(path, tensors, {"step": "1"})
    loaded = load_file(path)
    np.testing.assert_array_equal(loaded["kernel"], kernel)
    assert loaded["phase"].tolist() == [[1.0, 2.0]]
    storage.write_tensors(path, {"half": np.ones(2, ml_dtypes.bfloat16)})
    with safe_open(path, framework="numpy") as file:
        assert file.get_slice("half").get_dtype() == "BF16"


@pytest.mark.parametrize("tensors, metadata, message", [
    ({"when": np.array(["2020-01-01"], "datetime64[D]")}, {}, r"'when': dtype datetime64\[D\]"),
    ({"list": np.array([b"a", None])}, {}, "'list': expects strings, got None"),
    ({"wide": np.ones(2, np.longdouble)}, {}, "'wide': dtype"),
    ({"__metadata__": np.ones(2)}, {}, "cannot name a tensor"),
    ({}, {"graphflow.sha256": "0"}, "'graphflow.sha256' is reserved"),
    ({}, {"step": 1}, "metadata maps str to str, got 'step': 1"),
])
def test_what_cannot_be_stored(
    tensors: dict, metadata: dict, message: str, tmp_path: Path
) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        storage.write_tensors(tmp_path / "x", tensors, metadata)
    assert not list(tmp_path.iterdir())


# --- damage -----------------------------------------------------------------------------------


@pytest.fixture
def good(tmp_path: Path) -> Path:
    path = tmp_path / "good.safetensors"
    tensors = {"w": np.arange(12, dtype=np.float32).reshape(3, 4), "n": np.int64(3),
               "names": np.array([b"one", b"three"], object), "z": np.array([1j]),
               "empty": np.zeros((0, 2), np.int8)}
    storage.write_tensors(path, tensors, {"step": "12"})
    return path


def test_every_truncation_is_noticed(good: Path) -> None:
    contents = good.read_bytes()
    for length in range(len(contents)):
        good.write_bytes(contents[:length])
        for read in (storage.read_tensors, storage.tensor_names):
            with pytest.raises(DataLossError, match=f"good.safetensors: .*{length} bytes"):
                read(good)


def test_appended_bytes_are_noticed(good: Path) -> None:
    good.write_bytes(good.read_bytes() + b"\0")
    with pytest.raises(DataLossError, match="good.safetensors"):
        storage.read_tensors(good)


def test_a_flipped_bit_is_noticed_or_harmless(good: Path) -> None:
    """Harmless are only flips that leave the JSON header's meaning as it was."""
    contents = good.read_bytes()
    header = 8 + int.from_bytes(contents[:8], "little")
    tensors, metadata = storage.read_tensors(good)
    harmless = 0
    for position in range(len(contents)):
        for bit in range(8):
            damaged = bytearray(contents)
            damaged[position] ^= 1 << bit
            good.write_bytes(damaged)
            try:
                restored, found = storage.read_tensors(good)
            except DataLossError as error:
                assert str(good) in str(error)
                continue
            assert position < header
            harmless += 1
            assert found == metadata and set(restored) == set(tensors)
            for name, value in tensors.items():
                assert_same(restored[name], value)
    assert harmless < 0.02 * 8 * header


def test_a_flipped_bit_never_makes_tensor_names_fail_otherwise(good: Path) -> None:
    contents = good.read_bytes()
    rng = np.random.default_rng(0)
    for position in rng.integers(0, len(contents), 500):
        damaged = bytearray(contents)
        damaged[position] ^= 1 << int(rng.integers(8))
        good.write_bytes(damaged)
        try:
            storage.tensor_names(good)
        except DataLossError as error:
            assert str(good) in str(error)


@pytest.mark.parametrize("contents, message", [
    (b"", "not a safetensors file"),
    (b"hello, world: this is a text file", "not a safetensors file"),
    (b"\x89PNG\r\n\x1a\n" + bytes(100), "not a safetensors file"),
    (b"PK\x03\x04" + bytes(1000), "not a safetensors file"),
    (b"\xff" * 64, "not a safetensors file"),
    (save({"w": np.ones(3)}), "no checksum: graphflow did not write it"),
    (save({"w": np.ones(3)}, {storage.CHECKSUM_KEY: "0" * 64}), "checksum does not match"),
])
def test_foreign_files(contents: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "foreign.bin"
    path.write_bytes(contents)
    with pytest.raises(DataLossError, match=f"foreign.bin: .*{message}") as raised:
        storage.read_tensors(path)
    assert raised.value.op is None and raised.value.error_code == 15


@pytest.mark.parametrize("table", [
    "[", "[]", '{"w": 1}', '{"w": {"as": "quaternion"}}', '{"w": {"as": "string"}}',
    '{"w": {"as": "string", "shape": [-1]}}', '{"w": {"as": "string", "shape": [7]}}',
    '{"w": {"as": "complex64"}}', '{"q": {"as": "complex64"}}',
])
def test_wrong_encodings_with_a_right_checksum(table: str, tmp_path: Path) -> None:
    """A file made by hand fails as damaged, not with an error of NumPy's."""
    path = tmp_path / "forged"
    stored = {"w": np.ones(3, np.uint8)}
    metadata = {storage.ENCODINGS_KEY: table}
    metadata[storage.CHECKSUM_KEY] = storage._checksum(stored, metadata)
    path.write_bytes(save(stored, metadata))
    with pytest.raises(DataLossError, match="forged"):
        storage.read_tensors(path)
    with pytest.raises(DataLossError, match="forged"):
        storage.tensor_names(path)


def test_a_missing_file_and_a_directory(tmp_path: Path) -> None:
    for read in (storage.read_tensors, storage.tensor_names):
        with pytest.raises(NotFoundError, match="absent: there is no such file"):
            read(tmp_path / "absent")
        with pytest.raises(DataLossError, match="it is a directory"):
            read(tmp_path)


def test_a_dtype_that_graphflow_does_not_write(tmp_path: Path) -> None:
    header = json.dumps({"w": {"dtype": "F8_E4M3", "shape": [2], "data_offsets": [0, 2]},
                         "__metadata__": {storage.CHECKSUM_KEY: "0"}}).encode()
    (tmp_path / "f8").write_bytes(len(header).to_bytes(8, "little") + header + b"\0\0")
    for read in (storage.read_tensors, storage.tensor_names):
        with pytest.raises(DataLossError, match="tensor 'w' has dtype F8_E4M3"):
            read(tmp_path / "f8")


# --- atomic writes ----------------------------------------------------------------------------


def test_bytes_or_a_function_that_writes(tmp_path: Path) -> None:
    path = tmp_path / "file"
    storage.write_atomic(path, b"old")
    storage.write_atomic(str(path), lambda file: file.write(b"new"))
    assert path.read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_failed_write_leaves_the_old_file_alone(error: type, tmp_path: Path) -> None:
    path = tmp_path / "file"
    storage.write_atomic(path, b"old")

    def write(file: object) -> None:
        file.write(b"half of the new")
        raise error

    with pytest.raises(error):
        storage.write_atomic(path, write)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


def test_everything_is_synced_before_and_after_the_rename(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    fsync, replace = os.fsync, os.replace

    def record_fsync(descriptor: int) -> None:
        is_directory = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        calls.append("sync directory" if is_directory
                     else f"sync {os.fstat(descriptor).st_size} bytes")
        fsync(descriptor)

    def record_replace(source: object, target: object) -> None:
        calls.append("rename")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", record_fsync)
    monkeypatch.setattr(os, "replace", record_replace)
    storage.write_atomic(tmp_path / "file", b"12345")
    assert calls == ["sync 5 bytes", "rename", "sync directory"]


def test_a_missing_directory_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="its directory .*absent does not exist"):
        storage.write_atomic(tmp_path / "absent" / "file", b"")


def test_links_modes_and_long_names_are_kept(tmp_path: Path) -> None:
    target, link = tmp_path / ("n" * 255), tmp_path / "link"
    storage.write_atomic(target, b"old")
    target.chmod(0o600)
    link.symlink_to(target)
    storage.write_atomic(link, b"new")
    assert link.is_symlink() and target.read_bytes() == b"new"
    assert stat.S_IMODE(target.stat().st_mode) == 0o600


def test_leftovers_of_the_dead_go_and_files_of_the_living_stay(tmp_path: Path) -> None:
    path, other = tmp_path / "file", tmp_path / "other"
    prefix = storage._temporary_prefix(path)
    dead, living = tmp_path / f"{prefix}00.tmp", tmp_path / f"{prefix}11.tmp"
    foreign = tmp_path / f"{storage._temporary_prefix(other)}00.tmp"
    for leftover in (dead, living, foreign):
        leftover.write_bytes(b"half")
    with open(living, "rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        storage.write_atomic(path, b"new")
    assert not dead.exists() and living.exists() and foreign.exists()


def test_two_writers_at_once_do_not_disturb_each_other(tmp_path: Path) -> None:
    path = tmp_path / "file"

    def outer(file: object) -> None:
        file.write(b"outer")
        storage.write_atomic(path, b"inner")
        assert path.read_bytes() == b"inner"

    storage.write_atomic(path, outer)
    assert path.read_bytes() == b"outer"
    assert os.listdir(tmp_path) == ["file"]


WRITER = """
import sys
import numpy as np
from graphflow import storage
step = int(sys.argv[2])
print("ready", flush=True)
while True:
    step += 1
    storage.write_tensors(sys.argv[1], {"w": np.full(200_000, step, np.int64)},
                          {"step": str(step)})
"""


def test_a_writer_killed_at_any_moment_leaves_a_whole_file(tmp_path: Path) -> None:
    """Twenty SIGKILLs; each time the file is the old or the new one, and time goes forward."""
    path = tmp_path / "checkpoint"
    storage.write_tensors(path, {"w": np.full(200_000, 0)}, {"step": "0"})
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join(filter(None, sys.path)))
    chance = random.Random(0)
    last = 0
    for _ in range(20):
        with subprocess.Popen([sys.executable, "-c", WRITER, str(path), str(last)], text=True,
                              stdout=subprocess.PIPE, env=environment) as writer:
            assert writer.stdout.readline() == "ready\n"
            time.sleep(chance.uniform(0, 0.1))
            writer.send_signal(signal.SIGKILL)
        tensors, metadata = storage.read_tensors(path)
        step = int(metadata["step"])
        assert step >= last
        assert (tensors["w"] == step).all() and len(tensors["w"]) == 200_000
        assert len(os.listdir(tmp_path)) <= 2  # at most the last writer's leftover
        last = step
    assert last > 0
    storage.write_tensors(path, {})
    assert os.listdir(tmp_path) == ["checkpoint"]
