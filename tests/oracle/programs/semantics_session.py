"""Session.run: nests of fetches, feeds and their casts, callables, default sessions."""

from __future__ import annotations

import collections
from types import ModuleType
from typing import Any

import numpy as np

from programs.plain import outcome
from programs.registry import case

Point = collections.namedtuple("Point", "x y")


def kind_of(value: Any) -> Any:
    """The Python types of a nest, with "value" at the leaves."""
    if isinstance(value, dict):
        return [type(value).__name__, {str(k): kind_of(v) for k, v in value.items()}]
    if isinstance(value, (list, tuple)):
        return [type(value).__name__, [kind_of(v) for v in value]]
    return None if value is None else "value"


@case()
def fetch_nests(tf: ModuleType) -> Any:
    """The result has the structure of the fetches."""
    a = tf.constant(1.0, name="a")
    b = tf.constant([2, 3], name="b")
    op = tf.no_op(name="nothing")
    nests: list[Any] = [
        a, [a], (a, b), [a, [b, (a,)]], {"first": a, "rest": [b, {"deep": a}]}, Point(a, b),
        Point(x=[a, b], y={"k": a}), op, [op, a], {"op": op}, "a:0", ["a:0", "nothing"],
        [], (), {}, [a, a, a], collections.OrderedDict([("z", a), ("a", b)]),
        collections.defaultdict(list, {"k": a}),
    ]
    with tf.Session() as sess:
        found = [sess.run(nest) for nest in nests]
        return [[value if not isinstance(value, dict) else dict(value), kind_of(value)]
                for value in found]


@case()
def fetch_result_types(tf: ModuleType) -> Any:
    """Scalars come back as NumPy scalars, the rest as arrays, strings as bytes."""
    fetches = {
        "scalar": tf.constant(1.5), "vector": tf.constant([1.5]), "int": tf.constant(3),
        "bool": tf.constant(True), "string": tf.constant("text"),
        "strings": tf.constant(["a", "bc"]), "double": tf.constant(1.5, tf.float64),
        "complex": tf.constant(1 + 2j), "half": tf.constant(1.5, tf.float16),
        "empty": tf.zeros([0, 3]),
    }
    with tf.Session() as sess:
        found = sess.run(fetches)
    return {key: [type(value).__name__, value] for key, value in found.items()}


@case()
def feed_casts(tf: ModuleType) -> Any:
    """Feeds are cast to the placeholder's type."""
    dtypes = ["float32", "float64", "int32", "int64", "uint8", "bool"]
    values = {
        "float64": np.array([1.5, -2.25]), "int64": np.array([1, 2]), "float": [0.5, 1.0],
        "int": [3, 4], "float32": np.array([0.1, 0.2], "float32"),
        "uint8": np.array([200, 1], "uint8"), "bool": np.array([True, False]),
    }
    holes = {name: tf.placeholder(name, [2]) for name in dtypes}
    echoes = {name: tf.identity(hole) for name, hole in holes.items()}
    with tf.Session() as sess:
        return {
            f"{kind} to {name}": outcome(
                lambda n=name, v=value: sess.run(echoes[n], {holes[n]: v}), "run")
            for kind, value in values.items() for name in dtypes
        }


@case()
def feed_any_tensor(tf: ModuleType) -> Any:
    """Constants, intermediate results and variables can be fed."""
    a = tf.constant([1.0, 2.0], name="a")
    b = a * 10.0
    c = b + 1.0
    with tf.Session() as sess:
        return [sess.run(c, {a: [5.0, 6.0]}), sess.run(c, {b: [0.0, 1.0]}),
                sess.run(b, {b: [7.0, 7.0]}), sess.run(c, {"a:0": [1.0, 1.0]})]


@case()
def placeholder_with_default(tf: ModuleType) -> Any:
    """The default is used unless the tensor is fed."""
    x = tf.placeholder_with_default(tf.constant([1.0, 2.0]), [None])
    rate = tf.placeholder_with_default(0.5, [])
    with tf.Session() as sess:
        return [sess.run(x), sess.run(x, {x: [4.0]}), sess.run(rate), sess.run(rate, {rate: 1}),
                x.get_shape().as_list()]


