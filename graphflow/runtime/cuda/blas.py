"""Matrix products by cuBLASLt, where that is installed: `pip install nvidia-cublas`.

The library takes matrices column by column. What graphflow has row by row, [rows, columns], is the
same memory as its [columns, rows]; so outᵀ = rightᵀ · leftᵀ is computed. Names and numbers are
those of `cublasLt.h`.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from functools import cache
from typing import Any

from graphflow.codegen.cuda.matrix_form import MatrixForm, Operand

LEAST_FLOPS = 1 << 27     # a smaller product is over before another kernel is any better
WORKSPACE = 32 << 20      # bytes, as NVIDIA recommends for Hopper
ALIGNED = 16              # bytes that pointers are multiples of
_TYPES = {"float32": 0, "float64": 1, "float16": 2, "bfloat16": 14}  # cudaDataType_t
_SIZES = {"float32": 4, "float64": 8, "float16": 2, "bfloat16": 2}
_32F, _32F_TF32, _64F = 68, 77, 70                                    # cublasComputeType_t
_TRANSA, _TRANSB = 3, 4                                               # of a description
_BATCH_COUNT, _BATCH_OFFSET = 5, 6                                    # of a layout
_MOST_WORKSPACE, _ALIGNMENTS = 1, (5, 6, 7, 8)                        # of a preference


class _Algorithm(ctypes.Structure):
    """cublasLtMatmulHeuristicResult_t."""

    _fields_ = [("algorithm", ctypes.c_uint64 * 8), ("workspace", ctypes.c_size_t),
                ("state", ctypes.c_int), ("waves", ctypes.c_float),
                ("reserved", ctypes.c_int * 4)]


@dataclass(frozen=True, slots=True)
class Layout:
    """A matrix as the library sees it: `lead` elements from one column to the next."""

    rows: int
    columns: int
    lead: int
    turned: bool
    batch: int


def layouts(form: MatrixForm) -> tuple[Layout, Layout, Layout] | None:
    """The library's first and second factor and result; None if a matrix has gaps both ways."""
    first = _layout(form.right, form.terms, form.columns, True)
    second = _layout(form.left, form.rows, form.terms, True)
    result = _layout(form.out, form.rows, form.columns, False)
    return None if first is None or second is None or result is None else (first, second, result)


def _layout(operand: Operand, outer: int, inner: int, may_turn: bool) -> Layout | None:
    """[outer, inner] in memory row by row is [inner, outer] column by column."""
    if operand.inner == 1 or inner == 1:
        return Layout(inner, outer, max(operand.outer, inner), False, operand.batch)
    if may_turn and (operand.outer == 1 or outer == 1):
        return Layout(outer, inner, max(operand.inner, outer), True, operand.batch)
    return None


