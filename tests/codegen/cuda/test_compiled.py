"""Machine code for GPUs: PTX and cubins, which are made without a GPU.

Needs the packages of the extra `cuda`: `pip install 'graphflow[cuda]'`.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable
from typing import Any

import pytest
from kernels import element, elementwise

import graphflow as gf
from graphflow import dtypes as dt
from graphflow.codegen.capabilities import Capabilities
from graphflow.codegen.cuda.compile import (
    MissingCudaError,
    compile_cubin,
    compile_ptx,
    read_usage,
)
from graphflow.codegen.cuda.conditional import conditional_cubin
from graphflow.codegen.cuda.kernels import CudaKernel, cuda_kernels
from graphflow.codegen.cuda.schedule import CudaScheduler
from graphflow.codegen.cuda.target import AMPERE, HOPPER, CudaTarget
from graphflow.freeze import freeze
from graphflow.loop_ir import b
from graphflow.loop_ir.approximations import expand
from graphflow.loop_ir.nest import Kernel
from graphflow.opdef import TensorType
from graphflow.passes.pipeline import optimise


@pytest.fixture
def compilers() -> None:
    """Skips a test where the compilers are not installed."""
    try:
        compile_cubin([part_of_doubled()], AMPERE)
    except MissingCudaError as missing:
        pytest.skip(str(missing))


def part_of_doubled() -> CudaKernel:
    x = element(0, dt.float32)
    (part,) = cuda_kernels(elementwise((dt.float32,), [x * 3.0 + x]), AMPERE)
    return part


def parts_of(fetches: list[Any], feeds: list[Any], updates: Any = ()) -> list[CudaKernel]:
    """The CUDA kernels of a program."""
    program = freeze(fetches, list(updates), {x: TensorType(x.dtype, x.shape) for x in feeds})
    schedule = CudaScheduler(optimise(program, ()), Capabilities()).schedule()
    return [part for launch in schedule.launches() if isinstance(launch.kernel, Kernel)
            for part in cuda_kernels(launch.kernel, AMPERE)]


def elementwise_mathematics() -> list[CudaKernel]:
    x, y = element(0, dt.float32), element(1, dt.float32)
    ops = [b.exp(x), b.log(x), b.tanh(x), b.sin(x), b.erf(x), b.pow(x, y), b.lgamma(x)]
    kernels = [elementwise((dt.float32,) * 2, [expand(e)]) for e in ops]
    casts = elementwise((dt.float64,), [b.cast(element(0, dt.float64), t) for t in dt.REALS])
    return [p for k in (*kernels, casts) for p in cuda_kernels(k, AMPERE)]


def rows() -> list[CudaKernel]:
    x = gf.placeholder(gf.float32, [None, None])
    soft = gf.nn.softmax(x)
    return parts_of([soft, gf.argmax(x, 1), gf.reduce_sum(x), gf.reduce_mean(x, 0),
                     *gf.gradients(gf.reduce_sum(soft * soft), x)], [x])


def network() -> list[CudaKernel]:
    images = gf.placeholder(gf.float32, [None, 12, 12, 3])
    labels = gf.placeholder(gf.int64, [None])
    hidden = gf.layers.conv2d(images, 16, 3, activation=gf.nn.relu)
    hidden = gf.layers.flatten(gf.layers.max_pooling2d(hidden, 2, 2))
    logits = gf.layers.dense(gf.layers.dropout(hidden, training=True), 10)
    loss = gf.losses.sparse_softmax_cross_entropy(labels, logits)
    step = gf.train.AdamOptimizer().minimize(loss)
    return parts_of([loss], [images, labels], [step])


def halves() -> list[CudaKernel]:
    """On tensor cores: a layer, a batch, a convolution with its gradients."""
    x, w = gf.placeholder(gf.float16, [None, 64]), gf.placeholder(gf.float16, [64, 40])
    q = gf.placeholder(gf.bfloat16, [None, None, 64])
    images = gf.placeholder(gf.bfloat16, [None, 8, 8, 16])
    filters = gf.placeholder(gf.bfloat16, [3, 3, 16, 24])
    y = gf.nn.conv2d(images, filters, [1, 1, 1, 1], "SAME")
    made = parts_of([gf.nn.relu(gf.matmul(x, w)), gf.matmul(q, q, transpose_b=True), y,
                     *gf.gradients(y, [images, filters])], [x, w, q, images, filters])
    assert sum(p.plan.cores is not None for p in made) >= 8
    return made


@pytest.mark.parametrize("target", [AMPERE, HOPPER], ids=lambda t: f"sm_{t.arch}")
@pytest.mark.parametrize("make", [elementwise_mathematics, rows, network, halves])
@pytest.mark.usefixtures("compilers")
def test_no_kernel_spills_registers(
    make: Callable[[], list[CudaKernel]], target: CudaTarget
) -> None:
    with gf.Graph().as_default():
        parts = make()
    cubin = compile_cubin(parts, target)
    assert cubin.code.startswith(b"\x7fELF")
    assert cubin.usage.keys() == {p.name for p in parts}
    assert {n: u for n, u in cubin.usage.items() if u.spilled or u.stack} == {}


@pytest.mark.usefixtures("compilers")
def test_elements_move_sixteen_bytes_at_once_and_products_are_rounded() -> None:
    text = compile_ptx(part_of_doubled(), AMPERE)
    assert "ld.global.v4.f32" in text and "st.global.v4.f32" in text
    assert "mul.rn.f32" in text and "fma" not in text


@pytest.mark.usefixtures("compilers")
def test_tiles_go_through_shared_memory() -> None:
    with gf.Graph().as_default():
        x = gf.placeholder(gf.float32, [None, 64])
        y = gf.placeholder(gf.float32, [64, 64])
        large, small = parts_of([gf.matmul(x, y)], [x, y])
    text = compile_ptx(small, HOPPER)
    assert text.count("fma.rn.f32") >= 16 * 16 and "ld.shared.v4.f32" in text
    assert "bar.sync" in text and large.name != small.name


@pytest.mark.usefixtures("compilers")
@pytest.mark.parametrize("target", [AMPERE, HOPPER], ids=lambda t: f"sm_{t.arch}")
def test_kernels_that_tell_graphs_their_conditions(target: CudaTarget) -> None:
    code = conditional_cubin(target)
    assert code.startswith(b"\x7fELF") and b"gf_condition" in code and b"gf_count" in code


@pytest.mark.usefixtures("compilers")
def test_halves_go_through_tensor_cores() -> None:
    with gf.Graph().as_default():
        x = gf.placeholder(gf.float16, [None, 64])
        y = gf.placeholder(gf.float16, [64, 64])
        _, small = parts_of([gf.matmul(x, y)], [x, y])
    text = compile_ptx(small, HOPPER)
    assert "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32" in text
    assert "ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16" in text and "ld.global.v4" in text


def test_without_the_extra_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch
) -> None:
    import importlib

    def missing(name: str, package: Any = None) -> Any:
        raise ModuleNotFoundError(f"No module named {name!r}")

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(MissingCudaError, match=r"pip install 'graphflow\[cuda\]'"):
        compile_cubin([part_of_doubled()], AMPERE)


def test_emission_needs_no_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def refuse(name: str, *arguments: Any) -> Any:
        assert not name.startswith(("numba.cuda", "cuda")), name
        return real(name, *arguments)

    monkeypatch.setattr(builtins, "__import__", refuse)
    assert "define void" in part_of_doubled().llvm_ir()


def test_usage_is_read_from_the_linkers_log() -> None:
    log = ("ptxas info    : Compiling entry function 'gf_1' for 'sm_80'\n"
           "ptxas info    : Function properties for gf_1\n"
           "    16 bytes stack frame, 12 bytes spill stores, 8 bytes spill loads\n"
           "ptxas info    : Used 40 registers, 1024 bytes smem, 384 bytes cmem[0]\n")
    usage = read_usage(log)["gf_1"]
    assert (usage.registers, usage.spilled, usage.stack, usage.shared) == (40, 20, 16, 1024)
