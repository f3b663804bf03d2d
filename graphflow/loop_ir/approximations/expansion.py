"""`expand`: the walk that replaces each op by its expansion.

Input: expressions, and for complex leaves a function that reads their two parts. Output: the
expressions in basic ops. Every node is rewritten once; an expansion may itself hold ops to expand;
depth is not limited.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

from graphflow import dtypes
from graphflow.dtypes import DType
from graphflow.errors import ProgramError
from graphflow.loop_ir.approximations import (
    arithmetic,
    complex_numbers,
    error_function,
    exponential,
    gamma,
    inverse_trigonometry,
    logarithm,
    powers,
    trigonometry,
)
from graphflow.loop_ir.approximations.complex_numbers import Parts
from graphflow.loop_ir.builder import b
from graphflow.loop_ir.expr import Expr, build, constant
from graphflow.loop_ir.scalar_ops import HALVES, OPS

RealLeaf = Callable[[Expr], tuple[Expr, Expr]]

_FAMILIES = (exponential, logarithm, trigonometry, inverse_trigonometry, error_function, gamma,
             arithmetic)
_OTHER_NAMES = {"pow": powers.power}


def is_basic(node: Expr) -> bool:
    """Is the op one that emitters translate themselves, for these dtypes?"""
    key = (node.op, node.dtype.name, *[arg.dtype.name for arg in node.args])
    found = _basic.get(key)
    if found is None:
        basic = OPS[node.op].basic
        found = _basic[key] = node.dtype in basic and all(a.dtype in basic for a in node.args)
    return found


_basic: dict[tuple[str, ...], bool] = {}  # by the op and the names of its dtypes


def expand(expr: Expr, real_leaf: RealLeaf | None = None) -> Expr:
    """The expression in basic ops; its dtype must not be complex.

    float16 and bfloat16 occur in it only in leaves, casts and bitcasts: the arithmetic between is
    in float32, and a result of such a dtype is rounded once, at the end.

    Args:
      real_leaf: gives the real and the imaginary part of a complex `arg`, `load` or `accumulator`
        as two real expressions.

    Raises ProgramError if `expr` is complex (see `split_complex`), or if it has a complex leaf and
    there is no `real_leaf`.
    """
    return _expand_one(expr) if real_leaf is None else expand_all((expr,), real_leaf)[0]


def expander() -> Callable[[Expr], Expr]:
    """`expand` for expressions without complex leaves, which share the work of common parts."""
    expansion = _Expansion(None)

    def expanded(expr: Expr) -> Expr:
        if expr.dtype.is_complex:
            raise ProgramError(f"loop IR: expand: {expr!r} is complex. Use split_complex.")
        return _stored(expansion.parts_of(expr)[0], expr.dtype)

    return expanded


def expand_all(exprs: Sequence[Expr], real_leaf: RealLeaf | None = None) -> list[Expr]:
    """`expand` for several expressions, which share the work of common parts."""
    expansion = _Expansion(real_leaf)
    for expr in exprs:
        if expr.dtype.is_complex:
            raise ProgramError(f"loop IR: expand: {expr!r} is complex. Use split_complex.")
    return [_stored(expansion.parts_of(expr)[0], expr.dtype) for expr in exprs]


def split_complex(expr: Expr, real_leaf: RealLeaf) -> tuple[Expr, Expr]:
    """The real and the imaginary part of a complex expression, each in basic ops.

    Raises ProgramError if `expr` is not complex.
    """
    if not expr.dtype.is_complex:
        raise ProgramError(f"loop IR: split_complex: {expr!r} is not complex. Use expand.")
    real, imag = _Expansion(real_leaf).parts_of(expr)
    return real, imag


@lru_cache(maxsize=1024)  # schedules ask again and again for the bodies of the same few ops
def _expand_one(expr: Expr) -> Expr:
    return expand_all((expr,))[0]


_COMPLEX = frozenset({"complex64", "complex128"})
_HALVES = frozenset(dtype.name for dtype in HALVES)


class _Expansion:
    """Expanded nodes: one expression for each, or two for a complex one."""

    def __init__(self, real_leaf: RealLeaf | None) -> None:
        self._real_leaf = real_leaf
        self._parts: dict[Expr, tuple[Expr, ...]] = {}
        self._rewritten: dict[Expr, tuple[Expr, ...]] = {}

    def parts_of(self, root: Expr) -> tuple[Expr, ...]:
        """The expansion of `root`."""
        stack = [root]
        while stack:
            node = stack[-1]
            missing = () if node in self._parts else self._missing(node)
            if missing:
                stack.extend(missing)
                continue
            if node not in self._parts:
                rewritten = self._rewritten.pop(node)
                self._parts[node] = tuple(p for e in rewritten for p in self._parts[e])
            stack.pop()
        return self._parts[root]

    def _missing(self, node: Expr) -> list[Expr]:
        """What must be expanded before `node`: its operands, then what it is rewritten into."""
        if node not in self._rewritten:
            operands = [arg for arg in node.args if arg not in self._parts]
            if operands:
                return operands[::-1]
            self._rewritten[node] = self._rewrite(node)
        return [e for e in self._rewritten[node] if e not in self._parts]

    def _rewrite(self, node: Expr) -> tuple[Expr, ...]:
        kinds = [node.dtype.name, *[arg.dtype.name for arg in node.args]]
        if not _COMPLEX.isdisjoint(kinds):
            return self._rewrite_complex(node)
        args = tuple([self._parts[arg][0] for arg in node.args])
        if not _HALVES.isdisjoint(kinds):
            node = _in_single(node, args)
        elif args != node.args:
            node = Expr(node.op, args, node.dtype, node.attr)
        if is_basic(node):
            self._parts[node] = (node,)
            return (node,)
        return (EXPANSIONS[node.op](*node.args),)

    def _rewrite_complex(self, node: Expr) -> tuple[Expr, ...]:
        args = [self._parts[arg] for arg in node.args]
        if node.op in ("arg", "load", "accumulator"):
            if self._real_leaf is None:
                raise ProgramError(f"loop IR: expand: {node!r} is complex, and no real_leaf says "
                                   "how to read its parts.")
            offsets = tuple(parts[0] for parts in args)
            return self._real_leaf(Expr(node.op, offsets, node.dtype, node.attr))
        operands = [Parts(*parts) if arg.dtype.is_complex else parts[0]
                    for arg, parts in zip(node.args, args)]
        result = complex_numbers.rewrite(node, operands)
        return tuple(result) if isinstance(result, Parts) else (result,)


def _in_single(node: Expr, args: tuple[Expr, ...]) -> Expr:
    """A node with operands or a result in half precision, computed in float32.

    `args` are its operands in float32, which is what values of half precision are inside a body.
    """
    if node.op == "const":
        return constant(node.attr, dtypes.float32)
    if not args or node.op == "load":
        return b.cast(Expr(node.op, args, node.dtype, node.attr), dtypes.float32)
    if node.op == "cast" and node.dtype not in HALVES:
        return b.cast(args[0], node.dtype)
    if node.op == "cast":
        return b.cast(_stored(args[0], node.dtype), dtypes.float32)
    if node.op == "bitcast":
        bits = b.bitcast(_stored(args[0], node.args[0].dtype), node.dtype)
        return b.cast(bits, dtypes.float32) if node.dtype in HALVES else bits
    return build(node.op, *args)


def _stored(x: Expr, dtype: DType) -> Expr:
    """x rounded to `dtype`; without a cast where it was just widened from there."""
    if x.op == "cast" and dtype in HALVES and x.args[0].dtype is dtype:
        return x.args[0]
    return b.cast(x, dtype)


def _table() -> dict[str, Callable[..., Expr]]:
    """The function that expands an op stands under the op's name in the module of its family."""
    table = dict(_OTHER_NAMES)
    for family in _FAMILIES:
        table.update((name, function) for name, function in vars(family).items()
                     if name in OPS and getattr(function, "__module__", "") == family.__name__)
    return table


EXPANSIONS = _table()
