"""Loop IR, the scalar half: typed expressions, their builder, verifier, printer, interpreter.

A pointwise op says what it computes as one scalar body, `lambda b, x: b.tanh(x)`, written
against a `ScalarBuilder`; every target is generated from that body, and `evaluate` runs it with
NumPy: the interpreter is the definition of what a body means.

Invariants: expressions are interned (equal expressions are one object), immutable, and of any
depth: nothing here recurses. Every scalar op stands once, in `scalar_ops.OPS`.
"""

from __future__ import annotations

from graphflow.loop_ir.builder import ScalarBuilder, b
from graphflow.loop_ir.expr import Expr, build, to_text, walk
from graphflow.loop_ir.interpreter import evaluate, evaluate_all
from graphflow.loop_ir.op_table import ScalarOp
from graphflow.loop_ir.philox import philox4x32
from graphflow.loop_ir.scalar_ops import OPS
from graphflow.loop_ir.semantics import arithmetic_dtype
from graphflow.loop_ir.verify import verify

__all__ = [
    "OPS", "Expr", "ScalarBuilder", "ScalarOp", "arithmetic_dtype", "b", "build", "evaluate",
    "evaluate_all", "philox4x32", "to_text", "verify", "walk",
]
