"""Functions of arrays as operations: kernels where Numba needs no runtime, else Python steps."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.custom_ops.core_shapes import CoreShapes
from graphflow.custom_ops.gradient import Gradient, gradient_rule
from graphflow.custom_ops.identity import code_identity, plain_function
from graphflow.custom_ops.numba_types import NotCompiled, reason_of
from graphflow.custom_ops.scalar_function import process_identity
from graphflow.dtypes import DType, as_dtype
from graphflow.errors import DTypeError, InvalidArgumentError, ProgramError
from graphflow.kernels import add_outside
from graphflow.loop_ir.nest import BufferParameter
from graphflow.lowering import Library, LoweringContext
from graphflow.opdef import Arg, Attr, Infer, OpDef, RunError, TensorType
from graphflow.shapes import UNKNOWN_SHAPE, TensorShape

TYPES = tuple(d for d in dt.FIXED_SIZE if d not in (dt.float16, dt.bfloat16))


class ArrayFunction:
    """A function `function(*inputs, *outputs)` of arrays, with its signature.

    Args:
      function: a Python function or a Numba dispatcher; it writes its outputs.
      core: the signature.
      declared: the outputs' element types; None: that of the first input.
    """

    def __init__(
        self, function: Any, core: CoreShapes, declared: tuple[DType, ...] | None
    ) -> None:
        self.original, self.plain = function, plain_function(function)
        self.core, self.declared = core, declared
        self._compiled: dict[tuple[DType, ...], Any] = {}
        self._lock = threading.RLock()
        add_outside(self.kernel, self._kernel)

    def __repr__(self) -> str:
        return f"<function {self.plain.__qualname__}>"

    @cached_property
    def constant(self) -> str | None:
        """The identity of a function that depends on constants alone; else None."""
        return code_identity(self.original)

    @cached_property
    def kernel(self) -> str:
        """The name of its kernel."""
        return f"{self.constant or process_identity()} {self.core.text}"

    def results(self, inputs: Sequence[DType]) -> tuple[DType, ...]:
        """The element types of the outputs."""
        return self.declared or (inputs[0],) * len(self.core.outputs)

    def compiled(self, inputs: tuple[DType, ...]) -> Any:
        """The function, compiled by Numba for arrays that Python owns. Raises NotCompiled."""
        with self._lock:
            if inputs not in self._compiled:
                self._compiled[inputs] = self._compile(inputs)
            return self._compiled[inputs]

    def _compile(self, inputs: tuple[DType, ...]) -> Any:
        import numba
        from numba.core.errors import NumbaError

        from graphflow.custom_ops.array_kernel import argument_type

        dtypes = (*inputs, *self.results(inputs))
        operands = (*self.core.inputs, *self.core.outputs)
        arguments = tuple(argument_type(axes, d, k >= len(inputs))
                          for k, (axes, d) in enumerate(zip(operands, dtypes)))
        try:
            made = numba.njit([arguments], error_model="numpy")(self.plain)
        except (NumbaError, NotImplementedError) as error:
            raise NotCompiled(reason_of(error)) from error
        result = made.nopython_signatures[0].return_type
        if str(result) != "none":
            raise NotCompiled(f"it gives {result}; it must write its results into its last "
                              f"{len(self.core.outputs)} arguments")
        return made

    def complaint(self, dtypes: tuple[DType, ...]) -> str | None:
        """Why the function is no kernel for inputs and outputs of these types, or None."""
        from numba.core.errors import NumbaError

        from graphflow.codegen.compile import CACHE
        from graphflow.codegen.library import LibraryKernel

        count = len(self.core.inputs)
        buffers = tuple(BufferParameter(d, k >= count) for k, d in enumerate(dtypes))
        try:
            CACHE.addresses([LibraryKernel(
                self.kernel, buffers, 1 + count + len(self.core.names))])
        except (NumbaError, ProgramError, NotImplementedError) as error:
            return f"{self.plain.__name__} cannot be a kernel: {reason_of(error)}"
        return None

    def _kernel(self, dtypes: tuple[DType, ...]) -> Any:
        from graphflow.custom_ops.array_kernel import array_kernel

        if code_identity(self.original) != self.constant:
            raise ProgramError("what it refers to has changed since it was declared")
        return array_kernel(self.plain, self.core, dtypes)


def array_opdef(
    name: str, function: ArrayFunction, parameters: Sequence[str], grad: Gradient, site: str
) -> OpDef:
    """The declaration of the op `name` that computes a function of arrays.

    parameters: the names of its inputs.
    """
    def sizes(ctx: LoweringContext) -> tuple[Any, ...]:
        from graphflow.codegen.elements import NotCompilable

        complaint = function.complaint((*ctx.in_dtypes, *ctx.out_dtypes))
        if complaint is not None:
            raise NotCompilable(complaint)
        return function.core.kernel_sizes(ctx.in_shapes)

    return OpDef(
        name=name, args=tuple(Arg(p, TYPES) for p in parameters),
        attrs={"function": Attr("object", function)}, infer=_infer, reference=_reference,
        grad=gradient_rule(name, grad), lowering=Library(function.kernel, sizes),
        defined_at=site)


def _infer(c: Infer) -> list[TensorType]:
    function: ArrayFunction = c.attrs["function"]
    dtypes = tuple(t.dtype for t in c.types)
    try:
        function.compiled(dtypes)
    except NotCompiled as reason:
        shown = ", ".join(d.name for d in dtypes)
        raise c.error(
            f"Numba cannot compile {function.plain.__name__} for ({shown}): {reason}",
            "Inputs are arrays that are only read; outputs come last and are written.",
            DTypeError) from reason.__cause__
    results = function.results(dtypes)
    if any(t.shape.rank is None for t in c.types):
        return [TensorType(d, UNKNOWN_SHAPE) for d in results]
    try:
        shapes = function.core.output_shapes([t.shape.sizes for t in c.types])
    except ValueError as problem:
        shown = ", ".join(c.show(i) for i in range(len(c.types)))
        raise c.error(f"{problem}: {shown}", f"Its signature is {function.core.text}."
                      ) from None
    return [TensorType(d, TensorShape.of(list(s))) for d, s in zip(results, shapes)]


def _reference(*arrays: np.ndarray, function: ArrayFunction) -> Any:
    core = function.core
    dtypes = tuple(as_dtype(a.dtype) for a in arrays)
    compiled = function.compiled(dtypes)
    try:
        leading = core.leading([a.shape for a in arrays])
        shapes = core.output_shapes([a.shape for a in arrays])
    except ValueError as problem:
        raise RunError(InvalidArgumentError, str(problem),
                       f"Its signature is {core.text}.") from None
    outputs = [np.zeros(s, d.numpy) for s, d in zip(shapes, function.results(dtypes))]
    inputs = [_read_only(a) for a in arrays]
    places = [o if axes else o[..., None] for o, axes in zip(outputs, core.outputs)]
    for place in np.ndindex(leading):
        given = [a[place] if a.ndim > len(axes) else a[()]
                 for a, axes in zip(inputs, core.inputs)]
        written = [o[place] for o in places]
        try:
            compiled(*given, *written)
        except Exception as error:
            raise RunError(
                InvalidArgumentError,
                f"{function.plain.__name__} raised {type(error).__name__}: {error}") from error
    return outputs[0] if len(outputs) == 1 else tuple(outputs)


def _read_only(array: np.ndarray) -> np.ndarray:
    view = np.ascontiguousarray(array).reshape(array.shape).view()
    view.flags.writeable = False
    return view
