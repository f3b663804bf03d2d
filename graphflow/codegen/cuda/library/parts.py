"""Hand-written kernels as launches: what `kernels.cuda_kernels` is for loop IR.

A hand-written kernel becomes a fixed row of parts; those that the sizes do not need have no
blocks. Their arguments are the kernel's: a pointer for each buffer, an int64 for each size.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from graphflow.codegen.cuda.library.writer import THREADS, Writer
from graphflow.codegen.cuda.shapes import LaunchShape
from graphflow.codegen.library import LibraryKernel, library_text

Sizes = Sequence[int]
MOST_BLOCKS = 1 << 20  # of a launch whose blocks take several turns


@dataclass(frozen=True, slots=True)
class Form:
    """One launch of a hand-written kernel.

    Attributes:
      name: what it does, in a word or two; with the kernel it names the code.
      write: writes the body.
      blocks: how many blocks run for some sizes; 0 for none.
      shared: bytes of shared memory.
    """

    name: str
    write: Callable[[Writer, LibraryKernel], None]
    blocks: Callable[[Sizes], int]
    shared: int = 0


@dataclass(frozen=True, slots=True)
class Forms:
    """A hand-written kernel for GPUs.

    Attributes:
      launches: in order.
      rooms: bytes that buffers must have, by position, where they are more than the op asks for.
    """

    launches: tuple[Form, ...]
    rooms: Callable[[LibraryKernel, Sizes], Mapping[int, int]] = field(
        default=lambda kernel, sizes: {})


@dataclass(frozen=True, slots=True, eq=False)
class LibraryPart:
    """One launch, as the runtime wants it: see `CudaKernel`."""

    name: str
    kernel: LibraryKernel
    form: Form
    private: tuple[int, ...] = ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LibraryPart) and self.name == other.name

    def __hash__(self) -> int:
        return hash(self.name)

    def shape(self, sizes: Sizes, private_bytes: Sequence[int] = ()) -> LaunchShape:
        """Grid, block and shared memory of one launch."""
        return LaunchShape(self.form.blocks(sizes), THREADS, self.form.shared)

    def llvm_ir(self) -> str:
        """The LLVM IR as it goes to NVVM."""
        writer = Writer(self.name, self.kernel)
        self.form.write(writer, self.kernel)
        return writer.text()


def parts_of(kernel: LibraryKernel, forms: Forms) -> tuple[LibraryPart, ...]:
    """The launches of a kernel."""
    made = []
    for number, form in enumerate(forms.launches):
        text = f"{library_text(kernel)}{kernel.sizes} {number} {form.name}"
        name = "gf_" + hashlib.sha256(text.encode()).hexdigest()[:24]
        made.append(LibraryPart(name, kernel, form))
    return tuple(made)


def blocks_for(elements: int, each: int = THREADS) -> int:
    """Blocks that take `each` elements; blocks of few take several turns."""
    return min(-(-elements // each), MOST_BLOCKS)
