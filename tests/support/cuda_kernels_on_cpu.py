"""Runs compiled programs with the code of CUDA kernels, on the CPU, in the place of machine code.

As `interpreted_kernels` does with the interpreter of loop IR: passes, schedule, plans and
dispatcher are those of every run, and a kernel of loop IR becomes a C function that runs the
LLVM IR of its CUDA kernels over the memory that the plan gives it.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from unittest import mock

import numpy as np
from interpreted_kernels import UNKNOWN_LENGTH, _Interpreted
from kernels import GUARD, assert_same, interpreted

from graphflow.codegen.cuda.kernels import CudaKernel, cuda_kernels
from graphflow.codegen.cuda.on_cpu import execute_on_cpu, launch_on_cpu
from graphflow.codegen.cuda.schedule import CudaScheduler
from graphflow.codegen.cuda.target import AMPERE, CudaTarget
from graphflow.loop_ir.nest import Kernel
from graphflow.runtime.tables import Memory


class _OnCpu(_Interpreted):
    """What one session's kernels are called by.

    Attributes:
      parts: the CUDA kernels that ran, by name.
    """

    def __init__(self, backwards: bool) -> None:
        super().__init__()
        self.backwards = backwards
        self.parts: dict[str, CudaKernel] = {}

    def _function(self, kernel: Kernel, memories: Sequence[Memory]) -> Any:
        made = cuda_kernels(kernel, AMPERE)
        self.parts.update((part.name, part) for part in made)
        lengths = [m.size if m.size or m.number is None else UNKNOWN_LENGTH
                   for m in memories[:len(kernel.buffers)]]

        def call(pointers: int, sizes: int, *_: int) -> None:  # by one thread
            addresses = list((ctypes.c_uint64 * len(lengths)).from_address(pointers))
            numbers = list((ctypes.c_int64 * kernel.sizes).from_address(sizes))
            try:
                if not self.errors:
                    for part in made:
                        run_part(part, addresses, lengths, numbers, self.backwards)
            except BaseException as error:  # nothing may be raised through machine code
                self.errors.append(error)

        return call


def run_part(
    part: CudaKernel, addresses: Sequence[int], lengths: Sequence[int], sizes: Sequence[int],
    backwards: bool = False,
) -> None:
    """One launch; private buffers of a block lie in shared memory if they fit."""
    places: dict[int, int] = {}
    room = []
    for k in part.private:
        room.append(0 if addresses[k] in places else lengths[k])
        places.setdefault(addresses[k], sum(-(-n // 16) * 16 for n in room[:-1]))
    shape = part.shape(sizes, room)
    given, flags = list(addresses), [0] * len(room)
    if shape.copies:  # here is one copy: one block does everything
        shape = replace(shape, grid=1, copies=1)
        flags = [lengths[k] for k in part.private]
    else:
        for k in part.private:
            given[k] = places[addresses[k]]
    launch_on_cpu(part, shape, [*given, *sizes, *flags], backwards)


@contextmanager
def cuda_kernels_on_cpu(backwards: bool = False) -> Iterator[dict[str, CudaKernel]]:
    """Sessions that are made inside run CUDA kernels on the CPU. For one thread.

    Gives the kernels that ran, by name. backwards: the last thread of a block comes first.
    Raises KernelFailed at the end if a kernel was refused.
    """
    machine = _OnCpu(backwards)
    with mock.patch("graphflow.runtime.native.CACHE", machine), \
            mock.patch("graphflow.runtime.plans.Tables", machine.tables), \
            mock.patch("graphflow.codegen.schedule.Scheduler", CudaScheduler), \
            mock.patch("graphflow.runtime.prepared.program_store", lambda: None):
        yield machine.parts
        machine.check()


# ---- one kernel by itself -----------------------------------------------------------------------


def on_gpu(
    kernel: Kernel, arrays: Sequence[np.ndarray], sizes: Sequence[int],
    target: CudaTarget = AMPERE,
) -> list[np.ndarray]:
    """The buffers after the CUDA kernels ran on copies; an array given twice is one memory.

    Checks that the order of threads makes no difference, that nothing beside the buffers changed,
    and that what the kernel only reads is as it was.
    """
    made = cuda_kernels(kernel, target)
    forwards, backwards = (_guarded(made, kernel, arrays, sizes, b) for b in (False, True))
    for first, second in zip(forwards, backwards):
        assert first.tobytes() == second.tobytes(), f"threads meet without a barrier\n{kernel}"
    return forwards


def _guarded(
    made: Sequence[CudaKernel], kernel: Kernel, arrays: Sequence[np.ndarray],
    sizes: Sequence[int], backwards: bool,
) -> list[np.ndarray]:
    one = {id(a): np.full(a.nbytes + 2 * GUARD, 0xA5, np.uint8) for a in arrays}
    raws = [one[id(a)] for a in arrays]
    inner = [r[GUARD:GUARD + a.nbytes].view(a.dtype).reshape(a.shape)
             for r, a in zip(raws, arrays)]
    for copy, array in zip(inner, arrays):
        copy[...] = array
    execute_on_cpu(made, inner, sizes, backwards)
    changed = {id(a) for a, p in zip(arrays, kernel.buffers) if p.written}
    for raw, copy, array in zip(raws, inner, arrays):
        assert np.all(raw[:GUARD] == 0xA5) and np.all(raw[len(raw) - GUARD:] == 0xA5), (
            "the kernel wrote outside a buffer")
        if id(array) not in changed:
            assert copy.tobytes() == array.tobytes(), "the kernel changed what it reads"
    return inner


def check_on_gpu(
    kernel: Kernel, arrays: Sequence[np.ndarray], sizes: Sequence[int],
    target: CudaTarget = AMPERE,
) -> None:
    """The CUDA kernels give what the interpreter of loop IR gives, exactly."""
    for actual, expected in zip(
            on_gpu(kernel, arrays, sizes, target), interpreted(kernel, arrays, sizes)):
        assert_same(actual, expected, f"sizes {list(sizes)}\n{kernel}")
