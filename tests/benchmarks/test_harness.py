"""The benchmark harness, run as a user runs it, on the smallest workload."""

from __future__ import annotations

import json
import math
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
WORKERS = {"graphflow_cpu", "graphflow_cpu:run", "graphflow_cpu:run_many",
           "graphflow_reference", "graphflow_reference:run"}


def run_benchmarks(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = dict(os.environ, PYTHONPATH=str(ROOT))
    return subprocess.run([sys.executable, "-m", "benchmarks", *arguments], cwd=ROOT,
                          env=environment, capture_output=True, text=True, timeout=60)


def test_linear_regression_in_all_graphflow_workers(tmp_path: Path) -> None:
    # Other tests use the cores meanwhile: every turn counts here, and no time is looked at.
    results = tmp_path / "results.json"
    done = run_benchmarks(
        "--only", "graphflow_cpu,graphflow_reference", "--workloads", "linear_regression",
        "--seconds", "0.02", "--turns", "2", "--load-limit", "inf", "--json", str(results))
    assert done.returncode == 0, done.stdout + done.stderr

    lines = {name: line for line in done.stdout.splitlines() for name in WORKERS
             if line.startswith(f"│ {name} ")}
    assert lines.keys() == WORKERS, done.stdout
    assert all(re.search(r"\d×", line) for line in lines.values()), done.stdout
    assert any("1.00×" in line for line in lines.values()), done.stdout

    rows = json.loads(results.read_text())["results"][0]["rows"]
    assert {r["name"] for r in rows} == WORKERS
    for row in rows:
        assert row["error"] <= 1e-4  # against the loss that NumPy computes in float64
        assert math.isclose(row["first"], rows[0]["first"], rel_tol=1e-4)
        assert row["losses"] == sorted(row["losses"], reverse=True)  # it learns
        assert 0 < row["minimum"] <= row["median"]


def test_a_worker_whose_framework_is_not_installed_says_so() -> None:
    program = "from benchmarks.workers.serve import serve; serve('not_installed_here', None)"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True,
                          env=dict(os.environ, PYTHONPATH=str(ROOT)), text=True, timeout=60)
    assert json.loads(done.stdout) == {"absent": "No module named 'not_installed_here'"}


def test_plain_functions_are_checked_element_by_element(tmp_path: Path) -> None:
    results = tmp_path / "results.json"
    done = run_benchmarks(
        "--only", "graphflow_cpu", "--workloads", "copy,cross_entropy,installed", "--seconds",
        "0.01", "--turns", "1", "--load-limit", "inf", "--quiet", "--json", str(results))
    assert done.returncode == 0, done.stdout + done.stderr
    copy, cross_entropy, installed = json.loads(results.read_text())["results"]
    for table in (copy, cross_entropy):
        row = next(r for r in table["rows"] if r["name"] == "graphflow_cpu")
        assert row["error"] <= 1e-4 and row["rate"] > 0 and row["rate_unit"] == "GB/s"
    assert installed["rows"][0]["median"] > 2**20


def test_a_single_kernel_stands_beside_the_peak(tmp_path: Path) -> None:
    name, results = "product.64x128x10", tmp_path / "results.json"
    done = run_benchmarks(
        "--only", "graphflow_cpu,numpy_blas,fma_peak", "--workloads", name, "--seconds", "0.01",
        "--turns", "1", "--load-limit", "inf", "--quiet", "--json", str(results))
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(rf"{name} .*%.*%.*\d×", done.stdout), done.stdout
    rows = {r["name"]: r for r in json.loads(results.read_text())["results"][0]["rows"]}
    assert rows["graphflow_cpu"]["error"] <= 1e-4 and rows["numpy_blas"]["error"] <= 1e-4
    assert rows["fma_peak"]["rate"] > 0 and rows["fma_peak"]["rate_unit"] == "GFLOP/s"


def test_a_saved_network_starts_in_a_new_process(tmp_path: Path) -> None:
    results = tmp_path / "results.json"
    done = run_benchmarks(
        "--only", "graphflow_cpu", "--workloads", "saved_start", "--repeats", "1",
        "--load-limit", "inf", "--quiet", "--json", str(results))
    assert done.returncode == 0, done.stdout + done.stderr
    rows = {r["name"]: r for r in json.loads(results.read_text())["results"][0]["rows"]}
    assert rows.keys() == {"graphflow_cpu:trusted", "graphflow_cpu:checked"}
    assert all(r["error"] <= 1e-4 and r["median"] > 0 for r in rows.values())


def test_an_error_in_one_of_several_outputs_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT)
    from benchmarks.expected import joined, relative_error

    expected = [np.array([100.0, -200.0]), np.array([[0.5], [1e-9]])]
    right = joined(expected)
    assert relative_error(right, expected) == 0
    assert math.isclose(relative_error(right + [0, 0, 0.05, 0], expected), 0.1)
    assert relative_error(right + [0, 0, 0, 1e-9], expected) < 1e-8  # it may have cancelled
    assert relative_error(right[:3], expected) == math.inf
    assert relative_error(right * np.nan, expected) == math.inf


def test_a_graph_of_the_growth_table() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.workers.growing", "graphflow", "wide", "600"],
        cwd=ROOT, env=dict(os.environ, PYTHONPATH=str(ROOT)), capture_output=True, text=True,
        timeout=60)
    answer = json.loads(done.stdout)
    assert 500 < answer["operations"] < 1000
    assert list(answer["stages"])[-1] == "plan" and min(answer["stages"].values()) >= 0


def test_a_framework_that_does_not_exist_is_refused() -> None:
    done = run_benchmarks("--only", "nonesuch")
    assert done.returncode == 2
    assert "no framework nonesuch; there are graphflow_cpu, " in " ".join(done.stderr.split())
