"""Recurrent networks: cells, dynamic and static unrolling, lengths, states, gradients, names.

The weights are set to a fixed pattern, so that all numbers can be compared.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np

from programs.plain import outcome
from programs.registry import case, shape_of

X = (np.sin(np.arange(2 * 4 * 3)) * 0.8).reshape(2, 4, 3)


def cells(tf: ModuleType) -> Any:
    """The module of cells. TensorFlow keeps them where Keras 2 was."""
    if not tf.__name__.startswith("tensorflow"):
        return tf.nn.rnn_cell
    from tensorflow.python.keras.layers.legacy_rnn import rnn_cell_impl

    return rnn_cell_impl


def pattern(shape: Any, k: int) -> np.ndarray:
    count = int(np.prod(shape))
    return (np.cos(np.arange(count) * (0.7 + 0.1 * k) + k) * 0.5).reshape(shape)


def flat(value: Any) -> list[Any]:
    """The tensors of a state."""
    return [t for v in value for t in flat(v)] if isinstance(value, (list, tuple)) else [value]


def values(tf: ModuleType, outputs: Any, states: Any, feeds: dict[Any, Any]) -> Any:
    """Names of the weights; outputs, states and the gradients of a loss with respect to all."""
    weights = tf.trainable_variables()
    inputs = [t for t in feeds if t.dtype == tf.float64]
    outputs, states = flat(outputs), flat(states)
    loss = tf.add_n([tf.reduce_sum(tf.square(t)) for t in outputs] +
                    [tf.reduce_sum(tf.sin(t)) for t in states])
    slopes = tf.gradients(loss, [*inputs, *weights])
    with tf.Session() as sess:
        for k, w in enumerate(weights):
            w.load(pattern(w.shape.as_list(), k), sess)
        found = sess.run([outputs, states, slopes], feeds)
    return [[w.name for w in weights], [shape_of(t) for t in outputs + states], found]


def unrolled(tf: ModuleType, cell: Any, lengths: Any = None, **options: Any) -> Any:
    x = tf.placeholder(tf.float64, [None, None, 3])
    feeds = {x: X}
    if lengths is not None:
        n = tf.placeholder(tf.int32, [None])
        options["sequence_length"] = n
        feeds[n] = lengths
    outputs, state = tf.nn.dynamic_rnn(cell, x, dtype=tf.float64, **options)
    return values(tf, outputs, state, feeds)


@case()
def basic_rnn(tf: ModuleType) -> Any:
    """The Elman cell over whole sequences."""
    return unrolled(tf, cells(tf).BasicRNNCell(5))


@case()
def basic_rnn_with_relu(tf: ModuleType) -> Any:
    """Another activation, and lengths."""
    return unrolled(tf, cells(tf).BasicRNNCell(5, activation=tf.nn.relu), [4, 2])


@case()
def gru(tf: ModuleType) -> Any:
    """GRU with lengths; one sequence is empty."""
    return unrolled(tf, cells(tf).GRUCell(4), [0, 3])


@case()
def basic_lstm(tf: ModuleType) -> Any:
    """LSTM with lengths."""
    return unrolled(tf, cells(tf).BasicLSTMCell(4, forget_bias=0.5), [3, 2])


@case()
def lstm_in_one_matrix(tf: ModuleType) -> Any:
    """The state as one matrix."""
    return unrolled(tf, cells(tf).BasicLSTMCell(4, state_is_tuple=False))


@case()
def lstm_with_peepholes_and_projection(tf: ModuleType) -> Any:
    """All options of LSTMCell."""
    cell = cells(tf).LSTMCell(5, use_peepholes=True, cell_clip=0.4, num_proj=3, proj_clip=0.3)
    return unrolled(tf, cell, [2, 4])


@case()
def plain_lstm_cell(tf: ModuleType) -> Any:
    """LSTMCell without options, under a scope of one's own."""
    return unrolled(tf, cells(tf).LSTMCell(3, name="own"), scope="decoder")


