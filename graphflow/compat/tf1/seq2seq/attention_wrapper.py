"""`AttentionWrapper`: a cell that looks at memories in each step."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable
from typing import Any

from graphflow import dtypes as dt
from graphflow.builder import F, convert
from graphflow.compat.tf1.seq2seq.attention import AttentionMechanism
from graphflow.errors import AttributeValueError, DTypeError, GraphError, ShapeError
from graphflow.graph import get_default_graph
from graphflow.layers.core import Dense
from graphflow.ops.graph_functions import control_dependencies
from graphflow.ops.nests import Nest, Stateful
from graphflow.ops.tensor_array import TensorArray
from graphflow.recurrent.cell import RNNCell, initial_state, require_cell
from graphflow.recurrent.structure import map_nest, require_same, zeros_of
from graphflow.shapes import TensorShape


class AttentionWrapperState(namedtuple("AttentionWrapperState", [
        "cell_state", "attention", "time", "alignments", "alignment_history",
        "attention_state"])):
    """What an `AttentionWrapper` hands from step to step.

    cell_state: of the cell inside; attention: [batch, n], the last output of the attention; time:
    int32 scalar; alignments: [batch, time of the memory], one for each mechanism;
    alignment_history: TensorArrays of the alignments, or (); attention_state: one for each
    mechanism.
    """

    __slots__ = ()

    def clone(self, **kwargs: Any) -> AttentionWrapperState:
        """The state with other values for the fields that are given.

        Raises GraphError or ShapeError (ValueErrors) for another structure or shape.
        """
        changed = {k: _fitting(getattr(self, k), v) for k, v in kwargs.items()}
        return self._replace(**changed)


def _fitting(old: Any, new: Any) -> Any:
    before, after = Nest(old), Nest(new)
    require_same(before, after)
    leaves = []
    for a, b in zip(before.leaves, after.leaves):
        if isinstance(b, Stateful) or isinstance(a, Stateful):
            leaves.append(b)
            continue
        b = convert(b)
        if not convert(a).shape.is_compatible_with(b.shape):
            raise ShapeError(f"AttentionWrapperState.clone: expected the shape {a.shape}, got "
                             f"{b.shape}.")
        b.narrow(a.shape)
        leaves.append(b)
    return after.rebuild(leaves)


def _joined(inputs: Any, attention: Any) -> Any:
    return F.concat([inputs, attention], -1)


def _attend(mechanism: Any, output: Any, state: Any, layer: Any) -> tuple[Any, Any, Any]:
    """(attention, alignments, next state) of a cell's output [batch, n]."""
    alignments, state = mechanism(output, state=state)
    context = F.squeeze(F.matmul(F.expand_dims(alignments, 1), mechanism.values), [1])
    attention = context if layer is None else layer(F.concat([output, context], 1))
    return attention, alignments, state


