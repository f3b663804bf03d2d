"""Scheduling for GPUs: the same steps and the same fusion, with nests that threads can share.

What differs from the CPU: products are plain nests over operands as they lie in memory, which
`tiles` finds and cuts; long sums are cut into chunks of another size; a check is a thread for each
value.
"""

from __future__ import annotations

from graphflow.codegen.cuda.nests import build_check_nest, build_product_nest, build_reduction
from graphflow.codegen.schedule import Scheduler
from graphflow.program import Node


class CudaScheduler(Scheduler):
    """Builds the schedule of one Program for a GPU: see `Scheduler`."""

    contraction = staticmethod(build_product_nest)
    reduction = staticmethod(build_reduction)
    check = staticmethod(build_check_nest)

    def _packed(self, node: Node) -> Node:
        return node
