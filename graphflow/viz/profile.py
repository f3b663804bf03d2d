"""Measured times of kernels, in whichever form they come.

A profile is a mapping from the number of a step to seconds, or to a mapping with `seconds` and,
where that is known, `share_of_peak`; or a sequence of records with `step`, `seconds` and perhaps
`share_of_peak`, or an object that holds such a sequence as `kernels`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from graphflow.errors import AttributeValueError

_FORMS = ("profile: expected {step: seconds}, {step: {'seconds': …, 'share_of_peak': …}}, or "
          "records with step and seconds")


@dataclass(frozen=True, slots=True)
class Timing:
    """What one step took.

    Attributes:
      seconds: of one run.
      share_of_peak: of what the machine can do at most, from 0 to 1, or None.
    """

    seconds: float
    share_of_peak: float | None = None


def timings(profile: Any) -> dict[int, Timing]:
    """Timings by the number of the step. Raises AttributeValueError for anything else."""
    if profile is None:
        return {}
    if isinstance(profile, Mapping):
        return {_step(step): _timing(told) for step, told in profile.items()}
    records = getattr(profile, "kernels", profile)
    try:
        return {_step(r.step): _timing(r) for r in records}
    except (TypeError, AttributeError) as error:
        raise AttributeValueError(f"{_FORMS}, got {profile!r}.") from error


def _step(step: Any) -> int:
    try:
        return int(step)
    except (TypeError, ValueError) as error:
        raise AttributeValueError(f"{_FORMS}, got the step {step!r}.") from error


def _timing(told: Any) -> Timing:
    if isinstance(told, Mapping):
        seconds, share = told.get("seconds"), told.get("share_of_peak")
    elif isinstance(told, (int, float)):
        seconds, share = told, None
    else:
        seconds, share = getattr(told, "seconds", None), getattr(told, "share_of_peak", None)
    try:
        found = Timing(float(str(seconds)), None if share is None else float(str(share)))
    except (TypeError, ValueError) as error:
        raise AttributeValueError(f"{_FORMS}, got {told!r}.") from error
    if not found.seconds >= 0:
        raise AttributeValueError(f"profile: seconds are not negative, got {told!r}.")
    return found


def seconds_text(seconds: float) -> str:
    """`1.2 ms`, `35 µs`."""
    for scale, unit in ((1.0, "s"), (1e3, "ms"), (1e6, "µs")):
        if seconds * scale >= 1 or unit == "µs":
            return f"{seconds * scale:.3g} {unit}"
    raise AssertionError("not reached")