class Cublas:
    """The library, for one GPU.

    load: gives it; see `library`.
    """

    def __init__(self, library: Any) -> None:
        self._library = library
        self._handle = ctypes.c_void_p()
        self._check(library.cublasLtCreate(ctypes.byref(self._handle)))

    def _check(self, status: int) -> None:
        if status:
            raise RuntimeError(f"cuBLASLt: status {status}")

    def plan(self, form: MatrixForm) -> Product | None:
        """How the library computes a product; None if it does not."""
        if layouts(form) is None:
            return None
        made = Product(self._library, form)
        found = self.algorithm(made)
        if found is None:
            return None
        made.algorithm = found
        return made

    def algorithm(self, product: Product) -> Any:
        """What the library's heuristics choose first, or None."""
        library, preference = self._library, ctypes.c_void_p()
        self._check(library.cublasLtMatmulPreferenceCreate(ctypes.byref(preference)))
        try:
            most = ctypes.c_uint64(WORKSPACE)
            self._check(library.cublasLtMatmulPreferenceSetAttribute(
                preference, _MOST_WORKSPACE, ctypes.byref(most), ctypes.sizeof(most)))
            for name in _ALIGNMENTS:
                aligned = ctypes.c_uint32(ALIGNED)
                self._check(library.cublasLtMatmulPreferenceSetAttribute(
                    preference, name, ctypes.byref(aligned), ctypes.sizeof(aligned)))
            found, count = _Algorithm(), ctypes.c_int()
            status = library.cublasLtMatmulAlgoGetHeuristic(
                self._handle, product.description, product.first, product.second, product.result,
                product.result, preference, 1, ctypes.byref(found), ctypes.byref(count))
            return found if not status and count.value and not found.state else None
        finally:
            library.cublasLtMatmulPreferenceDestroy(preference)

    def run(
        self, product: Product, out: int, left: int, right: int, workspace: int, stream: int
    ) -> None:
        """Puts a product on a stream. out, left, right: addresses of the buffers."""
        form, size = product.form, _SIZES
        places = [address + size[name] * operand.start for address, name, operand in (
            (right, form.element, form.right), (left, form.element, form.left),
            (out, form.result, form.out))]
        first, second, result = map(ctypes.c_void_p, places)
        self._check(self._library.cublasLtMatmul(
            self._handle, product.description, ctypes.byref(product.one), first, product.first,
            second, product.second, ctypes.byref(product.zero), result, product.result, result,
            product.result, ctypes.byref(product.algorithm.algorithm),
            ctypes.c_void_p(workspace), ctypes.c_size_t(WORKSPACE), ctypes.c_void_p(stream)))


class Product:
    """The library's description of one product."""

    def __init__(self, library: Any, form: MatrixForm) -> None:
        self._library, self.form = library, form
        self.algorithm: Any = None
        found = layouts(form)
        assert found is not None
        double = form.element == "float64"
        number = ctypes.c_double if double else ctypes.c_float
        self.one, self.zero = number(1.0), number(0.0)
        kind = _64F if double else _32F_TF32 if form.rounded else _32F
        self.description = ctypes.c_void_p()
        _good(library.cublasLtMatmulDescCreate(
            ctypes.byref(self.description), kind, _TYPES["float64" if double else "float32"]))
        for name, layout in zip((_TRANSA, _TRANSB), found):
            turned = ctypes.c_int32(layout.turned)
            _good(library.cublasLtMatmulDescSetAttribute(
                self.description, name, ctypes.byref(turned), ctypes.sizeof(turned)))
        self.first, self.second = (self._described(f, form.element) for f in found[:2])
        self.result = self._described(found[2], form.result)

    def _described(self, layout: Layout, element: str) -> Any:
        library, made = self._library, ctypes.c_void_p()
        _good(library.cublasLtMatrixLayoutCreate(
            ctypes.byref(made), _TYPES[element], ctypes.c_uint64(layout.rows),
            ctypes.c_uint64(layout.columns), ctypes.c_int64(layout.lead)))
        if self.form.batches > 1:
            for name, value in ((_BATCH_COUNT, ctypes.c_int32(self.form.batches)),
                                (_BATCH_OFFSET, ctypes.c_int64(layout.batch))):
                _good(library.cublasLtMatrixLayoutSetAttribute(
                    made, name, ctypes.byref(value), ctypes.sizeof(value)))
        return made

    def __del__(self) -> None:
        for made in (getattr(self, name, None) for name in ("first", "second", "result")):
            if made:
                self._library.cublasLtMatrixLayoutDestroy(made)
        if getattr(self, "description", None):
            self._library.cublasLtMatmulDescDestroy(self.description)


def _good(status: int) -> None:
    if status:
        raise RuntimeError(f"cuBLASLt: status {status}")


@cache
def library() -> Any:
    """The library, or None where it is not installed."""
    try:
        from cuda.pathfinder import load_nvidia_dynamic_lib

        return ctypes.CDLL(load_nvidia_dynamic_lib("cublasLt").abs_path)
    except Exception:  # it is missing in as many ways as there are systems
        return None
