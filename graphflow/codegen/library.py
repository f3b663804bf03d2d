"""Calls of hand-written kernels: the `Library` lowering kind as a kernel with its buffers.

A kernel's buffers are the node's inputs, its outputs, scratch memory, and, if sizes of the outputs
depend on values, the int64 vector to which the kernel writes these sizes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from graphflow.codegen.elements import NotCompilable
from graphflow.dims import Dim, SymDim, symbol_name
from graphflow.dtypes import DType
from graphflow.dtypes import int64 as int64_dtype
from graphflow.loop_ir.nest import BufferParameter
from graphflow.lowering import Library, LoweringContext
from graphflow.opdef import TensorType, lookup
from graphflow.program import Node, Value
from graphflow.shapes import TensorShape


@dataclass(frozen=True, slots=True)
class LibraryKernel:
    """A hand-written kernel for certain element types.

    Attributes:
      name: of the kernel in `graphflow.kernels`.
      buffers: parameters, by number; scratch counts as written.
      sizes: the number of int64 parameters.
    """

    name: str
    buffers: tuple[BufferParameter, ...]
    sizes: int

    def __str__(self) -> str:
        return library_text(self)

    @property
    def dtypes(self) -> tuple[DType, ...]:
        """The element types of the buffers."""
        return tuple(p.dtype for p in self.buffers)


def library_text(kernel: LibraryKernel) -> str:
    """Canonical text: equal texts are equal code. The number of sizes does not change the code."""
    buffers = ", ".join(p.dtype.name + ("!" if p.written else "") for p in kernel.buffers)
    return f"library {kernel.name}\nbuffers {buffers}\n"


@dataclass(frozen=True, slots=True)
class LibraryCall:
    """A hand-written kernel with what it is called with.

    Attributes:
      kernel: the code.
      buffers: the value behind each buffer parameter.
      sizes: the size behind each size parameter.
      scratch: the values of memory that is needed during the call only.
      count: the value to which the kernel writes the unknown sizes, or None.
      unknowns: their names in the outputs' shapes, in the order in which they are written.
      room: output whose size is not known → the sizes of the memory that it needs.
    """

    kernel: LibraryKernel
    buffers: tuple[Value, ...]
    sizes: tuple[Dim, ...]
    scratch: tuple[Value, ...]
    count: Value | None
    unknowns: tuple[str, ...]
    room: dict[Value, tuple[Dim, ...]]


def build_library(node: Node) -> LibraryCall:
    """The call that computes a node whose lowering is `Library`. Its inputs must be stored.

    Raises NotCompilable if a type has no kernel.
    """
    lowering = node.opdef.lowering
    assert isinstance(lowering, Library)
    for value in (*node.inputs, *node.outputs):
        if value.dtype.is_string or value.shape.rank is None:
            raise NotCompilable(f"{node.opdef.name} has no kernel for {value.dtype.name} "
                                f"{value.shape}")
    ctx = _context(node)
    scratch = tuple(memory(dtype, count) for dtype, count in lowering.scratch(ctx))
    names, room = _unknowns(node, lowering, ctx)
    count = memory(int64_dtype, len(names)) if names else None
    written = (*node.outputs, *scratch, *((count,) if count is not None else ()))
    sizes = tuple(lowering.sizes(ctx))
    parameters = (*(BufferParameter(v.dtype) for v in node.inputs),
                  *(BufferParameter(v.dtype, True) for v in written))
    return LibraryCall(
        LibraryKernel(lowering.kernel, parameters, len(sizes)), (*node.inputs, *written), sizes,
        scratch, count, names, room)


def memory(dtype: DType, count: Dim) -> Value:
    """A value that no node computes: `count` elements that a kernel needs."""
    kind = TensorType(dtype, TensorShape.of([count]))
    return Node(lookup("Argument"), (), {"index": -1, "type": kind}, [kind], [None], -1, None
                ).outputs[0]


def _context(node: Node) -> LoweringContext:
    return LoweringContext(
        tuple(v.shape.sizes for v in node.inputs), tuple(v.shape.sizes for v in node.outputs),
        tuple(v.dtype for v in node.inputs), tuple(v.dtype for v in node.outputs), node.attrs)


def _unknowns(
    node: Node, lowering: Library, ctx: LoweringContext
) -> tuple[tuple[str, ...], dict[Value, tuple[Dim, ...]]]:
    """The names of the sizes that depend on values, and the memory of outputs that have them."""
    bounds: dict[Any, Dim] = {}
    for (output, axis), bound in zip(lowering.unknowns, lowering.bounds(ctx)):
        dim = node.outputs[output].shape.sizes[axis]
        name = symbol_name(dim) if isinstance(dim, SymDim) else None
        if name is None:
            raise NotCompilable(f"{node.opdef.name} has a size that is taken for known: {dim}")
        bounds[name] = bound
    room = {}
    for value in node.outputs:
        sizes = tuple(bounds.get(_name(d), d) for d in value.shape.sizes)
        if sizes != tuple(value.shape.sizes):
            room[value] = sizes
    return tuple(bounds), room


def _name(dim: Dim) -> str | None:
    return symbol_name(dim) if isinstance(dim, SymDim) else None