class AttentionWrapper(RNNCell):
    """A cell whose inputs are joined with the last attention, and whose outputs are a new one.

    Args:
      cell: an RNNCell.
      attention_mechanism: an AttentionMechanism, or a list of them.
      attention_layer_size: the units of a layer, without bias, over the cell's output and the
        context; None: the attention is the context. A list for several mechanisms.
      alignment_history: keep the alignments of all steps; see `AttentionWrapperState`.
      cell_input_fn: (inputs, attention) → the cell's inputs; their concatenation by default.
      output_attention: the output is the attention; False: that of the cell (Bahdanau).
      initial_cell_state: the cell's first state, for `zero_state`.
      attention_layer: the layer itself (or a list), instead of its size.
      attention_fn: (mechanism, cell output, state, layer) → (attention, alignments, state).

    Raises DTypeError (a TypeError) for mechanisms that are none, AttributeValueError (a
    ValueError) for sizes or layers that do not go with them.
    """

    def __init__(
        self, cell: Any, attention_mechanism: Any, attention_layer_size: Any = None,
        alignment_history: bool = False, cell_input_fn: Callable[..., Any] | None = None,
        output_attention: bool = True, initial_cell_state: Any = None, name: str | None = None,
        attention_layer: Any = None, attention_fn: Callable[..., Any] | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        require_cell("cell", cell)
        self._is_multi = isinstance(attention_mechanism, (list, tuple))
        self._mechanisms = list(attention_mechanism) if self._is_multi else [attention_mechanism]
        for mechanism in self._mechanisms:
            if not isinstance(mechanism, AttentionMechanism):
                raise DTypeError("attention_mechanism must be an AttentionMechanism or list of "
                                 f"multiple ones, got {type(mechanism).__name__}")
        if cell_input_fn is not None and not callable(cell_input_fn):
            raise DTypeError("cell_input_fn must be callable, saw type: "
                             f"{type(cell_input_fn).__name__}")
        if attention_layer_size is not None and attention_layer is not None:
            raise AttributeValueError(
                "Only one of attention_layer_size and attention_layer should be set")
        self._cell = cell
        self._cell_input_fn = cell_input_fn or _joined
        self._attention_fn = attention_fn or _attend
        self._output_attention = output_attention
        self._alignment_history = alignment_history
        self._attention_layers = self._made_layers(attention_layer_size, attention_layer)
        self._attention_layer_size = sum(
            map(self._units, self._attention_layers, self._mechanisms))
        self._initial_cell_state = initial_cell_state

    def _made_layers(self, sizes: Any, layers: Any) -> list[Any]:
        given = sizes if layers is None else layers
        if given is None:
            return [None] * len(self._mechanisms)
        listed = list(given) if isinstance(given, (list, tuple)) else [given]
        if len(listed) != len(self._mechanisms):
            what = "attention_layer_size" if layers is None else "attention_layer"
            raise AttributeValueError(
                f"If provided, {what} must contain exactly one integer per attention_mechanism, "
                f"saw: {len(listed)} vs {len(self._mechanisms)}")
        if layers is not None:
            return listed
        return [Dense(size, name="attention_layer", use_bias=False, dtype=m.dtype)
                for size, m in zip(listed, self._mechanisms)]

    def _units(self, layer: Any, mechanism: Any) -> int:
        depth = mechanism.values.shape.as_list()[-1]
        if layer is None:
            return int(depth)
        joined = TensorShape([None, int(self._cell.output_size) + depth])
        return int(layer.compute_output_shape(joined).as_list()[-1])

    @property
    def output_size(self) -> Any:
        """The size of the attention, or that of the cell's output."""
        return self._attention_layer_size if self._output_attention else self._cell.output_size

    @property
    def state_size(self) -> AttentionWrapperState:
        """The sizes of the state's parts."""
        return AttentionWrapperState(
            cell_state=self._cell.state_size, attention=self._attention_layer_size,
            time=TensorShape([]), alignments=self._single(
                [m.alignments_size for m in self._mechanisms]),
            alignment_history=self._single([
                m.alignments_size if self._alignment_history else () for m in self._mechanisms]),
            attention_state=self._single([m.state_size for m in self._mechanisms]))

    def _single(self, values: list[Any]) -> Any:
        return tuple(values) if self._is_multi else values[0]

    def _listed(self, value: Any) -> list[Any]:
        return list(value) if self._is_multi else [value]

    def zero_state(self, batch_size: Any, dtype: Any) -> AttentionWrapperState:
        """The first state: of the cell (or `initial_cell_state`), zeros, empty histories.

        Raises InvalidArgumentError when the graph runs if the memory has another batch size; with
        beam search both are batch · beam_width (`tile_batch`).
        """
        with get_default_graph().name_scope(type(self).__name__ + "ZeroState"):
            first = self._initial_cell_state
            if first is None:
                first = initial_state(self._cell, batch_size, dtype)
            checks = [F.assert_equal(batch_size, m.batch_size, message=(
                "When calling zero_state of AttentionWrapper: non-matching batch sizes between "
                "the memory (encoder output) and the requested batch size. Are you using the "
                "BeamSearchDecoder? If so, make sure your encoder output has been tiled to "
                "beam_width via tile_batch.")) for m in self._mechanisms]
            with control_dependencies(checks):
                first = map_nest(F.identity, first)
            alignments = [m.initial_alignments(batch_size, dtype) for m in self._mechanisms]
            histories = [
                TensorArray(a.dtype, 0, dynamic_size=True, element_shape=a.shape.as_list())
                if self._alignment_history else () for a in alignments]
            return AttentionWrapperState(
                cell_state=first, time=F.zeros([], dt.int32),
                attention=zeros_of(self._attention_layer_size, batch_size, dtype),
                alignments=self._single(alignments),
                alignment_history=self._single(histories),
                attention_state=self._single([
                    m.initial_state(batch_size, dtype) for m in self._mechanisms]))

    def call(self, inputs: Any, state: Any) -> tuple[Any, AttentionWrapperState]:
        """(output, new state). Raises DTypeError for a state that is none of this cell's."""
        if not isinstance(state, AttentionWrapperState):
            raise DTypeError("Expected state to be instance of AttentionWrapperState. Received "
                             f"type {type(state)} instead.")
        output, cell_state = self._cell(
            self._cell_input_fn(inputs, state.attention), state.cell_state)
        output = convert(output)
        if isinstance(output, (list, tuple)):
            raise GraphError("AttentionWrapper: the cell's output must be one tensor.")
        found = [self._attention_fn(m, output, previous, layer) for m, previous, layer in zip(
            self._mechanisms, self._listed(state.attention_state), self._attention_layers)]
        attentions, alignments, states = (list(parts) for parts in zip(*found))
        histories = [
            h.write(state.time, a) if self._alignment_history else ()
            for h, a in zip(self._listed(state.alignment_history), alignments)]
        attention = F.concat(attentions, 1) if len(attentions) > 1 else attentions[0]
        new = AttentionWrapperState(
            cell_state=cell_state, attention=attention, time=state.time + 1,
            alignments=self._single(alignments), alignment_history=self._single(histories),
            attention_state=self._single(states))
        return (attention if self._output_attention else output), new
