"""Scheduling for GPUs: the same steps and the same fusion, with nests that threads can share.

What differs from the CPU: products are plain nests over operands as they lie in memory, which
`tiles` finds and cuts; long sums and running combinations are cut into chunks; a check is a thread
for each value.
"""

from __future__ import annotations

from collections.abc import Sequence

from graphflow.codegen.cuda.cumulative import build_cumulative
from graphflow.codegen.cuda.nests import build_check_nest, build_product_nest, build_reduction
from graphflow.codegen.frames import Frame
from graphflow.codegen.rows import Reduction
from graphflow.codegen.schedule import Scheduler
from graphflow.program import Node


class CudaScheduler(Scheduler):
    """Builds the schedule of one Program for a GPU: see `Scheduler`."""

    contraction = staticmethod(build_product_nest)
    reduction = staticmethod(build_reduction)
    cumulative = staticmethod(build_cumulative)
    check = staticmethod(build_check_nest)
    counts = False
    joins = False
    pools_finish = False

    def _packed(self, node: Node) -> Node:
        return node

    def _channel_frame(self, members: Sequence[Reduction]) -> Frame | None:
        return None  # reductions to channels are chunks of blocks there, each by itself
