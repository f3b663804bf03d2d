"""Runs the LLVM IR of CUDA kernels on the CPU, thread by thread: a GPU that is slow but there.

The text that goes to NVVM is compiled for this processor. Registers such as the thread's number,
barriers, shuffles and tensor-core instructions become calls of a small runner: each thread of a
block is a fibre with a stack of its own, which runs until it comes to one of them; then it is the
next one's turn. Shared memory is filled with ones before each block. In
`backwards` order the last thread comes first: a result that is then another one shows that a
barrier is missing.

What this cannot show: speed, and what a GPU does with memory that threads write at the same time.
"""

from __future__ import annotations

import ctypes
import itertools
import mmap
import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from typing import Any

import numpy as np
from llvmlite import binding

from graphflow.codegen.cuda.assembly_on_cpu import with_calls
from graphflow.codegen.cuda.fibres import runner_text, switch
from graphflow.codegen.cuda.kernels import CudaKernel
from graphflow.codegen.cuda.library.parts import LibraryPart
from graphflow.codegen.cuda.machine import SHARED_NAME
from graphflow.codegen.cuda.shapes import WARP, LaunchShape
from graphflow.codegen.cuda.users import address_on_cpu, functions_of
from graphflow.errors import ProgramError
from graphflow.loop_ir.nest import Kernel

SHARED_BYTES = 1 << 18
STACK_BYTES = 1 << 17
MOST_THREADS = 1024

# NVVM's names of functions that LLVM has under other names.
_MATHEMATICS = {
    f"llvm.nvvm.{ours}.{letter}": f"llvm.{theirs}.{bits}"
    for ours, theirs in (("fabs", "fabs"), ("trunc", "trunc"), ("round", "roundeven"),
                         ("floor", "floor"), ("ceil", "ceil"))
    for letter, bits in (("f", "f32"), ("d", "f64"))}
_RUNNING, _AT_BARRIER, _AT_SHUFFLE, _DONE = range(4)
_WAITING = ("barrier0", "shfl", "vote", "mma", "ldmatrix")
_LOCK = threading.Lock()  # the runner has one state
_NUMBERS = itertools.count()


def execute_on_cpu(
    kernels: Sequence[CudaKernel], buffers: Sequence[np.ndarray], sizes: Sequence[int],
    backwards: bool = False,
) -> None:
    """Runs the launches of one kernel over NumPy arrays, which written buffers change.

    buffers: contiguous, one for each buffer of the kernel; a private one holds one copy. An array
    that is given twice is one memory.
    """
    addresses = [a.ctypes.data for a in buffers]
    for kernel in kernels:
        places = _places(kernel, addresses, buffers)
        lengths = [buffers[k].nbytes if places[k][1] else 0 for k in kernel.private]
        shape = kernel.shape(sizes, lengths)
        given, flags = list(addresses), [0] * len(lengths)
        if shape.copies:  # there is one copy of private buffers: one block does everything
            shape = replace(shape, grid=1, copies=1)
            flags = [buffers[k].nbytes for k in kernel.private]
        else:
            for k in kernel.private:
                given[k] = places[k][0]
        launch_on_cpu(kernel, shape, [*given, *sizes, *flags], backwards)


