"""Which operations of a whole graph can be written: all but those that no file can hold, and what
depends on them.

Training programs are full of summaries, which call Python. They are left out where nothing that
was asked for needs them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from graphflow.errors import ExportError
from graphflow.export.graph_writer import GraphWriter, refuse_outside
from graphflow.lowering import Region
from graphflow.tensor import Operation, Tensor

Refused = dict[Operation, ExportError]


def writable(
    operations: Iterable[Operation], fed: Collection[Tensor] = ()
) -> tuple[list[Operation], Refused]:
    """The operations that can be written, and the others with the error that says why not.

    fed: tensors that do not need what computes them.
    """
    kept: list[Operation] = []
    refused: Refused = {}
    for op in operations:
        before = [t.op for t in op.inputs if t not in fed] + list(op.control_inputs)
        error = next((refused[b] for b in before if b in refused), None) or _complaint(op)
        if error is None:
            kept.append(op)
        else:
            refused[op] = error
    return kept, refused


def _complaint(op: Operation) -> ExportError | None:
    """Why the operation itself cannot be written, or None."""
    try:
        refuse_outside(op)
        if isinstance(op.opdef.lowering, Region) or any(
                attr.kind == "object" for attr in op.opdef.attrs.values()):
            GraphWriter(sites=False).attributes(op)
    except ExportError as error:
        return error
    return None
