"""`random_gamma` and `random_poisson`: draws whose parameters are tensors.

See `random` for how draws depend on seeds, and `rejection_draws` for the methods.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import F, apply, convert, current, op_function
from graphflow.dtypes import as_dtype
from graphflow.errors import DTypeError, ShapeError
from graphflow.lowering import Composite, Pointwise
from graphflow.opdef import (
    Attr,
    ErrorSample,
    Infer,
    NotDifferentiable,
    OpDef,
    Sample,
    TensorType,
)
from graphflow.ops import rejection_draws as draws
from graphflow.ops.arguments import failure, shape_argument, shape_from_value, typed
from graphflow.ops.declare import declare
from graphflow.ops.incomplete_gamma import IGAMMA
from graphflow.ops.random_bits import op_key
from graphflow.ops.state import random_counter

_KEY = {"key0": Attr("int"), "key1": Attr("int")}
_FLOATS = (dt.float16, dt.bfloat16, dt.float32, dt.float64)
_RATES = (*_FLOATS, dt.int32, dt.int64)
_COUNTS = (*_FLOATS, dt.int32, dt.int64)
_BITS_ONLY = NotDifferentiable("a part of a draw")

_ALPHA = np.array([0.05, 0.7, 1.0, 2.5, 40.0])
_RATE = np.array([0.0, 0.4, 3.0, 9.9, 10.0, 55.5, 1000.0])


def _at(parameter: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.int64]:
    rows = np.arange(3 * len(parameter)).reshape(3, len(parameter))
    return parameter, rows, np.int64(2**33 + 1)


def _key(**more: Any) -> dict[str, Any]:
    return {"key0": 0x9ABCDEF0, "key1": 5, **more}


# ---- draws at given numbers ------------------------------------------------------------------

GAMMA_DRAW = declare(
    "GammaDraw", "alpha: T, index: int64, counter: int64", attrs=dict(_KEY),
    infer=lambda c: [TensorType(c.dtype(0), c.broadcast())], reference=draws.gamma,
    grad=_BITS_ONLY, lowering=Pointwise(draws.gamma_body),
    samples=lambda: [Sample(_at(_ALPHA), _key(), grad=False),
                     Sample(_at(_ALPHA[:0]), _key(), grad=False)], T=_FLOATS)

POISSON_DRAW = declare(
    "PoissonDraw", "rate: T, index: int64, counter: int64",
    attrs={**_KEY, "dtype": Attr("dtype", choices=_COUNTS)},
    infer=lambda c: [TensorType(c.attrs["dtype"], c.broadcast())], reference=draws.poisson,
    grad=_BITS_ONLY, lowering=Pointwise(draws.poisson_body),
    samples=lambda: [
        *(Sample(_at(_RATE), _key(dtype=d), dtypes=(dt.float64,), grad=False) for d in _COUNTS),
        Sample(_at(_RATE[:3]), _key(dtype=dt.float32), grad=False),
        Sample(_at(_RATE[:0]), _key(dtype=dt.int32), grad=False)], T=_RATES)


# ---- draws of a shape ------------------------------------------------------------------------


def _drawn_shape(c: Infer) -> Any:
    return shape_from_value(c, 0).concatenate(c.shape(1))


def _numbers(shape: np.ndarray, parameter: np.ndarray) -> np.ndarray:
    sizes = (*(int(d) for d in shape), *parameter.shape)
    return np.arange(int(np.prod(sizes, dtype=np.int64))).reshape(sizes)


def _expand(draw: OpDef, F: Any, shape: Any, parameter: Any, counter: Any, attrs: Any) -> Any:
    sizes = F.concat([shape, F.shape(parameter, out_type=shape.dtype)], 0)
    count = F.cast(F.reduce_prod(sizes), dt.int64)
    return apply(draw, (parameter, F.reshape(F.range(count), sizes), counter), attrs)


def _gamma_grad(F: Any, op: Any, g: Any) -> list[Any]:
    """∂x/∂α at a fixed value of the distribution function: −(∂P/∂α) / p(x).

    Figurnov, Mohamed, Mnih, "Implicit reparameterization gradients", NeurIPS 2018.
    """
    wide = [F.cast(v, dt.float64) for v in (op.inputs[1], op.outputs[0])]
    alpha, x = F.broadcast_to(wide[0], F.shape(wide[1])), wide[1]
    assert not isinstance(IGAMMA.grad, NotDifferentiable)
    by_alpha, density = IGAMMA.grad(F, F.igamma(alpha, x).op, F.ones_like(x))
    slope = F.cast(F.negative(by_alpha) / density, g.dtype)
    rows = F.reshape(g * slope, F.concat([[-1], F.shape(op.inputs[1])], 0))
    return [None, F.reduce_sum(rows, axis=0), None]


def _shaped(parameter: np.ndarray, *sizes: int) -> tuple[Any, ...]:
    return np.array(sizes, np.int32), parameter, np.int64(7)


def _errors(more: dict[str, Any]) -> list[ErrorSample]:
    attrs = {"key0": 0, "key1": 0} | more
    return [
        ErrorSample((typed(dt.int32), typed(dt.float32, 2), typed(dt.int64)), attrs, ShapeError,
                    "shape must have rank 1"),
        ErrorSample((typed(dt.int32, 1), typed(dt.uint8, 2), typed(dt.int64)), attrs, DTypeError,
                    "must be one of float16")]


RANDOM_GAMMA = declare(
    "RandomGamma", "shape: S, alpha: T, counter: int64", attrs=dict(_KEY),
    infer=lambda c: [TensorType(c.dtype(1), _drawn_shape(c))],
    reference=lambda shape, alpha, counter, key0, key1: draws.gamma(
        alpha, _numbers(shape, alpha), counter, key0, key1),
    grad=_gamma_grad,
    lowering=Composite(lambda F, shape, alpha, counter, **attrs: _expand(
        GAMMA_DRAW, F, shape, alpha, counter, attrs)),
    samples=lambda: [Sample(_shaped(_ALPHA, 2), _key(), grad=False),
                     Sample(_shaped(np.array(1.5)), _key(), grad=False),
                     Sample(_shaped(_ALPHA, 0, 3), _key(), grad=False)],
    errors=lambda: _errors({}), S=dt.INDICES, T=_FLOATS)

RANDOM_POISSON = declare(
    "RandomPoissonV2", "shape: S, rate: R, counter: int64",
    attrs={**_KEY, "dtype": Attr("dtype", choices=_COUNTS)},
    infer=lambda c: [TensorType(c.attrs["dtype"], _drawn_shape(c))],
    reference=lambda shape, rate, counter, key0, key1, dtype: draws.poisson(
        rate, _numbers(shape, rate), counter, key0, key1, dtype),
    grad=NotDifferentiable("draws are integers"),
    lowering=Composite(lambda F, shape, rate, counter, **attrs: _expand(
        POISSON_DRAW, F, shape, rate, counter, attrs)),
    samples=lambda: [
        Sample(_shaped(np.round(_RATE), 2), _key(dtype=dt.float32), grad=False),
        Sample(_shaped(np.array(15.0), 2, 2), _key(dtype=dt.int32), dtypes=_FLOATS, grad=False),
        *(Sample(_shaped(_RATE), _key(dtype=d), dtypes=(dt.float64,), grad=False)
          for d in _COUNTS)],
    errors=lambda: _errors({"dtype": dt.float32}), S=dt.INDICES, R=_RATES)


# ---- public functions ------------------------------------------------------------------------


def _draw(
    opdef: OpDef, shape: Any, parameter: Any, seed: int | None, scope: str, **attrs: Any
) -> Any:
    (key0, key1), seeded = op_key(seed)
    counter = random_counter((key0, key1), seeded, name=f"{scope}{opdef.name}")
    return apply(opdef, (shape, parameter, counter), attrs | {"key0": key0, "key1": key1})


def _type(op: str, name: str | None, dtype: Any, types: tuple[Any, ...]) -> Any:
    dtype = as_dtype(dtype)
    if dtype not in types:
        listed = ", ".join(t.name for t in types)
        raise failure(op, name, f"dtype must be one of {listed}, got {dtype.name}",
                      cls=DTypeError)
    return dtype


@op_function
def random_gamma(
    shape: Any, alpha: Any, beta: Any = None, dtype: Any = dt.float32, seed: int | None = None,
    name: str | None = None,
) -> Any:
    """Draws from gamma distributions: `shape` of them for each pair of parameters.

    shape: integer vector; alpha: the shape parameters, positive floats [a…]; beta: their inverse
      scales, 1 by default, broadcast with alpha → [shape…, a…] of `dtype`, never 0.
    Gradients flow to alpha (by implicit differentiation) and beta.
    Method: Marsaglia and Tsang (2000). Raises DTypeError for another dtype.
    """
    dtype = _type("random_gamma", name, dtype, _FLOATS)
    graph: Any = current()
    with graph.name_scope(name or "random_gamma") as scope:
        shape = convert(shape_argument("random_gamma", name, shape), name="shape")
        alpha = convert(alpha, dtype, "alpha")
        beta = convert(1 if beta is None else beta, dtype, "beta")
        both = F.broadcast_dynamic_shape(F.shape(alpha), F.shape(beta))
        drawn = _draw(RANDOM_GAMMA, shape, F.broadcast_to(alpha, both), seed, scope)
        return F.maximum(np.array(_tiny(dtype), dtype.numpy), drawn / beta, name=scope)


def _tiny(dtype: Any) -> float:
    """The least normal number."""
    return {dt.float16: 2.0**-14, dt.bfloat16: 2.0**-126, dt.float32: 2.0**-126}.get(
        dtype, 2.0**-1022)


@op_function
def random_poisson(
    lam: Any, shape: Any, dtype: Any = dt.float32, seed: int | None = None,
    name: str | None = None,
) -> Any:
    """Draws from Poisson distributions: `shape` of them for each mean in `lam`.

    lam: means ≥ 0, floats or integers [l…]; shape: integer vector → [shape…, l…] of `dtype`
      (float16, bfloat16, float32, float64, int32 or int64).
    Method: search in the distribution function below a mean of 10, Hörmann's PTRS (1993) above.
    Not differentiable. Raises DTypeError for another dtype.
    """
    dtype = _type("random_poisson", name, dtype, _COUNTS)
    graph: Any = current()
    with graph.name_scope(name or "random_poisson") as scope:
        shape = convert(shape_argument("random_poisson", name, shape), name="shape")
        lam = convert(lam, name="lam")
        return F.identity(_draw(RANDOM_POISSON, shape, lam, seed, scope, dtype=dtype), name=scope)