def _places(
    kernel: CudaKernel, addresses: Sequence[int], buffers: Sequence[np.ndarray]
) -> dict[int, tuple[int, bool]]:
    """Where private buffers lie in shared memory, and whether they are the first ones there."""
    known: dict[int, int] = {}
    found, end = {}, 0
    for k in kernel.private:
        first = addresses[k] not in known
        found[k] = known.setdefault(addresses[k], end), first
        end += -(-buffers[k].nbytes // 16) * 16 if first else 0
    return found


def launch_on_cpu(
    kernel: CudaKernel | LibraryPart, shape: LaunchShape, arguments: Sequence[int],
    backwards: bool = False,
) -> None:
    """One launch with the arguments that a GPU would get: addresses, sizes, lengths.

    Raises ProgramError if threads wait for each other for ever, as some of them would on a GPU.
    """
    if not shape.grid:
        return
    if shape.shared > SHARED_BYTES or shape.block > MOST_THREADS:
        raise ProgramError(f"kernel {kernel.name}: {shape} is more than a block can have.")
    with _LOCK:
        loaded = _load(kernel)
        _runner().run(loaded, shape, list(arguments), backwards)


# ---- compiling ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Loaded:
    """A kernel's code for this processor."""

    library: Any
    address: int
    shared: int
    waits: bool


@lru_cache(1 << 10)
def _load(kernel: CudaKernel | LibraryPart) -> _Loaded:
    text = _for_cpu(kernel)
    builder = binding.JITLibraryBuilder().add_ir(text).export_symbol("gf_thread")
    builder.export_symbol(SHARED_NAME)
    for name, address in _runner().symbols.items():
        builder.import_symbol(name, address)
    if isinstance(kernel.kernel, Kernel):
        for scalar in functions_of(kernel.kernel):
            builder.import_symbol(*address_on_cpu(scalar))
    library = builder.link(_jit(), f"{kernel.name}_{next(_NUMBERS)}")
    return _Loaded(library, library["gf_thread"], library[SHARED_NAME],
                   any(f"gf_nvvm.{name}" in text for name in _WAITING))


@cache
def _jit() -> Any:
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    binding.initialize_native_asmparser()
    machine = binding.Target.from_default_triple().create_target_machine(
        cpu=binding.get_host_cpu_name(), features=binding.get_host_cpu_features().flatten(),
        opt=1, jit=True)
    return binding.create_lljit_compiler(machine)


def _for_cpu(kernel: CudaKernel | LibraryPart) -> str:
    """The kernel's LLVM IR for this processor, and `gf_thread(arguments)`, which calls it."""
    kept = []
    for line in kernel.llvm_ir().splitlines():
        if line.startswith(("target ", "!", f'@"{SHARED_NAME}"')):
            continue
        kept.append(line)
    text = re.sub(r", !prof !\d+", "", "\n".join(kept))
    for old, new in _MATHEMATICS.items():
        text = text.replace(f'@"{old}"', f'@"{new}"')
    text = text.replace('@"llvm.nvvm.', '@"gf_nvvm.').replace(" addrspace(3)", "")
    text = with_calls(text.replace("addrspacecast", "bitcast"))
    return (f'{text}\n@"{SHARED_NAME}" = global [{SHARED_BYTES} x i8] zeroinitializer, align 16\n'
            f"{_thread_function(kernel, text)}")


def _thread_function(kernel: CudaKernel | LibraryPart, text: str) -> str:
    """Calls the kernel with arguments that stand in an array."""
    signature = re.search(rf'define void @"{kernel.name}"\((.*)\)', text)
    assert signature is not None
    kinds = [a.split()[0] for a in signature[1].split(", ")] if signature[1] else []
    lines, names = ["define void @gf_thread(i64* %arguments)", "{"], []
    for k, kind in enumerate(kinds):
        lines += [f"  %p{k} = getelementptr i64, i64* %arguments, i64 {k}",
                  f"  %v{k} = load i64, i64* %p{k}"]
        if kind != "i64":
            lines.append(f"  %q{k} = inttoptr i64 %v{k} to {kind}")
        names.append(f"{kind} %{'v' if kind == 'i64' else 'q'}{k}")
    lines += [f'  call void @"{kernel.name}"({", ".join(names)})', "  ret void", "}"]
    return "\n".join(lines)


# ---- running ------------------------------------------------------------------------------------


class _Runner:
    """The threads of a block, one after the other."""

    def __init__(self) -> None:
        text = runner_text()
        builder = binding.JITLibraryBuilder().add_ir(text)
        exported = re.findall(r"^define .+? @(gf_[\w.]+)\(", text, re.MULTILINE)
        for name in exported:
            builder.export_symbol(name)
        self._library = builder.link(_jit(), "gf_runner")
        self.symbols = {n: self._library[n] for n in exported if n.startswith("gf_nvvm.")}
        number, pointer = ctypes.c_int32, ctypes.c_void_p
        self._prepare = self._function("gf_prepare", pointer, pointer, pointer)
        self._turn = self._function("gf_turn", number)
        self._plain = self._function(
            "gf_plain", pointer, pointer, number, number, number)
        words = STACK_BYTES // 8
        self._memory = mmap.mmap(-1, MOST_THREADS * STACK_BYTES)
        self._stacks = np.frombuffer(self._memory, np.uint64).reshape(MOST_THREADS, words)
        self._tops = (self._stacks.ctypes.data + STACK_BYTES * np.arange(
            1, MOST_THREADS + 1)).astype(np.uint64)
        self._ends = np.zeros(MOST_THREADS + 1, np.uint64)
        self._states = np.zeros(MOST_THREADS, np.uint8)

    def _function(self, name: str, *kinds: Any) -> Any:
        return ctypes.CFUNCTYPE(None, *kinds)(self._library[name])

    def run(
        self, loaded: _Loaded, shape: LaunchShape, arguments: list[int], backwards: bool
    ) -> None:
        """All blocks of a launch."""
        words = np.array([a & 0xFFFF_FFFF_FFFF_FFFF for a in arguments], np.uint64)
        ordered = int(backwards)
        if not loaded.waits:
            self._plain(loaded.address, words.ctypes.data, shape.grid, shape.block, ordered)
            return
        blocks = range(shape.grid - 1, -1, -1) if backwards else range(shape.grid)
        for block in blocks:
            ctypes.memset(loaded.shared, 0xFF, max(shape.shared, 1))
            self._block(loaded, shape, words, block, ordered)

    def _block(
        self, loaded: _Loaded, shape: LaunchShape, words: np.ndarray, block: int, ordered: int
    ) -> None:
        states = self._states[:shape.block]
        states[:] = _RUNNING
        kind, count = switch(), shape.block
        self._stacks[:count, -kind.words:] = 0
        self._stacks[:count, -kind.entry] = self._library["gf_fibre"]
        self._ends[:count] = self._tops[:count] - np.uint64(8 * kind.words)
        setting = np.array([block, shape.grid, count, ordered, self._states.ctypes.data,
                            self._ends.ctypes.data, loaded.shared], np.uint64)
        self._prepare(loaded.address, words.ctypes.data, setting.ctypes.data)
        while True:
            self._turn(shape.block)
            if (states == _DONE).all():
                return
            self._release(states)

    def _release(self, states: np.ndarray) -> None:
        """Lets go on who has waited for what has happened."""
        warps = states.reshape(-1, WARP)
        together = ((warps == _AT_SHUFFLE) | (warps == _DONE)).all(axis=1)
        together &= (warps == _AT_SHUFFLE).any(axis=1)
        if together.any():
            chosen = warps[together]
            warps[together] = np.where(chosen == _AT_SHUFFLE, _RUNNING, chosen)
            return
        if not np.isin(states, (_AT_BARRIER, _DONE)).all():
            raise ProgramError("kernel: threads of a block wait for each other for ever.")
        states[states == _AT_BARRIER] = _RUNNING


@cache
def _runner() -> _Runner:
    return _Runner()
