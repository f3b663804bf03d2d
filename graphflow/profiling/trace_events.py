"""Profiles in the form of Chrome's trace events, and as plain figures.

The format: https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU
("Trace Event Format"), as Perfetto reads it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from graphflow.profiling.times import HostTime, KernelTime
from graphflow.storage import PathLike, write_atomic

if TYPE_CHECKING:
    from graphflow.profiling.record import Profile

KERNELS, PYTHON = 1, 2   # tracks


def write_trace(profile: Profile, path: PathLike) -> None:
    """Writes `trace_of` to a file, as a whole."""
    write_atomic(path, json.dumps(trace_of(profile), ensure_ascii=False).encode())


def trace_of(profile: Profile) -> dict[str, Any]:
    """One run as trace events: kernels on one track, Python on another; times in µs."""
    events: list[dict[str, Any]] = [
        _named("process_name", 0, "graphflow"), _named("thread_name", KERNELS, "kernels"),
        _named("thread_name", PYTHON, "Python"),
        _complete("Session.run", PYTHON, 0.0, profile.span, {})]
    for event in profile.events:
        item = event.of
        if isinstance(item, str):
            name = "wait for threads" if item == "meeting" else "copy loop variables"
            events.append(_complete(name, KERNELS, event.began, event.seconds, {}))
        elif isinstance(item, KernelTime):
            events.append(_complete(item.origin.name or item.kernel.kind, KERNELS, event.began,
                                    event.seconds, _kernel_arguments(item)))
        else:
            events.append(_complete(
                item.origin.name or item.host.op, PYTHON, event.began, event.seconds,
                {"op": item.host.op, "reason": item.host.reason, "line": item.origin.site or ""}))
    return {"traceEvents": events, "displayTimeUnit": "ns"}


def _kernel_arguments(item: KernelTime) -> dict[str, Any]:
    kernel = item.kernel
    return {
        "kind": kernel.kind, "ops": ", ".join(kernel.ops), "line": item.origin.site or "",
        "operations": ", ".join(o.name for o in kernel.origins), "flops": kernel.flops,
        "bytes read": kernel.bytes_read, "bytes written": kernel.bytes_written,
        "threads": item.threads, "symbol": kernel.symbol}


def _named(what: str, track: int, name: str) -> dict[str, Any]:
    return {"ph": "M", "name": what, "pid": 1, "tid": track, "args": {"name": name}}


def _complete(
    name: str, track: int, began: float, seconds: float, arguments: Mapping[str, Any]
) -> dict[str, Any]:
    return {"ph": "X", "name": name, "cat": "graphflow", "pid": 1, "tid": track,
            "ts": round(1e6 * began, 3), "dur": round(1e6 * seconds, 3), "args": dict(arguments)}


def profile_figures(profile: Profile) -> dict[str, Any]:
    """A profile as plain figures, for JSON."""
    return {
        "runs": profile.runs, "threads": profile.threads, "seconds": profile.seconds,
        "fastest": profile.fastest, "kernel_seconds": profile.kernel_seconds,
        "host_seconds": profile.host_seconds, "meeting": profile.meeting,
        "moving": profile.moving, "overhead": profile.overhead, "flops": profile.flops,
        "peaks": {"float32": profile.peaks.float32, "float64": profile.peaks.float64,
                  "copy": profile.peaks.memory},
        "kernels": [_kernel_figures(k) for k in profile.kernels],
        "host_steps": [_host_figures(h) for h in profile.host_steps]}


def _kernel_figures(item: KernelTime) -> dict[str, Any]:
    return {
        "step": item.step, "kind": item.kernel.kind, "symbol": item.kernel.symbol,
        "calls": item.calls, "seconds": item.seconds, "fastest": item.fastest,
        "threads": item.threads, "flops": item.flops, "bytes": item.bytes,
        "share_of_peak": item.share_of_peak, "ops": list(item.kernel.ops),
        "operations": [{"name": o.name, "line": o.site} for o in item.kernel.origins]}


def _host_figures(item: HostTime) -> dict[str, Any]:
    return {"step": item.step, "op": item.host.op, "calls": item.calls, "seconds": item.seconds,
            "fastest": item.fastest, "reason": item.host.reason,
            "operations": [{"name": item.origin.name, "line": item.origin.site}]}
