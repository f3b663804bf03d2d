"""Gradients of the filters of convolutions in groups become those of each group.

The groups have nothing to do with one another: with few channels in each, one kernel over all of
them would find its operands far apart, while that of one group is the kernel of a convolution.
"""

from __future__ import annotations

from graphflow.builder import F, apply
from graphflow.passes.patterns import op
from graphflow.passes.rules import Rules, example, floats
from graphflow.program import Node, Value

rule = Rules(exact=False)

MOST_GROUPS = 64


@rule(op("Conv2DBackpropFilter Conv3DBackpropFilterV2", "x", "g", "sizes"),
      example(lambda F, x, g: F.conv2d_backprop_filter(x, [2, 2, 2, 6], g, 1, "VALID"),
              floats(2, 4, 5, 4), floats(2, 3, 4, 6)))
def filter_of_groups(x: Value, g: Value, node: Node) -> Value | None:
    """The filter's gradient is that of each group, side by side along its output channels."""
    filter = node.outputs[0].shape
    if any(s.rank is None for s in (x.shape, g.shape, filter)):
        return None
    axis = -1 if node.attrs["data_format"][-1] == "C" else 1
    found = (x.shape.sizes[axis], *filter.sizes)
    channels, *sizes = [d for d in found if isinstance(d, int) and d > 0] or [0]
    if len(sizes) < len(filter.sizes):
        return None
    inside, columns = sizes[-2:]
    count = channels // inside
    if not 1 < count <= MOST_GROUPS or inside == 1:
        return None
    one = F.constant([*sizes[:-1], columns // count], node.inputs[2].dtype)
    parts = [apply(node.opdef, (left, right, one), node.attrs)
             for left, right in zip(F.split(x, count, axis), F.split(g, count, axis))]
    return F.concat(parts, -1)


GROUPS = rule.as_pass("groups", "specialise", __doc__)
