"""`Explanation`: what the compiler makes of one run, as data and as text.

Input: a frozen Program and the sizes of what is fed. Output: the passes and what each changed,
the kernels and host steps with their costs, the memory plan. Nothing is run, but for what
`Options(autotune=True)` measures.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from graphflow.codegen.capabilities import Capabilities
from graphflow.codegen.memory_report import MemoryReport, ValueNames, memory_report
from graphflow.codegen.report import HostRecord, KernelRecord, RegionRecord, step_record
from graphflow.codegen.schedule import Scheduler
from graphflow.codegen.settings import DEFAULT, Settings, using
from graphflow.codegen.sizes import Numbers
from graphflow.codegen.steps import HostStep
from graphflow.passes.listing import Listing
from graphflow.passes.pipeline import check_pass_names
from graphflow.passes.trace import PassRun, traced
from graphflow.program import Program
from graphflow.runtime.explain_text import explanation_text
from graphflow.runtime.outline import Outline, outline
from graphflow.runtime.specialise import obstacles

LATE = "it is compiled by a run, for the shapes of its inputs"


@dataclass(frozen=True, slots=True, eq=False)
class Explanation:
    """What `Session.explain` gives; `print` it, or take the data.

    Attributes:
      source, compiled: the program before and after the passes, line by line; a value has the
        same name (`%12`) wherever it is spoken of.
      passes: each run of each pass, with its time and what it changed.
      steps: kernels, host steps and regions, in the order in which they run.
      memory: who lies where, and when.
      shown_passes: the names of the passes whose changes the text shows; None for all.
    """

    source: Listing
    compiled: Listing
    passes: tuple[PassRun, ...]
    steps: tuple[KernelRecord | HostRecord | RegionRecord, ...]
    memory: MemoryReport
    shown_passes: frozenset[str] | None = None

    @property
    def kernels(self) -> tuple[KernelRecord, ...]:
        """The kernels among the steps."""
        return tuple(s for s in self.steps if isinstance(s, KernelRecord))

    @property
    def host_steps(self) -> tuple[HostRecord, ...]:
        """The steps that run in Python."""
        return tuple(s for s in self.steps if isinstance(s, HostRecord))

    def __str__(self) -> str:
        return explanation_text(self)

    def __repr__(self) -> str:
        return (f"<Explanation: {len(self.kernels)} kernels, {len(self.host_steps)} host steps, "
                f"arena of {self.memory.arena_bytes} bytes; print it>")


def explain(
    program: Program, numbers: Numbers, *, disabled: Collection[str] = frozenset(),
    ir: bool = False, llvm: bool = False, assembly: bool = False,
    passes: Collection[str] | None = None, settings: Settings = DEFAULT,
) -> Explanation:
    """The explanation of a frozen Program.

    numbers: the unknown sizes. disabled: passes that are left out. ir, llvm, assembly: which
    texts kernels get. passes: those whose changes the text shows. settings: of the builders of
    kernels; where they ask for measurements, those that are not on disk are made.
    Raises AttributeValueError for a name that is no pass.
    """
    if isinstance(passes, str):
        passes = (passes,)
    check_pass_names(passes or (), "Session.explain: passes")
    trace = traced(program, disabled)
    with using(settings):
        top, made = _outline(trace.result, numbers)
    late = obstacles(top.schedule)
    waiting = [s for s in top.schedule.steps if isinstance(s, HostStep) and s.node in late]
    steps = []
    for number, visit in enumerate(made.visits):
        record = step_record(visit.step, number, visit.names, visit.within, ir=ir, llvm=llvm,
                             assembly=assembly)
        if isinstance(record, HostRecord) and visit.step in waiting:
            record = replace(record, reason=LATE)
        steps.append(record)
    return Explanation(
        trace.source, trace.result, trace.runs, tuple(steps),
        memory_report(top, made.values, made.arena_bytes),
        None if passes is None else frozenset(passes))


def report_memory(
    program: Program, numbers: Numbers, disabled: Collection[str] = frozenset()
) -> MemoryReport:
    """The memory that a run of a frozen Program needs."""
    top, made = _outline(traced(program, disabled).result, numbers)
    return memory_report(top, made.values, made.arena_bytes)


def _outline(compiled: Listing, numbers: Numbers) -> tuple[ValueNames, Outline]:
    """The optimised program, scheduled and planned."""
    schedule = Scheduler(compiled.program, Capabilities()).schedule()
    return (ValueNames(compiled.program, compiled.names, numbers, schedule),
            outline(compiled, schedule, numbers))
