"""An `Explanation` as text: program, passes, kernels, memory; at most 110 columns."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from graphflow.codegen.choices import Measured, way_name
from graphflow.codegen.memory_report import StoredValue, known_bytes
from graphflow.codegen.memory_text import (
    arena_text,
    bytes_text,
    flops_text,
    memory_text,
    shape_text,
    table,
)
from graphflow.codegen.report import HostRecord, KernelRecord, RegionRecord
from graphflow.passes.pipeline import count_nodes
from graphflow.passes.trace import WIDTH, PassRun, change_text, ending, pass_title, program_text

if TYPE_CHECKING:
    from graphflow.runtime.explain import Explanation

_LONGEST = 72
_KEPT = "\0"  # a space at which lines are not broken


def explanation_text(made: Explanation) -> str:
    """All of it."""
    parts = [
        _section("Program", f"{count_nodes(made.source.program)} nodes"),
        program_text(made.source.lines),
        _section("Passes", _pass_summary(made.passes)),
        "\n".join(_pass_table(made.passes))]
    for run in made.passes:
        if run.changed and (made.shown_passes is None or run.name in made.shown_passes):
            parts += ["", pass_title(run), change_text(run.changes)]
    parts += [
        _section("Program, compiled", f"{count_nodes(made.compiled.program)} nodes"),
        program_text(made.compiled.lines),
        _section("Kernels", _kernel_summary(made)),
        "\n".join(_step_table(made))]
    for step in made.steps:
        if not isinstance(step, RegionRecord):
            parts += ["", *(_kernel(step) if isinstance(step, KernelRecord) else _host(step))]
    parts.append(_section("Memory plan", f"arena of {bytes_text(made.memory.arena_bytes)}"))
    if made.memory.values:
        parts += [arena_text(made.memory), ""]
    parts.append(memory_text(made.memory))
    return "\n".join(parts)


def _section(title: str, note: str) -> str:
    head = f"── {title} · {note} "
    return f"\n{head}{'─' * (WIDTH - len(head))}\n".lstrip("\n" if title == "Program" else "")


def _count(items: Iterable[object], what: str) -> str:
    number = len(list(items))
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


# ---- passes -------------------------------------------------------------------------------------


def _pass_summary(runs: Iterable[PassRun]) -> str:
    runs = list(runs)
    if not runs:
        return "none ran"
    return (f"{runs[0].before_nodes} → {runs[-1].after_nodes} nodes, "
            f"{1e3 * sum(r.seconds for r in runs):.1f} ms")


def _pass_table(runs: Iterable[PassRun]) -> list[str]:
    by_name: dict[str, list[PassRun]] = {}
    for run in runs:
        by_name.setdefault(run.name, []).append(run)
    rows = [("pass", "runs", "changed", "ms")]
    rows += [(name, str(len(own)), str(sum(r.changed for r in own)),
              f"{1e3 * sum(r.seconds for r in own):.2f}") for name, own in by_name.items()]
    return table(rows, right=(1, 2, 3))


# ---- kernels ------------------------------------------------------------------------------------


def _kernel_summary(made: Explanation) -> str:
    kernels = made.kernels
    text = f"{_count(kernels, 'call')} of {_count({k.symbol for k in kernels}, 'kernel')}"
    if made.host_steps:
        text += f", {_count(made.host_steps, 'host step')}"
    return text + f"; {flops_text(sum(k.flops or 0 for k in kernels))} flop"


def _step_table(made: Explanation) -> list[str]:
    rows = [("step", "kind", "flop", "reads", "writes", "ops")]
    for step in made.steps:
        if isinstance(step, KernelRecord):
            rows.append((str(step.step), step.kind, flops_text(step.flops),
                         bytes_text(step.bytes_read), bytes_text(step.bytes_written),
                         _inside(step.within) + " ".join(step.ops)))
        elif isinstance(step, HostRecord):
            rows.append((str(step.step), "host", "", "", "",
                         f"{step.op}, because {step.reason}"))
        else:
            rows.append((str(step.step), "region", "", "", "", _region(step)))
    return table(rows, right=(0, 2, 3, 4))


def _region(step: RegionRecord) -> str:
    return f"{_inside(step.within)}{step.op} {step.name}, {' and '.join(step.bodies)}"


def _inside(within: str) -> str:
    """How far the steps of bodies stand to the right."""
    return "  " * len(within.split())


def _kernel(step: KernelRecord) -> Iterator[str]:
    yield f"  {step.step}  {step.kind} · {flops_text(step.flops)} flop · {step.symbol}"
    for what, values in (("reads", step.reads), ("writes", step.writes),
                         ("scratch", step.scratch)):
        if values:
            yield from _wrapped(what, [_value(v) for v in values],
                                bytes_text(known_bytes(values)).replace(" ", _KEPT))
    yield from _wrapped("from", _by_scope(o.name for o in step.origins), "")
    if step.measured is not None:
        yield from _wrapped("tried", _ways(step.measured), f"threads {step.measured.threads}")
    for title, text in (("loop IR", step.loop_ir), ("LLVM IR", step.llvm),
                        ("assembly", step.assembly)):
        if text is not None:
            yield f"     {title}"
            yield textwrap.indent(text.rstrip("\n"), "       ")


def _ways(measured: Measured) -> Iterator[str]:
    """The ways that were tried, each with its time; the one that was taken has a star."""
    taken = way_name(dict(measured.ranks))
    for name, seconds in measured.seconds:
        yield f"{name}{' *' if name == taken else ''} {1e6 * seconds:.1f} µs".replace(" ", _KEPT)


def _host(step: HostRecord) -> Iterator[str]:
    yield f"  {step.step}  host {step.op}"
    yield from _wrapped("because", [step.reason], "")
    yield from _wrapped("reads", step.inputs, "")
    yield from _wrapped("gives", step.outputs, "")
    yield from _wrapped("from", [step.origin.name], "")


def _value(value: StoredValue) -> str:
    return f"{value.name} {shape_text(value)}".replace(" ", _KEPT)


def _by_scope(origins: Iterable[str]) -> Iterator[str]:
    """Names of operations, those of one scope together: `Adam/update_w/{sub, mul, add}`."""
    groups: dict[str, list[str]] = {}
    for name in origins:
        scope, slash, last = name.rpartition("/")
        groups.setdefault(ending(scope + slash, _LONGEST), []).append(last)
    for scope, names in groups.items():
        if scope and len(names) > 1:
            yield f"{scope}{{{', '.join(names)}}}"
        else:
            yield from (scope + name for name in names)


def _wrapped(what: str, items: Iterable[str], note: str) -> list[str]:
    """`     what    note · item; item; …` over as many lines as it takes."""
    joined = "; ".join(items)
    if not joined:
        return []
    head = f"     {what:<8}"
    lines = textwrap.wrap(
        f"{note} · {joined}" if note else joined, WIDTH, initial_indent=head,
        subsequent_indent=" " * len(head), break_long_words=False, break_on_hyphens=False)
    return [line.replace(_KEPT, " ") for line in lines]
