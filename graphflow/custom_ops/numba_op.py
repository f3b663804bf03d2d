"""`numba_op`: functions that Numba compiles, as operations."""

from __future__ import annotations

import inspect
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from graphflow.builder import apply, convert
from graphflow.custom_ops.array_op import ArrayFunction, array_opdef
from graphflow.custom_ops.core_shapes import CoreShapes
from graphflow.custom_ops.gradient import Gradient
from graphflow.custom_ops.identity import plain_function
from graphflow.custom_ops.scalar_function import UserFunction
from graphflow.custom_ops.scalar_op import scalar_opdef
from graphflow.dtypes import DType, as_dtype
from graphflow.errors import DTypeError, warn
from graphflow.opdef import OpDef
from graphflow.ops.arguments import failure, is_tensor
from graphflow.options import Options, cache_folder
from graphflow.sites import user_site

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


class NumbaOp:
    """An operation that computes a function of the user's: call it with tensors.

    Attributes:
      name: the type of its operations, such as `numba/softclip`; exported graphs name it so.
      opdef: its declaration.
      function: the Python function.
    """

    def __init__(
        self, opdef: OpDef, user: UserFunction | ArrayFunction, parameters: Sequence[Any]
    ) -> None:
        self.name, self.opdef, self.function = opdef.name, opdef, user.plain
        self._user, self._parameters, self._told = user, parameters, False
        self.__name__ = opdef.name.rpartition("/")[2]
        self.__doc__ = user.plain.__doc__

    def __repr__(self) -> str:
        return f"<numba_op {self.name} ({', '.join(p.name for p in self._parameters)})>"

    def __call__(self, *inputs: Any, name: str | None = None) -> Any:
        """The operation's output, or the tuple of its outputs.

        inputs: tensors of numbers or bools, arrays or Python numbers; a float beside a tensor of
          floats has its type. Arguments with defaults may be left out.
        Raises DTypeError if the number of inputs is wrong or Numba cannot compile the function
        for their types, ShapeError if the shapes do not fit.
        """
        given = _converted(self._completed(inputs, name))
        outputs = apply(self.opdef, given, name=name, default_name=self.__name__)
        self._tell()
        return outputs

    def _completed(self, inputs: Sequence[Any], name: str | None) -> list[Any]:
        """The inputs, with defaults for those that are left out. Raises DTypeError."""
        missing = self._parameters[len(inputs):]
        needed = [p.name for p in missing if p.default is p.empty]
        if needed or len(inputs) > len(self._parameters):
            listed = ", ".join(p.name for p in self._parameters)
            raise failure(self.name, name, f"it takes {len(self._parameters)} inputs ({listed}), "
                          f"got {len(inputs)}", cls=DTypeError)
        return [*inputs, *(p.default for p in missing)]

    def _tell(self) -> None:
        """Says once that kernels with this function are not kept on disk, where others are."""
        if self._told:
            return
        self._told = True
        if self._user.constant is None and cache_folder() is not None:
            warn("numba-op-not-cached",
                 f"{self.name} depends on more than constants (on arrays or objects, say), so "
                 "kernels with it are not kept on disk: each process compiles them anew.",
                 silenced=Options.from_environment().silence, stacklevel=4)


