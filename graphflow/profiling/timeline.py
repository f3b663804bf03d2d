"""`Timeline`: the step statistics of a traced run as a Chrome trace, under TensorFlow's name."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from graphflow.errors import AttributeValueError
from graphflow.profiling.times import HostTime, KernelTime, TimedEvent
from graphflow.runtime.step_stats import DeviceStepStats, NodeExecStats, StepStats

DEVICE = "/job:localhost/replica:0/task:0/device:CPU:0"


def step_stats_of(events: Iterable[TimedEvent], began: int) -> StepStats:
    """The calls of one run in TensorFlow's messages.

    began: nanoseconds since 1970 at which that run began.
    """
    stats = []
    for event in events:
        start, end = began + round(1e9 * event.began), round(1e9 * event.seconds)
        name, label, track = _labels(event.of)
        stats.append(NodeExecStats(
            name, start // 1000, 0, end // 1000, end // 1000, start, 0, end, end, start // 1000,
            start, label, track))
    return StepStats([DeviceStepStats(DEVICE, stats, {0: "kernels", 1: "Python"})])


def _labels(item: KernelTime | HostTime | str) -> tuple[str, str, int]:
    """Name, label and track of what an event is about."""
    if isinstance(item, str):
        name = "WaitForThreads" if item == "meeting" else "CopyLoopVariables"
        return name, f"{name} = {name}()", 0
    if isinstance(item, KernelTime):
        name = item.origin.name or item.kernel.kind
        inputs = ", ".join(v.origin.name for v in item.kernel.reads)
        return name, f"{name} = {'+'.join(item.kernel.ops)}({inputs})", 0
    name = item.origin.name or item.host.op
    return name, f"{name} = {item.host.op}()", 1


class Timeline:
    """A Chrome trace of what `RunMetadata.step_stats` holds.

    Args:
      step_stats: of a run with `RunOptions(trace_level=RunOptions.FULL_TRACE)`.
      graph: without effect; names come from the statistics.
    """

    def __init__(self, step_stats: StepStats, graph: Any = None) -> None:
        if not isinstance(step_stats, StepStats):
            raise AttributeValueError(
                f"Timeline: step_stats must be RunMetadata.step_stats, got {step_stats!r}. Pass "
                "run_metadata and options=RunOptions(trace_level=RunOptions.FULL_TRACE) to "
                "Session.run first.")
        self._step_stats = step_stats

    def generate_chrome_trace_format(
        self, show_dataflow: bool = True, show_memory: bool = False, op_time: str = "schedule",
    ) -> str:
        """The trace as JSON. The arguments are TensorFlow's and change nothing: kernels run one
        after another, and hold no memory of their own."""
        events: list[dict[str, Any]] = []
        for number, device in enumerate(self._step_stats.dev_stats):
            events.append({"ph": "M", "name": "process_name", "pid": number,
                           "args": {"name": device.device}})
            events += [{"ph": "M", "name": "thread_name", "pid": number, "tid": track,
                        "args": {"name": name}} for track, name in device.thread_names.items()]
            events += [_event(stats, number) for stats in device.node_stats]
        return json.dumps({"traceEvents": events}, indent=4)


def _event(stats: NodeExecStats, number: int) -> dict[str, Any]:
    op = stats.timeline_label.partition(" = ")[2].partition("(")[0]
    inputs = stats.timeline_label.partition("(")[2].rstrip(")")
    arguments = {"name": stats.node_name, "op": op}
    arguments |= {f"input{k}": name for k, name in enumerate(filter(None, inputs.split(", ")))}
    return {"ph": "X", "cat": "Op", "name": op, "pid": number, "tid": stats.thread_id,
            "ts": stats.all_start_nanos / 1000,
            "dur": stats.op_end_rel_nanos / 1000, "args": arguments}
