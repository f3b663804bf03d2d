"""The session of Keras: one per graph, made when it is first needed.

`with session.as_default()` takes precedence. Variables that no value was given to are initialised
when Keras first uses the session after they were made; values that were set stay.
"""

from __future__ import annotations

from typing import Any

from graphflow.defaults import default_graphs, get_default_session
from graphflow.graph import Graph, get_default_graph, reset_default_graph
from graphflow.scopes import GraphKeys
from graphflow.session import Session

_STATE_KEY = ("__keras_state",)


class GraphState:
    """What Keras keeps of one graph.

    Attributes: session: its own or the one that was set; variables: those that Keras made;
    phase: the learning phase that was set, or None; phase_placeholder: the symbolic one.
    """

    def __init__(self) -> None:
        self.session: Any = None
        self.variables: list[Any] = []
        self.phase: int | None = None
        self.phase_placeholder: Any = None
        self.checked: tuple[int, int] = (0, 0)


def graph_state(graph: Any = None) -> GraphState:
    """The state of a graph (the default one)."""
    graph = get_default_graph().root if graph is None else graph
    return graph.kept(_STATE_KEY, GraphState)


def get_graph() -> Graph:
    """The graph that Keras builds in: the default one."""
    return get_default_graph().root


def get_session(op_input_list: Any = ()) -> Any:
    """The default session if it runs the default graph, else Keras's for that; initialised."""
    session = get_default_session()
    if session is None or session.graph is not get_graph():
        state = graph_state()
        if state.session is None or state.session._closed:
            state.session = Session(graph=get_graph())
        session = state.session
    initialize_variables(session)
    return session


def set_session(session: Any) -> None:
    """Makes `session` the one that Keras uses for the session's graph."""
    graph_state(session.graph).session = session


def track_variable(variable: Any) -> None:
    """Lets Keras initialise a variable that is in no collection."""
    graph_state(variable.graph).variables.append(variable)


def initialize_variables(session: Any) -> None:
    """Runs the initialisers of the graph's variables that have no value in `session`."""
    graph, state = session.graph, graph_state(session.graph)
    made = [*graph.get_collection_ref(GraphKeys.GLOBAL_VARIABLES), *state.variables]
    if state.checked == (id(session.store), len(made)):
        return
    store = session.store
    missing = {id(v): v for v in made if not store.has(v._shared_name)}
    if missing:
        session.run([v.initializer for v in missing.values()])
    state.checked = (id(store), len(made))


def clear_session() -> None:
    """Starts over with an empty default graph: models made before are no longer usable.

    Inside `with graph.as_default():` the graph stays and only its session is dropped.
    """
    state = graph_state()
    if state.session is not None and not state.session._closed:
        state.session.close()
    if default_graphs.items:
        get_graph().get_collection_ref(_STATE_KEY).clear()
    else:
        reset_default_graph()


def manual_variable_initialization(value: bool) -> None:
    """Accepted for Keras's sake: variables that have a value are never initialised again."""