def numba_op(
    function: Any = None, *, grad: Gradient = None, dtype: Any = None,
    signature: str | None = None, name: str | None = None,
) -> Any:
    """A function that Numba compiles, as an operation: of numbers, or of arrays.

        @gf.numba_op(grad=lambda x, y, dy: dy * gf.where(x > 0, gf.ones_like(x), y + 1))
        def elu(x):
            return x if x > 0 else math.expm1(x)

    A function of numbers works elementwise over tensors that broadcast, and becomes part of the
    kernels of the operations around it. With a signature, the function gets arrays:

        @gf.numba_op(signature="(m,n),(n)->(m)")
        def product(a, x, out):
            for i in range(a.shape[0]):
                for j in range(a.shape[1]):
                    out[i] += a[i, j] * x[j]

    function: a Python function or one that Numba decorated. It may raise: the run then ends with
      InvalidArgumentError. Without a signature it takes and gives numbers, a tuple of them for
      several outputs. With one it takes inputs, which it only reads, and outputs, which are zeros
      to begin with and which it writes; `()` is a number, or for an output an array of one. What
      inputs have in front of the axes in the signature is the same for all that have any, and
      the function is called for each index of it. One that allocates memory or may raise runs as
      a step of its own in Python, said by the warning `not-compiled`.
    grad: a function of the inputs, the outputs and the gradient of each output, that gives the
      gradient of each input (None for no gradient), made of operations; or a sequence of such
      functions, one for each input. Without it, differentiation raises GradientError.
    dtype: the output's element type, or a sequence of them. By default it is what Numba infers,
      where float literals have the precision of the inputs, and a result is not wider than the
      widest input of its kind; of a function of arrays it is the first input's type.
    name: of the operation's type; the function's name by default. `numba/` is put before it.

    Returns a `NumbaOp`. Half precision is computed in float32, and not taken by functions of
    arrays. Raises DTypeError if `function` is no Python function of a fixed number of arguments,
    AttributeValueError if the signature is none, or does not fit the function.
    """
    if function is None:
        return lambda f: numba_op(f, grad=grad, dtype=dtype, signature=signature, name=name)
    parameters = parameters_of(function)
    declared = _declared(dtype)
    own_name, site = type_name(function, name), str(user_site())
    user: UserFunction | ArrayFunction
    if signature is None:
        user = UserFunction(function, declared)
        opdef = scalar_opdef(own_name, user, [p.name for p in parameters], grad, site)
    else:
        core = CoreShapes.parse(signature)
        _check_signature(own_name, core, parameters, declared)
        parameters = parameters[:len(core.inputs)]
        user = ArrayFunction(function, core, declared)
        opdef = array_opdef(own_name, user, [p.name for p in parameters], grad, site)
    return NumbaOp(opdef, user, parameters)


def _declared(dtype: Any) -> tuple[DType, ...] | None:
    """The types that `dtype` names. Raises DTypeError for what is none."""
    if dtype is None:
        return None
    return tuple(as_dtype(d) for d in (dtype if isinstance(dtype, (list, tuple)) else (dtype,)))


def _check_signature(
    name: str, core: CoreShapes, parameters: Sequence[Any], declared: tuple[DType, ...] | None
) -> None:
    """Raises AttributeValueError if the function or `dtype` does not fit the signature."""
    wanted, outputs = len(core.inputs) + len(core.outputs), len(core.outputs)
    if len(parameters) != wanted:
        raise failure(name, None, f"the signature {core.text} has {wanted} inputs and outputs, "
                      f"the function takes {len(parameters)}")
    if declared is not None and len(declared) != outputs:
        raise failure(name, None, f"the signature {core.text} has {outputs} outputs, dtype names "
                      f"{len(declared)}")


def parameters_of(function: Any) -> list[inspect.Parameter]:
    """The parameters of a user's function. Raises DTypeError if they are not inputs."""
    plain = plain_function(function)
    if not inspect.isfunction(plain):
        raise failure("numba_op", None, f"expected a Python function, or one that Numba "
                      f"decorated, got {function!r}", cls=DTypeError)
    parameters = list(inspect.signature(plain).parameters.values())
    other = [str(p) for p in parameters if p.kind not in _POSITIONAL]
    if other or not parameters:
        raise failure(
            "numba_op", None, f"{plain.__name__} must take a fixed number of inputs, at least "
            f"one, got {', '.join(other) or 'none'}", cls=DTypeError)
    return parameters


def type_name(function: Any, name: str | None) -> str:
    """The type of a function's operations."""
    own = name or plain_function(function).__name__
    return f"numba/{re.sub(r'[^A-Za-z0-9_.-]', '', own) or 'function'}"


def _converted(inputs: Sequence[Any]) -> list[Any]:
    """Inputs as tensors; Python floats have the type of the first tensor of floats."""
    tensors = [convert(x) if is_tensor(x) or isinstance(x, (np.ndarray, np.generic)) else None
               for x in inputs]
    types = [t.dtype for t in tensors if t is not None and t.dtype.is_floating]
    return [t if t is not None else convert(x, _literal_type(x, types))
            for x, t in zip(inputs, tensors)]


def _literal_type(value: Any, types: Sequence[DType]) -> DType | None:
    try:
        kind = np.asarray(value).dtype.kind
    except (TypeError, ValueError):
        return None  # it holds tensors
    return types[0] if kind == "f" and types else None
