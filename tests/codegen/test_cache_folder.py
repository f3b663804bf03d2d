"""The cache within one process: what is trusted, what is kept, what the command line says."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner
from kernels import element, elementwise

from graphflow.cli import main
from graphflow.codegen import cache
from graphflow.codegen.cache import KernelStore, environment
from graphflow.codegen.cache_folder import cache_state, complaint, prune
from graphflow.codegen.compile import KernelCache, kernel_name, kernel_object
from graphflow.codegen.link import link
from graphflow.dtypes import float32
from graphflow.errors import ProgramError
from graphflow.loop_ir import b
from graphflow.loop_ir.nest import Kernel
from graphflow.options import cache_folder as folder_of_settings

posix = pytest.mark.skipif(os.name != "posix", reason="Windows has no owners and modes of files")
OBJECT = bytes(range(256)) * 8


@pytest.fixture
def store(tmp_path: Path) -> KernelStore:
    made = KernelStore(tmp_path, "here", [])
    made.write({"gf_a": OBJECT, "gf_b": b"other"})
    return made


@pytest.fixture
def file(tmp_path: Path, store: KernelStore) -> Path:
    return tmp_path / "kernels" / "here" / "gf_a"


def doubled() -> Kernel:
    return elementwise((float32,), [element(0, float32) * b.const(2.25, float32)])


# ---- trust --------------------------------------------------------------------------------------


def test_what_is_written_is_read(store: KernelStore, tmp_path: Path) -> None:
    assert store.read("gf_a") == OBJECT and store.read("gf_b") == b"other"
    assert store.read("gf_c") is None
    assert KernelStore(tmp_path, "elsewhere", []).read("gf_a") is None


def test_no_byte_may_change(store: KernelStore, file: Path) -> None:
    right = file.read_bytes()
    for at in (*range(0, 90), 500, len(right) - 1):
        file.write_bytes(right[:at] + bytes([right[at] ^ 4]) + right[at + 1:])
        assert store.read("gf_a") is None, at
    for end in (0, 1, 18, 40, 51, 60, 300, len(right) - 1):
        file.write_bytes(right[:end])
        assert store.read("gf_a") is None, end
    file.write_bytes(right + b"\0")
    assert store.read("gf_a") is None
    file.write_bytes(right)
    assert store.read("gf_a") == OBJECT


def test_a_file_counts_under_its_own_name_and_environment_only(
    store: KernelStore, file: Path, tmp_path: Path
) -> None:
    other = KernelStore(tmp_path, "there", [])
    other.write({"gf_a": b"for another processor"})
    (tmp_path / "kernels/there/gf_a").replace(file)
    assert store.read("gf_a") is None
    file.with_name("gf_b").replace(file)
    assert store.read("gf_a") is None
    store.write({"gf_a": OBJECT})
    assert store.read("gf_a") == OBJECT


@posix
def test_files_of_others_are_not_read(
    store: KernelStore, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for mode in (0o620, 0o602):
        file.chmod(mode)
        assert store.read("gf_a") is None
    store.write({"gf_a": OBJECT})
    assert store.read("gf_a") == OBJECT and file.stat().st_mode & 0o777 == 0o600
    monkeypatch.setattr(os, "geteuid", lambda: file.stat().st_uid + 1)
    assert store.read("gf_a") is None


@posix
def test_what_is_no_plain_file_is_not_read(store: KernelStore, file: Path) -> None:
    right = file.rename(file.with_name("right"))
    file.symlink_to(right)
    assert store.read("gf_a") is None
    store.write({"gf_a": b"new"})
    assert store.read("gf_a") == b"new" and OBJECT in right.read_bytes()
    file.unlink()
    os.mkfifo(file)
    assert store.read("gf_a") is None
    file.unlink()
    file.mkdir()
    assert store.read("gf_a") is None
    store.write({"gf_a": b"new"})  # cannot be replaced


@posix
def test_a_folder_that_others_can_write_is_not_used(
    store: KernelStore, file: Path, tmp_path: Path
) -> None:
    assert complaint(tmp_path) is None
    file.parent.chmod(0o770)
    store.write({"gf_c": OBJECT})
    assert store.read("gf_c") is None
    tmp_path.chmod(0o777)
    assert "others" in str(complaint(tmp_path))


@posix
def test_nothing_is_made_in_a_folder_of_somebody_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As root with the home directory of a user, files would be in that user's way."""
    assert complaint(tmp_path / "caches" / "graphflow") is None
    monkeypatch.setattr(os, "geteuid", lambda: tmp_path.stat().st_uid + 1)
    assert complaint(tmp_path / "caches" / "graphflow") == f"{tmp_path} belongs to somebody else"
    tmp_path.chmod(0o1777)
    assert complaint(tmp_path / "caches" / "graphflow") is None


