"""What a GPU gives to a thread: its place, barriers, shuffles, shared memory. NVVM's module."""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from graphflow.codegen.cpu.memory import I8, I32, I64
from graphflow.codegen.cuda.scalars import intrinsic

TRIPLE = "nvptx64-nvidia-cuda"
LAYOUT = ("e-p:64:64:64-i1:8:8-i8:8:8-i16:16:16-i32:32:32-i64:64:64-i128:128:128-f32:32:32-"
          "f64:64:64-v16:16:16-v32:32:32-v64:64:64-v128:128:128-n16:32:64")
IR_VERSION = (2, 0, 3, 2)  # of NVVM in CUDA 13.0
SHARED = 3                 # the address space
SHARED_NAME = "gf_shared"
ALL_LANES = ir.Constant(I32, -1)
CAS = "atom.cas.b64"       # NVVM refuses LLVM's compare-and-swap


def new_module(name: str) -> ir.Module:
    """An empty module in NVVM's dialect."""
    module = ir.Module(name)
    module.triple, module.data_layout = TRIPLE, LAYOUT
    version = module.add_metadata([ir.Constant(I32, n) for n in IR_VERSION])
    module.add_named_metadata("nvvmir.version", version)
    return module


def mark_kernel(function: ir.Function, most_threads: int | None = None) -> None:
    """Says that a function is a kernel, and how many threads its blocks have at most."""
    module = function.module
    notes = module.add_named_metadata("nvvm.annotations")
    pairs = [("kernel", 1)]
    if most_threads is not None:
        pairs.append(("maxntidx", most_threads))
    for key, value in pairs:
        notes.add(module.add_metadata(
            (function, ir.MetaDataString(module, key), ir.Constant(I32, value))))


def product(b: Any, extents: list[Any]) -> Any:
    """The product of numbers."""
    total = extents[0] if extents else ir.Constant(I64, 1)
    for extent in extents[1:]:
        total = b.mul(total, extent)
    return total


class Machine:
    """Emits what depends on the thread, at the builder's place."""

    def __init__(self, builder: ir.IRBuilder) -> None:
        self.b = builder

    def _register(self, name: str) -> Any:
        function = intrinsic(self.b.module, f"llvm.nvvm.read.ptx.sreg.{name}", I32, [])
        return self.b.call(function, [])

    def thread(self) -> Any:
        """The thread's number in its block (i32)."""
        return self._register("tid.x")

    def threads(self) -> Any:
        """The threads of a block (i32)."""
        return self._register("ntid.x")

    def block(self) -> Any:
        """The block's number (i64)."""
        return self.b.zext(self._register("ctaid.x"), I64)

    def blocks(self) -> Any:
        """How many blocks there are (i64)."""
        return self.b.zext(self._register("nctaid.x"), I64)

    def global_thread(self) -> Any:
        """The thread's number in the grid (i64)."""
        before = self.b.mul(self.block(), self.b.zext(self.threads(), I64))
        return self.b.add(before, self.b.zext(self.thread(), I64))

    def barrier(self) -> None:
        """Waits for all threads of the block, and for what they stored."""
        self.b.call(intrinsic(self.b.module, "llvm.nvvm.barrier0", ir.VoidType(), []), [])

    def shuffle_down(self, value: Any, distance: int) -> Any:
        """The value of the lane so far behind; the lane's own where there is none."""
        b, kind = self.b, value.type
        if isinstance(kind, ir.DoubleType) or (isinstance(kind, ir.IntType) and kind.width == 64):
            bits = b.bitcast(value, I64)
            low = self._shuffle(b.trunc(bits, I32), distance)
            high = self._shuffle(b.trunc(b.lshr(bits, ir.Constant(I64, 32)), I32), distance)
            both = b.or_(b.shl(b.zext(high, I64), ir.Constant(I64, 32)), b.zext(low, I64))
            return b.bitcast(both, kind)
        if isinstance(kind, ir.FloatType):
            return b.bitcast(self._shuffle(b.bitcast(value, I32), distance), kind)
        if kind.width < 32:
            return b.trunc(self._shuffle(b.zext(value, I32), distance), kind)
        return self._shuffle(value, distance)

    def _shuffle(self, value: Any, distance: int) -> Any:
        function = intrinsic(
            self.b.module, "llvm.nvvm.shfl.sync.down.i32", I32, [I32] * 4)
        return self.b.call(
            function, [ALL_LANES, value, ir.Constant(I32, distance), ir.Constant(I32, 31)])

    def shared(self, offset: Any) -> Any:
        """A pointer to bytes of the block's shared memory, from an offset (i64) on."""
        b, module = self.b, self.b.module
        memory = module.globals.get(SHARED_NAME)
        if memory is None:
            memory = ir.GlobalVariable(
                module, ir.ArrayType(I8, 0), SHARED_NAME, addrspace=SHARED)
            memory.linkage, memory.align = "external", 16
        zero = ir.Constant(I64, 0)
        return b.gep(memory, [zero, offset])

    def generic(self, pointer: Any) -> Any:
        """A pointer to shared memory as one that may point anywhere."""
        return self.b.addrspacecast(pointer, I8.as_pointer())
