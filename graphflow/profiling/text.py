"""A `Profile` as a table for the terminal."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from graphflow.passes.trace import ending
from graphflow.profiling.times import SHORTEST, HostTime, KernelTime

if TYPE_CHECKING:
    from rich.console import RenderableType

    from graphflow.profiling.record import Profile

PLAIN_WIDTH = 100
_SHOWN = 30
_SHORTEST_NAME = 12


def seconds_text(seconds: float) -> str:
    """`1.23 s`, `12.3 ms`, `4.56 µs`, `78 ns`."""
    for scale, unit in ((1.0, "s"), (1e3, "ms"), (1e6, "µs")):
        if seconds * scale >= 1:
            return f"{seconds * scale:.3g} {unit}" if seconds * scale < 1000 else (
                f"{seconds * scale:.0f} {unit}")
    return f"{max(seconds, 0.0) * 1e9:.0f} ns"


def plain_text(renderable: Any, width: int = PLAIN_WIDTH) -> str:
    """What rich would print, without colours."""
    from rich.console import Console

    stream = io.StringIO()
    Console(file=stream, width=width, color_system=None, legacy_windows=False).print(renderable)
    return "\n".join(line.rstrip() for line in stream.getvalue().rstrip("\n").split("\n"))


def profile_parts(profile: Profile, width: int) -> Iterator[RenderableType]:
    """The profile: where a run's time goes, then the longest steps."""
    from rich.text import Text

    threads = "1 thread" if profile.threads == 1 else f"{profile.threads} threads"
    yield Text.assemble(
        ("Session.run ", "bold"), (seconds_text(profile.seconds), "bold"),
        f", at best {seconds_text(profile.fastest)}; {profile.runs} runs, {threads}")
    yield _summary(profile)
    if profile.kernels or profile.host_steps:
        yield Text("")
        yield _steps(profile, width)
    rest = len(profile.kernels) + len(profile.host_steps) - _SHOWN
    if rest > 0:
        left = sum(i.seconds for i in _longest(profile)[_SHOWN:])
        yield Text(f"and {rest} more, {seconds_text(left)} together", "dim")
    peaks = profile.peaks
    yield Text("")
    yield Text(f"Peak of {threads}: {peaks.float32 / 1e9:.0f} GFLOP/s float32, "
               f"{peaks.float64 / 1e9:.0f} float64", "dim")
    yield Text(f"Copies move {peaks.copies[0][1] / 1e9:.0f} GB/s in the nearest cache, "
               f"{peaks.memory / 1e9:.0f} GB/s in memory", "dim")


def _summary(profile: Profile) -> RenderableType:
    from rich.table import Table

    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column()
    table.add_column(justify="right")
    table.add_column(justify="right")
    table.add_column()
    for name, seconds, note in _parts(profile):
        table.add_row(f"  {name}", seconds_text(seconds), _percent(seconds, profile.seconds), note)
    return table


def _parts(profile: Profile) -> Iterator[tuple[str, float, str]]:
    kernels, rate = profile.kernel_seconds, ""
    if profile.flops and kernels:
        rate = f", {profile.flops / kernels / 1e9:.3g} GFLOP/s"
    yield "kernels", kernels, f"{len(profile.kernels)}{rate}"
    if profile.host_steps:
        yield "steps in Python", profile.host_seconds, str(len(profile.host_steps))
    if profile.meeting:
        yield "waiting for threads", profile.meeting, ""
    if profile.moving:
        yield "loop variables", profile.moving, ""
    yield "the rest", max(profile.overhead, 0.0), "feeds, results"


def _percent(part: float, whole: float) -> str:
    return f"{100 * part / whole:.0f} %" if whole else ""


def _longest(profile: Profile) -> list[KernelTime | HostTime]:
    items: list[KernelTime | HostTime] = [*profile.kernels, *profile.host_steps]
    return sorted(items, key=lambda i: -i.seconds)


def _steps(profile: Profile, width: int) -> RenderableType:
    from rich.table import Table

    shown = _longest(profile)[:_SHOWN]
    titles = ["time", "share", "calls", "GFLOP/s", "GB/s", "peak", "kind", "line", "operation"]
    rows = [[seconds_text(i.seconds), _percent(i.seconds, profile.seconds), str(i.calls),
             *_figures(i), _kind(i), _line(i)] for i in shown]
    if all(i.calls == 1 for i in shown):
        for row in (titles, *rows):
            del row[2]
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    taken = 0
    for title, *cells in zip(titles, *rows):
        left = title in ("kind", "line")
        column = max(map(len, (title, *cells)))
        taken += column + 2
        table.add_column(title, justify="left" if left else "right", no_wrap=True,
                         min_width=column)
    table.add_column(titles[-1], no_wrap=True)
    for item, row in zip(shown, rows):
        table.add_row(*map(_plain, row), _operation(item, max(width - taken, _SHORTEST_NAME)))
    return table


def _figures(item: KernelTime | HostTime) -> tuple[str, str, str]:
    if isinstance(item, HostTime) or item.seconds < item.calls * SHORTEST:
        return "", "", ""
    return (f"{item.flops / item.seconds / 1e9:.3g}" if item.flops else "",
            f"{item.bytes / item.seconds / 1e9:.3g}" if item.bytes else "",
            "" if item.share_of_peak is None else f"{100 * item.share_of_peak:.0f} %")


def _kind(item: KernelTime | HostTime) -> str:
    return "Python" if isinstance(item, HostTime) else item.kernel.kind


def _operation(item: KernelTime | HostTime, room: int) -> RenderableType:
    """The first operation, its end where it is too long, and how many there are besides."""
    name = item.origin.name or (item.host.op if isinstance(item, HostTime) else item.kernel.kind)
    more = len(item.kernel.origins) - 1 if isinstance(item, KernelTime) else 0
    after = f" +{more}" if more > 0 else ""
    return _plain(ending(name, room - len(after)) + after)


def _line(item: KernelTime | HostTime) -> str:
    return (item.origin.site or "").replace("\\", "/").rpartition("/")[2]


def _plain(text: str) -> RenderableType:
    """Text in which nothing is markup."""
    from rich.text import Text

    return Text(text)
