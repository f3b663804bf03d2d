"""Exponential moving averages of variables and tensors.

The correction of the bias towards the start at zero is that of Kingma, Ba, "Adam: a method for
stochastic optimization", ICLR 2015, section 3.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphflow import dtypes as dt
from graphflow.builder import F, convert
from graphflow.errors import DTypeError, GraphError
from graphflow.graph import get_default_graph
from graphflow.ops import state
from graphflow.ops.graph_functions import init_scope
from graphflow.ops.scope import scope
from graphflow.ops.variable_collections import (
    global_variables,
    moving_average_variables,
    trainable_variables,
)
from graphflow.ops.variable_scope import get_variable, get_variable_scope, variable_scope
from graphflow.ops.variables import Variable
from graphflow.scopes import GraphKeys
from graphflow.tensor import Operation, Tensor
from graphflow.train.slot_creator import create_slot, create_zeros_slot


def assign_moving_average(
    variable: Any, value: Any, decay: Any, zero_debias: bool = True, name: str | None = None
) -> Tensor:
    """variable ← decay · variable + (1 − decay) · value; gives the new average.

    value: a tensor of the variable's shape; decay: a number or scalar tensor. zero_debias: divides
    by 1 − decayᵗ after t updates, which makes up for a start at zero; it keeps the sum and t in
    the variables `<variable>/biased` and `<variable>/local_step`.
    """
    with scope(name, "AssignMovingAvg") as own:
        gain = F.cast(convert(1.0 - decay, name="decay"), variable.dtype)
        if zero_debias:
            return _debiased(variable, value, gain)
        return state.assign_sub(variable, (variable - value) * gain, name=own)


def _debiased(variable: Any, value: Any, gain: Any) -> Tensor:
    with variable_scope(variable.op.name, values=[variable, convert(value), gain]):
        sums = get_variable(
            _unused("biased"), initializer=F.zeros_initializer(), shape=variable.get_shape(),
            dtype=variable.dtype, trainable=False)
        steps = get_variable(
            _unused("local_step"), shape=[], dtype=variable.dtype,
            initializer=F.zeros_initializer(), trainable=False)
        total = state.assign_sub(sums, (sums - value) * gain)
        share = 1 - F.pow(1.0 - gain, state.assign_add(steps, 1))
        return state.assign(variable, total / share)


def _unused(name: str) -> str:
    """`name`, or with `_1`, `_2` … if the scope in force has a variable of that name."""
    here = get_variable_scope()
    if here.reuse:
        return name
    taken = {v.op.name for v in here.global_variables()}
    prefix, number, found = f"{here.name}/", 0, name
    while prefix + found in taken:
        number += 1
        found = f"{name}_{number}"
    return found


def weighted_moving_average(
    value: Any, decay: Any, weight: Any, truediv: bool = True,
    collections: Sequence[Any] | None = None, name: str | None = None,
) -> Tensor:
    """The moving average of value · weight, divided by that of weight.

    value, weight: tensors whose shapes broadcast; decay: a number or scalar tensor. Each run
    updates both averages, which are variables under `name` ("WeightedMovingAvg").
    """
    value, weight = convert(value), convert(weight)
    with variable_scope(name, "WeightedMovingAvg", [value, weight]) as own:
        def average(label: str, tensor: Tensor, shape: Any) -> Tensor:
            variable = get_variable(
                label, shape=shape, dtype=tensor.dtype, initializer=F.zeros_initializer(),
                trainable=False, collections=collections)
            return assign_moving_average(variable, tensor, decay, zero_debias=False)

        above = average("value_x_weight", value * weight, value.get_shape())
        below = average("weight", weight, weight.get_shape())
        divide = F.truediv if truediv else F.divide
        return divide(above, below, name=own.name)


class ExponentialMovingAverage:
    """Keeps shadows of variables: shadow ← decay · shadow + (1 − decay) · variable.

    decay: a number or scalar tensor. num_updates: a count of updates; with it the decay is
    min(decay, (1 + num_updates) / (10 + num_updates)), so that the first averages move faster.
    zero_debias: corrects the averages of tensors, which start at zero. name: of the operations,
    and of the shadows: `<variable>/<name>`.
    """

    def __init__(
        self, decay: Any, num_updates: Any = None, zero_debias: bool = False,
        name: str = "ExponentialMovingAverage",
    ) -> None:
        self._decay = decay
        self._num_updates = num_updates
        self._zero_debias = zero_debias
        self._name = name
        self._averages: dict[Any, Any] = {}
        self._debiased: set[Any] = set()

    @property
    def name(self) -> str:
        """The name given to the constructor."""
        return self._name

    def apply(self, var_list: Sequence[Any] | None = None) -> Operation:
        """The operation that updates the averages of `var_list`; makes those that are missing.

        var_list: variables and tensors of floats; all trainable variables by default. The shadow
        of a variable starts as that variable, the average of a tensor as zeros. Averaged
        variables join MOVING_AVERAGE_VARIABLES. Raises DTypeError (a TypeError) for other types.
        """
        variables = trainable_variables() if var_list is None else list(var_list)
        for var in variables:
            if var.dtype not in dt.FLOATS:
                raise DTypeError(
                    f"{self._name}: the variables must be of a floating type: '{var.name}' is "
                    f"{var.dtype.name}.")
            if _key(var) not in self._averages:
                with init_scope():
                    self._averages[_key(var)] = self._shadow(var)
        with get_default_graph().name_scope(self._name) as own:
            decay = self._current_decay()
            updates = [
                assign_moving_average(
                    self._averages[_key(v)], v, decay, _key(v) in self._debiased)
                for v in variables]
            return F.group(*updates, name=own)

    def _shadow(self, var: Any) -> Any:
        if isinstance(var, Variable):
            get_default_graph().add_to_collection(GraphKeys.MOVING_AVERAGE_VARIABLES, var)
            return create_slot(var, var.initialized_value(), self._name)
        if self._zero_debias:
            self._debiased.add(_key(var))
        return create_zeros_slot(var, self._name)

    def _current_decay(self) -> Tensor:
        decay = convert(self._decay, dt.float32, name="decay")
        if self._num_updates is None:
            return decay
        count = F.cast(self._num_updates, dt.float32, name="num_updates")
        return F.minimum(decay, (1.0 + count) / (10.0 + count))

    def average(self, var: Any) -> Any:
        """The variable that holds the average of `var`, or None if there is none."""
        return self._averages.get(_key(var))

    def average_name(self, var: Any) -> str:
        """The name of the variable that holds (or will hold) the average of `var`.

        With `tf.train.Saver({ema.average_name(v): v})` the average is restored into v.
        """
        average = self.average(var)
        if average is not None:
            return average.op.name
        return get_default_graph().unique_name(
            f"{var.op.name}/{self._name}", mark_as_used=False)

    def variables_to_restore(
        self, moving_avg_variables: Sequence[Any] | None = None
    ) -> dict[str, Any]:
        """Name in the checkpoint → variable, with the averages' names where there are averages.

        moving_avg_variables: those to restore from averages; by default the trainable ones and
        those of MOVING_AVERAGE_VARIABLES. All other global variables keep their own names.
        Raises GraphError (a ValueError) for something that is not a variable.
        """
        if moving_avg_variables is None:
            moving_avg_variables = trainable_variables() + moving_average_variables()
        averaged = {_key(v): v for v in moving_avg_variables}
        for v in averaged.values():
            if not isinstance(v, Variable):
                raise GraphError(f"{self._name}: only variables can be restored, got {v!r}.")
        found = {self.average_name(v): v for v in averaged.values()}
        for v in global_variables():
            if _key(v) not in averaged:
                found.setdefault(v.op.name, v)
        return found


def _key(var: Any) -> tuple:
    return var.graph, var.name
