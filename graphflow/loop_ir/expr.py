"""`Expr`, the node of scalar expressions: immutable, typed, interned; its walk and its text.

Input: operands and, for leaves, an attribute. Output: a node; equal nodes are the same object,
so comparison and hashing are those of identity, and a shared sub-expression is one node.
`build` is the checked constructor; Python's operators on `Expr` go through it.
"""

from __future__ import annotations

import math
import threading
import weakref
from collections.abc import Container, Iterator
from typing import Any

import numpy as np

from graphflow.dtypes import DType, int64
from graphflow.errors import ProgramError
from graphflow.loop_ir.op_table import ANY_NUMBER, PYTHON_TYPE, type_error
from graphflow.loop_ir.scalar_ops import OPS
from graphflow.loop_ir.semantics import arithmetic_dtype

_set = object.__setattr__

Leaf = tuple[str, Any, str]  # op, attribute and name of the dtype
_LEAVES = ("index", "size", "accumulator", "load", "arg")
_NO_LEAVES: frozenset[Leaf] = frozenset()


class Expr:
    """One scalar op applied to operands.

    `Expr(op, args, dtype, attr)` interns but does not check types: `build` and the
    `ScalarBuilder` do, and `verify` re-checks.

    Attributes:
      op: a name in `scalar_ops.OPS`.
      args: the operands.
      dtype: the dtype of the value.
      attr: for leaves: the number of an input or axis, or the value of a constant.
    """

    __slots__ = ("__weakref__", "_leaves", "args", "attr", "dtype", "op")

    _leaves: frozenset[Leaf] | None
    op: str
    args: tuple[Expr, ...]
    dtype: DType
    attr: Any

    def __new__(
        cls, op: str, args: tuple[Expr, ...], dtype: DType, attr: Any = None
    ) -> Expr:
        args = tuple(args)
        for arg in args:
            if not isinstance(arg, Expr):
                raise ProgramError(f"loop IR: the operands of {op} are not all Expr: {args!r}.")
        if not isinstance(dtype, DType):
            raise ProgramError(f"loop IR: the dtype of {op} is {dtype!r}, not a DType.")
        key = (op, args, dtype.name, type(attr), _attr_key(attr))
        with _interned_lock:
            node = _interned.get(key)
            if node is None:
                node = object.__new__(cls)
                _set(node, "op", op)
                _set(node, "args", args)
                _set(node, "dtype", dtype)
                _set(node, "attr", attr)
                _set(node, "_leaves", None)
                _interned[key] = node
        return node

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"Expr is immutable: cannot set {name!r}")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"Expr is immutable: cannot delete {name!r}")

    def __reduce__(self) -> tuple:
        return Expr, (self.op, self.args, self.dtype, self.attr)

    def __repr__(self) -> str:
        return f"<Expr {_head(self)}({', '.join(map(_head, self.args))}): {self.dtype.name}>"

    def __bool__(self) -> bool:
        raise TypeError("The truth of an Expr is not known while a body is built. Use "
                        "b.select(condition, x, y) in place of if, & and | in place of and, or.")

    def __add__(self, other: Any) -> Expr:
        return build("add", self, other)

    def __radd__(self, other: Any) -> Expr:
        return build("add", other, self)

    def __sub__(self, other: Any) -> Expr:
        return build("sub", self, other)

    def __rsub__(self, other: Any) -> Expr:
        return build("sub", other, self)

    def __mul__(self, other: Any) -> Expr:
        return build("mul", _counted(self, other), _counted(other, self))

    def __rmul__(self, other: Any) -> Expr:
        return build("mul", _counted(other, self), _counted(self, other))

    def __truediv__(self, other: Any) -> Expr:
        return build("div", self, other)

    def __rtruediv__(self, other: Any) -> Expr:
        return build("div", other, self)

    def __floordiv__(self, other: Any) -> Expr:
        return build("floordiv", self, other)

    def __rfloordiv__(self, other: Any) -> Expr:
        return build("floordiv", other, self)

    def __mod__(self, other: Any) -> Expr:
        return build("mod", self, other)

    def __rmod__(self, other: Any) -> Expr:
        return build("mod", other, self)

    def __pow__(self, other: Any) -> Expr:
        return build("pow", self, other)

    def __rpow__(self, other: Any) -> Expr:
        return build("pow", other, self)

    def __neg__(self) -> Expr:
        return build("neg", self)

    def __abs__(self) -> Expr:
        return build("abs", self)

    def __lt__(self, other: Any) -> Expr:
        return build("lt", self, other)

    def __le__(self, other: Any) -> Expr:
        return build("le", self, other)

    def __gt__(self, other: Any) -> Expr:
        return build("gt", self, other)

    def __ge__(self, other: Any) -> Expr:
        return build("ge", self, other)

    def __lshift__(self, other: Any) -> Expr:
        return build("shl", self, other)

    def __rlshift__(self, other: Any) -> Expr:
        return build("shl", other, self)

    def __rshift__(self, other: Any) -> Expr:
        return build("shr", self, other)

    def __rrshift__(self, other: Any) -> Expr:
        return build("shr", other, self)

    def __and__(self, other: Any) -> Expr:
        return build(_logical_or_bit(self, "and"), self, other)

    __rand__ = __and__

    def __or__(self, other: Any) -> Expr:
        return build(_logical_or_bit(self, "or"), self, other)

    __ror__ = __or__

    def __xor__(self, other: Any) -> Expr:
        return build(_logical_or_bit(self, "xor"), self, other)

    __rxor__ = __xor__

    def __invert__(self) -> Expr:
        return build(_logical_or_bit(self, "not"), self)


