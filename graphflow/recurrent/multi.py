"""`MultiRNNCell`: cells on top of each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphflow.builder import F
from graphflow.errors import AttributeValueError, DTypeError
from graphflow.graph import get_default_graph
from graphflow.ops.variable_scope import variable_scope
from graphflow.recurrent.cell import RNNCell, require_cell
from graphflow.recurrent.structure import joined


class MultiRNNCell(RNNCell):
    """Each cell takes the output of the cell before it; their states are a tuple.

    Args:
      cells: RNNCells, from the input to the output. The same object twice shares its weights.
      state_is_tuple: False keeps all states in one matrix (of cells whose states are matrices).

    Weights are named under cell_0, cell_1 ….
    Raises AttributeValueError (a ValueError) without cells, DTypeError for what is no list.
    """

    def __init__(self, cells: Sequence[Any], state_is_tuple: bool = True) -> None:
        super().__init__()
        if not isinstance(cells, (list, tuple)):
            raise DTypeError(f"MultiRNNCell: cells must be a list or tuple, got {cells!r}.")
        if not cells:
            raise AttributeValueError("MultiRNNCell: must specify at least one cell.")
        for k, cell in enumerate(cells):
            require_cell(f"cells[{k}]", cell)
            if not state_is_tuple and isinstance(cell.state_size, (list, tuple)):
                raise AttributeValueError(
                    f"MultiRNNCell: some cells return tuples of states, but state_is_tuple is "
                    f"False: cells[{k}] has {cell.state_size!r}.")
        self._cells = list(cells)
        self._state_is_tuple = state_is_tuple

    @property
    def state_size(self) -> Any:
        """The tuple of the cells' sizes, or their sum."""
        sizes = tuple(cell.state_size for cell in self._cells)
        return sizes if self._state_is_tuple else sum(sizes)

    @property
    def output_size(self) -> Any:
        """That of the last cell."""
        return self._cells[-1].output_size

    def zero_state(self, batch_size: Any, dtype: Any) -> Any:
        """The tuple of the cells' first states, or zeros [batch_size, size]."""
        if not self._state_is_tuple:
            return super().zero_state(batch_size, dtype)
        with get_default_graph().name_scope(type(self).__name__ + "ZeroState"):
            return tuple(cell.zero_state(batch_size, dtype) for cell in self._cells)

    def call(self, inputs: Any, state: Any) -> Any:
        """(output of the last cell, new states). Raises AttributeValueError for another number
        of states."""
        if self._state_is_tuple:
            if not isinstance(state, (list, tuple)) or len(state) != len(self._cells):
                raise AttributeValueError(
                    f"MultiRNNCell: expected state to be a tuple of length {len(self._cells)}, "
                    f"but received: {state!r}.")
            states = list(state)
        else:
            states = F.split(state, [cell.state_size for cell in self._cells], 1)
        current, new = inputs, []
        for k, (cell, own) in enumerate(zip(self._cells, states)):
            with variable_scope(f"cell_{k}"):
                current, after = cell(current, own)
                new.append(after)
        return current, tuple(new) if self._state_is_tuple else joined(new)
