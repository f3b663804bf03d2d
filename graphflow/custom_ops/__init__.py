"""Operations that users bring: functions compiled by Numba, and whole declarations."""

from graphflow.custom_ops.numba_op import NumbaOp, numba_op
from graphflow.custom_ops.registered_op import RegisteredOp, register_op

__all__ = ["NumbaOp", "RegisteredOp", "numba_op", "register_op"]
