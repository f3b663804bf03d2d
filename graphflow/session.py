"""`Session`: runs slices of a Graph with feed dicts, and holds the values of its variables.

`run` resolves fetches and feeds, freezes the slice into a Program (once per set of fetches, feeds
and relations of their sizes), and hands it to an executor.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from graphflow import errors
from graphflow.collector import collected_later
from graphflow.defaults import default_graphs, default_sessions
from graphflow.dims import Assumptions, Dim, assuming
from graphflow.errors import ClosedSessionError, FeedError, OpError
from graphflow.freeze import RunShapeError, freeze
from graphflow.graph import Graph, get_default_graph
from graphflow.opdef import TensorType
from graphflow.ops.host_state import HostState, using_host_state
from graphflow.options import Options
from graphflow.program import Origin, Program
from graphflow.regions import find_operation
from graphflow.runtime.bind import (
    bind_feeds,
    bind_value,
    feed_types,
    known_types,
    resolve_feed_key,
    symbol_sizes,
)
from graphflow.runtime.calls import MISS, PreparedCall, call_key
from graphflow.runtime.config import ConfigProto
from graphflow.runtime.executables import Executable, make_executable
from graphflow.runtime.fetch import FetchPlan
from graphflow.runtime.placement import (
    check_devices,
    device_names,
    device_store,
    fed_dict,
    fed_values,
    log_placement,
    place_session,
)
from graphflow.runtime.store import VariableStore
from graphflow.tensor import Operation, Tensor

if TYPE_CHECKING:
    from graphflow.codegen.memory_report import MemoryReport
    from graphflow.profiling.record import Profile
    from graphflow.runtime.entries import Entry
    from graphflow.runtime.explain import Explanation
    from graphflow.runtime.placement import Placement

GROWING_RUNS = 10


class _Variant:
    """One frozen Program and the sizes that it is valid for."""

    __slots__ = ("assumptions", "executable")

    def __init__(self, assumptions: Assumptions, executable: Executable) -> None:
        self.assumptions, self.executable = assumptions, executable


class BaseSession:
    """What `Session` and `InteractiveSession` share."""

    def __init__(
        self,
        target: str = "",
        graph: Graph | None = None,
        config: ConfigProto | None = None,
        *,
        device: str | None = None,
        options: Options | None = None,
    ) -> None:
        if target:
            raise errors.UnimplementedError(
                None, None, f"Session: remote targets are not supported, got {target!r}.")
        if graph is not None and not isinstance(graph, Graph):
            raise errors.DTypeError(f"Session: graph must be a gf.Graph, got {graph!r}.")
        if config is not None and not isinstance(config, ConfigProto):
            raise errors.DTypeError(f"Session: config must be a gf.ConfigProto, got {config!r}.")
        options = options or Options.from_environment()
        threads = config.intra_op_parallelism_threads if config is not None else 0
        self.options = replace(
            options, device=device or options.device, threads=options.threads or threads or None)
        if options.disable_passes or options.dump_passes:
            _check_passes(options)
        self._graph = graph if graph is not None else get_default_graph()
        self._config = config
        self._placement = place_session(self.options, config)
        self._store = VariableStore() if self._placement is None else (
            device_store(self._placement))
        if config is not None and config.log_device_placement:
            log_placement(self._placement)
        self._host_state = HostState()
        self._closed = False
        self._variants: dict[tuple, list[_Variant]] = {}
        self._compiling = threading.RLock()
        self._version = self._graph.version
        self._growing = 0
        self.prepared_calls: dict[Any, PreparedCall] = {}
        self._entry: Entry | None = None
        self._enter: Callable[..., Any] | None = None

    # ---- properties -------------------------------------------------------------------------

    @property
    def graph(self) -> Graph:
        """The graph that this session runs."""
        return self._graph

    @property
    def sess_str(self) -> str:
        """The target, always empty: sessions are local."""
        return ""

    @property
    def placement(self) -> Placement | None:
        """The GPU that this session runs on; None for the CPU."""
        return self._placement

    @property
    def store(self) -> VariableStore:
        """The values of the session's variables, by state key."""
        return self._store

    def __repr__(self) -> str:
        state = "closed" if self._closed else f"{len(self._store.keys())} variables with a value"
        return f"<gf.{type(self).__name__} of {self._graph!r}, {state}>"

    # ---- running ----------------------------------------------------------------------------

    def run(
        self, fetches: Any, feed_dict: Any = None, options: Any = None, run_metadata: Any = None
    ) -> Any:
        """Computes `fetches` with the values of `feed_dict`.

        fetches: a tensor, operation, variable, name, None, or any nest of lists, tuples, dicts
          and named tuples of them. Operations give None, tensors NumPy values.
        feed_dict: tensor (or name) → value; any tensor can be fed.
        Operations run in creation order, each once; a variable that is fetched itself is read
        after all updates. If anything fails, no variable has changed.
        options, run_metadata: with `RunOptions(trace_level=RunOptions.FULL_TRACE)` the run fills
          `run_metadata.step_stats` with times; all else is without effect.
        Raises FetchError, FeedError, ClosedSessionError; `errors.OpError`s of operations.
        """
        if run_metadata is not None and getattr(options, "trace_level", None):
            from graphflow.profiling.sessions import traced_run

            self._check_open()
            return traced_run(self, fetches, feed_dict, run_metadata)
        if self._graph.version != self._version or self._growing:
            self._watch_growth()
        elif self._enter is not None:
            found = self._enter(fetches, feed_dict)
            if found is not MISS:
                return found
        self._check_open()
        key = call_key(fetches, feed_dict)
        call = self.prepared_calls.get(key)
        if call is not None:
            values = list(feed_dict.values()) if feed_dict else []
            return self._call(call, values)
        feeds = bind_feeds(self._graph, fed_dict(feed_dict, self._placement))
        plan = FetchPlan(self._graph, fetches)
        call = PreparedCall(plan, list(feeds), plan.form(fetches), list(feed_dict or ()))
        if key is not None and len(feeds) == len(key[1]):
            self.prepared_calls[key] = call
        else:
            call.form = None
        return self._call(call, list(feeds.values()))

    def make_callable(
        self, fetches: Any, feed_list: Sequence[Any] | None = None, accept_options: bool = False
    ) -> Callable[..., Any]:
        """A function of the values of `feed_list` (in order) that computes `fetches`."""
        self._check_open()
        keys = [resolve_feed_key(self._graph, k) for k in feed_list or ()]
        plan = FetchPlan(self._graph, fetches)
        prepared = PreparedCall(plan, keys, plan.form(fetches), positional=True)

        def call(*values: Any, **options: Any) -> Any:
            if prepared.entry is not None and not options:
                found = prepared.entry.call(*values)
                if found is not MISS:
                    return found
            self._check_open()
            if options and not accept_options:
                raise TypeError(f"make_callable: unexpected arguments {sorted(options)}.")
            if len(values) != len(keys):
                raise FeedError(
                    f"make_callable: the function takes {len(keys)} values "
                    f"({', '.join(k.name for k in keys)}), got {len(values)}."
                )
            return self._call(prepared, values)

        return call

    def run_many(
        self, fetches: Any, feeds: Any = None, *, steps: int | None = None, feed_dict: Any = None
    ) -> Any:
        """Many runs of `fetches` in a row; gives the values of all steps, stacked.

        fetches: as `run` takes them; the value of a tensor of shape s is [steps, *s].
        feeds: tensor (or name) → values [steps, …], of which step i is fed slice i; or an
          iterable of feed_dicts, one for each step.
        steps: how many, where `feeds` does not say so.
        feed_dict: what all steps are fed alike.
        What is the same as a loop around `run` goes on in native code where a step is one native
        call. If step i fails, its error is raised, and the steps before it have taken effect.
        Raises FeedError for numbers of steps that differ, and what `run` raises.
        """
        from graphflow.runtime.many import run_many

        self._check_open()
        return run_many(self, fetches, feeds, steps, feed_dict)

    def _call(
        self, call: PreparedCall, values: Sequence[Any],
        find: Callable[[PreparedCall, list[np.ndarray]], Executable] | None = None,
    ) -> Any:
        if self._placement is not None:
            values = fed_values(values, self._placement)
        try:
            executable, arrays = call.prepare(values, find or self._executable)
            if executable.in_python:
                with using_host_state(self._host_state):
                    outputs = executable.run(arrays, self._store)
            else:
                outputs = executable.run(arrays, self._store)
        except OpError as error:
            self._attach_operation(error)
            raise
        if executable.direct and call.form is not None:
            self._note(call, executable, arrays)
        return call.plan.rebuild([a[()] if a.ndim == 0 else a for a in outputs])

    def _note(self, call: PreparedCall, executable: Executable, arrays: list[np.ndarray]) -> None:
        """Lets the native entry have calls that come again."""
        from graphflow.runtime.entries import Entry, layouts_hold

        if not layouts_hold():
            call.form = None
        elif call.positional:
            call.entry = call.entry or Entry(self._store, positional=True)
            call.entry.note(call, executable, arrays)
        else:
            self._entry = self._entry or Entry(self._store, positional=False)
            self._entry.note(call, executable, arrays)
            self._enter = self._entry.call

    def _attach_operation(self, error: OpError) -> None:
        origin = error.op
        if isinstance(origin, Origin):
            error._op = find_operation(self._graph, origin.name, origin.site)
            error._node_def = error._op.node_def if error._op is not None else None

    def _executable(self, call: PreparedCall, arrays: Sequence[np.ndarray]) -> Executable:
        tensors, operations = call.tensors, call.operations
        types, sizes = feed_types(dict(zip(call.keys, arrays)))
        key = (tuple(tensors), tuple(operations),
               tuple((t, kind.shape.rank, t.shape) for t, kind in types.items()))
        variant = self._find_variant(key, sizes)
        if variant is None:
            with self._compiling:
                variant = self._find_variant(key, sizes)
                if variant is None:
                    variant = self._compile(tensors, operations, types, sizes)
                    self._variants.setdefault(key, []).append(variant)
        return variant.executable

    def _find_variant(self, key: tuple, sizes: dict[str, int]) -> _Variant | None:
        for variant in self._variants.get(key, ()):
            if variant.assumptions.hold_for(sizes):
                return variant
        return None

    def _compile(
        self,
        tensors: Sequence[Tensor],
        operations: Sequence[Operation],
        types: dict[Tensor, TensorType],
        sizes: dict[str, int],
    ) -> _Variant:
        with collected_later():
            assumptions, program = self._freeze(tensors, operations, types, sizes)
            check_devices(self._graph, program, self._placement, self.options, self._config)
            with assuming(assumptions):
                return _Variant(
                    assumptions, make_executable(program, self.options, self._placement))

    def _freeze(
        self,
        tensors: Sequence[Tensor],
        operations: Sequence[Operation],
        types: dict[Tensor, TensorType],
        sizes: dict[str, int],
    ) -> tuple[Assumptions, Program]:
        assumptions = Assumptions(sizes)
        with assuming(assumptions):
            try:
                program = freeze(tensors, operations, types)
                known: dict[str, Dim] = {}
                while known != (found := assumptions.known()):
                    # Sizes that must be equal, or that are one and broadcast: known everywhere.
                    known = found
                    program = freeze(tensors, operations, known_types(types, known))
            except RunShapeError:
                # Once more with numbers for symbols: the message then shows what was fed.
                freeze(tensors, operations, known_types(types, sizes))
                raise
        return assumptions, program

    # ---- seeing the compiler ----------------------------------------------------------------

    def explain(
        self, fetches: Any, feed_dict: Any = None, *, ir: bool = False, llvm: bool = False,
        assembly: bool = False, passes: Collection[str] | None = None,
    ) -> Explanation:
        """What the compiler makes of `run(fetches, feed_dict)`, to be printed. Nothing is run.

        (With `Options(autotune=True)`, what was not measured yet is.) The program, what each pass
        changes, the kernels with the bytes and operations of these feeds' sizes, host steps and
        why they are, the memory plan. The attributes of the result hold the same as data.
        ir, llvm, assembly: adds the loop IR, LLVM IR and assembly of each kernel.
        passes: names of the passes whose changes are printed; all of them if None.
        Raises what `run` raises for wrong fetches and feeds; AttributeValueError for a name that
        is no pass.
        """
        from graphflow.runtime.executables import settings_of
        from graphflow.runtime.explain import explain

        assumptions, program, numbers = self._frozen(fetches, feed_dict)
        with assuming(assumptions):
            return explain(program, numbers, disabled=self.options.disable_passes, ir=ir,
                           llvm=llvm, assembly=assembly, passes=passes,
                           settings=settings_of(self.options))

    def profile(self, fetches: Any, feed_dict: Any = None, *, runs: int = 20) -> Profile:
        """Where the time of `run(fetches, feed_dict)` goes, to be printed or taken as data.

        Runs it, as usual and timed step by step in turns, `runs` times each and three times to
        warm up. Variables that have a value have it again afterwards; other effects (prints,
        files, queues) are not undone. The attributes of the result hold the times of kernels and
        host steps, with operations, lines, bytes and shares of measured peaks; its `chrome_trace`
        writes a trace.
        Raises what `run` raises; AttributeValueError for `runs` below 1.
        """
        from graphflow.profiling.sessions import profile_session

        self._check_open()
        return profile_session(self, fetches, feed_dict, runs)

    def memory_report(self, fetches: Any, feed_dict: Any = None) -> MemoryReport:
        """Where the memory of `run(fetches, feed_dict)` goes, to be printed. Nothing is run.

        The peak of the arena and the values alive then, with operations and lines; the bytes of
        variables, outputs and the rest. The attributes of the result hold the same as data.
        Raises what `run` raises for wrong fetches and feeds.
        """
        from graphflow.runtime.explain import report_memory

        assumptions, program, numbers = self._frozen(fetches, feed_dict)
        with assuming(assumptions):
            return report_memory(program, numbers, self.options.disable_passes)

    def _frozen(
        self, fetches: Any, feed_dict: Any
    ) -> tuple[Assumptions, Program, dict[str, int]]:
        """The Program of a run, with the sizes that are known before it."""
        self._check_open()
        plan = FetchPlan(self._graph, fetches)
        types, sizes = feed_types(bind_feeds(self._graph, feed_dict))
        assumptions, program = self._freeze(plan.tensors, plan.operations, types, sizes)
        stored = self._store.read(dict.fromkeys(program.reads))
        return assumptions, program, sizes | symbol_sizes(
            (program.reads[key].shape, array.shape) for key, array in stored.items()
            if array is not None)

    # ---- variables --------------------------------------------------------------------------

    def load(self, variable: Any, value: Any) -> None:
        """Sets a variable's value in this session, without an operation. Raises FeedError."""
        self._check_open()
        handle = resolve_feed_key(self._graph, variable)
        if not handle.is_handle:
            raise FeedError(f"load: {variable!r} is not a variable.")
        array = np.array(bind_value(handle, value), order="C")
        key = handle.op.attrs["shared_name"]
        with self._store.writing([key]):
            self._store.commit([(key, array)])

    # ---- life -------------------------------------------------------------------------------

    def close(self) -> None:
        """Ends the session; its variables are forgotten."""
        self._closed = True
        self._store.open[0] = 0
        self._host_state.close()
        self._variants.clear()
        self.prepared_calls.clear()
        self._store.clear()

    def _check_open(self) -> None:
        if self._closed:
            raise ClosedSessionError(
                "This session is closed. Make a new gf.Session(), or run inside the `with` block."
            )

    def as_default(self) -> AbstractContextManager[Any]:
        """Context manager that makes this the default session; leaving it does not close it."""
        return default_sessions.entering(self)

    def _watch_growth(self) -> None:
        """Warns when operations are added between runs again and again."""
        version = self._graph.version
        self._growing = self._growing + 1 if version > self._version else 0
        self._version = version
        if self._growing == GROWING_RUNS:
            newest = self._graph.get_operations()[-1]
            errors.warn(
                "graph-growth",
                f"Operations were added to the graph before each of the last {GROWING_RUNS} runs "
                f"of this session; the newest is {newest.type} '{newest.name}', built at "
                f"{newest.site}. Build the graph once, before the loop, and only call run() "
                "inside it; graph.finalize() finds such lines.",
                silenced=self.options.silence, stacklevel=4)

    def list_devices(self) -> list[str]:
        """The names of the devices that this session can use."""
        return device_names(self._placement)


