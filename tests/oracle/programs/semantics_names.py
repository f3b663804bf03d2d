"""The names of operations, tensors and variables: name scopes, variable scopes, defaults."""

from __future__ import annotations

import re
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

from programs.plain import outcome
from programs.registry import case, shape_of


def _names(thunks: dict[str, Callable[[], Any]], *, inner: bool = False) -> dict[str, Any]:
    """What each thunk builds is called (a list for several results).

    What TensorFlow builds of several operations is called by their common scope, and the numbers
    that make names unique are left out: how a function is composed is not part of its meaning.
    With `inner` the whole names are given.
    """
    def name(value: Any) -> Any:
        if isinstance(value, (list, tuple)):
            return [name(v) for v in value]
        return value.name if inner else re.sub(r"(_\d+)?([/:].*)?$", "", value.name)

    return {label: outcome(lambda t=thunk: name(t())) for label, thunk in thunks.items()}


@case()
def unique_names(tf: ModuleType) -> Any:
    """Repeated names get _1, _2 …; names are compared without case."""
    given = ["a", "a", "a", "A", "a_1", "a_1", "b", "c.d", "x-y", "n/m", "n/m", "n"]
    return [tf.constant(1.0, name=name).name for name in given]


@case()
def trailing_slash_names(tf: ModuleType) -> Any:
    """A name that ends with a slash is taken as it is, once."""
    first = tf.constant(1.0, name="exact/").name
    return [first, outcome(lambda: tf.constant(1.0, name="exact/").name)]


@case()
def name_scopes(tf: ModuleType) -> Any:
    """Nested, repeated, re-entered, absolute and empty scopes."""
    seen = []
    with tf.name_scope("a") as a:
        seen += [a, tf.constant(1.0).name]
        with tf.name_scope("b") as b:
            seen += [b, tf.constant(1.0).name]
        with tf.name_scope("b") as b:
            seen += [b, tf.constant(1.0, name="c").name]
        with tf.name_scope(None) as top:
            seen += [top, tf.constant(1.0, name="c").name]
        with tf.name_scope("") as top:
            seen += [top, tf.constant(1.0, name="c").name]
    with tf.name_scope("a") as again:
        seen += [again, tf.constant(1.0).name]
    with tf.name_scope(a) as reentered:
        seen += [reentered, tf.constant(1.0).name]
        with tf.name_scope("b") as b:
            seen += [b, tf.constant(1.0).name]
    with tf.name_scope("a/"):
        seen += [tf.constant(1.0).name, tf.constant(1.0, name="new").name]
    with tf.name_scope("x/y") as deep:
        seen += [deep, tf.constant(1.0).name]
    seen.append(tf.constant(1.0, name="a").name)
    return seen


@case()
def name_scope_with_default(tf: ModuleType) -> Any:
    """name_scope(name, default_name, values) as libraries use it."""
    x = tf.constant(1.0)

    def layer(name: str | None = None) -> str:
        with tf.name_scope(name, "layer", [x]) as scope:
            return f"{scope} {tf.identity(x).name} {tf.identity(x, name=scope).name}"

    return [layer(), layer(), layer("mine"), layer("mine"),
            outcome(lambda: tf.name_scope(None, None).__enter__())]


@case()
def names_of_graph(tf: ModuleType) -> Any:
    """Graph.unique_name, get_name_scope and lookups agree with what was built."""
    graph = tf.get_default_graph()
    with tf.name_scope("s"):
        x = tf.constant(1.0, name="x")
        inside = [graph.get_name_scope(), graph.unique_name("x"), graph.unique_name("y"),
                  graph.unique_name("y", mark_as_used=False), graph.unique_name("y")]
    return [
        inside, graph.get_name_scope(), graph.get_tensor_by_name("s/x:0") is x,
        graph.get_operation_by_name("s/x") is x.op, x.op.name, x.name,
        [op.name for op in graph.get_operations()], x.op.type, str(x.op.outputs[0] is x),
    ]


