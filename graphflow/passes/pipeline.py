"""The list of passes, in order, and `optimise`, which runs them.

Input: a frozen Program. Output: a Program that computes the same, made of ops that the back end
compiles (no `Composite`). After each pass that changed something the verifier runs; its complaint
names the pass.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import groupby

from graphflow.errors import AttributeValueError, ProgramError
from graphflow.passes.algebra import ALGEBRA
from graphflow.passes.attention import ATTENTION
from graphflow.passes.base import Pass
from graphflow.passes.batch_norm import BATCH_NORM
from graphflow.passes.broadcasts import BROADCASTS
from graphflow.passes.dead import DEAD
from graphflow.passes.expand import EXPAND
from graphflow.passes.fold import FOLD
from graphflow.passes.groups import GROUPS
from graphflow.passes.layouts import LAYOUTS
from graphflow.passes.loop_operands import LOOP_OPERANDS
from graphflow.passes.loop_sums import LOOP_SUMS
from graphflow.passes.regions import REGIONS
from graphflow.passes.remembered import REMEMBERED
from graphflow.passes.shapes import SHAPES
from graphflow.passes.stabilise import STABILISE
from graphflow.passes.transposes import TRANSPOSES
from graphflow.passes.views import VIEWS
from graphflow.program import Program, verify

_CANONICALISE = (SHAPES, FOLD, ALGEBRA, VIEWS, BROADCASTS, REGIONS, DEAD)

# Neighbours of one phase are repeated together until none of them changes anything.
PASSES: tuple[Pass, ...] = (
    REMEMBERED,
    *_CANONICALISE,
    STABILISE,     # on whole ops, before composites come apart
    *_CANONICALISE,
    STABILISE,     # again: some rules look at the signs that algebra leaves
    *_CANONICALISE,
    BATCH_NORM,
    LAYOUTS,
    GROUPS,
    TRANSPOSES,
    ATTENTION,
    EXPAND,
    *_CANONICALISE,
    LOOP_SUMS,
    LOOP_OPERANDS,
    *_CANONICALISE,
)

MAX_ROUNDS = 4


@dataclass(frozen=True, slots=True)
class PassRecord:
    """One run of one pass: its time, and the number of nodes (bodies included) around it."""

    name: str
    seconds: float
    changed: bool
    before_nodes: int
    after_nodes: int


OnPass = Callable[[PassRecord, Program], None]


def pass_summaries() -> dict[str, str]:
    """The names of the passes, in order, each with what it does in one sentence."""
    return {one.name: one.summary for one in PASSES}


def check_pass_names(names: Iterable[str], setting: str) -> None:
    """Raises AttributeValueError if one of the names is no pass. `setting` says whose they are."""
    known = pass_summaries()
    for name in sorted(names):
        if name not in known:
            near = get_close_matches(name, known, 1)
            raise AttributeValueError(
                f"{setting}: there is no pass named {name!r}."
                + (f" Did you mean {near[0]!r}?" if near else "")
                + f" The passes are {', '.join(known)}.")


def check_disabled_passes(names: Iterable[str]) -> None:
    """Raises AttributeValueError for unknown passes, and for those that nothing compiles without.
    """
    names = set(names)
    check_pass_names(names, "Options: disable_passes")
    required = {p.name for p in PASSES if p.required}
    if names & required:
        raise AttributeValueError(
            f"Options: disable_passes: {sorted(names & required)[0]!r} cannot be disabled, since "
            "the ops that it rewrites have no kernels. Passes that can be disabled are "
            f"{', '.join(n for n in pass_summaries() if n not in required)}.")


def optimise(
    program: Program,
    disabled: Collection[str] = frozenset(),
    on_pass: OnPass | None = None,
    passes: Sequence[Pass] = PASSES,
) -> Program:
    """`program`, rewritten by `passes`; the same object if none of them changes anything.

    disabled: names of passes that are left out.
    on_pass: called after each run of a pass with its record and the Program that it gave.
    Raises ProgramError for an unknown name, and, naming the pass, for a Program that is broken.
    """
    known = {p.name for p in passes}
    unknown = sorted(set(disabled) - known)
    if unknown:
        raise ProgramError(f"There is no pass named {', '.join(map(repr, unknown))}. "
                           f"The passes are {', '.join(sorted(known))}.")
    unchanged: dict[str, Program] = {}
    for _, group in groupby(passes, key=lambda p: p.phase):
        members = [p for p in group if p.name not in disabled]
        for _ in range(MAX_ROUNDS):
            before = program
            for one in members:
                # A pass that has seen this very Program and left it as it is need not look again.
                if unchanged.get(one.name) is not program:
                    earlier, program = program, run_pass(one, program, on_pass)
                    if program is earlier:
                        unchanged[one.name] = program
            if program is before:
                break
    return program


def run_pass(one: Pass, program: Program, on_pass: OnPass | None = None) -> Program:
    """One pass, timed and verified."""
    start = time.perf_counter()
    after = one.run(program)
    seconds = time.perf_counter() - start
    if after is not program:
        _verify(program, after, f"pass {one.name!r}")
    if on_pass is not None:
        on_pass(PassRecord(one.name, seconds, after is not program, count_nodes(program),
                           count_nodes(after)), after)
    return after


def count_nodes(program: Program) -> int:
    """The number of nodes, those of region bodies included."""
    return len(program.nodes) + sum(
        count_nodes(v) for n in program.nodes for v in n.attrs.values() if isinstance(v, Program))


def _verify(before: Program, after: Program, stage: str) -> None:
    """Raises ProgramError unless `after` is sound and has the interface of `before`."""
    verify(after, stage)
    for what, old, new in (
        ("inputs", before.inputs, after.inputs), ("outputs", before.outputs, after.outputs),
        ("writes", tuple(before.writes.values()), tuple(after.writes.values())),
    ):
        if len(old) != len(new) or any(
            a.dtype is not b.dtype or not a.shape.is_compatible_with(b.shape)
            for a, b in zip(old, new)
        ):
            raise ProgramError(
                f"After {stage}: the {what} were ({', '.join(str(v.type) for v in old)}), they "
                f"are ({', '.join(str(v.type) for v in new)}).")
    if before.writes.keys() != after.writes.keys() or len(before.effects) != len(after.effects):
        raise ProgramError(f"After {stage}: writes or effects are missing or new.")