@case()
def unknown_shapes(tf: ModuleType) -> Any:
    """Placeholders of unknown and partly known shape take what fits."""
    any_rank = tf.placeholder(tf.float32)
    rows = tf.placeholder(tf.float32, [None, 2])
    total, shape = tf.reduce_sum(any_rank), tf.shape(any_rank)
    with tf.Session() as sess:
        return [
            sess.run([total, shape], {any_rank: 3.0}),
            sess.run([total, shape], {any_rank: np.ones((2, 3))}),
            sess.run(tf.reduce_sum(rows, 0), {rows: np.ones((0, 2))}),
            rows.get_shape().as_list(), any_rank.get_shape().ndims,
            outcome(lambda: any_rank.get_shape().as_list()),
        ]


@case()
def make_callable(tf: ModuleType) -> Any:
    """A callable takes the fed values in order."""
    x = tf.placeholder(tf.float32, [])
    y = tf.placeholder(tf.float32, [])
    with tf.Session() as sess:
        call = sess.make_callable([x + y, {"product": x * y}], [x, y])
        plain_call = sess.make_callable(tf.constant(3.0))
        return [call(2.0, 5.0), plain_call()]


@case()
def default_sessions(tf: ModuleType) -> Any:
    """Session as context manager, as_default, nesting, get_default_session."""
    x = tf.constant(2.0)
    seen = [tf.get_default_session() is None]
    with tf.Session() as outer:
        seen.append(tf.get_default_session() is outer)
        with tf.Session() as inner:
            seen.append(tf.get_default_session() is inner)
        seen.append(tf.get_default_session() is outer)
        seen.append(x.eval())
    seen.append(tf.get_default_session() is None)
    kept = tf.Session()
    with kept.as_default():
        seen.append(x.eval())
    seen.append(kept.run(x))
    kept.close()
    seen.append(outer.graph is tf.get_default_graph())
    return seen


@case()
def session_of_a_graph(tf: ModuleType) -> Any:
    """Session(graph=…) runs that graph; it does not make it the default one, `with` does."""
    other = tf.Graph()
    with other.as_default():
        x = tf.constant(4.0, name="x")
    sess = tf.Session(graph=other)
    before = tf.get_default_graph() is other
    with sess:
        inside = tf.get_default_graph() is other
        value = sess.run("x:0")
    return [before, inside, value, sess.graph is other, x.graph is other]


@case()
def interactive_session(tf: ModuleType) -> Any:
    """InteractiveSession installs itself as the default."""
    sess = tf.InteractiveSession()
    value = tf.constant(3.0).eval()
    is_default = tf.get_default_session() is sess
    sess.close()
    return [value, is_default]


@case()
def config_is_accepted(tf: ModuleType) -> Any:
    """The options that TF1 programs pass."""
    config = tf.ConfigProto(allow_soft_placement=True, log_device_placement=False)
    config.gpu_options.allow_growth = True
    config.intra_op_parallelism_threads = 1
    with tf.Session(config=config) as sess:
        return sess.run(tf.constant(1.0))


@case()
def fetches_are_fresh_arrays(tf: ModuleType) -> Any:
    """Writing to a fetched array changes neither the constant nor the variable."""
    c = tf.constant([1.0, 2.0])
    v = tf.Variable([3.0, 4.0])
    fed = np.array([5.0, 6.0], "float32")
    p = tf.placeholder(tf.float32, [2])
    update = v.assign(p)
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        first = sess.run(v)
        copy = first.copy()
        sess.run(update, {p: fed})
        fed[:] = 0.0
        return [bool(np.all(first == copy)), sess.run(v), sess.run(c)]


@case()
def tensor_equality_is_identity(tf: ModuleType) -> Any:
    """Tensors are dictionary keys; == compares identity, as in TF1."""
    a, b = tf.constant(1.0), tf.constant(1.0)
    return [a == a, a == b, a != b, len({*[a, b], *[b, a]}), a in [b, a], hash(a) == hash(a)]


@case()
def collections_of_a_graph(tf: ModuleType) -> Any:
    """add_to_collection, get_collection with a scope, get_collection_ref."""
    graph = tf.get_default_graph()
    with tf.name_scope("inner"):
        x = tf.constant(1.0, name="x")
    y = tf.constant(2.0, name="y")
    tf.add_to_collection("things", x)
    tf.add_to_collections(["things", "others"], y)
    graph.get_collection_ref("things").append(x)
    graph.add_to_collection("plain", 3)
    return {
        "things": [t.name for t in tf.get_collection("things")],
        "scoped": [t.name for t in tf.get_collection("things", scope="inner")],
        "others": [t.name for t in graph.get_collection("others")],
        "plain": graph.get_collection("plain"), "missing": graph.get_collection("missing"),
        "keys": sorted(graph.get_all_collection_keys()),
        "copy": graph.get_collection("plain") is graph.get_collection("plain"),
    }