@case()
def cells_on_top_of_each_other(tf: ModuleType) -> Any:
    """MultiRNNCell with wrappers."""
    c = cells(tf)
    stack = [c.BasicLSTMCell(3), c.ResidualWrapper(c.GRUCell(3)),
             c.DeviceWrapper(c.DropoutWrapper(c.LSTMCell(4)), "/cpu:0")]
    return unrolled(tf, c.MultiRNNCell(stack), [4, 1])


@case()
def time_first_with_a_given_state(tf: ModuleType) -> Any:
    """time_major and initial_state."""
    c = cells(tf)
    x, h = tf.placeholder(tf.float64, [4, 2, 3]), tf.placeholder(tf.float64, [2, 5])
    outputs, state = tf.nn.dynamic_rnn(
        c.BasicRNNCell(5), x, initial_state=h, time_major=True, sequence_length=[2, 4])
    return values(tf, outputs, state, {x: X.transpose(1, 0, 2), h: pattern([2, 5], 3)})


@case()
def both_directions(tf: ModuleType) -> Any:
    """bidirectional_dynamic_rnn with lengths."""
    c = cells(tf)
    x = tf.placeholder(tf.float64, [2, None, 3])
    outputs, state = tf.nn.bidirectional_dynamic_rnn(
        c.BasicLSTMCell(3), c.GRUCell(2), x, sequence_length=[4, 2], dtype=tf.float64)
    return values(tf, outputs, state, {x: X})


@case()
def unrolled_while_building(tf: ModuleType) -> Any:
    """static_rnn with lengths."""
    x = tf.placeholder(tf.float64, [2, 4, 3])
    outputs, state = tf.nn.static_rnn(
        cells(tf).BasicLSTMCell(3), tf.unstack(x, axis=1), dtype=tf.float64,
        sequence_length=[4, 2])
    return values(tf, outputs, state, {x: X})


@case()
def both_directions_while_building(tf: ModuleType) -> Any:
    """static_bidirectional_rnn with and without lengths."""
    found = []
    for lengths in (None, [3, 4]):
        with tf.Graph().as_default():
            x = tf.placeholder(tf.float64, [2, 4, 3])
            outputs, fw, bw = tf.nn.static_bidirectional_rnn(
                cells(tf).GRUCell(3), cells(tf).BasicRNNCell(2), tf.unstack(x, axis=1),
                dtype=tf.float64, sequence_length=lengths)
            found.append(values(tf, outputs, [fw, bw], {x: X}))
    return found


@case()
def a_loop_of_ones_own(tf: ModuleType) -> Any:
    """raw_rnn: inputs from an array, a loop state that counts, rows that end early."""
    x = tf.placeholder(tf.float64, [4, 2, 3])
    cell = cells(tf).BasicLSTMCell(3)
    lengths = tf.constant([4, 2])
    source = tf.TensorArray(tf.float64, size=4).unstack(x)

    def loop_fn(time: Any, output: Any, state: Any, loop_state: Any) -> Any:
        state = cell.zero_state(2, tf.float64) if output is None else state
        finished = time >= lengths
        over = tf.reduce_all(finished)
        step = tf.cond(over, lambda: tf.zeros([2, 3], tf.float64), lambda: source.read(time))
        count = tf.constant(10) if loop_state is None else loop_state + 1
        return finished, step, state, output, count

    arrays, state, count = tf.nn.raw_rnn(cell, loop_fn)
    found = values(tf, arrays.stack(), state, {x: X.transpose(1, 0, 2)})
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        return [found, sess.run(count, {x: X.transpose(1, 0, 2)})]


@case()
def one_cell_twice(tf: ModuleType) -> Any:
    """A cell keeps its weights; another one in the same scope needs reuse."""
    c = cells(tf)
    x = tf.constant(X)
    cell = c.BasicRNNCell(2)
    with tf.variable_scope("a"):
        tf.nn.dynamic_rnn(cell, x, dtype=tf.float64)
        tf.nn.dynamic_rnn(cell, x, dtype=tf.float64)
    with tf.variable_scope("a", reuse=True):
        tf.nn.dynamic_rnn(c.BasicRNNCell(2), x, dtype=tf.float64)
    with tf.variable_scope("a"):
        again = outcome(lambda: tf.nn.dynamic_rnn(c.BasicRNNCell(2), x, dtype=tf.float64))
    return [[v.name for v in tf.global_variables()], isinstance(again, dict)]