_interned: weakref.WeakValueDictionary[tuple, Expr] = weakref.WeakValueDictionary()
# Re-entrant: the collector may drop nodes, and so run Python code, while the lock is held.
_interned_lock = threading.RLock()


def build(op: str, *operands: Any, dtype: DType | None = None, attr: Any = None) -> Expr:
    """The checked constructor.

    Operands are Expr; a Python or NumPy number among them takes the dtype of the Expr beside it.
    `dtype` is given for leaves and conversions, and inferred otherwise.
    Raises DTypeError if the dtypes or the number of operands do not fit, naming the op.
    """
    record = OPS[op]
    if len(operands) != record.arity != ANY_NUMBER:
        raise type_error(op, f"expects {record.arity} operands, got {len(operands)}")
    args = _with_constants(op, operands, record.matched_from)
    if dtype is not None or attr is not None:
        return Expr(op, args, record.rule(op, tuple([a.dtype for a in args]), dtype, attr), attr)
    key = (op, *[arg.dtype.name for arg in args])
    result = _results.get(key)
    if result is None:
        result = _results[key] = record.rule(op, tuple([a.dtype for a in args]), None, None)
    return Expr(op, args, result)


_results: dict[tuple[str, ...], DType] = {}  # of ops by the names of their operands' dtypes


def constant(value: Any, dtype: DType) -> Expr:
    """The literal `value` in `dtype`.

    A float16 or bfloat16 constant is kept in float32, in which such bodies compute. Raises
    DTypeError if the value is of another kind (2.5 as int32) and OverflowError if it is out of
    range.
    """
    return build("const", dtype=dtype, attr=_python_value(value, dtype))


_MOST_WHOLE_NUMBERS = 4096
_whole_numbers: dict[tuple[int, str], Expr] = {}


def _whole_number(value: int, dtype: DType) -> Expr:
    """The same as `constant`, which it asks once."""
    key = value, dtype.name
    found = _whole_numbers.get(key)
    if found is None:
        if len(_whole_numbers) >= _MOST_WHOLE_NUMBERS:
            _whole_numbers.clear()
        found = _whole_numbers[key] = constant(value, dtype)
    return found


def walk(*roots: Expr, known: Container[Expr] = ()) -> Iterator[Expr]:
    """The nodes that `roots` need, each once, operands before their users, left to right.

    known: nodes that are left out, with what only they need; it may grow meanwhile.
    """
    done: set[Expr] = set()
    stack = [*reversed(roots)]
    while stack:
        node = stack[-1]
        if node in done or node in known:
            stack.pop()
            continue
        for arg in node.args:
            if arg not in done and arg not in known:
                stack.append(arg)
                break
        else:
            stack.pop()
            done.add(node)
            yield node


def leaves(expr: Expr) -> frozenset[Leaf]:
    """The indices, sizes, accumulators, arguments and loads that an expression needs.

    They are found once for each node: walks over all of a tile's offsets, again and again, took
    a fifth of the time in which its kernel is built.
    """
    pending = [expr]
    while pending:
        node = pending[-1]
        missing = [a for a in node.args if a._leaves is None]
        if missing:
            pending += missing
            continue
        pending.pop()
        if node._leaves is None:
            _set(node, "_leaves", _own_leaves(node))
    found = expr._leaves
    assert found is not None
    return found