def _check_passes(options: Options) -> None:
    """Raises AttributeValueError if the options name passes that do not exist."""
    from graphflow.passes.pipeline import check_disabled_passes, check_pass_names

    check_disabled_passes(options.disable_passes)
    if not isinstance(options.dump_passes, bool):
        check_pass_names(options.dump_passes, "Options: dump_passes")


class Session(BaseSession):
    """Runs operations and evaluates tensors of a graph, in the form of `tf.Session`.

    Args:
      target: must be empty; kept for TensorFlow's sake.
      graph: the graph to run (the default graph if None).
      config: a `ConfigProto`, of which `intra_op_parallelism_threads` is the number of threads
        where `options` say nothing of it; `allow_soft_placement` takes the CPU where a GPU is
        asked for in vain, `device_count={"GPU": 0}` hides GPUs, `log_device_placement` prints
        what is used; all else is without effect.
      device: `"cuda"` for an NVIDIA GPU, `"cpu"`, `"reference"` for the NumPy executor; `"auto"`
        takes a GPU where there is one with all that it needs, else the CPU.
      options: an `Options` record.
    """

    _contexts: Sequence[AbstractContextManager[Any]] = ()

    def __enter__(self) -> Session:
        self._check_open()
        if self._contexts:
            raise ClosedSessionError(
                "`with session:` cannot stand inside itself: leaving it closes the session. Use "
                "`with session.as_default():` inside."
            )
        self._contexts = [default_graphs.entering(self._graph), default_sessions.entering(self)]
        for context in self._contexts:
            context.__enter__()
        return self

    def __exit__(self, *exception: Any) -> None:
        for context in reversed(self._contexts):
            context.__exit__(*exception)
        self._contexts = ()
        self.close()

    @staticmethod
    def reset(target: str, containers: Any = None, config: Any = None) -> None:
        """Accepted for TensorFlow's sake: sessions are local and share nothing."""


class InteractiveSession(BaseSession):
    """A session that makes itself the default one until `close()`, for shells and notebooks."""

    def __init__(
        self, target: str = "", graph: Graph | None = None, config: ConfigProto | None = None,
        *, device: str | None = None, options: Options | None = None,
    ) -> None:
        super().__init__(target, graph, config, device=device, options=options)
        default_sessions.items.append(self)
        self._explicit_graph = graph
        if graph is not None:
            default_graphs.items.append(graph)

    def close(self) -> None:
        """Ends the session and its being the default."""
        if not self._closed:
            if self in default_sessions.items:
                default_sessions.items.remove(self)
            if self._explicit_graph in default_graphs.items:
                default_graphs.items.remove(self._explicit_graph)
        super().close()
