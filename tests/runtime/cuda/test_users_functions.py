"""Functions that users bring, in kernels of a GPU."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from fake_gpu import FakeDriver

import graphflow as gf
from graphflow.options import Options


def softclip(x: float, edge: float) -> float:
    if x > edge:
        return edge + math.log1p(x - edge)
    return x


def parted(x: float) -> tuple[float, float]:
    return np.floor(x), x - np.floor(x)


def newest(session: gf.Session) -> Any:
    return [v for variants in session._variants.values() for v in variants][-1].executable


def test_a_function_of_numbers_is_part_of_a_kernel(gpu: FakeDriver, graph: gf.Graph) -> None:
    x = gf.placeholder(gf.float32, [None])
    y = gf.numba_op(softclip)(x * 2.0, 1.0) + 1.0
    data = np.linspace(-3, 3, 300, dtype=np.float32)
    with gf.Session(graph=graph, device="cuda") as session:
        found = session.run(y, {x: data})
        assert newest(session).complaints() == []
    double = data.astype(np.float64) * 2
    expected = np.where(double > 1, 1 + np.log1p(np.maximum(double - 1, 0)), double) + 1
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_functions_without_a_form_run_on_the_cpu(gpu: FakeDriver, graph: gf.Graph) -> None:
    x = gf.placeholder(gf.float64, [None])
    whole, rest = gf.numba_op(parted)(x)
    data = np.linspace(-3, 3, 7)
    options = Options(device="cuda", silence=frozenset({"not-compiled"}))
    with gf.Session(graph=graph, options=options) as session:
        found = session.run([whole, rest], {x: data})
        assert any("no form for GPUs" in text for text in newest(session).complaints())
    np.testing.assert_array_equal(found, [np.floor(data), data - np.floor(data)])


def test_machine_code_with_the_function_linked_in() -> None:
    pytest.importorskip("numba.cuda", reason="needs the extra `cuda`")
    from graphflow.codegen.capabilities import Capabilities
    from graphflow.codegen.cuda.compile import MissingCudaError, compile_cubin
    from graphflow.codegen.cuda.kernels import cuda_kernels
    from graphflow.codegen.cuda.schedule import CudaScheduler
    from graphflow.codegen.cuda.target import HOPPER
    from graphflow.freeze import freeze
    from graphflow.loop_ir.nest import Kernel
    from graphflow.opdef import TensorType
    from graphflow.passes.pipeline import optimise

    with gf.Graph().as_default():
        x = gf.placeholder(gf.float32, [None])
        y = gf.numba_op(softclip)(x, 1.0) * 2.0
        program = freeze([y], [], {x: TensorType(x.dtype, x.shape)})
    schedule = CudaScheduler(optimise(program, ()), Capabilities()).schedule()
    parts = [p for launch in schedule.launches() if isinstance(launch.kernel, Kernel)
             for p in cuda_kernels(launch.kernel, HOPPER)]
    try:
        cubin = compile_cubin(parts, HOPPER)
    except MissingCudaError as missing:
        pytest.skip(str(missing))
    assert cubin.code.startswith(b"\x7fELF") and {p.name for p in parts} <= cubin.usage.keys()
