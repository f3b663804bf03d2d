"""`tf.manip`: operations that move elements."""

from graphflow.ops.gathering import gather_nd
from graphflow.ops.reshaping import reshape
from graphflow.ops.reversing import reverse
from graphflow.ops.rolling import roll
from graphflow.ops.scattering import scatter_nd
from graphflow.ops.space_batch import batch_to_space_nd, space_to_batch_nd
from graphflow.ops.tiling import tile

__all__ = [
    "batch_to_space_nd", "gather_nd", "reshape", "reverse", "roll", "scatter_nd",
    "space_to_batch_nd", "tile",
]
