"""Functions of the C library that kernels have code of their own for.

Numba compiles `math.exp(x)` into `llvm.exp.f32` or `expf`. `renamed` gives these names of
graphflow's, `define` defines those that a module declares, by the polynomials of all kernels: the
code needs no library, may be inlined and run in lanes, and gives what `gf.exp` gives.
"""

from __future__ import annotations

import re
from typing import Any

from llvmlite import ir

from graphflow import dtypes
from graphflow.codegen.cpu.lanes import Lanes, register_type
from graphflow.codegen.cpu.scalars import EMIT
from graphflow.loop_ir.approximations import expand
from graphflow.loop_ir.builder import b
from graphflow.loop_ir.expr import build, walk
from graphflow.loop_ir.scalar_ops import OPS

PREFIX = "gf_math_"
_FUNCTIONS = (
    "exp", "expm1", "log", "log1p", "sin", "cos", "tan", "asin", "acos", "atan", "atan2", "sinh",
    "cosh", "tanh", "asinh", "acosh", "atanh", "erf", "erfc", "lgamma", "pow", "floor", "ceil",
    "trunc", "sqrt")
_NUMBA_NAMES = {"numba_gamma": "tgamma", "numba_gammaf": "tgammaf", "numba_ldexp": "ldexp",
                "numba_ldexpf": "ldexpf"}
_TYPES = {"32": dtypes.float32, "64": dtypes.float64}


def _names() -> dict[str, str]:
    found = dict(_NUMBA_NAMES)
    for name in _FUNCTIONS:
        found |= {name: f"{PREFIX}{name}_64", f"{name}f": f"{PREFIX}{name}_32"}
        found |= {f"llvm.{name}.f{bits}": f"{PREFIX}{name}_{bits}" for bits in _TYPES}
    return found


NAMES = _names()
_DECLARED = re.compile(r"^declare [^@\n]*@([\w.]+)\(", re.MULTILINE)


def renamed(module: str) -> str:
    """The module with graphflow's names for the functions that it declares."""
    for name in set(_DECLARED.findall(module)) & NAMES.keys():
        module = re.sub(rf"@{re.escape(name)}(?![\w.])", f"@{NAMES[name]}", module)
    return module


def define(module: ir.Module, name: str) -> None:
    """Adds the function of that name, which begins with `PREFIX`, to a module."""
    op, _, bits = name.removeprefix(PREFIX).rpartition("_")
    dtype = _TYPES[bits]
    arguments = [b.arg(i, dtype) for i in range(OPS[op].arity)]
    result = expand(build(op, *arguments))
    kind = register_type(dtype)
    function = ir.Function(module, ir.FunctionType(kind, [kind] * len(arguments)), name)
    for attribute in ("nounwind", "alwaysinline"):
        function.attributes.add(attribute)
    lanes = Lanes(ir.IRBuilder(function.append_basic_block("entry")), 1)
    values: dict[Any, Any] = {}
    for node in walk(result):
        if node.op == "arg":
            values[node] = function.args[node.attr]
        elif node.op == "const":
            values[node] = lanes.number(node)
        else:
            values[node] = EMIT[node.op](lanes, node, *(values[a] for a in node.args))
    lanes.builder.ret(values[result])
