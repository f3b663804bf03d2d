"""What a scalar op is: the record `ScalarOp`, the typing rules, and the table they go into.

A typing rule is called as `rule(op_name, operand_dtypes, declared, attr)` and returns the dtype
of the result, or raises DTypeError. `declared` is the dtype that the node states: leaves and
conversions take it from there, every other op ignores it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from graphflow import dtypes
from graphflow.dtypes import DType
from graphflow.errors import DTypeError, describe

TypeRule = Callable[[str, tuple[DType, ...], "DType | None", Any], DType]
Family = tuple[DType, ...]
ANY_NUMBER = -1  # the arity of an op that its attribute knows the operands of


@dataclass(frozen=True, slots=True)
class ScalarOp:
    """One scalar op.

    Attributes:
      name: the name in expressions and of the builder's method.
      arity: the number of operands, or ANY_NUMBER.
      rule: the typing rule (see the module).
      compute: `compute(node, environment, *operands)` → array, over NumPy arrays in the
        arithmetic dtype of their nodes; defines the op.
      matched_from: operands from this position on have one dtype, which a Python number among
        them takes.
      doc: one line, also the builder method's docstring.
      basic: the op is basic, that is emitters translate it themselves, where its operands and
        its result have these dtypes; everywhere else `approximations.expand` rewrites it.
    """

    name: str
    arity: int
    rule: TypeRule
    compute: Callable[..., Any]
    matched_from: int
    doc: str
    basic: Family = ()


class OpTable(dict[str, ScalarOp]):
    """name → ScalarOp. Each op is declared once."""

    def declare(
        self, name: str, arity: int, rule: TypeRule, function: Callable[..., Any], doc: str,
        *, matched_from: int = 0, basic: Family = (),
    ) -> None:
        """Adds an op whose result depends on its operands alone: `function(*operands)`."""
        self.declare_with_node(
            name, arity, rule, lambda node, environment, *operands: function(*operands), doc,
            matched_from=matched_from, basic=basic,
        )

    def declare_with_node(
        self, name: str, arity: int, rule: TypeRule, compute: Callable[..., Any], doc: str,
        *, matched_from: int = 0, basic: Family = (),
    ) -> None:
        """Adds an op that looks at its node or the environment, as leaves and casts do."""
        if name in self:
            raise ValueError(f"scalar op {name!r} is declared twice")
        self[name] = ScalarOp(name, arity, rule, compute, matched_from, doc, basic)


def same(family: Family) -> TypeRule:
    """All operands have one dtype of `family`; so has the result."""
    def rule(name: str, operands: tuple[DType, ...], declared: DType | None, attr: Any) -> DType:
        return one_dtype(name, operands, family)
    return rule


def predicate(family: Family) -> TypeRule:
    """All operands have one dtype of `family`; the result is bool."""
    def rule(name: str, operands: tuple[DType, ...], declared: DType | None, attr: Any) -> DType:
        one_dtype(name, operands, family)
        return dtypes.bool_
    return rule


def real_part(family: Family) -> TypeRule:
    """One operand of `family`; the result is its real dtype."""
    def rule(name: str, operands: tuple[DType, ...], declared: DType | None, attr: Any) -> DType:
        return one_dtype(name, operands, family).real_dtype
    return rule


def choice(name: str, operands: tuple[DType, ...], declared: DType | None, attr: Any) -> DType:
    """`select`: a bool condition, then two operands of one dtype, which is the result's."""
    if operands[0] is not dtypes.bool_:
        raise type_error(name, f"expects a bool condition, got {operands[0].name}",
                         "Compare first, for example b.ne(c, 0).")
    return one_dtype(name, operands[1:], dtypes.FIXED_SIZE)


def complex_of(name: str, operands: tuple[DType, ...], declared: DType | None, attr: Any) -> DType:
    """`complex`: two float32 give complex64, two float64 complex128."""
    part = one_dtype(name, operands, (dtypes.float32, dtypes.float64))
    return dtypes.complex64 if part is dtypes.float32 else dtypes.complex128


