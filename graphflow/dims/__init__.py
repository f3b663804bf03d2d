"""Sizes that may be symbols: `Dimension`, its arithmetic, and what may be assumed of it.

A size is an integer or a canonical symbolic expression: a polynomial with integer coefficients
over *atoms*, where an atom is a named unknown (`x.0`: axis 0 of placeholder `x`) or an opaque
function of other sizes (`floordiv`, `ceildiv`, `min`, `max`, `broadcast`). Because the form is
canonical, two sizes are equal if they are the same expression, different if they differ by a
non-zero constant, and otherwise unknown: `equal` has three answers.
"""

from graphflow.dims.assumptions import (
    Assumptions,
    assuming,
    broadcast_dims,
    current_assumptions,
    evaluate_dim,
    same,
)
from graphflow.dims.size import (
    Dim,
    Dimension,
    KnownDim,
    SymDim,
    add,
    as_dim,
    as_known_size,
    ceildiv,
    dim_max,
    dim_min,
    equal,
    floordiv,
    fresh,
    fresh_integer,
    fresh_number,
    is_anonymous,
    is_size,
    known_factor,
    mul,
    never_negative,
    product,
    simplify,
    sub,
    symbol,
    symbol_name,
    wrap,
)

__all__ = [
    "Assumptions", "Dim", "Dimension", "KnownDim", "SymDim", "add", "as_dim", "as_known_size",
    "assuming", "broadcast_dims", "ceildiv", "current_assumptions", "dim_max", "dim_min", "equal",
    "evaluate_dim", "floordiv", "fresh", "fresh_integer", "fresh_number", "is_anonymous",
    "is_size", "known_factor", "mul", "never_negative", "product", "same", "simplify", "sub",
    "symbol", "symbol_name", "wrap",
]
