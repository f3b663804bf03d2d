"""Orthogonal initial values, for matrices and convolution kernels.

Sources: Saxe, McClelland, Ganguli, "Exact solutions to the nonlinear dynamics of learning in deep
linear neural networks", ICLR 2014; for kernels Xiao and others, "Dynamical isometry and a mean
field theory of CNNs", ICML 2018, of which the centre tap is used.
"""

from __future__ import annotations

import math
from typing import Any

from graphflow import dtypes as dt
from graphflow.builder import F, publish
from graphflow.errors import ShapeError
from graphflow.ops.arguments import failure
from graphflow.ops.initializers import Initializer, floating_type, static_sizes


class Orthogonal(Initializer):
    """`gain` times a random matrix with orthonormal rows or columns, whichever are fewer.

    shape: two sizes or more; all but the last are taken as the rows. Drawn uniformly: the Q of a
    normal matrix, its signs chosen so that the diagonal of R is positive. Raises ShapeError for
    fewer sizes.
    """

    arguments = ("gain", "seed", "dtype")

    def __init__(
        self, gain: float = 1.0, seed: int | None = None, dtype: Any = dt.float32
    ) -> None:
        self.gain, self.seed, self.dtype = gain, seed, floating_type(self, dtype)

    def __call__(self, shape: Any, dtype: Any = None, partition_info: Any = None) -> Any:
        sizes = static_sizes(self, shape)
        if len(sizes) < 2:
            raise failure(
                "Orthogonal", None, "The tensor to initialize must be at least two-dimensional, "
                f"got shape {list(sizes)}", cls=ShapeError)
        dtype = self.dtype if dtype is None else dtype
        rows, columns = math.prod(sizes[:-1]), sizes[-1]
        matrix = orthonormal(max(rows, columns), min(rows, columns), dtype, self.seed)
        if rows < columns:
            matrix = F.transpose(matrix)
        return self.gain * F.reshape(matrix, sizes)


class ConvolutionDeltaOrthogonal(Initializer):
    """A convolution kernel that is an orthogonal matrix at its centre and 0 elsewhere.

    shape: [space…, cin, cout] with one to three space axes and cin ≤ cout. Raises ShapeError for
    other shapes.
    """

    arguments = ("gain", "seed", "dtype")

    def __init__(
        self, gain: float = 1.0, seed: int | None = None, dtype: Any = dt.float32
    ) -> None:
        self.gain, self.seed, self.dtype = gain, seed, floating_type(self, dtype)

    def __call__(self, shape: Any, dtype: Any = None, partition_info: Any = None) -> Any:
        sizes = static_sizes(self, shape)
        if len(sizes) not in (3, 4, 5) or sizes[-2] > sizes[-1]:
            raise failure(
                "ConvolutionDeltaOrthogonal", None, "shape must be [space…, cin, cout] of three "
                f"to five sizes with cin at most cout, got {list(sizes)}", cls=ShapeError)
        dtype = self.dtype if dtype is None else dtype
        matrix = orthonormal(sizes[-1], sizes[-1], dtype, self.seed)[:sizes[-2]]
        space = sizes[:-2]
        paddings = [[(n - 1) // 2, n - 1 - (n - 1) // 2] for n in space]
        centre = F.reshape(matrix, [*[1] * len(space), *sizes[-2:]])
        return self.gain * F.pad(centre, [*paddings, [0, 0], [0, 0]])


def orthonormal(rows: int, columns: int, dtype: Any, seed: int | None) -> Any:
    """A random [rows, columns] matrix with orthonormal columns, rows ≥ columns."""
    q, r = F.qr(F.random_normal([rows, columns], dtype=dtype, seed=seed), full_matrices=False)
    # Without the signs, Q would depend on the convention of the decomposition, and not be uniform.
    return q * F.sign(F.matrix_diag_part(r))


orthogonal_initializer = publish(Orthogonal, "orthogonal_initializer")