@case()
def first_states(tf: ModuleType) -> Any:
    """zero_state of nested cells, and sizes."""
    c = cells(tf)
    cell = c.MultiRNNCell([c.LSTMCell(3, num_proj=2), c.GRUCell(4)])
    states = cell.zero_state(2, tf.float32)
    with tf.Session() as sess:
        found = sess.run(flat(states))
    sizes = cell.state_size
    return [found, [type(states[0]).__name__, list(sizes[0]), sizes[1], cell.output_size]]


@case()
def wrong_arguments(tf: ModuleType) -> Any:
    """What cells and loops refuse."""
    c = cells(tf)
    x = tf.constant(X)
    return [
        outcome(lambda: tf.nn.dynamic_rnn(c.GRUCell(3), x)),
        outcome(lambda: tf.nn.dynamic_rnn(3, x, dtype=tf.float64)),
        outcome(lambda: tf.nn.dynamic_rnn(
            c.GRUCell(3), x, sequence_length=[[1, 2]], dtype=tf.float64)),
        outcome(lambda: tf.nn.static_rnn(c.GRUCell(3), x, dtype=tf.float64)),
        outcome(lambda: tf.nn.static_rnn(c.GRUCell(3), [], dtype=tf.float64)),
        outcome(lambda: c.MultiRNNCell([])),
        outcome(lambda: c.MultiRNNCell(c.GRUCell(3))),
        outcome(lambda: c.DropoutWrapper(c.GRUCell(3), input_keep_prob=1.5)),
        outcome(lambda: c.GRUCell(3)(tf.placeholder(tf.float32, [2, None]), tf.zeros([2, 3]))),
    ]


@case()
def loops_over_elements(tf: ModuleType) -> Any:
    """map_fn, scan and folds with nests, initializers and gradients."""
    x = tf.placeholder(tf.float64, [None, 3])
    mapped = tf.map_fn(lambda r: (r * r, tf.reduce_sum(r)), x, dtype=(tf.float64, tf.float64))
    scanned = tf.scan(lambda a, r: a * 0.5 + tf.sin(r), x)
    turned = tf.scan(lambda a, r: (a[0] + r, a[1] + 1), x, (tf.zeros([3], tf.float64), 0),
                     reverse=True)
    left = tf.foldl(lambda a, r: a * 0.5 + r, x)
    right = tf.foldr(lambda a, r: a * r, x, tf.ones([3], tf.float64))
    parts = [*mapped, scanned, turned[0], left, right]
    loss = tf.add_n([tf.reduce_sum(tf.square(p)) for p in parts])
    with tf.Session() as sess:
        found = sess.run([parts, turned[1], tf.gradients(loss, x)[0]], {x: X[0]})
    return [found, [shape_of(p) for p in parts], [p.name for p in (mapped[0], scanned)]]


@case()
def arrays_in_loops(tf: ModuleType) -> Any:
    """TensorArray: written in a loop, gathered, grown, differentiated."""
    x = tf.placeholder(tf.float64, [4, 3])
    rows = tf.TensorArray(tf.float64, size=4).unstack(x)

    def body(i: Any, state: Any, made: Any) -> Any:
        state = tf.sin(state) * rows.read(i)
        return i + 1, state, made.write(3 - i, tf.stack([state, state * state]))

    _, last, made = tf.while_loop(
        lambda i, *_: i < 4, body,
        [0, tf.ones([3], tf.float64),
         tf.TensorArray(tf.float64, size=4, clear_after_read=False)])
    _, grown = tf.while_loop(
        lambda i, _: i < 3, lambda i, a: (i + 1, a.write(i, [i, i * i])),
        [0, tf.TensorArray(tf.int32, size=0, dynamic_size=True)])
    fetched = [made.stack(), made.concat(), made.gather([2, 0]), made.size(), last,
               grown.stack(), grown.size()]
    slope = tf.gradients(tf.reduce_sum(fetched[0] ** 2) + tf.reduce_sum(fetched[2]), x)[0]
    with tf.Session() as sess:
        return sess.run([fetched, slope], {x: X[0]})
