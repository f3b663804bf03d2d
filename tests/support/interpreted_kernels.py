"""Runs compiled programs with the loop-IR interpreter in the place of machine code.

Passes, schedule, plans, dispatcher and hand-written kernels are those of every run; a kernel of
loop IR becomes a C function that calls `run_kernel` over views of exactly the memory that the
plan gives it. So a load or store beside a buffer is an error here, as is a store into what a
kernel only reads.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from unittest import mock

import numpy as np

from graphflow.codegen.compile import CACHE
from graphflow.codegen.in_place import reusable
from graphflow.codegen.library import LibraryKernel
from graphflow.loop_ir.kernel_interpreter import run_kernel
from graphflow.loop_ir.nest import Kernel
from graphflow.runtime.tables import Memory, Tables

CONVENTION = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, *[ctypes.c_int64] * 3)
FIRST_ADDRESS = 1 << 20     # stands for kernels until the tables are written
# What an empty buffer has: loads whose result is selected away have a clamped index in it.
NOTHING = bytes([0xA5]) * (1 << 16)
UNKNOWN_LENGTH = 1 << 20    # bytes of memory whose size the plan does not know


class KernelFailed(Exception):
    """The interpreter refused a kernel."""


class _Checked(np.ndarray):
    """Elements of a buffer; negative offsets are refused as those behind the end are."""

    def __getitem__(self, at: Any) -> Any:
        _check(at)
        return np.asarray(super().__getitem__(at))

    def __setitem__(self, at: Any, value: Any) -> None:
        _check(at)
        if isinstance(at, (slice, type(...))) or np.size(at):  # storing nothing is no store
            super().__setitem__(at, value)


def _check(at: Any) -> None:
    if not isinstance(at, (slice, type(...))) and np.size(at) and np.min(at) < 0:
        raise IndexError(f"offset {np.min(at)}")


class _Interpreted:
    """What one session's kernels are called by, and what went wrong in them."""

    def __init__(self) -> None:
        self.kernels: dict[int, Kernel] = {}
        self.errors: list[BaseException] = []

    def addresses(self, kernels: Iterable[Kernel | LibraryKernel]) -> list[int]:
        """Numbers that stand for kernels of loop IR, addresses of hand-written ones."""
        found = []
        for kernel in kernels:
            if isinstance(kernel, LibraryKernel):
                found += CACHE.addresses([kernel])
            else:
                found.append(FIRST_ADDRESS + len(self.kernels))
                self.kernels[found[-1]] = kernel
        return found

    def tables(self, rows: Sequence[tuple], objects: np.ndarray, *given: Any) -> Tables:
        """The tables of a plan, with a function of its own for each call."""
        functions = []
        changed = list(rows)
        for number, (kind, *operands) in enumerate(rows):
            if kind in self.kernels:
                functions.append(CONVENTION(self._function(self.kernels[kind], operands[0])))
                address = ctypes.cast(functions[-1], ctypes.c_void_p).value
                changed[number] = (address, *operands)
        made = Tables(changed, objects, *given)
        made.functions = functions  # type: ignore[attr-defined]  # lives as long as the tables
        return made

    def _function(self, kernel: Kernel, memories: Sequence[Memory]) -> Any:
        lengths = [m.size if m.size or m.number is None else UNKNOWN_LENGTH
                   for m in memories[:len(kernel.buffers)]]
        pairs = reusable(kernel, once=True)

        def call(pointers: int, sizes: int, *_: int) -> None:  # by one thread
            views = _views(kernel, pairs, lengths, pointers)
            try:
                if not self.errors:
                    run_kernel(kernel, views, list(
                        (ctypes.c_int64 * kernel.sizes).from_address(sizes)))
            except BaseException as error:  # nothing may be raised through machine code
                self.errors.append(error)
            if self.errors:
                for view in views:  # zeros are false: loops come to their end
                    if view.flags.writeable and view.nbytes < UNKNOWN_LENGTH:
                        view[...] = 0

        return call

    def check(self) -> None:
        if self.errors:
            raise KernelFailed(repr(self.errors[0])) from self.errors[0]


def _views(
    kernel: Kernel, pairs: Sequence[tuple[int, int]], lengths: Sequence[int], pointers: int
) -> list[np.ndarray]:
    """The buffers. What is written over while it is read keeps its old elements for reading:
    a turn of a loop has them in registers, see `codegen/in_place.py`."""
    addresses = list((ctypes.c_uint64 * len(lengths)).from_address(pointers))
    over = {read for written, read in pairs if addresses[written] == addresses[read]}
    views = []
    for number, (address, length, parameter) in enumerate(
            zip(addresses, lengths, kernel.buffers)):
        raw = (ctypes.c_char * length).from_address(address) if length else NOTHING
        view = np.frombuffer(raw, parameter.dtype.numpy)
        if number in over:
            view = view.copy()
        view.flags.writeable = parameter.written and bool(length)
        views.append(view.view(_Checked))
    return views


@contextmanager
def interpreted_kernels() -> Iterator[None]:
    """Sessions that are made inside run loop IR by its interpreter. For one thread.

    Raises KernelFailed at the end if a kernel was refused.
    """
    machine = _Interpreted()
    with mock.patch("graphflow.runtime.native.CACHE", machine), \
            mock.patch("graphflow.runtime.plans.Tables", machine.tables):
        yield
        machine.check()
