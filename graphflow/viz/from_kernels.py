"""The compiled program as a View: what is fused into one kernel stands in one group.

Input: an `Explanation`, and times if there are any. Output: a `View`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from graphflow.codegen.memory_text import bytes_text, flops_text
from graphflow.codegen.report import HostRecord, KernelRecord, RegionRecord
from graphflow.passes.listing import Line
from graphflow.runtime.explain import Explanation
from graphflow.viz.from_passes import line_nodes, wires_of
from graphflow.viz.model import Edge, Node, View
from graphflow.viz.profile import Timing, seconds_text

Path = tuple[str, ...]
Told = tuple[tuple[str, str], ...]


def kernels_view(made: Explanation, times: Mapping[int, Timing]) -> View:
    """The view of a run's kernels. times: by the number of the step."""
    regions = {s.name: s for s in made.steps if isinstance(s, RegionRecord)}
    total = sum(t.seconds for t in times.values())
    assembly = _Assembly({
        line.name: (line, node) for line, node in line_nodes(made.compiled)})
    groups: list[tuple[Path, Told]] = []
    heat: list[tuple[Path, float]] = []
    for step in made.kernels:
        path = (*_around(step.within, regions), f"{step.step} · {step.kind}")
        groups.append((path, tuple(_told(step, times.get(step.step), total))))
        if total and step.step in times:
            heat.append((path, round(times[step.step].seconds / total, 4)))
        for name in step.nodes:
            assembly.place(name, path)
    for host in made.host_steps:
        for name in host.outputs:
            assembly.told[name.split(".")[0]] = host
    assembly.place_rest(_inside(regions))
    return View("kernels", "Kernels", tuple(assembly.nodes),
                tuple(assembly.edges(list(wires_of(made.compiled)))), tuple(groups), tuple(heat))


def _told(step: KernelRecord, timing: Timing | None, total: float) -> Iterator[tuple[str, str]]:
    moved = f"{bytes_text(step.bytes_read)} → {bytes_text(step.bytes_written)}"
    time = "" if timing is None else f"{seconds_text(timing.seconds)} · "
    yield "kernel", f"{time}{flops_text(step.flops)} flop · {moved}"
    yield "step", str(step.step)
    yield "kind", step.kind
    if timing is not None:
        yield "time", seconds_text(timing.seconds)
        if total:
            yield "share of the run", f"{timing.seconds / total:.1%}"
        if timing.share_of_peak is not None:
            yield "share of peak", f"{timing.share_of_peak:.1%}"
        yield from _rates(step, timing)
    yield "flop", flops_text(step.flops)
    yield "bytes read", bytes_text(step.bytes_read)
    yield "bytes written", bytes_text(step.bytes_written)
    yield "ops", " ".join(step.ops)
    yield "symbol", step.symbol


def _rates(step: KernelRecord, timing: Timing) -> Iterator[tuple[str, str]]:
    if not timing.seconds:
        return
    if step.flops:
        yield "rate", f"{flops_text(int(step.flops / timing.seconds))} flop/s"
    if step.bytes_read is not None and step.bytes_written is not None:
        moved = (step.bytes_read + step.bytes_written) / timing.seconds
        yield "bandwidth", f"{bytes_text(int(moved))}/s"


def _around(within: str, regions: Mapping[str, RegionRecord]) -> Path:
    return tuple(f"{name} {regions[name].op}" if name in regions else name
                 for name in within.split())


def _inside(regions: Mapping[str, RegionRecord]) -> dict[str, Path]:
    """The path inside each region, by its name."""
    return {name: (*_around(r.within, regions), f"{name} {r.op}") for name, r in regions.items()}


def _own_path(line: Line, node: Node) -> Path:
    """What a node outside kernels is called; of leaves, by the whole name of the operation."""
    if node.op == "Write":
        return node.path[-2:]
    if node.kind in ("input", "variable") and line.origin:
        return (f"{line.name} {line.origin}",)
    return node.path[-1:]


@dataclass(slots=True)
class _Assembly:
    """Nodes put into kernels. A node that two kernels compute stands in both.

    Attributes:
      lines: name → line and node of the compiled program.
      told: name → the host step that computes it.
    """

    lines: dict[str, tuple[Line, Node]]
    told: dict[str, HostRecord] = field(default_factory=dict)
    nodes: list[Node] = field(default_factory=list)
    numbers: dict[tuple[str, Path], int] = field(default_factory=dict)
    first: dict[str, Path] = field(default_factory=dict)

    def place(self, name: str, path: Path) -> None:
        """A node of a kernel; copies that the scheduler made are told by their expression."""
        if (name, path) in self.numbers:
            return
        self.numbers[name, path] = len(self.nodes)
        if name not in self.lines:
            op = name.partition("(")[0]
            self.nodes.append(Node((*path, op), name, op, "move", details=(("copy", name),)))
            return
        line, node = self.lines[name]
        again = name in self.first
        self.first.setdefault(name, path)
        details = (*node.details, ("computed again", "also in " + "/".join(self.first[name]))
                   ) if again else node.details
        self.nodes.append(replace(node, path=(*path, node.path[-1]), details=details))

    def place_rest(self, regions: Mapping[str, Path]) -> None:
        """Leaves, host steps, results, and what shares the memory of another value."""
        around: list[Path] = [()]
        for name, (line, node) in self.lines.items():
            del around[line.depth + 1:]
            while len(around) <= line.depth:
                around.append(around[-1])
            path = around[line.depth]
            if name not in self.first:
                self.first[name] = path
                self.numbers[name, path] = len(self.nodes)
                host = self.told.get(name)
                self.nodes.append(replace(
                    node, path=(*path, *_own_path(line, node)),
                    kind="host" if host else node.kind,
                    details=(*node.details, ("runs in Python", host.reason)) if host
                    else node.details))
            if name in regions:
                around = [*around[:line.depth + 1], regions[name]]

    def edges(self, wires: Sequence[tuple[str, Line, str, str]]) -> Iterator[Edge]:
        """Edges between nodes, within a kernel where it computes both ends."""
        users: dict[str, list[Path]] = {}
        for name, path in self.numbers:
            users.setdefault(name, []).append(path)
        for source, line, kind, label in wires:
            for path in users.get(line.name, ()):
                at = path if (source, path) in self.numbers else self.first.get(source)
                if at is not None:
                    yield Edge(self.numbers[source, at], self.numbers[line.name, path], kind,
                               label)