@case()
def default_names_of_operators(tf: ModuleType) -> Any:
    """What `a + b` and the other operators are called."""
    a = tf.constant([[1.0, 2.0], [3.0, 4.0]], name="a")
    b = tf.constant([[5.0, 6.0], [7.0, 8.0]], name="b")
    i = tf.constant([5, 3], name="i")
    p = tf.constant([True, False], name="p")
    return _names({
        "a+b": lambda: a + b, "a+b again": lambda: a + b, "a+1": lambda: a + 1.0,
        "1+a": lambda: 1.0 + a, "a-b": lambda: a - b, "1-a": lambda: 1.0 - a,
        "a*b": lambda: a * b, "2*a": lambda: 2.0 * a, "a/b": lambda: a / b,
        "1/a": lambda: 1.0 / a, "i/i": lambda: i / i, "a//b": lambda: a // b,
        "i//i": lambda: i // i, "a%b": lambda: a % b, "a**b": lambda: a ** b,
        "2**a": lambda: 2.0 ** a, "a@b": lambda: a @ b, "-a": lambda: -a, "abs": lambda: abs(a),
        "a<b": lambda: a < b, "a<=b": lambda: a <= b, "a>b": lambda: a > b,
        "a>=b": lambda: a >= b, "~p": lambda: ~p, "p&p": lambda: p & p, "p|p": lambda: p | p,
        "p^p": lambda: p ^ p, "a[0]": lambda: a[0], "a[:,1]": lambda: a[:, 1],
        "a[...]": lambda: a[..., tf.newaxis],
    }, inner=True)


UNARY = (
    "abs sign square sqrt rsqrt exp expm1 log log1p sin cos tan asin acos atan sinh cosh tanh "
    "sigmoid floor ceil round rint erf erfc lgamma digamma reciprocal negative is_nan is_inf "
    "is_finite reduce_sum reduce_mean reduce_prod reduce_max reduce_min reduce_logsumexp argmax "
    "argmin zeros_like ones_like shape size rank identity stop_gradient transpose "
    "matrix_transpose to_float to_int32 to_double"
)
BINARY = (
    "add subtract multiply divide div truediv floordiv floormod mod pow maximum minimum "
    "squared_difference matmul equal not_equal less less_equal greater greater_equal atan2 "
    "floor_div realdiv truncatediv truncatemod"
)


@case()
def default_names_of_math(tf: ModuleType) -> Any:
    """What functions without a name argument call their result."""
    a = tf.constant([[1.0, 2.0], [3.0, 4.0]], name="a")
    i = tf.constant([1, 0], name="i")
    found = _names({f: lambda f=f: getattr(tf, f)(a) for f in UNARY.split()})
    found |= _names({f: lambda f=f: getattr(tf, f)(a, a) for f in BINARY.split()})
    return found | _names({
        "reduce_any": lambda: tf.reduce_any(a > 0), "reduce_all": lambda: tf.reduce_all(a > 0),
        "logical_and": lambda: tf.logical_and(a > 0, a > 1),
        "logical_not": lambda: tf.logical_not(a > 0), "cast": lambda: tf.cast(a, tf.int32),
        "cast_same": lambda: tf.cast(a, tf.float32),
        "clip_by_value": lambda: tf.clip_by_value(a, 0.0, 1.0),
        "clip_by_norm": lambda: tf.clip_by_norm(a, 1.0),
        "where": lambda: tf.where(a > 0, a, a), "where_indices": lambda: tf.where(a > 0),
        "add_n": lambda: tf.add_n([a, a]), "tensordot": lambda: tf.tensordot(a, a, 1),
        "range": lambda: tf.range(3), "linspace": lambda: tf.linspace(0.0, 1.0, 3),
        "l2_normalize": lambda: tf.nn.l2_normalize(a, 0),
        "reduce_variance": lambda: tf.math.reduce_variance(a),
        "reduce_std": lambda: tf.math.reduce_std(a), "gather": lambda: tf.gather(a, i),
        "scalar_mul": lambda: tf.scalar_mul(2.0, a), "accumulate_n": lambda: tf.accumulate_n([a]),
    })


