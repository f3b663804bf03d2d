"""The way in: one kernel of loop IR becomes one or several CUDA kernels.

How a runtime uses it:

    parts = cuda_kernels(kernel, target)     # in the order in which they are launched
    code = compile_cubin(parts, target)      # one cubin with an entry `part.name` for each part
    for part in parts:
        shape = part.shape(sizes, private_bytes)
        if shape.grid:                       # 0: there is nothing to do
            launch(part.name, shape.grid, shape.block, shape.shared, arguments)

The arguments of every part are those of the kernel of loop IR, whether the part uses them or not:

- a pointer for each of `kernel.buffers`, in order (64 bits; to device memory, aligned to the
  element; where all are aligned to 16 bytes, elementwise kernels move 16 bytes at a time);
- an int64 for each of the `kernel.sizes` sizes, in order;
- an int64 for each private buffer (`part.private` has their numbers), in order. If
  `shape.copies` is 0, private buffers live in shared memory: the number is 0, and the pointer is
  the offset of the buffer among them, a multiple of 16. Otherwise it is the bytes of one copy,
  and `shape.copies` copies lie one behind the other where the pointer points. Two private buffers
  may be one memory, a parameter to write to and one to read from: they then get the same pointer
  or offset, and in `private_bytes` the second one counts 0.

Parts of one kernel, and kernels of one program, run one after the other: one stream keeps that
order by itself. Grids and blocks have one dimension. Results do not depend on the GPU: what is
added to what follows from the sizes.

`execute_on_cpu` (in `on_cpu`) runs the same LLVM IR on the CPU, thread by thread.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from graphflow.codegen.cuda.library import library_parts
from graphflow.codegen.cuda.plans import Plan, plan_text, plans_of
from graphflow.codegen.cuda.shapes import LaunchShape, launch_shape
from graphflow.codegen.cuda.target import CudaTarget
from graphflow.codegen.cuda.users import functions_of
from graphflow.codegen.library import LibraryKernel
from graphflow.loop_ir.nest import Kernel, kernel_text, verify_kernel

if TYPE_CHECKING:
    from graphflow.codegen.cuda.library.parts import LibraryPart


@dataclass(frozen=True, slots=True)
class CudaKernel:
    """One launch.

    Attributes:
      name: of the entry in the compiled code: `gf_` and a hash of the loop IR and of how it is
        spread over threads. Equal names are equal code, in any process.
      kernel: the loop IR that this launch runs: a part of the kernel that it was made from, with
        that kernel's buffers and sizes.
      plan: how its loops are spread over blocks and threads.
      private: the numbers of the buffers of which each block has its own.
    """

    name: str
    kernel: Kernel
    plan: Plan
    private: tuple[int, ...]

    def shape(self, sizes: Sequence[int], private_bytes: Sequence[int] = ()) -> LaunchShape:
        """Grid, block, shared memory and copies of private buffers of one launch.

        sizes: the kernel's sizes; private_bytes: of one copy of each private buffer, 0 for one
        that shares the memory of another.
        """
        return launch_shape(self.kernel, self.plan, tuple(sizes), tuple(private_bytes))

    def llvm_ir(self) -> str:
        """The LLVM IR of the kernel as it goes to NVVM."""
        from graphflow.codegen.cuda.emit import module_text

        return module_text(self.name, self.kernel, self.plan)


def cuda_kernels(kernel: Kernel, target: CudaTarget) -> tuple[CudaKernel, ...]:
    """The launches that do what a kernel of loop IR does, in order.

    kernel: verified, of basic ops, as the scheduler makes it.
    Raises ProgramError if the kernel is not well formed, or calls a function without a form here.
    """
    verify_kernel(kernel)
    functions_of(kernel)
    private = tuple(k for k, p in enumerate(kernel.buffers) if p.private)
    made = []
    for plan, body in plans_of(kernel, target):
        part = Kernel(kernel.buffers, kernel.sizes, body)
        text = f"{kernel_text(part)}{plan_text(plan)}"
        name = "gf_" + hashlib.sha256(text.encode()).hexdigest()[:24]
        made.append(CudaKernel(name, part, plan, private))
    return tuple(made)


def launches(
    kernel: Kernel | LibraryKernel, target: CudaTarget
) -> tuple[CudaKernel, ...] | tuple[LibraryPart, ...]:
    """The launches of any kernel, in order.

    Raises ProgramError if it has no form for GPUs.
    """
    if isinstance(kernel, LibraryKernel):
        return library_parts(kernel)
    return cuda_kernels(kernel, target)
