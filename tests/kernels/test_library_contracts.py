"""Contract: every op with a hand-written kernel, for every sample and element type."""

from __future__ import annotations

import re

import numpy as np
import pytest
from contract_cases import assert_close, cases_of, ops_that, run_reference
from library_calls import library_call, run_library

from graphflow.codegen.compile import KernelCache, kernel_name
from graphflow.codegen.elements import NotCompilable
from graphflow.errors import ProgramError
from graphflow.kernels import FAMILIES, kernel_function
from graphflow.lowering import Library
from graphflow.opdef import REGISTRY

# Their references are NumPy's factorisations and transforms, which round in another order.
ROUNDED = {"CholeskyFactor", "FFT", "IRFFT", "LuFactor", "Qr", "RFFT", "SelfAdjointEigV2", "Svd",
           "TriangularSolve"}
OPS = ops_that(lambda opdef: isinstance(opdef.lowering, Library))


@pytest.mark.parametrize("known", [True, False], ids=["known", "unknown"])
@pytest.mark.parametrize("name", OPS)
def test_kernel_computes_what_the_reference_does(name: str, known: bool) -> None:
    for case in cases_of(REGISTRY[name]):
        if any(a.dtype == object for a in case.inputs):
            continue
        found = run_library(case.opdef, case.inputs, case.sample.attrs, known)
        for actual, wanted in zip(found, run_reference(case), strict=True):
            assert_close(actual, wanted, case.id, roundings=64, exact=name not in ROUNDED)


def test_every_kernel_serves_an_op() -> None:
    assert {REGISTRY[name].lowering.kernel for name in OPS} == set(FAMILIES)


def test_strings_and_unknown_kernels_are_refused() -> None:
    with pytest.raises(NotCompilable, match="Unique has no kernel for string"):
        library_call(REGISTRY["Unique"], [np.array([b"a"], object)], {}, True)
    with pytest.raises(ProgramError, match="no kernel named 'sorte'; known: .*'sort'"):
        kernel_function("sorte", ())


def test_sizes_do_not_change_the_code() -> None:
    opdef, cache = REGISTRY["Where"], KernelCache()
    kernels = [library_call(opdef, [np.ones(shape, np.float32)], {}, True)[0].kernel
               for shape in ((4,), (2, 3), (2, 0, 5))]
    assert len({kernel_name(k) for k in kernels}) == 1
    addresses = cache.addresses(kernels)
    assert len(set(addresses)) == 1 and cache.compiled == 1
    assert re.fullmatch(r"library where\nbuffers float32, int64!, int64!\n", str(kernels[0]))


def test_an_unknown_size_has_room_for_its_bound() -> None:
    call, _ = library_call(REGISTRY["Where"], [np.ones((2, 3), np.float32)], {}, False)
    room, = call.room.values()
    rows, columns = call.buffers[0].shape.sizes
    assert room == (rows * columns, 2)
    assert call.count is call.buffers[-1] and len(call.unknowns) == 1
