"""Values in registers: their LLVM types, and a builder for some lanes of them side by side.

bool is `i1` in registers; float16 and bfloat16 are float32 in registers.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from graphflow.dtypes import DType

_TYPES: dict[str, Any] = {
    "bool": ir.IntType(1), "int8": ir.IntType(8), "int16": ir.IntType(16),
    "int32": ir.IntType(32), "int64": ir.IntType(64), "uint8": ir.IntType(8),
    "uint16": ir.IntType(16), "uint32": ir.IntType(32), "uint64": ir.IntType(64),
    "float16": ir.FloatType(), "bfloat16": ir.FloatType(), "float32": ir.FloatType(),
    "float64": ir.DoubleType(),
}


def register_type(dtype: DType) -> Any:
    """The LLVM type of one element in a register."""
    return _TYPES[dtype.name]


class _Splat(ir.Constant):  # type: ignore[misc]  # llvmlite has no annotations
    """A vector constant of one number, in the short form that LLVM's text has for it.

    Written out lane by lane, such constants were most of the text of a kernel.
    """

    def __init__(self, vector: Any, number: Any) -> None:
        super().__init__(vector, None)
        self.constant = [number] * vector.count
        self._number = number

    def _get_reference(self) -> str:
        return f"splat ({self._number.type} {self._number.get_reference()})"


class _Undefined(ir.Constant):  # type: ignore[misc]  # see above
    """A vector of which nothing is known yet, in the short form that LLVM's text has for it."""

    def __init__(self, vector: Any) -> None:
        super().__init__(vector, None)

    def _get_reference(self) -> str:
        return "undef"


class Lanes:
    """An IR builder and the number of lanes (1: plain scalars) of the values it makes."""

    def __init__(self, builder: ir.IRBuilder, count: int) -> None:
        self.builder, self.count = builder, count

    def type(self, scalar: Any) -> Any:
        """`scalar`, or the vector of that many lanes."""
        return ir.VectorType(scalar, self.count) if self.count > 1 else scalar

    def constant(self, scalar: Any, value: Any) -> Any:
        """The same constant in every lane."""
        if self.count == 1:
            return ir.Constant(scalar, value)
        return _Splat(self.type(scalar), ir.Constant(scalar, value))

    def number(self, node: Any) -> Any:
        """A `const` node in every lane."""
        kind, value = register_type(node.dtype), node.attr
        if isinstance(kind, ir.IntType) and node.dtype.is_unsigned and value >= 2 ** (
                kind.width - 1):
            value -= 2 ** kind.width
        return self.constant(kind, value)

    def splat(self, value: Any) -> Any:
        """A scalar in every lane."""
        if self.count == 1:
            return value
        if isinstance(value, ir.Constant):
            return self.constant(value.type, value.constant)
        nothing = _Undefined(self.type(value.type))
        first = _Splat(ir.VectorType(ir.IntType(32), self.count), ir.Constant(ir.IntType(32), 0))
        one = self.builder.insert_element(nothing, value, ir.Constant(ir.IntType(32), 0))
        return self.builder.shuffle_vector(one, nothing, first)

    def apart(self, pointer: Any) -> Any:
        """The same pointer, which LLVM does not look behind; it takes no instruction."""
        name = "llvm.launder.invariant.group.p0"
        module, kind = self.builder.module, ir.IntType(8).as_pointer()
        function = module.globals.get(name) or ir.Function(
            module, ir.FunctionType(kind, [kind]), name)
        made = self.builder.call(function, [self.builder.bitcast(pointer, kind)])
        return self.builder.bitcast(made, pointer.type)

    def call(self, name: str, result: Any, *operands: Any) -> Any:
        """An LLVM intrinsic, overloaded on the type of its result."""
        module = self.builder.module
        full = f"llvm.{name}.{suffix(result)}"
        function = module.globals.get(full)
        if function is None:
            function = ir.Function(
                module, ir.FunctionType(result, [o.type for o in operands]), full)
        return self.builder.call(function, operands)


def suffix(kind: Any) -> str:
    """How intrinsics name a type: f32, v16f32, …"""
    if isinstance(kind, ir.VectorType):
        return f"v{kind.count}{suffix(kind.element)}"
    if isinstance(kind, ir.IntType):
        return f"i{kind.width}"
    return "f32" if isinstance(kind, ir.FloatType) else "f64"