@case()
def default_names_of_array_functions(tf: ModuleType) -> Any:
    """Constants, placeholders, reshaping, joining, random numbers."""
    a = tf.constant([[1.0, 2.0], [3.0, 4.0]], name="a")
    i = tf.constant([1, 0], name="i")
    return _names({
        "constant": lambda: tf.constant(1.0), "placeholder": lambda: tf.placeholder(tf.float32),
        "placeholder_with_default": lambda: tf.placeholder_with_default(1.0, []),
        "zeros": lambda: tf.zeros([2]), "ones": lambda: tf.ones([2, 3]),
        "zeros_big": lambda: tf.zeros([100, 100]), "fill": lambda: tf.fill([2], 1.0),
        "convert": lambda: tf.convert_to_tensor([1.0]),
        "convert_named": lambda: tf.convert_to_tensor([1.0], name="given"),
        "reshape": lambda: tf.reshape(a, [4]), "expand_dims": lambda: tf.expand_dims(a, 0),
        "squeeze": lambda: tf.squeeze(tf.ones([1, 2])), "concat": lambda: tf.concat([a, a], 0),
        "stack": lambda: tf.stack([a, a]), "pack_numbers": lambda: tf.stack([1, 2]),
        "unstack": lambda: tf.unstack(a), "split": lambda: tf.split(a, 2),
        "split_sizes": lambda: tf.split(a, [1, 1]), "tile": lambda: tf.tile(a, [1, 2]),
        "pad": lambda: tf.pad(a, [[1, 1], [0, 0]]), "slice": lambda: tf.slice(a, [0, 0], [1, 1]),
        "strided_slice": lambda: tf.strided_slice(a, [0], [1]),
        "pad_reflect": lambda: tf.pad(a, [[1, 1], [0, 0]], mode="REFLECT"),
        "gather_nd": lambda: tf.gather_nd(a, [[0, 1]]),
        "one_hot": lambda: tf.one_hot(i, 3), "broadcast_to": lambda: tf.broadcast_to(i, [3, 2]),
        "shape_n": lambda: tf.shape_n([a, a]), "boolean_mask": lambda: tf.boolean_mask(a, i > 0),
        "random_normal": lambda: tf.random_normal([2]),
        "random_uniform": lambda: tf.random_uniform([2]),
        "truncated_normal": lambda: tf.truncated_normal([2]),
        "random.normal": lambda: tf.random.normal([2]), "no_op": lambda: tf.no_op(),
        "group": lambda: tf.group(a), "tuple": lambda: tf.tuple([a, a]),
        "check_numerics": lambda: tf.check_numerics(a, "m"),
        "Print": lambda: tf.Print(a, [a]), "Assert": lambda: tf.Assert(True, [a]),
        "py_func": lambda: tf.py_func(np.sin, [a], tf.float32),
    })


