"""Declarations of scalar functions from outside in the module of a kernel; see `external`."""

from __future__ import annotations

import hashlib
from typing import Any

from llvmlite import ir

from graphflow.codegen.cpu.lanes import register_type
from graphflow.loop_ir.external import ScalarFunction

Declared = dict[str, tuple[ScalarFunction, int]]


def external_function(module: ir.Module, scalar: ScalarFunction, lanes: int) -> ir.Function:
    """The declaration of a function for that many lanes."""
    name = call_name(scalar, lanes)
    known = module.globals.get(name)
    if known is not None:
        return known
    kinds = [in_lanes(register_type(d), lanes) for d in (scalar.result, *scalar.inputs)]
    function = ir.Function(module, ir.FunctionType(kinds[0], kinds[1:]), name)
    function.attributes.add("nounwind")
    declared_in(module)[name] = scalar, lanes
    return function


def declared_in(module: ir.Module) -> Declared:
    """The functions from outside that a module declares, with their lanes, by symbol."""
    found: Declared = vars(module).setdefault("functions_from_outside", {})
    return found


def call_name(scalar: ScalarFunction, lanes: int) -> str:
    """The symbol of a function for that many lanes."""
    return f"gf_call_{hashlib.sha256(repr(scalar).encode()).hexdigest()[:24]}_{lanes}"


def in_lanes(kind: Any, lanes: int) -> Any:
    """The LLVM type `kind`, or the vector of that many lanes."""
    return ir.VectorType(kind, lanes) if lanes > 1 else kind