def test_a_full_disk_is_no_error(
    store: KernelStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_space(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cache, "write_atomic", no_space)
    store.write({"gf_c": OBJECT})
    assert store.read("gf_c") is None and store.read("gf_a") == OBJECT


# ---- objects ------------------------------------------------------------------------------------


def test_an_object_without_its_function_is_refused() -> None:
    made = kernel_object("one", doubled())
    with pytest.raises(ProgramError, match="cannot be loaded.*another"):
        link({"another": made})


def test_a_wrong_object_is_compiled_anew_and_replaced(tmp_path: Path) -> None:
    kernel = doubled()
    name = kernel_name(kernel)
    store = KernelStore(tmp_path, "here", [])
    store.write({name: kernel_object("one", kernel)})
    counts = []
    for _ in range(2):
        kernels = KernelCache(lambda: store)
        kernels.addresses([kernel, kernel])
        counts.append((kernels.compiled, kernels.loaded))
    assert counts == [(1, 0), (0, 1)]


def test_what_is_in_the_name_of_an_environment(tmp_path: Path) -> None:
    source = cache.sources()[0]
    names = {environment([source], ["vectors of 16 bytes"]),
             environment([source], ["vectors of 32 bytes"]), environment([], []),
             environment(cache.sources(), ["vectors of 16 bytes"])}
    assert len(names) == 4 and all(len(name) == 32 for name in names)
    assert environment([source], []) == environment([source], [])


def test_sources_are_those_of_the_rooms_that_make_code() -> None:
    package = Path(cache.__file__).parent.parent
    found = {path.relative_to(package).as_posix() for path in cache.sources()}
    assert found >= {"dtypes.py", "loop_ir/nest.py", "loop_ir/approximations/expansion.py",
                     "codegen/cpu/emit.py", "codegen/dispatch.py", "kernels/sorting.py"}


# ---- the folder ---------------------------------------------------------------------------------


def age(path: Path, seconds: float) -> None:
    then = time.time() - seconds
    os.utime(path, (then, then))


def test_reading_marks_a_file_as_used(store: KernelStore, file: Path) -> None:
    age(file, 100_000)
    store.read("gf_a")
    assert time.time() - file.stat().st_mtime < 1000


def test_what_was_not_used_for_longest_goes_first(tmp_path: Path) -> None:
    for environment_name, names in (("old", "ab"), ("new", "cdef")):
        KernelStore(tmp_path, environment_name, []).write(
            {f"gf_{name}": OBJECT for name in names})
    for number, name in enumerate("abcdef"):
        path, = tmp_path.glob(f"kernels/*/gf_{name}")
        age(path, 10_000 - number)
    prune(tmp_path, 6 * 4096)  # six files of one block
    assert len(list(tmp_path.glob("kernels/*/*"))) == 6
    prune(tmp_path, 5 * 4096)
    assert sorted(p.name for p in tmp_path.glob("kernels/*/*")) == ["gf_d", "gf_e", "gf_f"]
    assert [p.name for p in tmp_path.glob("kernels/*")] == ["new"]


def test_the_first_write_keeps_the_folder_small(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    KernelStore(tmp_path, "old", []).write({f"gf_{n}": OBJECT for n in range(8)})
    monkeypatch.setattr(cache, "prune", lambda folder: prune(folder, 4096))
    KernelStore(tmp_path, "new", []).write({"gf_9": OBJECT})
    assert [p.name for p in tmp_path.glob("kernels/*/*")] == ["gf_9"]


# ---- settings and the command line --------------------------------------------------------------


def test_where_the_folder_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRAPHFLOW_CACHE_DIR", str(tmp_path / "chosen"))
    assert folder_of_settings() == tmp_path / "chosen"
    monkeypatch.setenv("GRAPHFLOW_CACHE", "0")
    assert folder_of_settings() is None
    monkeypatch.setenv("GRAPHFLOW_CACHE", "1")
    monkeypatch.delenv("GRAPHFLOW_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    assert folder_of_settings() == tmp_path / "caches" / "graphflow"


@posix
def test_where_the_folder_is_by_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GRAPHFLOW_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path))
    for platform, caches in (("linux", ".cache"), ("darwin", "Library/Caches")):
        monkeypatch.setattr("sys.platform", platform)
        assert folder_of_settings() == tmp_path / caches / "graphflow"
    monkeypatch.setenv("HOME", str(tmp_path / "none"))
    assert folder_of_settings() is None


def said(*arguments: str) -> str:
    result = CliRunner().invoke(main, ["cache", *arguments])
    assert result.exit_code == 0, result.output
    return result.output


def test_info_and_clear(
    store: KernelStore, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRAPHFLOW_CACHE_DIR", str(tmp_path))
    (tmp_path / "mine.txt").write_text("not the cache's")
    KernelStore(tmp_path, "here", [], "programs").write({"gf_a": OBJECT})
    program, = tmp_path.glob("programs/here/*")
    size = sum(p.stat().st_size for p in (*file.parent.iterdir(), program))
    assert said("info") == (
        f"{tmp_path}: 2 kernels, 1 program, 0.0 MiB of at most 256 MiB.\n")
    assert json.loads(said("info", "--json")) == {
        "folder": str(tmp_path), "kernels": 2, "programs": 1, "bytes": size,
        "limit": 256 * 2**20, "complaint": None}
    assert json.loads(said("clear", "--json")) == {"removed": 2}
    assert said("clear") == "Removed 0 kernels.\n"
    assert cache_state().kernels == 0 and (tmp_path / "mine.txt").exists()
    assert not file.parent.exists() and not program.parent.exists()


def test_info_says_why_there_is_no_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRAPHFLOW_CACHE_DIR", str(tmp_path / "file" / "cache"))
    (tmp_path / "file").write_text("")
    assert f"not used: {tmp_path / 'file'} is not a folder." in said("info")
    monkeypatch.setenv("GRAPHFLOW_CACHE", "0")
    assert said("info") == (
        "The cache is not used: GRAPHFLOW_CACHE is 0, or there is no home directory.\n")
    assert json.loads(said("info", "--json"))["folder"] is None
    assert json.loads(said("clear", "--json")) == {"removed": 0}


def test_the_time_of_loading_is_taken_before_other_sources_are_read() -> None:
    names = [name for name in sys.modules if name.startswith("graphflow.")]
    assert names[0] == "graphflow.sites"
