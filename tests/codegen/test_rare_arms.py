"""`rarely`: its arm runs where a lane needs it, stands in a function, and is compiled once."""

from __future__ import annotations

import numpy as np
import pytest
from kernels import check_exact, compiled, element, elementwise, values

from graphflow import dtypes as dt
from graphflow.codegen.compile import llvm_text
from graphflow.codegen.cpu.rare import find_arms
from graphflow.dtypes import DType
from graphflow.loop_ir import b
from graphflow.loop_ir.approximations import expand
from graphflow.loop_ir.expr import Expr
from graphflow.loop_ir.nest import (
    Begin,
    BufferParameter,
    Kernel,
    Loop,
    Store,
    Update,
    accumulator,
    load,
)

FLOATS = (dt.float16, dt.bfloat16, dt.float32, dt.float64)


def slow(x: Expr) -> Expr:
    return b.sqrt(x) * 3.0 + 1.0


def functions(text: str) -> int:
    return text.count("define internal")


@pytest.mark.parametrize("dtype", FLOATS, ids=lambda d: d.name)
@pytest.mark.parametrize("limit", [-1e30, 1.0, 1e30])
def test_lanes_that_need_the_arm_and_lanes_that_do_not(dtype: DType, limit: float) -> None:
    x = b.cast(element(0, dtype), dt.float32)
    made = b.cast(b.rarely(b.gt(x, limit), slow(x), -x), dtype)
    kernel = elementwise((dtype,), [made])
    for count in (0, 1, 5, 16, 64, 77):
        check_exact(kernel, [values(dtype, count), np.zeros(count, dtype.numpy)], [count])
    assert functions(llvm_text(kernel)) == 1


def test_a_condition_outside_the_mask_takes_no_branch() -> None:
    """Lanes that do not exist load 0, for which the condition here holds: it must not matter."""
    x = element(0, dt.float32)
    kernel = elementwise((dt.float32,), [b.rarely(b.le(x, 0.0), 7.0 + x, x)])
    check_exact(kernel, [np.ones(3, np.float32), np.zeros(3, np.float32)], [3])


def test_arms_of_one_condition_are_one_function() -> None:
    x = element(0, dt.float32)
    far = x > 10.0
    first, second = b.rarely(far, slow(x), x), b.rarely(far, slow(x) * 2.0, -x)
    kernel = elementwise((dt.float32,), [first + second])
    assert functions(llvm_text(kernel)) == 1
    check_exact(kernel, [values(dt.float32, 50), np.zeros(50, np.float32)], [50])


def test_equal_arms_over_other_values_are_one_function() -> None:
    x, y = element(0, dt.float32), element(1, dt.float32)
    made = [b.rarely(v > 10.0, slow(v), v) for v in (x, y, x + y)]
    kernel = elementwise((dt.float32,) * 2, made)
    assert functions(llvm_text(kernel)) == 1
    arrays = [values(dt.float32, 40, seed) for seed in range(2)]
    check_exact(kernel, [*arrays, *(np.zeros(40, np.float32) for _ in made)], [40])


def test_an_arm_that_needs_another_rare_value() -> None:
    x = element(0, dt.float32)
    inner = b.rarely(x > 1.0, slow(x), x)
    within = b.rarely(x > 5.0, b.rarely(x > 7.0, -x, x) * 2.0, inner)
    both = b.rarely(x > 1.0, inner * inner, within)
    kernel = elementwise((dt.float32,), [within, both])
    check_exact(kernel, [values(dt.float32, 90), np.zeros(90, np.float32),
                         np.zeros(90, np.float32)], [90])


def test_what_the_usual_part_computes_is_handed_to_the_arm() -> None:
    x = b.arg(0, dt.float32)
    shared = x * x
    made = b.rarely(shared > 4.0, b.sqrt(shared) + 1.0, shared)
    (arms,) = find_arms(made, lambda e: 0).values()
    assert arms.inputs == (shared,)


def test_an_arm_in_front_of_the_loop() -> None:
    """The value of each row does not change along it: it is computed before the inner loop."""
    row = load(0, b.index(0), dt.float32)
    made = b.rarely(row > 2.0, slow(row), row) + load(1, b.index(1), dt.float32)
    place = b.index(0) * b.size(1) + b.index(1)
    kernel = Kernel(
        (BufferParameter(dt.float32), BufferParameter(dt.float32),
         BufferParameter(dt.float32, True)), 2,
        (Loop(0, b.size(0), (Loop(1, b.size(1), (Store(2, place, made),), lanes=True),)),))
    check_exact(kernel, [values(dt.float32, 7), values(dt.float32, 37, 1),
                         np.zeros((7, 37), np.float32)], [7, 37])


def test_an_arm_over_an_accumulator() -> None:
    total = accumulator(0, dt.float32)
    step = b.rarely(abs(total) > 3.0, total * 0.5, total) + load(0, b.index(0), dt.float32)
    kernel = Kernel(
        (BufferParameter(dt.float32), BufferParameter(dt.float32, True)), 1,
        (Begin(((0, b.const(0.0, dt.float32)),)), Loop(0, b.size(0), (Update(((0, step),)),)),
         Store(1, b.const(0, dt.int64), total)))
    steps = np.linspace(-1, 3, 23, dtype=np.float32)
    check_exact(kernel, [steps, np.zeros(1, np.float32)], [23])


@pytest.mark.parametrize("dtype", [dt.float32, dt.float64], ids=lambda d: d.name)
@pytest.mark.parametrize("name", ["sin", "cos", "tan", "lgamma"])
def test_functions_with_rare_arms(name: str, dtype: DType) -> None:
    kernel = elementwise((dtype,), [expand(getattr(b, name)(element(0, dtype)))])
    given = np.concatenate([
        values(dtype, 40), np.array([1e5, -3e9, 1e30, np.inf, -np.inf, np.nan, -0.5, -2.0, 0.0]
                                    ).astype(dtype.numpy)])
    check_exact(kernel, [given, np.zeros_like(given)], [given.size])
    assert compiled(kernel, [given, np.zeros_like(given)], [0])[1].tolist() == [0] * given.size


@pytest.mark.parametrize("dtype", [dt.float32, dt.float64], ids=lambda d: d.name)
@pytest.mark.parametrize("name", ["mod", "truncmod"])
def test_remainders_of_large_quotients(name: str, dtype: DType) -> None:
    x, y = (g.ravel().astype(dtype.numpy) for g in np.meshgrid(
        [0.0, -0.0, 5.5, -7.25, 1e30, -3e37, np.inf, np.nan, 1e-38],
        [1.0, -3.0, 1e-30, 7e20, 0.0, np.inf, np.nan]))
    made = expand(getattr(b, name)(element(0, dtype), element(1, dtype)))
    kernel = elementwise((dtype,) * 2, [made])
    check_exact(kernel, [x, y, np.zeros_like(x)], [x.size])
    with np.errstate(all="ignore"):
        expected = (np.mod if name == "mod" else np.fmod)(x, y)
    result = compiled(kernel, [x, y, np.zeros_like(x)], [x.size])[2]
    finite = np.isfinite(expected) & np.isfinite(x) & np.isfinite(y)
    np.testing.assert_array_equal(result[finite], expected[finite])
