"""`register_op`: whole operations from outside, declared like graphflow's own."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from graphflow.builder import apply
from graphflow.dtypes import DType
from graphflow.errors import AttributeValueError, DTypeError, GradientError, describe
from graphflow.lowering import Lowering
from graphflow.opdef import (
    REGISTRY,
    Attr,
    ErrorSample,
    Infer,
    NotDifferentiable,
    OpDef,
    Sample,
    TensorType,
    register,
    schema,
)
from graphflow.ops.arguments import failure
from graphflow.sites import user_site

_NAME = re.compile(r"[A-Za-z]\w*(/[A-Za-z]\w*)+")


class RegisteredOp:
    """An operation that was declared outside of graphflow: call it with tensors.

    Attributes:
      name: the type of its operations.
      opdef: its declaration.
    """

    def __init__(self, opdef: OpDef) -> None:
        self.name, self.opdef = opdef.name, opdef
        self.__name__ = opdef.name.rpartition("/")[2]

    def __repr__(self) -> str:
        return f"<registered op {self.name}>"

    def __call__(self, *inputs: Any, name: str | None = None, **attrs: Any) -> Any:
        """The operation's output, or the tuple of its outputs.

        Raises DTypeError if the number of inputs is wrong, and what its inference raises.
        """
        args = self.opdef.args
        many = bool(args) and args[-1].many
        if len(inputs) < len(args) - many or (len(inputs) > len(args) and not many):
            listed = ", ".join(f"*{a.name}" if a.many else a.name for a in args)
            raise failure(self.name, name, f"it takes the inputs ({listed}), got {len(inputs)}",
                          cls=DTypeError)
        return apply(self.opdef, inputs, attrs, name=name, default_name=self.__name__)

    def unregister(self) -> None:
        """Takes the name back; graphs that have the operation keep it."""
        if REGISTRY.get(self.name) is self.opdef:
            del REGISTRY[self.name]


def register_op(
    name: str,
    inputs: str,
    *,
    infer: Callable[[Infer], list[TensorType]],
    reference: Callable[..., Any],
    lowering: Lowering,
    grad: Callable[..., Sequence[Any]] | NotDifferentiable | None = None,
    attrs: dict[str, Attr] | None = None,
    symbolic: bool | Callable[[Infer], list[Any]] = False,
    broadcasts: bool = False,
    commutative: bool = False,
    sparse_grad: bool = False,
    samples: Callable[[], Sequence[Sample]] | None = None,
    errors: Callable[[], Sequence[ErrorSample]] | None = None,
    **types: tuple[DType, ...],
) -> RegisteredOp:
    """Declares an operation, and gives the function that makes it.

        clip = gf.register_op(
            "mylib/Clip", "x: T", T=(gf.float32, gf.float64), attrs={"limit": Attr("float")},
            infer=same_as_input, reference=lambda x, limit: np.clip(x, -limit, limit),
            lowering=Pointwise(lambda b, x, limit: b.min(b.max(x, -limit), limit)))

    name: with a namespace, such as `mylib/Clip`.
    inputs: the arguments, `"x: T, y: T, n: int32"`, where T is given by keyword; see
      `graphflow.opdef.schema`.
    infer: (Infer) → the type of each output; raises what `Infer.error` makes.
    reference: NumPy arrays → array, or a tuple of them; attributes come by keyword. It defines
      the operation.
    lowering: how it is compiled: a kind of `graphflow.lowering`, such as Composite (of other
      operations), Pointwise, Library (a kernel of `graphflow.kernels.add_outside`) or Host
      (the reference runs).
    grad: (F, op, *output_gradients) → the gradient of each input; None refuses differentiation
      by a GradientError, NotDifferentiable lets nothing through.
    The other arguments are those of `graphflow.opdef.OpDef`.

    Raises AttributeValueError for a name without a namespace, GraphError if the name is taken:
    `RegisteredOp.unregister` gives it back.
    """
    site = str(user_site())
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise AttributeValueError(
            f"register_op: {name!r} must be a name in a namespace of your own, such as "
            f"'mylib/{name if isinstance(name, str) and name.isidentifier() else 'Op'}'.")
    if not callable(reference):
        raise DTypeError(f"register_op: the reference of {name} must be a function of arrays, "
                         f"got {reference!r}.")
    return RegisteredOp(register(OpDef(
        name=name, args=schema(inputs, **types), attrs=attrs or {}, infer=infer,
        reference=reference, grad=_refusal(name) if grad is None else grad, lowering=lowering,
        symbolic=symbolic, broadcasts=broadcasts, commutative=commutative,
        sparse_grad=sparse_grad, samples=samples, errors=errors, defined_at=site)))


def _refusal(name: str) -> Callable[..., Sequence[Any]]:
    def rule(F: Any, op: Any, *upstream: Any) -> Sequence[Any]:
        raise GradientError(describe(
            name, op.name, "it has no gradient", site=str(op.site) if op.site else None,
            fix="Give register_op(grad=…), or use gf.stop_gradient."))

    return rule
