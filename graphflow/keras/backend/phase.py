"""The learning phase: whether what is built is for training (1) or for use (0).

While a model builds the graph of one phase, the phase is a number, so that nothing of the other
phase is in the graph. Elsewhere it is a placeholder that is 0 unless fed.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from graphflow import dtypes as dt
from graphflow.builder import F
from graphflow.errors import AttributeValueError
from graphflow.keras.backend.session import graph_state
from graphflow.ops.graph_functions import init_scope
from graphflow.tensor import Tensor


class _Phases(threading.local):
    """The phases of the calls that are going on in a thread; None where nothing was said."""

    def __init__(self) -> None:
        self.stack: list[Any] = []


_phases = _Phases()


@contextmanager
def in_phase(training: Any) -> Iterator[None]:
    """Inside the block, `learning_phase()` is `training` (True, False, a tensor or None)."""
    _phases.stack.append(training)
    try:
        yield
    finally:
        _phases.stack.pop()


def current_phase() -> Any:
    """What the innermost `in_phase` says, or None."""
    return _phases.stack[-1] if _phases.stack else None


def learning_phase() -> Any:
    """1 in training, 0 in use; a bool scalar, False unless fed, while that is open."""
    current = current_phase()
    if current is not None:
        return current if isinstance(current, Tensor) else int(current)
    state = graph_state()
    return symbolic_learning_phase() if state.phase is None else state.phase


def symbolic_learning_phase() -> Tensor:
    """The placeholder of the learning phase in the default graph."""
    state = graph_state()
    if state.phase_placeholder is None:
        with init_scope():
            state.phase_placeholder = F.placeholder_with_default(
                False, [], name="keras_learning_phase")
    return state.phase_placeholder


def set_learning_phase(value: Any) -> None:
    """Fixes the learning phase of the default graph to 0 or 1."""
    if value not in (0, 1):
        raise AttributeValueError(f"Expected learning phase to be 0 or 1, got {value!r}.")
    graph_state().phase = int(value)


@contextmanager
def learning_phase_scope(value: Any) -> Iterator[None]:
    """Fixes the learning phase inside the block."""
    state = graph_state()
    before = state.phase
    set_learning_phase(value)
    try:
        yield
    finally:
        state.phase = before


def in_train_phase(x: Any, alt: Any, training: Any = None) -> Any:
    """`x` in training, else `alt`; each a tensor or a function that gives one."""
    phase = learning_phase() if training is None else training
    if not isinstance(phase, Tensor) and not hasattr(phase, "as_graph_tensor"):
        return _value(x if phase else alt)
    return F.where_v2(F.cast(phase, dt.bool_), _value(x), _value(alt))


def in_test_phase(x: Any, alt: Any, training: Any = None) -> Any:
    """`alt` in training, else `x`."""
    return in_train_phase(alt, x, training)


def _value(x: Any) -> Any:
    return x() if callable(x) and not isinstance(x, Tensor) else x
