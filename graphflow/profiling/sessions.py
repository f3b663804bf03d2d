"""What `Session.profile` and traced runs do."""

from __future__ import annotations

import time
from typing import Any
from weakref import WeakKeyDictionary

from graphflow.codegen.timed_dispatch import now
from graphflow.dims import assuming
from graphflow.errors import AttributeValueError
from graphflow.profiling.measure import measured_profile, step_times, timed_events
from graphflow.profiling.record import Profile
from graphflow.profiling.timeline import step_stats_of
from graphflow.runtime.bind import bind_feeds, feed_types
from graphflow.runtime.calls import PreparedCall, call_key
from graphflow.runtime.config import RunMetadata
from graphflow.runtime.fetch import FetchPlan
from graphflow.runtime.placement import fed_dict
from graphflow.runtime.timed import TimedProgram

_traced: WeakKeyDictionary[Any, dict[Any, _TimedCall]] = WeakKeyDictionary()


class _TimedCall:
    """Fetches and feeds of a session, whose runs are timed.

    Attributes:
      newest: the TimedProgram that ran last.
    """

    def __init__(self, session: Any, fetches: Any, feed_dict: Any) -> None:
        plan = FetchPlan(session.graph, fetches)
        feeds = bind_feeds(session.graph, fed_dict(feed_dict, session.placement))
        self._call = PreparedCall(plan, list(feeds))
        self.newest: Any = None

    def run(self, session: Any, feed_dict: Any) -> Any:
        """As `session.run`."""
        placement = session.placement

        def compiled(call: PreparedCall, arrays: Any) -> Any:
            types, sizes = feed_types(dict(zip(call.keys, arrays)))
            assumptions, program = session._freeze(call.tensors, call.operations, types, sizes)
            with assuming(assumptions):
                if placement is None:
                    return TimedProgram(program, session.options)
                from graphflow.runtime.cuda.timed import TimedDeviceProgram

                return TimedDeviceProgram(program, session.options, *placement)

        values = list(bind_feeds(session.graph, fed_dict(feed_dict, placement)).values())
        result = session._call(self._call, values, compiled)
        self.newest = self._call.prepare(values, compiled)[0]
        return result


def profile_session(session: Any, fetches: Any, feed_dict: Any, runs: int) -> Profile:
    """See `Session.profile`."""
    if not isinstance(runs, int) or isinstance(runs, bool) or runs < 1:
        raise AttributeValueError(f"Session.profile: runs must be 1 or more, got {runs!r}.")
    call, store = _TimedCall(session, fetches, feed_dict), session.store
    values = store.read(dict.fromkeys(store.keys()))
    before = [(key, value.copy()) for key, value in values.items() if value is not None]
    del values
    try:
        call.run(session, feed_dict)
        return measured_profile(call.newest, lambda: session.run(fetches, feed_dict),
                                lambda: call.run(session, feed_dict), runs)
    finally:
        with store.writing([key for key, _ in before]):
            store.commit(before)


def traced_run(session: Any, fetches: Any, feed_dict: Any, run_metadata: Any) -> Any:
    """A run that also fills `run_metadata.step_stats`; see `Session.run`."""
    if not isinstance(run_metadata, RunMetadata):
        raise AttributeValueError(
            f"Session.run: run_metadata must be a RunMetadata, got {run_metadata!r}.")
    calls = _traced.setdefault(session, {})
    key = call_key(fetches, feed_dict)
    call = calls.get(key) if key is not None else None
    if call is None:
        call = _TimedCall(session, fetches, feed_dict)
        if key is not None:
            calls[key] = call
    result = call.run(session, feed_dict)
    recorder = call.newest.recorder
    began = time.time_ns() - now() + recorder.spans[-1][0]
    run_metadata.step_stats = step_stats_of(
        timed_events(recorder, step_times(recorder)), began)
    recorder.forget()
    return result
