"""`OpDef`: everything about one op in one declaration, and the registry of all of them.

An op is declared once: argument and attribute schema, type inference with its error messages,
NumPy reference, gradient rule, lowering, samples and error inputs for the contract tests.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.dims import SymDim
from graphflow.dtypes import DType
from graphflow.errors import (
    AttributeValueError,
    DTypeError,
    GraphError,
    GraphflowError,
    describe,
)
from graphflow.inference import Infer, TensorType, broadcast_inputs, same_as_input, scalar_of
from graphflow.lowering import Lowering, Pointwise
from graphflow.shapes import TensorShape

__all__ = [
    "MAX_OUTPUTS", "MAX_SYMBOLIC_ELEMENTS", "REGISTRY", "REQUIRED", "Arg", "Attr", "Codec",
    "ConstValue", "ErrorSample", "Infer", "NotDifferentiable", "OpDef", "RunError", "Sample",
    "TensorType", "broadcast_inputs",
    "check_dtypes", "declaration_site", "lookup", "register", "resolve_attrs", "same_as_input",
    "scalar_of", "schema", "symbolic_outputs",
]


class _Required:
    def __repr__(self) -> str:
        return "REQUIRED"


REQUIRED = _Required()


@dataclass(frozen=True, slots=True)
class Arg:
    """One input of an op.

    Attributes:
      name: as in the public function and in error messages.
      types: the element types that it takes.
      variable: inputs with the same type variable must have the same element type.
      many: True if it stands for any number of inputs (only the last argument may).
      handle: True if the input is a variable itself rather than its value.
    """

    name: str
    types: tuple[DType, ...]
    variable: str | None = None
    many: bool = False
    handle: bool = False


_KINDS: dict[str, Callable[[Any], bool]] = {
    "int": lambda v: isinstance(v, int) and not isinstance(v, bool),
    "float": lambda v: isinstance(v, (int, float)) and not isinstance(v, bool),
    "bool": lambda v: isinstance(v, bool),
    "str": lambda v: isinstance(v, str),
    "dtype": lambda v: isinstance(v, DType),
    "shape": lambda v: isinstance(v, TensorShape),
    "ints": lambda v: isinstance(v, tuple) and all(
        isinstance(i, int) and not isinstance(i, bool) for i in v),
    "pairs": lambda v: isinstance(v, tuple) and all(
        isinstance(p, tuple) and len(p) == 2 and all(isinstance(i, int) for i in p) for p in v),
    "dtypes": lambda v: isinstance(v, tuple) and all(isinstance(d, DType) for d in v),
    "strs": lambda v: isinstance(v, tuple) and all(isinstance(s, str) for s in v),
    "types": lambda v: isinstance(v, tuple) and all(isinstance(t, TensorType) for t in v),
    "const": lambda v: isinstance(v, ConstValue),
    "consts": lambda v: isinstance(v, tuple) and all(
        c is None or isinstance(c, ConstValue) for c in v),
    "number": lambda v: isinstance(v, (int, float, complex, str, bytes, np.generic)),
    "type": lambda v: isinstance(v, TensorType),
    "object": lambda v: True,
}


@dataclass(frozen=True, slots=True)
class Codec:
    """How an attribute of kind `object` is written to a file, and read from one.

    Attributes:
      encode: the value as numbers, texts, lists and None; raises ValueError, with the reason, for
        what a file cannot hold.
      decode: the value again; raises ValueError or TypeError for what `encode` never gives. It
        gets what anybody may have written, so it looks up nothing and calls nothing.
    """

    encode: Callable[[Any], Any]
    decode: Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Attr:
    """One attribute: its kind (a key of the table above), default, and whether None is fine.

    An operation with an `object` that has no `codec` cannot be exported. `most` is the largest
    value, of an integer that says how many outputs there are (`MAX_OUTPUTS`).
    """

    kind: str
    default: Any = REQUIRED
    optional: bool = False
    choices: tuple[Any, ...] = ()
    codec: Codec | None = None
    most: int | None = None

    def check(self, value: Any) -> str | None:
        """What is wrong with `value`, or None."""
        if value is None and self.optional:
            return None
        if not _KINDS[self.kind](value):
            return f"must be of kind {self.kind}, got {value!r}"
        if self.choices and value not in self.choices:
            return f"must be one of {', '.join(map(repr, self.choices))}, got {value!r}"
        if self.most is not None and value > self.most:
            return f"must be at most {self.most}, got {value}"
        return None


@dataclass(frozen=True, slots=True)
class NotDifferentiable:
    """Says that an op has no gradient, and why."""

    reason: str


@dataclass(frozen=True, slots=True)
class Sample:
    """Inputs and attributes that an op must compute rightly.

    Attributes:
      inputs: arrays (or Python values) for the op's inputs.
      attrs: attributes.
      dtypes: None to try every type that the op takes, or the types to try; float64 arrays are
        cast to them.
      grad: False where the op has no gradient in a neighbourhood of the inputs.
    """

    inputs: tuple[Any, ...]
    attrs: dict[str, Any] = field(default_factory=dict)
    dtypes: tuple[DType, ...] | None = None
    grad: bool = True


@dataclass(frozen=True, slots=True)
class ErrorSample:
    """Inputs and attributes that an op must refuse when it is built.

    `inputs` are arrays or `TensorType`s (placeholders of that type).
    """

    inputs: tuple[Any, ...]
    attrs: dict[str, Any]
    raises: type[Exception]
    match: str


class ConstValue:
    """A constant array as an attribute: read-only, hashable by type, shape and content."""

    __slots__ = ("_digest", "_element", "array")

    def __init__(self, array: np.ndarray) -> None:
        array = np.array(array, copy=True, order="C")
        array.flags.writeable = False
        self.array = array
        self._digest: bytes | None = None
        self._element: Any = REQUIRED  # not looked for yet

    @property
    def element(self) -> Any:
        """The number that all elements are, as a NumPy scalar; None if there is no such number.

        NaN and strings are no numbers here. An empty array has no element to be known.
        """
        if self._element is REQUIRED:
            self._element = _only_element(self.array)
        return self._element

    @property
    def digest(self) -> bytes:
        """SHA-256 of type, shape and content."""
        if self._digest is None:
            import hashlib  # not part of `import graphflow`, as it takes 2 ms

            head = f"{self.array.dtype.name}{self.array.shape}".encode()
            if self.array.dtype == object:
                items = [bytes(v) for v in self.array.ravel()]
                body = b"".join(len(v).to_bytes(8, "little") + v for v in items)
            else:
                body = self.array.tobytes()
            self._digest = hashlib.sha256(head + body).digest()
        return self._digest

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ConstValue) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    def __repr__(self) -> str:
        if self.array.size <= 8:
            return repr(self.array.tolist())
        return f"<{self.array.dtype.name} {list(self.array.shape)} {self.digest.hex()[:8]}>"


def _only_element(array: np.ndarray) -> Any:
    if not array.size or array.dtype == object:
        return None
    flat = array.reshape(-1)
    first = flat[0]
    # The last element tells most arrays apart without a look at all of them.
    return first if flat[-1] == first and np.all(flat == first) and _one_zero(flat) else None


def _one_zero(flat: np.ndarray) -> bool:
    """False for a mixture of +0 and −0, which are equal and yet two numbers."""
    if flat[0] != 0 or flat.dtype.kind in "biu":
        return True
    bits = flat.view(np.uint8).reshape(flat.size, flat.itemsize)
    return bool(np.all(bits == bits[0]))


class RunError(Exception):
    """Raised by a reference when a value is wrong at run time; the executor adds op and site."""

    def __init__(self, cls: type[Exception], problem: str, fix: str = "") -> None:
        super().__init__(problem)
        self.cls, self.problem, self.fix = cls, problem, fix


@dataclass(frozen=True, slots=True, eq=False)
class OpDef:
    """The declaration of one op.

    Attributes:
      name: TensorFlow's type name, such as `MatMul`.
      args: the inputs; see `schema`.
      attrs: the attributes, in order.
      infer: `infer(c: Infer)` → list of `TensorType`, one per output; raises ShapeError,
        DTypeError or AttributeValueError made by `c.error`.
      reference: `reference(*arrays, **attrs)` → array, or tuple where there are several outputs;
        inputs are never modified. None for ops that the executor itself carries out.
      grad: `grad(F, op, *output_gradients)` → list with a Tensor, IndexedSlices or None per
        input; or `NotDifferentiable`.
      lowering: one of the kinds of `graphflow.lowering`.
      symbolic: True if the reference also computes on arrays of sizes with symbols; or a
        function from `Infer` to the outputs' symbolic values (None where not known).
      broadcasts: the gradient walk must sum the gradients over broadcast axes.
      commutative: the first two inputs may be exchanged.
      sparse_grad: the gradient rule takes IndexedSlices as they are (others get dense tensors).
      samples, errors: functions without arguments that list the contract tests' inputs.
      defined_at: file and line of the declaration.
      version: raised when the same inputs and attributes come to mean something else; exported
        files name the versions that they were written with.
    """

    name: str
    args: tuple[Arg, ...]
    attrs: dict[str, Attr]
    infer: Callable[[Infer], list[TensorType]]
    reference: Callable[..., Any] | None
    grad: Callable[..., Sequence[Any]] | NotDifferentiable
    lowering: Lowering
    symbolic: bool | Callable[[Infer], list[Any]] = False
    broadcasts: bool = False
    commutative: bool = False
    sparse_grad: bool = False
    samples: Callable[[], Sequence[Sample]] | None = None
    errors: Callable[[], Sequence[ErrorSample]] | None = None
    defined_at: str = ""
    version: int = 1

    @property
    def pointwise(self) -> bool:
        """True if each output element depends on one element of each input."""
        return isinstance(self.lowering, Pointwise)

    def arg(self, i: int) -> Arg:
        """The argument that input `i` belongs to."""
        return self.args[min(i, len(self.args) - 1)]

    def arg_name(self, i: int) -> str:
        """What messages call input `i`: `x`, or `values[2]` where an argument stands for many."""
        last = len(self.args) - 1
        if i >= last >= 0 and self.args[last].many:
            return f"{self.args[last].name}[{i - last}]"
        return self.args[i].name if i <= last else f"input {i}"

    def __repr__(self) -> str:
        return f"<OpDef {self.name}>"


_FAMILIES: dict[str, tuple[DType, ...]] = {d.name: (d,) for d in dt.ALL} | {"any": dt.ALL}


def schema(text: str, **families: tuple[DType, ...]) -> tuple[Arg, ...]:
    """Arguments from `"x: T, indices: I, pred: bool, values: *T, ref: &T"`.

    A capitalised type is a type variable, whose admitted types are given by keyword; `*` marks a
    last argument that stands for many, `&` a variable handle, `any` any type at all.
    """
    args = []
    for part in filter(None, (p.strip() for p in text.split(","))):
        name, kind = (s.strip() for s in part.split(":"))
        many, handle = kind.startswith("*"), kind.startswith("&")
        kind = kind.lstrip("*&")
        types = families[kind] if kind in families else _FAMILIES[kind]
        args.append(Arg(name, types, kind if kind in families else None, many, handle))
    return tuple(args)


MAX_SYMBOLIC_ELEMENTS = 64
MAX_OUTPUTS = 1 << 16


def symbolic_outputs(c: Infer, out_types: Sequence[TensorType]) -> list[np.ndarray | None]:
    """The values of small integer outputs as far as they follow from shapes and constants.

    Each is an int64 array, or an object array of ints and `SymDim`s, or None.
    """
    opdef = c.opdef
    unknown: list[np.ndarray | None] = [None] * len(out_types)
    if opdef.symbolic is False or not any(t.dtype.is_integer for t in out_types):
        return unknown
    if not callable(opdef.symbolic) and any(
            (t.shape.num_elements() or 0) > MAX_SYMBOLIC_ELEMENTS for t in out_types):
        return unknown
    try:
        if callable(opdef.symbolic):
            outputs = opdef.symbolic(c)
        elif any(v is None for v in c.values) or opdef.reference is None:
            return unknown
        else:
            outputs = opdef.reference(*c.values, **c.attrs)
            outputs = list(outputs) if isinstance(outputs, (tuple, list)) else [outputs]
    except (TypeError, ValueError, AttributeError, GraphflowError, RunError):
        return unknown
    return [_tidy_symbolic(v, t.dtype) if t.dtype.is_integer else None
            for v, t in zip(outputs, out_types)]


def _tidy_symbolic(value: Any, dtype: DType) -> np.ndarray | None:
    if value is None:
        return None
    array = np.asarray(value, object)
    if array.size > MAX_SYMBOLIC_ELEMENTS:
        return None
    if any(isinstance(v, SymDim) for v in array.ravel()):
        known = [v for v in array.ravel() if not isinstance(v, SymDim)]
        return array if all(-2**63 <= v < 2**63 for v in known) else None
    # What wraps in the element type, or is a uint64 beyond every size, is no known value.
    if array.size and (array.max() > min(dtype.max, 2**63 - 1) or array.min() < dtype.min):
        return None
    return array.astype(np.int64)


REGISTRY: dict[str, OpDef] = {}


def register(opdef: OpDef) -> OpDef:
    """Adds a declaration to the registry. Raises GraphError if the name is taken."""
    earlier = REGISTRY.get(opdef.name)
    if earlier is not None:
        raise GraphError(
            f"Op {opdef.name!r} is declared twice: at {earlier.defined_at} "
            f"and at {opdef.defined_at}. Give the second one another name."
        )
    REGISTRY[opdef.name] = opdef
    return opdef


def lookup(name: str) -> OpDef:
    """The declaration of op `name`. Raises GraphError if there is none."""
    try:
        return REGISTRY[name]
    except KeyError:
        raise GraphError(f"There is no op named {name!r} in the registry.") from None


def declaration_site(depth: int = 2) -> str:
    """`file:line` of the declaration, `depth` frames up."""
    frame = sys._getframe(depth)
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


def resolve_attrs(
    opdef: OpDef, given: dict[str, Any], name: str | None, site: str | None = None
) -> dict[str, Any]:
    """All attributes of a use of `opdef`, defaults filled in. Raises AttributeValueError."""
    if not given.keys() <= opdef.attrs.keys():
        unknown = set(given) - set(opdef.attrs)
        raise AttributeValueError(describe(
            opdef.name, name, f"unknown attribute {sorted(unknown)}; it has {list(opdef.attrs)}",
            site=site))
    resolved = {}
    for key, attr in opdef.attrs.items():
        value = given.get(key, attr.default)
        if value is REQUIRED:
            raise AttributeValueError(
                describe(opdef.name, name, f"attribute {key} is missing", site=site))
        if value is not attr.default:
            problem = attr.check(value)
            if problem:
                raise AttributeValueError(
                    describe(opdef.name, name, f"attribute {key} {problem}", site=site))
        resolved[key] = value
    return resolved


def _cast_fix(shown: str, arg: Arg, dtype: DType) -> str:
    """What to do about an input of a type that the argument does not take."""
    usual = (dt.float32, dt.int32, dt.int64, dt.bool_)
    target = next((d for d in usual if d in arg.types), arg.types[0])
    if dtype.is_string or target.is_string:
        return ""
    return f"Use gf.cast({shown}, gf.{target.name})."


MOST_FITTING = 1 << 14
_FITTING: set[tuple[Any, ...]] = set()  # what `check_dtypes` has found no fault with


def check_dtypes(
    opdef: OpDef, types: Sequence[TensorType], name: str | None, site: str | None
) -> None:
    """Raises DTypeError if the inputs' element types do not fit the schema."""
    key = (opdef, *[id(t.dtype) for t in types])  # element types live for ever
    if key in _FITTING:
        return
    _check_dtypes(opdef, types, name, site)
    if len(_FITTING) < MOST_FITTING:
        _FITTING.add(key)


def _check_dtypes(
    opdef: OpDef, types: Sequence[TensorType], name: str | None, site: str | None
) -> None:
    bound: dict[str, tuple[int, DType]] = {}
    for i, tensor_type in enumerate(types):
        arg, dtype = opdef.arg(i), tensor_type.dtype
        if dtype not in arg.types:
            admitted, shown = ", ".join(d.name for d in arg.types), opdef.arg_name(i)
            raise DTypeError(describe(
                opdef.name, name,
                f"{shown} must be one of {admitted}, got {dtype.name} {tensor_type.shape}",
                site=site, fix=_cast_fix(shown, arg, dtype)))
        if arg.variable is None:
            continue
        first, expected = bound.setdefault(arg.variable, (i, dtype))
        if dtype is not expected:
            one, other = opdef.arg_name(first), opdef.arg_name(i)
            raise DTypeError(describe(
                opdef.name, name,
                f"inputs must have the same dtype: {one} is {expected.name}, "
                f"{other} is {dtype.name}",
                site=site, fix=f"Use gf.cast({other}, gf.{expected.name})."))
