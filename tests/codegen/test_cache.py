"""Compiled kernels on disk, seen from new processes: what they compile, load and import."""

from __future__ import annotations

import os
import shutil
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from packages import copy_package, outcome, start

# Kernels of loop IR and a hand-written one; a loop.
PROGRAM = """
import json, sys
import graphflow as gf
x = gf.placeholder(gf.float32, [None, 3])
turns = gf.while_loop(lambda i, y: i < 3, lambda i, y: (i + 1, y * 0.5), (0, gf.tanh(x)))[1]
y = [gf.nn.softmax(x), gf.matmul(x, x, transpose_b=True), gf.nn.top_k(x, 2)[0], turns]
given = [[1.5, -2.0, 0.25], [0.0, 3.0, -1.0]]
with gf.Session(device="cpu") as session:
    found = [v.tolist() for v in session.run(y, {x: given})]
from graphflow.codegen.compile import CACHE
print(json.dumps({"compiled": CACHE.compiled, "loaded": CACHE.loaded,
                  "numba": "numba" in sys.modules, "found": found}))
"""
SMALL = """
import json
import graphflow as gf
x = gf.placeholder(gf.float32, [None])
{before}
with gf.Session(device="cpu") as session:
    found = session.run(x * 2.5, {{x: [1.0, 2.0]}}).tolist()
from graphflow.codegen.compile import CACHE
print(json.dumps({{"compiled": CACHE.compiled, "loaded": CACHE.loaded, "found": found}}))
"""
DIE_WHILE_WRITING = """
import os, signal
import graphflow.storage
written, rename = [], os.replace
def replace(source, target):
    if len(written) == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    written.append(target)
    rename(source, target)
graphflow.storage.os.replace = replace
"""


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a copy of graphflow, which nobody edits meanwhile."""
    return copy_package(tmp_path_factory.mktemp("package"))


@pytest.fixture(scope="module")
def filled(package: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict]:
    """A cache with all kernels of PROGRAM, and what the process that compiled them found."""
    folder = tmp_path_factory.mktemp("filled") / "cache"
    return folder, run(package, folder)


@pytest.fixture
def cache(filled: tuple[Path, dict], tmp_path: Path) -> Path:
    """A copy of the filled cache."""
    return Path(shutil.copytree(filled[0], tmp_path / "cache"))


def run(package: Path, folder: Path | str, program: str = PROGRAM, **settings: str) -> dict:
    return outcome(start(package, folder, "-c", program, **settings))


def kernel_files(folder: Path) -> list[Path]:
    return sorted(folder.glob("kernels/*/*"))


# ---- sharing ------------------------------------------------------------------------------------


def test_a_second_process_compiles_nothing_and_imports_no_numba(
    package: Path, filled: tuple[Path, dict]
) -> None:
    folder, first = filled
    assert first["compiled"] > 0 and first["loaded"] == 0 and first["numba"]
    own = {"gf_dispatch", "gf_entry"}  # functions, which are no kernels
    assert len({f.name for f in kernel_files(folder)} - own) == first["compiled"]
    second = run(package, folder)
    assert second == {"compiled": 0, "loaded": first["compiled"], "numba": False,
                      "found": first["found"]}


def test_what_is_computed_is_right(filled: tuple[Path, dict]) -> None:
    x = np.array([[1.5, -2.0, 0.25], [0.0, 3.0, -1.0]], np.float32)
    powers = np.exp(x.astype(float))
    softmax = powers / powers.sum(1, keepdims=True)
    expected = [softmax, x @ x.T, -np.sort(-x, 1)[:, :2], np.tanh(x) / 8]
    for found, wanted in zip(filled[1]["found"], expected, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-6)


@pytest.mark.skipif(os.name != "posix", reason="Windows has no modes of files")
def test_only_the_user_can_read_it(filled: tuple[Path, dict]) -> None:
    folder = filled[0]
    for path in (folder, *folder.rglob("*")):
        assert path.stat().st_mode & 0o077 == 0, path


def test_two_processes_at_once(
    package: Path, filled: tuple[Path, dict], tmp_path: Path
) -> None:
    processes = [start(package, tmp_path / "cache", "-c", PROGRAM) for _ in range(2)]
    for process in processes:
        assert outcome(process)["found"] == filled[1]["found"]
    assert run(package, tmp_path / "cache")["compiled"] == 0


def test_no_cache_if_the_environment_says_so(package: Path, tmp_path: Path) -> None:
    program = SMALL.format(before="")
    for _ in range(2):
        found = run(package, tmp_path / "cache", program, GRAPHFLOW_CACHE="0")
        assert found == {"compiled": 1, "loaded": 0, "found": [2.5, 5.0]}
    assert not (tmp_path / "cache").exists()


def test_what_numba_compiles_with_less_care_is_not_kept(package: Path, tmp_path: Path) -> None:
    found = run(package, tmp_path / "cache", SMALL.format(before=""), NUMBA_OPT="1")
    assert found == {"compiled": 1, "loaded": 0, "found": [2.5, 5.0]}
    assert not kernel_files(tmp_path / "cache")


# ---- trouble ------------------------------------------------------------------------------------


@pytest.mark.skipif(os.name != "posix", reason="no SIGKILL")
def test_a_writer_that_is_killed(package: Path, filled: tuple[Path, dict], tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    process = start(package, folder, "-c", DIE_WHILE_WRITING + PROGRAM)
    process.communicate(timeout=120)
    assert process.returncode == -signal.SIGKILL
    left = [path.name for path in folder.glob("*/*/*")]
    assert len(left) == 3 and sum(name.endswith(".tmp") for name in left) == 1
    second = run(package, folder)
    assert second["found"] == filled[1]["found"] and second["loaded"] > 0
    assert not list(folder.rglob("*.tmp"))
    assert run(package, folder)["compiled"] == 0


def test_damaged_files_are_replaced(
    package: Path, filled: tuple[Path, dict], cache: Path
) -> None:
    damages = [lambda b: b[:-7], lambda b: b"", lambda b: b[:300] + bytes([b[300] ^ 1]) + b[301:],
               lambda b: b"\x7fELF" + b, lambda b: os.urandom(len(b))]
    paths = kernel_files(cache)
    for number, path in enumerate(paths):
        path.write_bytes(damages[number % len(damages)](path.read_bytes()))
    first = filled[1]
    assert run(package, cache) == first
    assert kernel_files(cache) == paths
    assert run(package, cache)["compiled"] == 0


def test_files_under_wrong_names_are_replaced(
    package: Path, filled: tuple[Path, dict], cache: Path
) -> None:
    paths = kernel_files(cache)
    contents = [path.read_bytes() for path in paths]
    for path, other in zip(paths, contents[1:] + contents[:1]):
        path.write_bytes(other)
    assert run(package, cache) == filled[1]
    assert run(package, cache)["compiled"] == 0


def test_a_folder_that_cannot_be_made(package: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    found = run(package, tmp_path / "file" / "cache", SMALL.format(before=""))
    assert found == {"compiled": 1, "loaded": 0, "found": [2.5, 5.0]}


@pytest.mark.skipif(os.name != "posix", reason="Windows has another home directory")
def test_no_home_directory(package: Path, tmp_path: Path) -> None:
    found = run(package, "", SMALL.format(before=""), HOME=str(tmp_path / "none"),
                XDG_CACHE_HOME="")
    assert found["found"] == [2.5, 5.0]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name != "posix", reason="Windows has no modes of files")
def test_a_folder_that_is_read_only(
    package: Path, filled: tuple[Path, dict], cache: Path
) -> None:
    kernel_files(cache)[0].unlink()
    folders = [cache, *(path for path in cache.rglob("*") if path.is_dir())]
    for folder in folders:
        folder.chmod(0o500)
    try:
        found = run(package, cache)
    finally:
        for folder in folders:
            folder.chmod(0o700)
    assert found["found"] == filled[1]["found"]


# ---- graphflow itself is edited -----------------------------------------------------------------


def test_an_edited_source_makes_kernels_anew(tmp_path: Path) -> None:
    package, folder, program = copy_package(tmp_path), tmp_path / "cache", SMALL.format(before="")
    assert run(package, folder, program)["compiled"] == 1
    assert run(package, folder, program)["compiled"] == 0
    with open(package / "graphflow/loop_ir/scalar_ops.py", "a") as source:
        source.write("# edited\n")
    time.sleep(0.1)
    assert run(package, folder, program)["compiled"] == 1
    assert run(package, folder, program)["compiled"] == 0


@pytest.mark.parametrize("moment", ["before the cache is opened", "before it is written"])
def test_sources_that_change_under_a_process(moment: str, tmp_path: Path) -> None:
    """What it compiles is kept nowhere: part of it is the old graphflow, part the new one."""
    package, folder = copy_package(tmp_path), tmp_path / "cache"
    opened = "" if moment == "before the cache is opened" else (
        "from graphflow.codegen.dispatch import dispatcher; dispatcher()")
    edit = f"""
import graphflow
{opened}
with open({str(package / "graphflow/codegen/nests.py")!r}, "a") as source:
    source.write("# edited")
"""
    found = run(package, folder, SMALL.format(before=edit))
    assert found == {"compiled": 1, "loaded": 0, "found": [2.5, 5.0]}
    assert [path.name for path in kernel_files(folder)] == (["gf_dispatch"] if opened else [])