@case()
def default_names_of_nn(tf: ModuleType) -> Any:
    """The names in tf.nn."""
    x = tf.constant(np.ones((1, 4, 4, 2)), tf.float32, name="x")
    f = tf.constant(np.ones((2, 2, 2, 3)), tf.float32, name="f")
    a = tf.constant([[1.0, 2.0], [3.0, 4.0]], name="a")
    i = tf.constant([1, 0], name="i")
    nn = tf.nn
    ones = tf.constant([1.0, 1.0], name="ones2")
    simple = "relu relu6 elu selu softplus softsign leaky_relu sigmoid tanh softmax log_softmax"
    found = _names({g: lambda g=g: getattr(nn, g)(a) for g in simple.split()})
    return found | _names({
        "l2_loss": lambda: nn.l2_loss(a), "bias_add": lambda: nn.bias_add(a, ones),
        "conv2d": lambda: nn.conv2d(x, f, strides=[1, 1, 1, 1], padding="SAME"),
        "conv2d_dilated": lambda: nn.conv2d(x, f, [1, 1, 1, 1], "SAME", dilations=[1, 2, 2, 1]),
        "max_pool": lambda: nn.max_pool(x, [1, 2, 2, 1], [1, 2, 2, 1], "SAME"),
        "avg_pool": lambda: nn.avg_pool(x, [1, 2, 2, 1], [1, 2, 2, 1], "SAME"),
        "dropout": lambda: nn.dropout(a, rate=0.5),
        "dropout_keep": lambda: nn.dropout(a, keep_prob=0.5),
        "moments": lambda: nn.moments(a, [0]),
        "batch_normalization": lambda: nn.batch_normalization(a, ones, ones, ones, ones, 1e-3),
        "fused_batch_norm": lambda: nn.fused_batch_norm(x, ones, ones)[0],
        "sparse_xent": lambda: nn.sparse_softmax_cross_entropy_with_logits(labels=i, logits=a),
        "softmax_xent": lambda: nn.softmax_cross_entropy_with_logits(labels=a, logits=a),
        "softmax_xent_v2": lambda: nn.softmax_cross_entropy_with_logits_v2(labels=a, logits=a),
        "sigmoid_xent": lambda: nn.sigmoid_cross_entropy_with_logits(labels=a, logits=a),
        "embedding_lookup": lambda: nn.embedding_lookup(a, i),
        "in_top_k": lambda: nn.in_top_k(a, i, 1), "xw_plus_b": lambda: nn.xw_plus_b(a, a, ones),
        "relu_layer": lambda: nn.relu_layer(a, a, ones),
    })


@case()
def variable_names(tf: ModuleType) -> Any:
    """tf.Variable takes a unique name in the name scope; its parts are named below it."""
    v = tf.Variable(1.0)
    w = tf.Variable(1.0)
    named = tf.Variable(1.0, name="named")
    with tf.name_scope("scope"):
        inside = tf.Variable(1.0, name="named")
    with tf.variable_scope("vs"):
        both = tf.Variable(1.0, name="named")
    return [[x.name, x.op.name, x.initializer.name] for x in (v, w, named, inside, both)] + [
        v.value().name, named.assign(2.0).name, named.assign_add(1.0).name,
        named.read_value().name, (named + 1.0).name, tf.is_variable_initialized(v).name,
    ]


@case()
def get_variable_names(tf: ModuleType) -> Any:
    """get_variable ignores name scopes and obeys variable scopes."""
    seen = []
    with tf.name_scope("ns"):
        seen += [tf.get_variable("a", [1]).name, tf.constant(1.0).name]
        with tf.variable_scope("vs"):
            seen += [tf.get_variable("a", [1]).name, tf.constant(1.0).name]
            with tf.name_scope("deep"):
                seen += [tf.get_variable("b", [1]).name, tf.constant(1.0).name]
    with tf.variable_scope("vs"):
        seen += [tf.get_variable("c", [1]).name, tf.constant(1.0).name]
        with tf.variable_scope("inner"):
            seen += [tf.get_variable("c", [1]).name, tf.constant(1.0).name]
    with tf.variable_scope("vs/inner"):
        seen += [tf.get_variable("d", [1]).name, tf.constant(1.0).name]
    return seen


