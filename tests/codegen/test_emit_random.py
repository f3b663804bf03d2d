"""Random scalar expressions: machine code and the interpreter agree to the last bit."""

from __future__ import annotations

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kernels import ARITY, basic_ops, check_exact, elementwise, values

from graphflow.dtypes import DType, bool_
from graphflow.loop_ir import b
from graphflow.loop_ir.expr import Expr
from graphflow.loop_ir.nest import load
from graphflow.loop_ir.scalar_ops import STORED


@st.composite
def expressions(draw: st.DrawFn) -> tuple[tuple[DType, ...], list[Expr]]:
    """Input dtypes, and some expressions over the elements at the loop's index."""
    inputs = draw(st.lists(st.sampled_from(STORED), min_size=1, max_size=3))
    pool = [load(k, b.index(0), d) for k, d in enumerate(inputs)] + [b.index(0) + b.size(0)]
    for _ in range(draw(st.integers(1, 12))):
        dtype = draw(st.sampled_from((*inputs, *STORED)))
        name = draw(st.sampled_from(basic_ops(dtype)))

        def operand(kind: DType) -> Expr:
            picked = pool[draw(st.integers(0, len(pool) - 1))]
            return b.cast(picked, kind)

        if name == "select":
            made = b.select(operand(bool_), operand(dtype), operand(dtype))
        else:
            made = getattr(b, name)(*(operand(dtype) for _ in range(ARITY.get(name, 2))))
        pool.append(made)
    return tuple(inputs), pool[len(inputs) + 1:][-4:]


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(expressions(), st.sampled_from([0, 1, 15, 16, 17, 63, 64, 65, 200]), st.integers(0, 99))
def test_random_expressions(
    case: tuple[tuple[DType, ...], list[Expr]], count: int, seed: int
) -> None:
    inputs, outputs = case
    arrays = [values(d, count, seed + k) for k, d in enumerate(inputs)]
    results = [np.zeros(count, e.dtype.numpy) for e in outputs]
    check_exact(elementwise(inputs, outputs), [*arrays, *results], [count])
