"""Code of kernels: made once, kept on disk by kernel and kind of GPU."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_gpu import FakeDriver, FakeMaker, LlvmMaker

import graphflow as gf
from graphflow.codegen.cache import KernelStore
from graphflow.errors import ProgramError
from graphflow.loop_ir import b
from graphflow.loop_ir.nest import BufferParameter, Kernel, Loop, Store, load
from graphflow.runtime.cuda.code import CodeCache
from graphflow.runtime.cuda.device import Gpu


def double(count: int) -> Kernel:
    """x[i] → count * x[i]."""
    i = b.index(0)
    value = load(0, i, gf.float32) * b.const(float(count), gf.float32)
    return Kernel((BufferParameter(gf.float32), BufferParameter(gf.float32, True)), 1,
                  (Loop(0, b.size(0), (Store(1, i, value),)),))


class CountingMaker(LlvmMaker):
    made = 0

    def image(self, kernel: Kernel, parts: Sequence[Any]) -> bytes:
        type(self).made += 1
        return super().image(kernel, parts)


def cache_in(folder: Path, name: str) -> CodeCache:
    maker = CountingMaker()
    return CodeCache(FakeDriver(maker), maker,
                     lambda settings: KernelStore(folder, name, []))


def test_equal_kernels_are_compiled_once_and_kept(tmp_path: Path) -> None:
    CountingMaker.made = 0
    first = cache_in(tmp_path, "a" * 32)
    codes = first.of([double(2), double(3), double(2)])
    assert codes[0] is codes[2] and (first.compiled, first.loaded) == (2, 0)
    again = cache_in(tmp_path, "a" * 32)
    again.of([double(2), double(3)])
    assert (again.compiled, again.loaded, CountingMaker.made) == (0, 2, 2)
    other_gpu = cache_in(tmp_path, "b" * 32)
    other_gpu.of([double(2)])
    assert (other_gpu.compiled, other_gpu.loaded) == (1, 0)


def test_damaged_code_is_made_anew(tmp_path: Path) -> None:
    cache_in(tmp_path, "a" * 32).of([double(2)])
    (file,) = (p for p in tmp_path.rglob("gf_*"))
    file.write_bytes(file.read_bytes()[:-1] + b"?")
    again = cache_in(tmp_path, "a" * 32)
    again.of([double(2)])
    assert (again.compiled, again.loaded) == (1, 0)


class NoMaker(FakeMaker):
    def parts(self, kernel: Kernel) -> Any:
        raise ProgramError("this loop cannot be spread over threads")


def test_kernels_without_a_form_run_on_the_cpu_and_say_so(
    graph: gf.Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    maker = NoMaker()
    gpu = Gpu(FakeDriver(maker), CodeCache(FakeDriver(maker), maker))
    monkeypatch.setattr("graphflow.runtime.cuda.device.open_gpu", lambda number=0: gpu)
    x = gf.placeholder(gf.float32, [None, 3])
    v = gf.Variable(np.ones(3, np.float32))
    y = gf.reduce_sum(gf.nn.softmax(x * v), 0)
    changed = gf.assign_add(v, y)
    says = pytest.warns(gf.GraphflowWarning, match="on the CPU in a session on a GPU.*spread")
    with gf.Session(graph=graph, device="cuda") as session, says:
        session.run(v.initializer)
        found = session.run(changed, {x: [[0, 0, 0], [1, 1, 1]]})
    np.testing.assert_allclose(found, 1 + np.full(3, 2 / 3), rtol=1e-6)
