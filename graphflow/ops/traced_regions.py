"""What `cond` and `while_loop` share: traced functions as the regions of one operation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphflow.builder import F
from graphflow.graph import Graph
from graphflow.opdef import Attr
from graphflow.ops.inline import kept_handles, saved_tensors
from graphflow.regions import RegionGraph
from graphflow.tensor import Operation, Tensor

REGION_ATTRS = {
    "lead": Attr("int"), "loop_vars": Attr("int", 0), "carried": Attr("ints", ()),
    "iteration": Attr("int", None, optional=True),
}


def set_outputs(region: RegionGraph, leaves: Sequence[Any]) -> None:
    """Makes what a traced function returned the region's outputs; an operation gives True."""
    region.outputs = []
    for leaf in leaves:
        if isinstance(leaf, Operation):
            with region.control_dependencies([leaf]):
                region.outputs.append(F.identity(True))
        else:
            region.outputs.append(F.identity(leaf))


def add_saved(regions: Sequence[RegionGraph]) -> tuple[int, ...]:
    """Adds what a gradient could not recompute to the outputs; gives the number for each region.

    The condition of a loop is never recomputed; it is left as it is.
    """
    kept = kept_handles(regions)
    numbers = []
    for region in regions:
        saved = [] if region.is_condition else saved_tensors(region, kept)
        region.outputs.extend(saved)
        numbers.append(len(saved))
    return tuple(numbers)


def captured_inputs(graph: Graph, regions: Sequence[RegionGraph]) -> list[Tensor]:
    """The inputs that stand behind the stand-ins: values, and handles of written variables."""
    kept = kept_handles(regions)
    return [graph.read(outer) if outer.is_handle and outer not in kept else outer
            for region in regions for outer in region.captures]
