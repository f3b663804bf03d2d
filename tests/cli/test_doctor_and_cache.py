"""`graphflow doctor`, `graphflow cache`, help and completion."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest

import graphflow as gf
from graphflow import hardware
from graphflow.cli import checks, main

# Children import the graphflow that is tested here.
FINDS = {"PYTHONPATH": os.pathsep.join(
    [str(Path(gf.__file__).parents[1]), os.environ.get("PYTHONPATH", "")])}


def test_doctor(graphflow):
    output = graphflow("doctor").output
    for part in ("Python", "llvmlite", "processor", "cores", "folder", "round trip",
                 "what was written could be read", "CUDA", "driver",
                 "compiled, run, and as NumPy computes it", "graphflow works here."):
        assert part in output, output
    assert "✗" not in output


def test_doctor_as_json(graphflow):
    found = json.loads(graphflow("doctor", "--json").output)
    assert found["works"] is True
    by_name = {f["name"]: f for f in found["findings"]}
    assert by_name["graphflow"]["value"] and by_name["a training step"]["state"] == "ok"


def test_caches_as_linux_tells_them(tmp_path, monkeypatch):
    told = [("1", "Data", "48K"), ("1", "Instruction", "32K"), ("2", "Unified", "2048K"),
            ("3", "Unified", "480M")]
    for number, (level, kind, size) in enumerate(told):
        folder = tmp_path / f"cpu0/cache/index{number}"
        folder.mkdir(parents=True)
        for name, text in (("level", level), ("type", kind), ("size", size)):
            (folder / name).write_text(text + "\n")
    monkeypatch.setattr(hardware, "_CPUS", tmp_path)
    assert hardware.cache_levels.__wrapped__() == (
        ("L1", 48 * 2**10), ("L2", 2**21), ("L3", 480 * 2**20))
    monkeypatch.setattr(hardware, "_CPUS", tmp_path / "nowhere")
    assert hardware.cache_levels.__wrapped__() == ()


def test_doctor_leaves_the_cache_as_it_was(graphflow, tmp_path, monkeypatch):
    monkeypatch.setenv("GRAPHFLOW_CACHE_DIR", str(tmp_path / "cache"))
    assert checks._round_trip().state == "ok"
    assert [p for p in (tmp_path / "cache").rglob("*") if p.is_file()] == []


@pytest.mark.parametrize("setting", [("GRAPHFLOW_CACHE", "0"),
                                     ("GRAPHFLOW_CACHE_DIR", "a_file")])
def test_without_a_cache_it_works_nevertheless(graphflow, tmp_path, monkeypatch, setting):
    (tmp_path / "a_file").touch()
    monkeypatch.setenv(*setting)
    output = graphflow("doctor").output
    assert "compiled anew by each process" in output and "works here" in output


def test_something_wrong_is_said_with_exit_code_1(graphflow, monkeypatch):
    def broken():
        yield checks.Finding("machine", "vectors", "none", "wrong", "Get another one.")
        raise RuntimeError("out of order")

    monkeypatch.setattr(checks, "_machine", broken)
    output = graphflow("doctor", exit_code=1).output
    assert "Get another one." in output and "out of order" in output
    assert "2 things are wrong" in output


def test_an_old_package_is_wrong(monkeypatch):
    monkeypatch.setitem(checks._PACKAGES, "click", "99")
    monkeypatch.setitem(checks._PACKAGES, "nowhere-to-be-found", "1.0")
    found = {f.name: f for f in checks._software()}
    assert found["click"].state == found["nowhere-to-be-found"].state == "wrong"
    assert "99 or newer" in found["click"].advice
    assert found["numpy"].state == "ok"


def test_cache(graphflow, tmp_path, monkeypatch):
    folder = tmp_path / "cache"
    monkeypatch.setenv("GRAPHFLOW_CACHE_DIR", str(folder))
    assert graphflow("cache", "path").output.strip() == str(folder)
    assert json.loads(graphflow("cache", "path", "--json").output) == {"folder": str(folder)}
    assert "0 kernels, 0 programs, 0.0 MiB" in graphflow("cache", "info").output
    kernels = folder / "kernels" / "environment"
    kernels.mkdir(parents=True, mode=0o700)
    (kernels / "gf_1").write_bytes(b"x" * 100)
    found = json.loads(graphflow("cache", "info", "--json").output)
    assert (found["kernels"], found["bytes"], found["complaint"]) == (1, 100, None)
    assert json.loads(graphflow("cache", "clear", "--json").output) == {"removed": 1}
    assert graphflow("cache", "clear").output == "Removed 0 kernels.\n"


def test_clearing_disturbs_no_other_process(graphflow, tmp_path, monkeypatch):
    monkeypatch.setenv("GRAPHFLOW_CACHE_DIR", str(tmp_path / "cache"))
    script = Path(__file__).with_name("clear_while_running.py")
    processes = [subprocess.Popen(
        [sys.executable, script, "1"], stderr=subprocess.PIPE, env={**os.environ, **FINDS})
        for _ in range(2)]  # the same kernels at the same time
    removed = 0
    while any(p.poll() is None for p in processes):
        removed += json.loads(graphflow("cache", "clear", "--json").output)["removed"]
        time.sleep(0.01)
    for process in processes:
        assert process.wait() == 0, process.stderr.read()
    assert removed > 0


def test_no_cache(graphflow, monkeypatch):
    monkeypatch.setenv("GRAPHFLOW_CACHE", "0")
    assert "There is no cache" in graphflow("cache", "path", exit_code=1).output
    assert "not used" in graphflow("cache", "info").output


def commands(group: click.Group, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    found = [path]
    for name, command in group.commands.items():
        own = (*path, name)
        found += commands(command, own) if isinstance(command, click.Group) else [own]
    return found


@pytest.mark.parametrize("path", commands(main), ids=" ".join)
def test_help_has_examples_and_fits(graphflow, path):
    output = graphflow(*path, "--help").output
    assert max(map(len, output.splitlines())) <= 80
    assert "Examples:" in output or path[:1] == ("cache",)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(graphflow, shell):
    output = graphflow("completion", shell).output
    assert "_GRAPHFLOW_COMPLETE" in output and "graphflow" in output


def graphflow_process(*arguments: str, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "graphflow.cli", *arguments], capture_output=True, text=True,
        env={**os.environ, **FINDS, **environment}, timeout=300)


def test_completion_of_signatures(model):
    done = graphflow_process(
        _GRAPHFLOW_COMPLETE="bash_complete", COMP_WORDS=f"graphflow run {model} -s s",
        COMP_CWORD="4")
    assert done.stdout.split() == ["plain,serve"]


@pytest.mark.parametrize("command", ["doctor", "inspect", "bench"])
def test_a_process_whose_output_is_piped(command, model):
    arguments = {"bench": ["-s", "serve", "--seconds", "0.02"]}.get(command, [])
    done = graphflow_process(command, *([str(model)] if command != "doctor" else []), *arguments)
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout and done.stderr == ""


def test_a_terminal_that_has_ascii_alone():
    done = graphflow_process("doctor", PYTHONIOENCODING="ascii")
    assert done.returncode == 0 and "? Python" in done.stdout


def test_a_process_that_fails(tmp_path):
    (tmp_path / "bad.gflow").write_bytes(b"")
    done = graphflow_process("run", str(tmp_path / "bad.gflow"))
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.startswith("Error: ") and "Traceback" not in done.stderr
    assert graphflow_process("run").returncode == 2
    assert graphflow_process("cache", "path", GRAPHFLOW_CACHE="0").returncode == 1
