"""Convolutions to one channel or a few: the channels of the image lie in lanes.

The gradient of a grey image is one, and so is the last layer of a network that makes images. There
are not enough channels of the output to fill a vector, so that the lanes sum, and some neighbours
along the last axis share what they load of the filter. What lies in the padding is known when code
is made: outputs that see the same window positions have the same code.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product

from graphflow.codegen.convolution_tiles import Plan
from graphflow.codegen.elements import Elements, int64
from graphflow.codegen.phases import Phase
from graphflow.loop_ir import b
from graphflow.loop_ir.expr import Expr
from graphflow.loop_ir.nest import Begin, Fold, Loop, Statement, accumulator, load

Body = tuple[Statement, ...]
Finish = Callable[[tuple[Expr, ...], Expr], Body]  # place, sum → stores

MOST_COLUMNS = 3
SUMS = 4           # that are summed together
MOST_TERMS = 1500  # multiply-adds that are written out


@dataclass(frozen=True, slots=True)
class Run:
    """Outputs of a phase that see the same taps: first + q for q below count."""

    phase: Phase
    first: int
    count: int
    taps: tuple[int, ...]


def runs(phase: Phase) -> Iterator[Run]:
    """The runs of a phase, in order."""
    seen = [tuple(t for t in range(phase.taps) if phase.seen(q, t)) for q in range(phase.count)]
    first = 0
    for q in range(1, phase.count + 1):
        if q == phase.count or seen[q] != seen[first]:
            yield Run(phase, first, q - first, seen[first])
            first = q


def narrow_fits(plan: Plan, lanes: int) -> bool:
    """Whether a convolution is computed here."""
    if plan.groups > 1 or plan.columns > MOST_COLUMNS or plan.terms < lanes:
        return False
    written = sum(_written(combination) for combination in product(*_all_runs(plan)))
    return (plan.turned or plan.columns == 1) and written * SUMS <= MOST_TERMS


def _all_runs(plan: Plan) -> list[list[Run]]:
    return [[run for phase in phases for run in runs(phase)] for phases in plan.phases]


def _written(combination: Sequence[Run]) -> int:
    """The window positions that some outputs see."""
    total = 1
    for run in combination:
        total *= len(run.taps)
    return total


class NarrowTiles:
    """The statements of one convolution."""

    def __init__(self, e: Elements, plan: Plan, batch: Expr, finish: Finish) -> None:
        self.e, self.plan, self.batch, self.finish = e, plan, batch, finish

    def body(self) -> Body:
        """Image by image; outputs that see the same, one group after the other."""
        n = self.e.loop()
        made: Body = ()
        for combination in product(*_all_runs(self.plan)):
            made += self._over_outputs(b.index(n), combination)
        return (Loop(n, self.batch, made),)

    def _over_outputs(self, n: Expr, combination: Sequence[Run]) -> Body:
        """The loops over the outputs of some runs, one of each axis."""
        outer = [self.e.loop() for _ in combination[:-1]]
        last = combination[-1]
        together = max(1, min(SUMS // self.plan.columns, last.count))
        whole = last.count // together
        body: Body = ()
        for first, rows, turns in ((0, together, whole),
                                   (whole * together, last.count - whole * together, 1)):
            if not rows:
                continue
            turn = self.e.loop()
            start = last.first + first + b.index(turn) * rows
            places = [*(run.first + b.index(k) for run, k in zip(combination, outer)), start]
            body += (Loop(turn, int64(turns), self._sums(n, combination, places, rows)),)
        for number, run in zip(reversed(outer), reversed(combination[:-1])):
            body = (Loop(number, int64(run.count), body),)
        return body

    def _sums(
        self, n: Expr, combination: Sequence[Run], places: Sequence[Expr], rows: int
    ) -> Body:
        """All channels of some neighbours along the last axis.

        places: where they are in their phases; of the last axis, the first of them.
        """
        plan, kind = self.plan, self.plan.image.dtype
        number = self.e.loop()
        sums = [(r, column) for r in range(rows) for column in range(plan.columns)]
        into, right = (tuple(range(first, first + len(sums))) for first in (0, len(sums)))
        zero = b.const(0.0, kind)
        body: Body = (Begin(tuple((k, zero) for k in into)),)
        if _written(combination):
            body += (Fold(
                number, int64(plan.terms), into, right,
                tuple(self._lifted(n, combination, places, r, column, b.index(number))
                      for r, column in sums),
                tuple(accumulator(k, kind) + accumulator(m, kind) for k, m in zip(into, right)),
                (zero,) * len(sums), lanes=True),)
        phases = [run.phase for run in combination]
        for k, (r, column) in enumerate(sums):
            at = [p.first + p.every * q for p, q in zip(phases, (*places[:-1], places[-1] + r))]
            body += self.finish((n, *at, int64(column)), accumulator(k, kind))
        return body

    def _lifted(
        self, n: Expr, combination: Sequence[Run], places: Sequence[Expr], row: int, column: int,
        term: Expr,
    ) -> Expr:
        """What a channel of the image adds to the sum of an output."""
        plan = self.plan
        total: Expr | None = None
        for taps in product(*(run.taps for run in combination)):
            source, window = n, 0
            for run, q, tap, size, width in zip(
                    combination, (*places[:-1], places[-1] + row), taps, plan.spatial,
                    plan.window):
                phase = run.phase
                source = source * size + (q * phase.step + (phase.start + phase.pitch * tap))
                window = window * width + phase.position + phase.by * tap
            x = load(self.e.buffer(plan.image), source * plan.terms + term, plan.image.dtype)
            w = load(self.e.buffer(plan.filter),
                     int64((window * plan.columns + column) * plan.terms) + term,
                     plan.image.dtype)
            total = x * w if total is None else b.fma(x, w, total)
        assert total is not None  # some window position is seen
        return total
