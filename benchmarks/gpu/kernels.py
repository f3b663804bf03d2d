"""Single kernels on arrays that lie on the GPU: time by events, as a share of what it can do.

Elementwise and row-wise kernels are compared with a copy of as many bytes on the same GPU in the
same run; products with their operations, and with cuBLAS as PyTorch calls it.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

REPEATS = 20
WARM_UP = 3


@dataclass(frozen=True, slots=True)
class Case:
    """One kernel.

    Attributes:
      name: for the table.
      shapes: of the inputs.
      dtype: NumPy's name of their type, or "bfloat16".
      graphflow, torch: what is computed, as functions of the package and the inputs.
      moved: bytes that are read and written at least; 0 where operations count.
      flops: operations; 0 where bytes count.
    """

    name: str
    shapes: tuple[tuple[int, ...], ...]
    dtype: str
    graphflow: Callable[..., Any]
    torch: Callable[..., Any]
    moved: int = 0
    flops: int = 0


@dataclass(frozen=True, slots=True)
class Timing:
    """A kernel's median seconds; None where it was not measured, and why."""

    seconds: float | None
    problem: str = ""


def cases(scale: int) -> list[Case]:
    """The kernels. scale: of the sizes; 1 is small, for trying it out, 16 fills a GPU."""
    rows, width = 256 * scale, 64 * scale
    n = rows * width
    side = 256 * scale
    made = [
        Case("copy x·1.5", ((rows, width),), "float32", lambda gf, x: x * 1.5,
             lambda torch, x: x * 1.5, moved=8 * n),
        Case("tanh(a·b + c)", ((rows, width),) * 3, "float32",
             lambda gf, a, b, c: gf.tanh(a * b + c),
             lambda torch, a, b, c: torch.tanh(a * b + c), moved=16 * n),
        Case("softmax", ((rows, width),), "float32", lambda gf, x: gf.nn.softmax(x),
             lambda torch, x: torch.softmax(x, 1), moved=8 * n),
        Case("sum of rows", ((rows, width),), "float32", lambda gf, x: gf.reduce_sum(x, 1),
             lambda torch, x: x.sum(1), moved=4 * n + 4 * rows),
        Case("sum of columns", ((rows, width),), "float32", lambda gf, x: gf.reduce_sum(x, 0),
             lambda torch, x: x.sum(0), moved=4 * n + 4 * width),
        Case("transpose", ((rows, width),), "float32", lambda gf, x: gf.transpose(x),
             lambda torch, x: x.t().contiguous(), moved=8 * n),
        Case("cumulative sum", ((rows, width),), "float32", lambda gf, x: gf.cumsum(x, 1),
             lambda torch, x: torch.cumsum(x, 1), moved=8 * n),
        Case("sort of rows", ((rows, width),), "float32", lambda gf, x: gf.sort(x),
             lambda torch, x: torch.sort(x, 1).values, moved=8 * n),
    ]
    for dtype in ("float32", "float16", "bfloat16"):
        made.append(Case(
            f"product {side}³ {dtype}", ((side, side),) * 2, dtype,
            lambda gf, x, y: gf.matmul(x, y), lambda torch, x, y: x @ y, flops=2 * side ** 3))
    return made


def on_graphflow(case: Case, gf: Any, session: Any, repeats: int = REPEATS) -> Timing:
    """The time of its kernels. session: with device="cuda" and fetches="device"."""
    with session.graph.as_default():
        dtype = getattr(gf, case.dtype)
        inputs = [gf.placeholder(dtype, shape) for shape in case.shapes]
        output = case.graphflow(gf, *inputs)
    rng = np.random.default_rng(0)
    given = [session.run(gf_identity(gf, session, x), {
        x: rng.standard_normal(x.shape.as_list(), np.float32).astype(dtype.numpy)})
        for x in inputs]
    made = session.profile(output, dict(zip(inputs, given)), runs=repeats)
    return Timing(made.kernel_seconds)


def gf_identity(gf: Any, session: Any, x: Any) -> Any:
    """A copy of what is fed: it stays on the GPU."""
    with session.graph.as_default():
        return gf.identity(x)


def on_torch(case: Case) -> Timing:
    """The time on PyTorch, on its current stream."""
    try:
        import torch
    except ImportError:
        return Timing(None, "absent")
    if not torch.cuda.is_available():
        return Timing(None, "PyTorch sees no GPU")
    inputs = [torch.randn(shape, device="cuda").to(getattr(torch, case.dtype))
              for shape in case.shapes]
    taken = []
    for _ in range(WARM_UP + REPEATS):
        first, last = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        first.record()
        case.torch(torch, *inputs)
        last.record()
        last.synchronize()
        taken.append(1e-3 * first.elapsed_time(last))
    return Timing(statistics.median(taken[WARM_UP:]))


def copy_bandwidth(context: Any, size: int) -> float:
    """Bytes read and written in a second by a copy on the device of `size` bytes."""
    from graphflow.runtime.cuda.context import Buffer

    source, target = Buffer(context, size), Buffer(context, size)
    driver, taken = context.driver, []
    for _ in range(WARM_UP + REPEATS):
        first = driver.record_timed(context.stream)
        driver.copy(target.address, source.address, size, context.stream)
        last = driver.record_timed(context.stream)
        driver.wait(last)
        taken.append(1e-9 * driver.elapsed(first, last))
    return 2 * size / statistics.median(taken[WARM_UP:])


def shares(case: Case, timing: Timing, bandwidth: float) -> str:
    """What the time means: a share of the copy's bandwidth, or operations in a second."""
    if timing.seconds is None:
        return timing.problem
    if case.flops:
        return f"{1e-12 * case.flops / timing.seconds:.1f} TFLOP/s"
    return f"{100 * case.moved / timing.seconds / bandwidth:.0f} % of a copy"


def columns(timings: Sequence[Timing]) -> list[str]:
    """Microseconds for a table."""
    return [t.problem if t.seconds is None else f"{1e6 * t.seconds:.1f}" for t in timings]
