"""`tf.manip`: operations that move elements."""

from graphflow.ops.gathering import gather_nd
from graphflow.ops.reshaping import reshape
from graphflow.ops.reversing import reverse
from graphflow.ops.scattering import scatter_nd
from graphflow.ops.tiling import tile

__all__ = [
    "gather_nd", "reshape", "reverse", "scatter_nd", "tile",
]
