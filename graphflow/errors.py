"""Error classes and the one formatter that words them.

Build-time mistakes (`ShapeError`, `DTypeError`, `AttributeValueError`, `GraphError` …) derive
from the builtin that a Python user would catch; run-time errors carry TensorFlow's names
(`tf.errors.InvalidArgumentError` …) with `.op`, `.message`, `.node_def`, `.error_code`.
Every message has one form: *op, expected, got, where, fix*.
"""

from __future__ import annotations

import warnings
from typing import Any

OK = 0
CANCELLED = 1
UNKNOWN = 2
INVALID_ARGUMENT = 3
DEADLINE_EXCEEDED = 4
NOT_FOUND = 5
ALREADY_EXISTS = 6
PERMISSION_DENIED = 7
RESOURCE_EXHAUSTED = 8
FAILED_PRECONDITION = 9
ABORTED = 10
OUT_OF_RANGE = 11
UNIMPLEMENTED = 12
INTERNAL = 13
UNAVAILABLE = 14
DATA_LOSS = 15
UNAUTHENTICATED = 16


class GraphflowError(Exception):
    """The root of every error that graphflow raises on purpose."""


class ShapeError(GraphflowError, ValueError):
    """Ranks or sizes do not fit."""


class DTypeError(GraphflowError, TypeError, ValueError):
    """Element types do not fit (TensorFlow raises TypeError for some, ValueError for others)."""


class AttributeValueError(GraphflowError, ValueError):
    """An attribute (axis, strides, padding …) has a value that the op does not take."""


class GraphError(GraphflowError, ValueError):
    """A graph was used in a way that it does not allow (other graph, duplicate name …)."""


class FinalizedGraphError(GraphflowError, RuntimeError):
    """Something tried to add an operation to a finalized graph."""


class GradientError(GraphflowError, LookupError):
    """A gradient was asked for that does not exist."""


class FetchError(GraphflowError, TypeError, ValueError):
    """`Session.run` was given a fetch that it cannot resolve."""


class FeedError(GraphflowError, TypeError, ValueError):
    """`Session.run` was given a feed that it cannot use."""


class ClosedSessionError(GraphflowError, RuntimeError, ValueError):
    """A session was used after `close()` (a RuntimeError), or there is none (a ValueError)."""


class ProgramError(GraphflowError, AssertionError):
    """A Program or loop IR breaks an invariant: a defect in graphflow itself."""


class DatasetError(GraphflowError, ValueError):
    """A data file is missing, damaged, or not what it should be."""


class ExportError(GraphflowError, ValueError):
    """A graph holds something that cannot be written to a file (a Python function …)."""


class LoadError(GraphflowError, ValueError):
    """A file is damaged, or says something that a file may not say."""


class OpError(GraphflowError):
    """A run-time error of one operation, in the form of `tf.errors.OpError`.

    Args:
      node_def: kept for the signature of TensorFlow 1; any description of the node, or None.
      op: the `Operation` that failed, or None when it is not known.
      message: what went wrong.
      error_code: one of the integer codes of this module.
    """

    def __init__(self, node_def: Any, op: Any, message: str, error_code: int = UNKNOWN) -> None:
        super().__init__(message)
        self._node_def = node_def
        self._op = op
        self._message = message
        self._error_code = error_code

    @property
    def message(self) -> str:
        """What went wrong."""
        return self._message

    @property
    def op(self) -> Any:
        """The `Operation` that failed, or None when it is not known."""
        return self._op

    @property
    def error_code(self) -> int:
        """The integer code of the error class."""
        return self._error_code

    @property
    def node_def(self) -> Any:
        """A description of the node that failed, or None."""
        return self._node_def

    def __str__(self) -> str:
        return self._message

    def __reduce__(self) -> tuple:
        return type(self)._unpickle, (type(self), self._message, self._error_code)

    @staticmethod
    def _unpickle(cls: type[OpError], message: str, code: int) -> OpError:
        error = cls.__new__(cls)
        OpError.__init__(error, None, None, message, code)
        return error


class _CodedOpError(OpError):
    """An `OpError` whose class fixes the code."""

    code = UNKNOWN

    def __init__(self, node_def: Any, op: Any, message: str) -> None:
        super().__init__(node_def, op, message, self.code)


class CancelledError(_CodedOpError):
    """The operation was cancelled."""

    code = CANCELLED


class UnknownError(_CodedOpError):
    """An error of unknown kind, for example an exception raised inside `py_func`."""

    code = UNKNOWN


class InvalidArgumentError(_CodedOpError, ValueError):
    """An operation received a value that it cannot take."""

    code = INVALID_ARGUMENT


class DeadlineExceededError(_CodedOpError):
    """A deadline passed before the operation was done."""

    code = DEADLINE_EXCEEDED


class NotFoundError(_CodedOpError):
    """A file, checkpoint entry or other named thing does not exist."""

    code = NOT_FOUND


class AlreadyExistsError(_CodedOpError):
    """A thing that should be created exists already."""

    code = ALREADY_EXISTS


class PermissionDeniedError(_CodedOpError):
    """The caller may not do this."""

    code = PERMISSION_DENIED


class UnauthenticatedError(_CodedOpError):
    """The caller is not known."""

    code = UNAUTHENTICATED


class ResourceExhaustedError(_CodedOpError, MemoryError):
    """Memory or another resource ran out."""

    code = RESOURCE_EXHAUSTED


class FailedPreconditionError(_CodedOpError):
    """The system is not in the state that the operation needs: an uninitialized variable."""

    code = FAILED_PRECONDITION


class AbortedError(_CodedOpError):
    """The operation was aborted."""

    code = ABORTED


class OutOfRangeError(_CodedOpError):
    """An iteration went past its valid range: the end of a dataset."""

    code = OUT_OF_RANGE


class UnimplementedError(_CodedOpError, NotImplementedError):
    """The operation is not implemented for these types or on this device."""

    code = UNIMPLEMENTED


class InternalError(_CodedOpError):
    """An invariant of the system is broken."""

    code = INTERNAL


class UnavailableError(_CodedOpError):
    """A service is not available at present."""

    code = UNAVAILABLE


class DataLossError(_CodedOpError):
    """Stored data is lost or damaged."""

    code = DATA_LOSS


class GraphflowWarning(UserWarning):
    """A warning with an id that can be silenced: `Options(silence={"graph-growth"})`."""

    def __init__(self, warning_id: str, message: str) -> None:
        super().__init__(warning_id, message)
        self.warning_id = warning_id

    def __str__(self) -> str:
        return f"[{self.args[0]}] {self.args[1]}"


def warn(warning_id: str, message: str, *, silenced: frozenset[str], stacklevel: int = 3) -> None:
    """Emits a `GraphflowWarning` unless its id is in `silenced`."""
    if warning_id not in silenced:
        warnings.warn(GraphflowWarning(warning_id, message), stacklevel=stacklevel)


def describe(
    op_type: str, name: str | None, problem: str, *, site: str | None = None, fix: str = ""
) -> str:
    """Words an error: `MatMul 'dense/h1': inner sizes differ: …. Built at train.py:41. Fix.`"""
    head = f"{op_type} '{name}'" if name else op_type
    problem = problem.strip()
    text = f"{head}: {problem}"
    if text[-1] not in ".?!":
        text += "."
    if site:
        text += f" Built at {site}."
    if fix:
        text += f" {fix.strip()}"
    return text
