"""The loop of recurrent layers: a step over time, with masks, unrolled or not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from graphflow import dtypes as dt
from graphflow.builder import F
from graphflow.errors import ShapeError
from graphflow.ops.tensor_array import TensorArray

Step = Callable[[Any, list[Any]], tuple[Any, list[Any]]]


def recur(
    step: Step, inputs: Any, states: Sequence[Any], first_output: Any = None, mask: Any = None,
    go_backwards: bool = False, unroll: bool = False, sequences: bool = True,
) -> tuple[Any, Any, list[Any]]:
    """(last output, outputs [batch, time, …] or None, last states).

    step: (input [batch, …], states) → (output, states). inputs: [batch, time, …].
    first_output: what stands for the output before the first step, of its shape; None if the
    output is the first of the states, which need not be carried twice. mask: [batch,
    time]; where it is False, output and states stay as they were. go_backwards: from the last
    step to the first; outputs come in that order. sequences: whether the outputs are wanted.
    Raises ShapeError to unroll over an unknown time.
    """
    major = F.transpose(inputs, [1, 0, *range(2, inputs.shape.rank)])
    mask = None if mask is None else F.transpose(F.cast(mask, dt.bool_), [1, 0])
    if go_backwards:
        major = F.reverse(major, [0])
        mask = None if mask is None else F.reverse(mask, [0])
    run = _unrolled if unroll else _looped
    if first_output is None:
        outputs, states = run(step, major, list(states), mask, sequences)
        last = states[0]
    else:
        outputs, (last, *states) = run(
            _with_output(step), major, [first_output, *states], mask, sequences)
    if outputs is not None:
        outputs = F.transpose(outputs, [1, 0, *range(2, outputs.shape.rank)])
        outputs.set_shape([*inputs.shape.as_list()[:2], *outputs.shape.as_list()[2:]])
    return last, outputs, states


def _chosen(flags: Any, new: Any, old: Any) -> Any:
    """`new` where the flags [batch] are True, else `old`."""
    for _ in range(new.shape.rank - 1):
        flags = F.expand_dims(flags, -1)
    return F.where_v2(flags, new, old)


def _with_output(step: Step) -> Step:
    """The step with its output as the first of the states."""

    def carrying(x: Any, states: list[Any]) -> tuple[Any, list[Any]]:
        output, following = step(x, states[1:])
        return output, [output, *following]

    return carrying


def _masked(step: Step, x: Any, states: list[Any], flags: Any) -> list[Any]:
    """The states after a step, the first of which is the output."""
    _, following = step(x, states)
    if flags is None:
        return list(following)
    return [_chosen(flags, new, old) for new, old in zip(following, states)]


def _unrolled(
    step: Step, major: Any, states: list[Any], mask: Any, sequences: bool
) -> tuple[Any, list[Any]]:
    steps = major.shape.as_list()[0]
    if steps is None:
        raise ShapeError("Cannot unroll a RNN if the time dimension is undefined.")
    outputs = []
    for t in range(steps):
        states = _masked(step, major[t], states, None if mask is None else mask[t])
        outputs.append(states[0])
    return F.stack(outputs) if sequences else None, states


def _looped(
    step: Step, major: Any, states: list[Any], mask: Any, sequences: bool
) -> tuple[Any, list[Any]]:
    steps = F.shape(major)[0]
    first = states[0]
    arrays = [TensorArray(first.dtype, steps, element_shape=first.shape)] if sequences else []

    def turn(t: Any, states: list[Any], arrays: list[Any]) -> tuple[Any, ...]:
        following = _masked(
            step, F.gather(major, t), states, None if mask is None else F.gather(mask, t))
        for new, old in zip(following, states):
            new.set_shape(old.shape)
        return t + 1, following, [a.write(t, following[0]) for a in arrays]

    _, states, arrays = F.while_loop(
        lambda t, *_: t < steps, turn, (F.constant(0), list(states), arrays))
    return arrays[0].stack() if sequences else None, states
