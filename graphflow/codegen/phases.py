"""Phases: how a convolution's output, or its image's gradient, sees the other one along an axis.

Output o of a convolution sees inputs o · stride + k · dilation − before. The adjoint sees windows
that start at whole strides only, so that its outputs fall into as many *phases* as the stride is
long; all outputs of a phase see the same window positions, in places that move evenly. In this
form both are one: phase by phase, output `first + every · q` sees, at tap t, input
`step · q + start + pitch · t` through window position `position + by · t`.
"""

from __future__ import annotations

from dataclasses import dataclass

from graphflow.codegen.elements import int64
from graphflow.loop_ir import b
from graphflow.loop_ir.expr import Expr
from graphflow.ops.convolution_geometry import WindowAxis


@dataclass(frozen=True, slots=True)
class Phase:
    """The outputs of one phase along one axis.

    Attributes:
      first, every, count: the outputs first + every · q for q below count.
      step, start, pitch: output q sees input step · q + start + pitch · t at tap t; pitch > 0.
      taps: how many there are.
      position, by: tap t is window position `position + by · t`.
      size: of the axis that is seen; what lies outside of it is padding.
    """

    first: int
    every: int
    count: int
    step: int
    start: int
    pitch: int
    taps: int
    position: int
    by: int
    size: int

    def seen(self, q: int, tap: int) -> bool:
        """True if output q sees an input at that tap, no padding."""
        return 0 <= self.step * q + self.start + self.pitch * tap < self.size

    def seen_taps(self, q: Expr) -> tuple[Expr, Expr | None]:
        """(first, count) of the taps at which an output sees inputs; no count: just one.

        The count is negative or zero where there are none.
        """
        everywhere = self.inner == (0, self.count)
        if everywhere:
            return int64(0), None if self.taps == 1 else int64(self.taps)
        start = q * self.step + self.start
        low = b.max(_ceil(-start, self.pitch), 0)
        high = b.min(_floor(self.size - 1 - start, self.pitch) + 1, self.taps)
        return low, high - low

    @property
    def inner(self) -> tuple[int, int]:
        """The outputs (first, end) that see inputs at all taps."""
        if not self.taps:
            return 0, self.count
        last = self.start + self.pitch * (self.taps - 1)
        low = min(max(-(self.start // self.step), 0), self.count)
        high = min((self.size - 1 - last) // self.step + 1, self.count)
        return low, max(low, high)


def forward_phases(axis: WindowAxis) -> tuple[Phase, ...]:
    """The one phase of a convolution's output."""
    return (Phase(0, 1, axis.out, axis.stride, -axis.before, axis.dilation, axis.window, 0, 1,
                  axis.size),)


def adjoint_phases(axis: WindowAxis) -> tuple[Phase, ...]:
    """The phases of an image's gradient, which sees the gradient of the output."""
    return tuple(_adjoint(axis, first) for first in range(min(axis.stride, axis.size)))


def _adjoint(axis: WindowAxis, first: int) -> Phase:
    stride = axis.stride
    count = -(-(axis.size - first) // stride)
    places = {k: first + axis.before - k * axis.dilation for k in range(axis.window)}
    taps = [k for k in reversed(places) if places[k] % stride == 0]
    if not taps:
        return Phase(first, stride, count, 1, 0, 1, 0, 0, 0, axis.out)
    starts = [places[k] // stride for k in taps]
    several = len(taps) > 1
    return Phase(first, stride, count, 1, starts[0], starts[1] - starts[0] if several else 1,
                 len(taps), taps[0], taps[1] - taps[0] if several else 0, axis.out)


def _ceil(x: Expr, by: int) -> Expr:
    return x if by == 1 else -b.floordiv(-x, by)


def _floor(x: Expr, by: int) -> Expr:
    return x if by == 1 else b.floordiv(x, by)