@case()
def variable_scope_reuse(tf: ModuleType) -> Any:
    """reuse=True, AUTO_REUSE, reuse_variables, re-entering a captured scope."""
    with tf.variable_scope("s") as scope:
        a = tf.get_variable("a", [2])
        seen = [scope.name, scope.original_name_scope, scope.reuse is True]
    with tf.variable_scope("s", reuse=True):
        seen.append(tf.get_variable("a", [2]) is a)
        with tf.variable_scope("deeper"):
            seen.append(tf.get_variable_scope().reuse is True)
    with tf.variable_scope(scope, reuse=True) as again:
        seen += [tf.get_variable("a") is a, tf.constant(1.0).name, again.original_name_scope]
    with tf.variable_scope(scope):
        seen += [tf.get_variable("b", [1]).name, tf.constant(1.0).name]
    for _ in range(2):
        with tf.variable_scope("auto", reuse=tf.AUTO_REUSE):
            seen += [tf.get_variable("w", [1]).name, tf.constant(1.0).name]
    with tf.variable_scope("t"):
        tf.get_variable("x", [1])
        tf.get_variable_scope().reuse_variables()
        seen.append(tf.get_variable("x", [1]).name)
    with tf.variable_scope("outer"), tf.variable_scope(scope):
        seen += [tf.get_variable("z", [1]).name, tf.constant(1.0).name]
    return seen


@case()
def variable_scope_default_name(tf: ModuleType) -> Any:
    """default_name is made unique; scopes inside scopes; names given win."""
    seen = []
    for name in (None, None, "given", "given"):
        with tf.variable_scope(name, default_name="layer", reuse=None) as scope:
            seen += [scope.name, tf.constant(1.0).name]
            if name is None:
                seen.append(tf.get_variable("w", [1]).name)
    with tf.variable_scope("top"):
        for _ in range(2):
            with tf.variable_scope(None, default_name="layer"):
                seen.append(tf.get_variable("w", [1]).name)
    with tf.variable_scope("top", auxiliary_name_scope=False):
        seen.append(tf.constant(1.0).name)
    return seen


@case()
def variable_scope_defaults(tf: ModuleType) -> Any:
    """The scope's initializer, dtype and custom getter apply to the variables in it."""
    def renamed(getter: Any, name: str, *args: Any, **kwargs: Any) -> Any:
        return getter(f"{name}_got", *args, **kwargs)

    with tf.variable_scope("s", initializer=tf.constant_initializer(3.0), dtype=tf.float64):
        a = tf.get_variable("a", [2])
        with tf.variable_scope("t", initializer=tf.zeros_initializer()):
            b = tf.get_variable("b", [2])
    with tf.variable_scope("g", custom_getter=renamed):
        c = tf.get_variable("c", [1], initializer=tf.ones_initializer())
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        return [[v.name, sess.run(v)] for v in (a, b, c)]


@case()
def multiple_outputs_and_controls(tf: ModuleType) -> Any:
    """Tensor.consumers, Operation.inputs, outputs, control_inputs, device, graph."""
    a = tf.constant([1.0, 2.0, 3.0, 4.0], name="a")
    parts = tf.split(a, 2, name="parts")
    with tf.control_dependencies([parts[0]]), tf.device("/cpu:0"):
        last = tf.identity(parts[1], name="last")
    return [
        [t.name for t in parts], [op.name for op in parts[1].consumers()],
        [t.name for t in last.op.inputs], [op.name for op in last.op.control_inputs],
        [t.value_index for t in parts], last.op.type, last.device, a.device,
        last.op.graph is a.graph, str(a.dtype), shape_of(last),
    ]


@case()
def gradient_names(tf: ModuleType) -> Any:
    """gradients are built under a scope of their own."""
    x = tf.placeholder(tf.float32, [2], name="x")
    first = tf.gradients(tf.reduce_sum(x * x), x)[0]
    second = tf.gradients(tf.reduce_sum(x * x), x, name="mine")[0]
    return [first.name.split("/")[0], second.name.split("/")[0]]


@case()
def shape_texts(tf: ModuleType) -> Any:
    """How shapes and tensors print."""
    shapes = [[], [2], [2, None], None]
    return [[str(tf.TensorShape(s)), repr(tf.TensorShape(s))] for s in shapes] + [
        str(tf.placeholder(tf.float32, s)) for s in shapes]