def conversion(name: str, operands: tuple[DType, ...], declared: DType | None, attr: Any) -> DType:
    """`cast`: from any fixed-size dtype to the declared one."""
    return _declared(name, declared, dtypes.FIXED_SIZE)


def same_bits(name: str, operands: tuple[DType, ...], declared: DType | None, attr: Any) -> DType:
    """`bitcast`: between floats and integers of one size."""
    target = _declared(name, declared, dtypes.REALS)
    source = one_dtype(name, operands, dtypes.REALS)
    if source.size != target.size:
        raise type_error(
            name, f"sizes differ: {source.name} has {8 * source.size} bits, "
                  f"{target.name} {8 * target.size}", "To convert the value use b.cast.")
    return target


def position(name: str, operands: tuple[DType, ...], declared: DType | None, attr: Any) -> DType:
    """`index`, `size`: the attribute is an axis, the result int64."""
    _check_position(name, attr)
    return dtypes.int64


def element(name: str, operands: tuple[DType, ...], declared: DType | None, attr: Any) -> DType:
    """`arg`: the attribute is the number of an input, the dtype is declared."""
    _check_position(name, attr)
    return _declared(name, declared, dtypes.FIXED_SIZE)


def literal(name: str, operands: tuple[DType, ...], declared: DType | None, attr: Any) -> DType:
    """`const`: the attribute is a Python number of the declared dtype's kind."""
    dtype = _declared(name, declared, dtypes.FIXED_SIZE)
    python_type = PYTHON_TYPE[dtype.kind]
    if type(attr) is not python_type:
        raise type_error(name, f"a {dtype.name} constant is a Python {python_type.__name__}, "
                               f"got {attr!r}")
    return dtype


def called(name: str, operands: tuple[DType, ...], declared: DType | None, attr: Any) -> DType:
    """`call`: the attribute is a `ScalarFunction`, which says the types."""
    if attr is None:
        raise type_error(name, "it takes a function as its attribute")
    if operands != attr.inputs:
        expected, found = (", ".join(d.name for d in kinds) for kinds in (attr.inputs, operands))
        raise type_error(name, f"the function takes ({expected}), got ({found})")
    result: DType = attr.result
    return result


PYTHON_TYPE = {"bool": bool, "signed": int, "unsigned": int, "float": float, "complex": complex}


def one_dtype(name: str, operands: tuple[DType, ...], family: Family) -> DType:
    """The dtype that all operands share. Raises DTypeError if they differ or it is not in
    `family`.
    """
    first = operands[0]
    if any(other is not first for other in operands):
        listed = ", ".join(dtype.name for dtype in operands)
        raise type_error(name, f"operands differ in dtype: {listed}",
                         f"Cast one of them, for example b.cast(x, dtypes.{_constant(first)}).")
    if first not in family:
        allowed = ", ".join(dtype.name for dtype in family)
        raise type_error(name, f"expects one of {allowed}; got {first.name}")
    return first


def type_error(name: str, problem: str, fix: str = "") -> DTypeError:
    """The error of scalar op `name`, in graphflow's form."""
    return DTypeError(describe(f"scalar op {name}", None, problem, fix=fix))


def _constant(dtype: DType) -> str:
    return "bool_" if dtype is dtypes.bool_ else dtype.name


def _declared(name: str, declared: DType | None, family: Family) -> DType:
    if not isinstance(declared, DType) or declared not in family:
        got = declared.name if isinstance(declared, DType) else repr(declared)
        raise type_error(name, f"cannot give a result of dtype {got}")
    return declared


def _check_position(name: str, attr: Any) -> None:
    if type(attr) is not int or attr < 0:
        raise type_error(name, f"expects a position 0, 1, 2 …, got {attr!r}")