def _own_leaves(node: Expr) -> frozenset[Leaf]:
    found = _NO_LEAVES
    for arg in node.args:
        below = arg._leaves or _NO_LEAVES
        found = below if found <= below else found | below
    return found if node.op not in _LEAVES else found | {(node.op, node.attr, node.dtype.name)}


def to_text(*roots: Expr) -> str:
    """Canonical text: one line per node in the order of `walk`, then the results.

    Equal expressions give equal text, in any process: it is what kernels are hashed by.
    """
    number: dict[Expr, int] = {}
    lines = []
    for node in walk(*roots):
        operands = "".join(f" %{number[arg]}" for arg in node.args)
        lines.append(f"%{len(number)} = {_head(node)}{operands} : {node.dtype.name}")
        number[node] = len(number)
    lines.append("return " + ", ".join(f"%{number[root]}" for root in roots))
    return "\n".join(lines) + "\n"


def _head(node: Expr) -> str:
    return node.op if node.attr is None else f"{node.op}[{_attr_text(node.attr)}]"


def _attr_text(attr: Any) -> str:
    """Exact: floats in hexadecimal, so that the text tells apart what the bits tell apart."""
    if isinstance(attr, float):
        return attr.hex()
    if isinstance(attr, complex):
        return f"{attr.real.hex()}, {attr.imag.hex()}"
    return repr(attr)


def _attr_key(attr: Any) -> Any:
    """Equal for equal bits: NaN equals itself, and 0.0 is not −0.0."""
    return _attr_text(attr) if isinstance(attr, (float, complex)) else attr


def _counted(x: Any, other: Any) -> Any:
    """A condition beside a number counts as 0 or 1: `size * (begin < 0)`."""
    if not isinstance(x, Expr) or not x.dtype.is_bool:
        return x
    if isinstance(other, Expr):
        return x if other.dtype.is_bool else build("cast", x, dtype=other.dtype)
    return build("cast", x, dtype=int64) if isinstance(other, int) else x


def _logical_or_bit(x: Expr, name: str) -> str:
    return f"logical_{name}" if x.dtype.is_bool else f"bit_{name}"


def _with_constants(op: str, operands: tuple, matched_from: int) -> tuple[Expr, ...]:
    for operand in operands:
        if not isinstance(operand, Expr):
            break
    else:
        return operands
    if len(operands) == 2 and matched_from == 0:  # index arithmetic, most of what is built
        x, y = operands
        if type(y) is int and isinstance(x, Expr):
            return x, _whole_number(y, x.dtype)
        if type(x) is int and isinstance(y, Expr):
            return _whole_number(x, y.dtype), y
    matched = [x for x in operands[matched_from:] if isinstance(x, Expr)]
    for x in operands:
        if not isinstance(x, (Expr, bool, int, float, complex, np.generic)):
            raise type_error(op, f"expects Expr or numbers, got {x!r}")
    if not matched or not all(isinstance(x, Expr) for x in operands[:matched_from]):
        raise type_error(op, "its operands are numbers alone, without a dtype",
                         "Give one of them as b.const(value, dtype).")
    return tuple(x if isinstance(x, Expr) else constant(x, matched[0].dtype) for x in operands)


_ACCEPTED: dict[str, tuple[type, ...]] = {
    "bool": (bool,), "signed": (int,), "unsigned": (int,), "float": (int, float),
    "complex": (int, float, complex)}


def _python_value(value: Any, dtype: DType) -> Any:
    if type(value) is int and dtype is int64 and -2**63 <= value < 2**63:
        return value
    if isinstance(value, (np.generic, np.ndarray)):
        if value.ndim:
            raise type_error("const", f"expects a scalar, got an array {list(value.shape)}")
        value = value.item()
    accepted = _ACCEPTED.get(dtype.kind, ())
    of_kind = isinstance(value, accepted) and isinstance(value, bool) == dtype.is_bool
    if not of_kind:
        raise type_error("const", f"{value!r} is not a {dtype.name}")
    if dtype.is_integer and not int(dtype.min) <= value <= int(dtype.max):
        raise OverflowError(f"const: {value} is out of the range of {dtype.name}.")
    if not (dtype.is_floating or dtype.is_complex):
        return value
    with np.errstate(all="ignore"):
        rounded = PYTHON_TYPE[dtype.kind](arithmetic_dtype(dtype).type(value))
    if np.isfinite(value) and not np.isfinite(rounded):
        raise OverflowError(f"const: {value!r} is out of the range of {dtype.name}.")
    return rounded if not (isinstance(rounded, float) and math.isnan(rounded)) else math.nan
