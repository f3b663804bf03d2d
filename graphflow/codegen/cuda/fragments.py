"""Tensor cores: which products they compute, and how a warp holds its parts of the matrices.

One instruction, `mma.sync`, adds the product of a 16 × k and a k × 8 matrix to a 16 × 8 matrix of
float32 (PTX ISA, "Matrix fragments for mma.m16n8k16" and "… mma.m16n8k8"). Lane number l of the
warp is thread t = l mod 4 of group g = l div 4. It holds

- of the left factor, 32 bits each: row g and row g + 8, both of the first half of the terms, then
  both of the second half. Terms of a half: 2t and 2t + 1 (16-bit elements), t (TF32);
- of the right factor: column g, of the first and of the second half of the terms;
- of the sums: columns 2t and 2t + 1 of row g, then of row g + 8.

`ldmatrix` brings such parts of 16-bit elements from shared memory, also where it lies the other
way round. Both are written as assembly: NVVM has no functions for them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from llvmlite import ir

from graphflow.codegen.cpu.memory import I32
from graphflow.codegen.cuda.target import CudaTarget
from graphflow.codegen.cuda.tiles import Product, TileSize
from graphflow.dtypes import float32
from graphflow.loop_ir.expr import Expr

ROWS, COLUMNS = 16, 8   # of one instruction's result
LINE_BYTES = 80         # of shared memory for each row or column of a tile: 64, and 16 beside
GROUP_BYTES = 16        # that a thread moves at once
SINCE = (8, 0)          # the compute capability
MMA, LDMATRIX = "mma.sync.aligned", "ldmatrix.sync.aligned.m8n8.x4"


@dataclass(frozen=True, slots=True)
class Cores:
    """What tensor cores multiply.

    Attributes:
      element: PTX's name of the type of the factors.
      size: bytes of an element.
      terms: that one instruction multiplies.
    """

    element: str
    size: int
    terms: int

    @property
    def depth(self) -> int:
        """Terms of a tile that lie in shared memory at a time."""
        return 64 // self.size

    @property
    def group(self) -> int:
        """Elements that a thread moves at once."""
        return GROUP_BYTES // self.size

    @property
    def shape(self) -> str:
        """PTX's name of the sizes."""
        return f"m{ROWS}n{COLUMNS}k{self.terms}"


HALF, BRAIN, TF32 = Cores("f16", 2, 16), Cores("bf16", 2, 16), Cores("tf32", 4, 8)
_OF_CASTS = {"float16": HALF, "bfloat16": BRAIN}


def cores_of(product: Product, target: CudaTarget) -> Cores | None:
    """The tensor cores that compute a product; None if it is not for them.

    float16 and bfloat16, summed in float32; float32 only if the target says that its factors may
    be rounded to TF32.
    """
    if target.capability < SINCE or product.zero.dtype is not float32:
        return None
    factors = (product.left.value, product.right.value)
    found = {narrow(x).dtype.name for x in factors}
    if len(found) == 1 and (name := found.pop()) in _OF_CASTS:
        return _OF_CASTS[name]
    return TF32 if target.tensor_float_32 else None


def narrow(factor: Expr) -> Expr:
    """A factor before it was made a float32, if it was 16 bits."""
    if factor.op == "cast" and factor.args[0].dtype.name in _OF_CASTS:
        return factor.args[0]
    return factor


def shared_bytes(size: TileSize) -> int:
    """All shared memory of a block: two halves for each of two factors."""
    return 4 * half_bytes(size)


def half_bytes(size: TileSize) -> int:
    """One half of one factor's shared memory."""
    return size.side * LINE_BYTES


def multiply(
    b: Any, cores: Cores, left: Sequence[Any], right: Sequence[Any], sums: Sequence[Any]
) -> list[Any]:
    """left · right + sums: the lane's parts, 4 and 2 words of 32 bits and 4 floats."""
    result = ir.LiteralStructType([ir.FloatType()] * 4)
    kind = ir.FunctionType(result, [I32] * 6 + [ir.FloatType()] * 4)
    form = (f"{MMA}.{cores.shape}.row.col.f32.{cores.element}.{cores.element}.f32 "
            "{$0, $1, $2, $3}, {$4, $5, $6, $7}, {$8, $9}, {$10, $11, $12, $13};")
    made = b.asm(kind, form, "=f,=f,=f,=f,r,r,r,r,r,r,f,f,f,f", [*left, *right, *sums], True)
    return [b.extract_value(made, k) for k in range(4)]


def fetch_matrices(b: Any, pointer: Any, turned: bool) -> list[Any]:
    """The lane's words of four matrices of 8 × 8 elements of 16 bits in shared memory.

    pointer: of lane l: row l mod 8 of matrix l div 8. turned: columns count as rows.
    """
    result = ir.LiteralStructType([I32] * 4)
    trans = ".trans" if turned else ""
    form = f"{LDMATRIX}{trans}.shared.b16 {{$0, $1, $2, $3}}, [$4];"
    made = b.asm(ir.FunctionType(result, [I32]), form, "=r,=r,=r,=r,r,~{memory}",
                 [b.ptrtoint(pointer, I32)], True)
    return [b.extract_value(made, k) for k in range(4)]


def as_tf32(b: Any, value: Any) -> Any:
    """The bits of a float32 with 10 bits behind the point, rounded half away from zero."""
    bits = b.bitcast(value, I32)
    up = b.and_(b.add(bits, ir.Constant(I32, 0x1000)), ir.Constant(I32, -0x2000))
    special = ir.Constant(I32, 0x7F800000)
    is_special = b.icmp_unsigned("==", b.and_(bits, special), special)
    return b.select(is_special, bits, up)
