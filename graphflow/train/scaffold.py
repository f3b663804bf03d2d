"""`Scaffold`: the operations that a training needs around the model: initialise, save, sum up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphflow.builder import F
from graphflow.errors import GraphError
from graphflow.graph import get_default_graph
from graphflow.ops.lookup_tables import tables_initializer
from graphflow.ops.variable_collections import (
    global_variables,
    global_variables_initializer,
    local_variables_initializer,
    report_uninitialized_variables,
)
from graphflow.scopes import GraphKeys
from graphflow.train.saver import Saver

_KINDS = ("init_op", "ready_op", "ready_for_local_init_op", "local_init_op", "summary_op", "saver")


class Scaffold:
    """What is not given is made by `finalize()`, which a monitored session calls.

    init_op, init_feed_dict, init_fn(scaffold, session): give the variables their values.
    ready_op, ready_for_local_init_op: string vectors of what has no value yet.
    local_init_op, local_init_feed_dict: local variables and tables.
    summary_op: all summaries in one. saver: a Saver of all variables.
    copy_from_scaffold: where to take what is not given from.
    """

    def __init__(
        self, init_op: Any = None, init_feed_dict: Any = None,
        init_fn: Callable[..., Any] | None = None, ready_op: Any = None,
        ready_for_local_init_op: Any = None, local_init_op: Any = None, summary_op: Any = None,
        saver: Any = None, copy_from_scaffold: Scaffold | None = None,
        local_init_feed_dict: Any = None,
    ) -> None:
        given = dict(zip(_KINDS, (init_op, ready_op, ready_for_local_init_op, local_init_op,
                                  summary_op, saver)))
        source = copy_from_scaffold
        if source is not None and not isinstance(source, Scaffold):
            raise TypeError("copy_from_scaffold is not a Scaffold instance.")
        self._made: dict[str, Any] = {
            kind: source._made[kind] if value is None and source is not None else value
            for kind, value in given.items()}
        self._init_feed_dict, self._local_init_feed_dict = init_feed_dict, local_init_feed_dict
        if init_feed_dict is None and source is not None:
            self._init_feed_dict = source._init_feed_dict
        if local_init_feed_dict is None and source is not None:
            self._local_init_feed_dict = source._local_init_feed_dict
        self._user_init_fn: Callable[..., Any] | None = init_fn
        if init_fn is None and source is not None:
            self._user_init_fn = source._user_init_fn
        self._init_fn = None if self._user_init_fn is None else self._call_init_fn

    def _call_init_fn(self, sess: Any) -> None:
        assert self._user_init_fn is not None
        self._user_init_fn(self, sess)

    def finalize(self) -> Scaffold:
        """Makes what is missing, and finalizes the default graph."""
        makers: dict[str, tuple[str, Callable[[], Any]]] = {
            "init_op": (GraphKeys.INIT_OP, global_variables_initializer),
            "ready_op": (GraphKeys.READY_OP, report_uninitialized_variables),
            "ready_for_local_init_op": (
                GraphKeys.READY_FOR_LOCAL_INIT_OP,
                lambda: report_uninitialized_variables(global_variables())),
            "local_init_op": (GraphKeys.LOCAL_INIT_OP, self.default_local_init_op),
            "summary_op": (GraphKeys.SUMMARY_OP, _merge_all),
            "saver": (GraphKeys.SAVERS, lambda: Saver(allow_empty=True))}
        for kind, (key, make) in makers.items():
            if self._made[kind] is None:
                self._made[kind] = self.get_or_default(kind, key, make)
        self._made["saver"].build()
        get_default_graph().finalize()
        return self

    @staticmethod
    def get_or_default(arg_name: str, collection_key: str, default_constructor: Any) -> Any:
        """The one element of a collection; if it is empty, a new one, which joins it.

        Raises GraphError (a RuntimeError) for several elements.
        """
        graph = get_default_graph()
        found = graph.get_collection(collection_key)
        if len(found) > 1:
            raise _SeveralError(
                f"More than one item in the collection {collection_key!r}. Please indicate which "
                f"one to use by passing it to the Scaffold constructor as: Scaffold({arg_name}="
                "item to use)")
        if found and found[0] is not None:
            return found[0]
        made = default_constructor()
        if made is not None:
            graph.add_to_collection(collection_key, made)
        return made

    @staticmethod
    def default_local_init_op() -> Any:
        """Initialises local variables and tables."""
        return F.group(local_variables_initializer(), tables_initializer())

    @property
    def init_fn(self) -> Any:
        """A function of the session that initialises, or None."""
        return self._init_fn

    @property
    def init_feed_dict(self) -> Any:
        """What `init_op` is fed."""
        return self._init_feed_dict

    @property
    def local_init_feed_dict(self) -> Any:
        """What `local_init_op` is fed."""
        return self._local_init_feed_dict

    @property
    def init_op(self) -> Any:
        """Initialises the global variables."""
        return self._made["init_op"]

    @property
    def ready_op(self) -> Any:
        """Names what has no value yet."""
        return self._made["ready_op"]

    @property
    def ready_for_local_init_op(self) -> Any:
        """Names what has no value yet and `local_init_op` may need."""
        return self._made["ready_for_local_init_op"]

    @property
    def local_init_op(self) -> Any:
        """Initialises local variables and tables."""
        return self._made["local_init_op"]

    @property
    def summary_op(self) -> Any:
        """All summaries in one, or None."""
        return self._made["summary_op"]

    @property
    def saver(self) -> Any:
        """What saves and restores."""
        return self._made["saver"]


class _SeveralError(GraphError, RuntimeError):
    """A collection holds several elements where one is needed."""


def _merge_all() -> Any:
    from graphflow import summary

    return summary.merge_all()
