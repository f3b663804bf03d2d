"""`eye`: identity matrices."""

from __future__ import annotations

from typing import Any

from graphflow import dtypes as dt
from graphflow.builder import F, op_function
from graphflow.ops.arguments import shape_argument
from graphflow.ops.scope import scope


@op_function
def eye(
    num_rows: Any, num_columns: Any = None, batch_shape: Any = None, dtype: Any = dt.float32,
    name: str | None = None,
) -> Any:
    """Ones on the diagonal, zeros elsewhere: [batch_shape…, num_rows, num_columns].

    num_rows, num_columns (num_rows if None): numbers or int32 scalars; batch_shape: a vector of
    sizes, known or computed when the graph runs. Raises ShapeError for negative numbers.
    """
    with scope(name, "eye") as last:
        columns = num_rows if num_columns is None else num_columns
        if batch_shape is None:
            return F.one_hot(F.range(num_rows), columns, dtype=dtype, name=last)
        matrix = F.one_hot(F.range(num_rows), columns, dtype=dtype)
        batch = shape_argument("eye", name, batch_shape, "batch_shape")
        return F.broadcast_to(matrix, F.concat([batch, F.shape(matrix)], 0), name=last)
