"""Files to begin with, and what is changed in them: the first half of the fuzzer (`fuzz.py`).

A case is a number: it picks a file and how it is changed, the same in every process.
"""

from __future__ import annotations

import copy
import json
import random
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

import graphflow as tf
from graphflow.export.archive import (
    GRAPH,
    KERAS,
    MANIFEST,
    WEIGHTS,
    digest_of,
    pack_archive,
    unpack_archive,
)
from graphflow.export.limits import LoadLimits
from graphflow.export.writer import build_members
from graphflow.opdef import REGISTRY

Members = dict[str, bytes]
MACHINE = "native/environment"
INTEGERS = (0, 1, -1, 2, 3, 7, 63, 64, 255, 256, 2**15, 2**31 - 1, 2**31, 2**32, 2**47, 2**48,
            2**53, 2**62, 2**63 - 1, 2**63, 2**64 - 1, -2**31, -2**63, 10**6, 10**9)
TEXTS = ("", "x", "x:0", "../x", "/etc/passwd", "a/b", "\x00", "é", "float32", "int64", "string",
         "bool", "complex64", "variables/w", "constants/0", "nan", "inf", "?0", "x.0", "SAME",
         "VALID", "RIGHT_LEFT", "a" * 5000)


# ---- files to begin with -----------------------------------------------------------------------


def seeds() -> list[Members]:
    """The members of small files of every kind."""
    return [_built(make, training) for make in (_mlp, _control, _values, _strings)
            for training in (False, True)]


def compiled_seeds() -> list[Members]:
    """Files with machine code."""
    from graphflow.export.native import native_members

    with tf.Graph().as_default():
        inputs, outputs, _ = _mlp()
        with tf.Session() as session:
            session.run(tf.global_variables_initializer())
            plain = build_members({"run": (inputs, outputs)}, session)
            return [build_members({"run": (inputs, outputs)}, session,
                                  extra=native_members(plain))]


def keras_seeds() -> list[Members]:
    """Files of Keras models."""
    with tempfile.TemporaryDirectory() as folder:
        path, found = Path(folder) / "model.gflow", []
        for make in (_dense_model, _image_model, _word_model):
            forget_keras()
            make().save(path)
            found.append(unpack_archive(path.read_bytes(), LoadLimits()))
    forget_keras()
    return found


def forget_keras() -> None:
    """Gives Keras a new graph, and a session that compiles nothing."""
    tf.keras.backend.clear_session()
    tf.reset_default_graph()
    tf.keras.backend.set_session(tf.Session(device="reference"))


def seeds_of_ops(count: int = 4) -> list[Members]:
    """Files with the samples of all ops of the registry, `count` ops in each."""
    names = [n for n in sorted(REGISTRY) if REGISTRY[n].samples and not getattr(
        REGISTRY[n].lowering, "reaches_out", False)]
    return [_built(lambda chosen=names[k:k + count]: _samples(chosen), False)  # type: ignore[misc]
            for k in range(0, len(names), count)]


def _samples(names: list[str]) -> tuple[dict, dict, list]:
    outputs: dict[str, Any] = {}
    updates: list[Any] = []
    for name in names:
        opdef = REGISTRY[name]
        for sample in (opdef.samples() if opdef.samples else ())[:2]:
            inputs = [tf.constant(_admitted(opdef.arg(k).types, v))
                      for k, v in enumerate(sample.inputs)]
            try:
                operation = tf.get_default_graph().add_operation(opdef, inputs, sample.attrs)
            except ValueError:  # the sample wants another element type than the first admitted
                continue
            outputs.update({t.name: t for t in operation.outputs})
            updates.append(operation)
    return {}, outputs, updates


def _admitted(types: Any, value: Any) -> np.ndarray:
    array = np.asarray(value)
    if array.dtype.kind in "USO" or any(t.numpy == array.dtype for t in types):
        return array
    return array.astype(types[0].numpy)


def _built(make: Callable[[], tuple[dict, dict, list]], training: bool) -> Members:
    with tf.Graph().as_default():
        tf.set_random_seed(1)
        inputs, outputs, updates = make()
        with tf.Session(device="reference") as session:
            if tf.global_variables():
                session.run(tf.global_variables_initializer())
            signature = tf.Signature(inputs, outputs, updates if training else [])
            return build_members({"run": signature}, session, training=training)


def _mlp() -> tuple[dict, dict, list]:
    x = tf.placeholder(tf.float32, [None, 3], name="x")
    w = tf.get_variable("w", [3, 2])
    y = tf.nn.dropout(tf.nn.softmax(tf.matmul(x, w) + np.ones(2, np.float32)), 0.5)
    loss = tf.reduce_mean(tf.square(y))
    return {"x": x}, {"loss": loss}, [tf.train.AdamOptimizer(0.1).minimize(loss)]


def _control() -> tuple[dict, dict, list]:
    x = tf.placeholder(tf.float32, [None], name="x")
    v = tf.Variable(1.0, name="v")
    with tf.device("/cpu:0"):
        y = tf.cond(tf.reduce_sum(x) > 0, lambda: x * v, lambda: tf.where_v2(x > 1.0, x, v))
    _, z = tf.while_loop(
        lambda i, z: i < 3, lambda i, z: (i + 1, tf.cond(i > 1, lambda: z * v, lambda: z + x)),
        [0, y])
    return {"x": x}, {"z": z, "grad": tf.gradients(z, x)[0]}, [tf.assign_add(v, 1.0)]


def _values() -> tuple[dict, dict, list]:
    x = tf.sparse_placeholder(tf.float32, [4, 5], name="x")
    rows = tf.placeholder(tf.int32, [None], name="rows")
    table = tf.Variable(np.arange(40, dtype=np.float32).reshape(10, 4), name="table")
    dense = tf.sparse_tensor_to_dense(x)
    picked = tf.gather(table, rows)
    padded = tf.pad(tf.reshape(dense, [2, 2, 5])[:, 0, 1:4], [[1, 0], [0, 2]], constant_values=7)
    image = tf.nn.conv2d(tf.reshape(dense, [1, 4, 5, 1]), np.ones((2, 2, 1, 3), np.float32),
                         [1, 1, 1, 1], "SAME")
    slope = tf.gradients(tf.reduce_sum(picked * picked), table)[0]
    return ({"x": x, "rows": rows}, {"padded": padded, "slope": slope, "image": image,
                                     "filled": tf.fill([2, tf.shape(rows)[0]], 1)}, [])


def _strings() -> tuple[dict, dict, list]:
    s = tf.placeholder(tf.string, [2], name="s")
    numbers = tf.string_to_number(s)
    shown = tf.Print(numbers, [numbers], "n: ", first_n=1)
    joined = tf.string_join([s, tf.constant([b"\xff\x00", b"b"])], "-")
    complex_ = tf.complex(numbers, np.float32(0.5)) * np.full(20, 1 + 2j, np.complex64)[:2]
    with tf.control_dependencies([tf.Assert(tf.reduce_all(numbers > 0.0), [numbers])]):
        checked = tf.identity(shown)
    parts = tf.decode_csv(joined, [[1.0], ["x"]])
    return {"s": s}, {"checked": checked, "joined": joined, "complex": complex_,
                      "part": parts[0]}, [tf.print("v", numbers)]


def _dense_model() -> Any:
    layers = tf.keras.layers
    model = tf.keras.Sequential([
        layers.Dense(4, activation="relu", input_shape=(3,),
                     kernel_regularizer=tf.keras.regularizers.l2(0.1)),
        layers.BatchNormalization(), layers.Dropout(0.5), layers.Dense(2, activation="softmax")])
    model.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
    model.fit(np.ones((4, 3)), np.ones((4, 2)), verbose=0)
    return model


def _image_model() -> Any:
    layers = tf.keras.layers
    image = tf.keras.Input((8, 8, 1))
    features = layers.MaxPooling2D()(layers.Conv2D(2, 3, padding="same")(image))
    once = layers.Dense(2)(layers.Flatten()(features))
    model = tf.keras.Model(image, layers.concatenate([once, once]))
    model.compile("sgd", "mse")
    return model


def _word_model() -> Any:
    layers = tf.keras.layers
    return tf.keras.Sequential([
        layers.Embedding(10, 4, input_length=5),
        layers.Bidirectional(layers.LSTM(3, return_sequences=True)), layers.GRU(2),
        layers.Dense(1)])


# ---- changes -----------------------------------------------------------------------------------


def mutated_bytes(data: bytes, rng: random.Random) -> bytes:
    """A few bytes changed, removed, put in, moved, or the end cut off."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 4, 16))):
        at = rng.randrange(len(changed) + 1)
        kind = rng.randrange(6)
        if kind == 0 and at < len(changed):
            changed[at] ^= 1 << rng.randrange(8)
        elif kind == 1 and at < len(changed):
            changed[at] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
        elif kind == 2:
            del changed[at:at + rng.choice((1, 2, 8, 64))]
        elif kind == 3:
            changed[at:at] = rng.randbytes(rng.choice((1, 2, 8, 64)))
        elif kind == 4:
            start = rng.randrange(len(changed) + 1)
            changed[at:at] = changed[start:start + rng.randrange(1, 64)]
        else:
            del changed[rng.randrange(len(changed) + 1):]
        if not changed:
            return b"\0"
    return bytes(changed)


def _places(value: Any, path: tuple = ()) -> Iterator[tuple]:
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in list(items):
        yield (*path, key)
        if isinstance(item, (dict, list)):
            yield from _places(item, (*path, key))


def _at(value: Any, path: tuple) -> Any:
    for key in path:
        value = value[key]
    return value


def _other(value: Any, rng: random.Random) -> Any:
    """Something to stand where `value` stood."""
    if rng.random() < 0.15:
        return rng.choice((None, True, False, [], {}, 0, "", -1, 1.5, [[]], [None], {"a": []}))
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + rng.choice((-1, 1, -2, 2)) if rng.random() < 0.5 else rng.choice(INTEGERS)
    if isinstance(value, float):
        return rng.choice((0.0, -0.0, -1.0, 1e308, 5e-324, value * 2, "nan", "inf"))
    if isinstance(value, str):
        if value in REGISTRY:
            return rng.choice(list(REGISTRY))
        return rng.choice((rng.choice(TEXTS), value + "x", value[:-1], value * 2))
    if isinstance(value, list):
        changed = list(value)
        kind = rng.randrange(4)
        if kind == 0 and changed:
            del changed[rng.randrange(len(changed))]
        elif kind == 1 and changed:
            changed.insert(rng.randrange(len(changed)), copy.deepcopy(rng.choice(changed)))
        elif kind == 2:
            rng.shuffle(changed)
        else:
            changed.append(rng.choice(INTEGERS))
        return changed
    if isinstance(value, dict):
        return {k: v for k, v in value.items() if rng.random() < 0.7}
    return rng.choice(INTEGERS)


def mutated_json(data: bytes, rng: random.Random) -> bytes:
    """The structure of a JSON text changed in a few places."""
    value = json.loads(data)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 8))):
        places = list(_places(value))
        if not places:
            break
        path = rng.choice(places)
        holder = _at(value, path[:-1])
        kind = rng.random()
        if kind < 0.7:
            holder[path[-1]] = _other(holder[path[-1]], rng)
        elif kind < 0.85:
            holder[path[-1]] = copy.deepcopy(_at(value, rng.choice(places)))
        elif kind < 0.95:
            del holder[path[-1]]
        elif isinstance(holder, dict):
            holder[rng.choice(TEXTS)] = rng.choice(INTEGERS)
    return json.dumps(value, separators=(",", ":")).encode()


def _mutated_weights(data: bytes, rng: random.Random) -> bytes:
    """The header of a safetensors file changed in structure, or any bytes."""
    if rng.random() < 0.3:
        return mutated_bytes(data, rng)
    length = int.from_bytes(data[:8], "little")
    header = mutated_json(data[8:8 + length], rng)
    return len(header).to_bytes(8, "little") + header + data[8 + length:]


def _with_manifest(members: Members) -> Members:
    """The members with sizes and digests that fit."""
    manifest = json.loads(members[MANIFEST])
    manifest["members"] = {n: digest_of(d) for n, d in members.items() if n != MANIFEST}
    return {**members, MANIFEST: json.dumps(manifest).encode()}


def mutated(members: Members, rng: random.Random) -> tuple[bytes, bool]:
    """A changed file, and whether its contents must be what they were if it loads."""
    kind = rng.random()
    if kind < 0.15:
        return mutated_bytes(pack_archive(members), rng), True
    changed = dict(members)
    if KERAS in members and kind < 0.8:
        changed[KERAS] = mutated_json(members[KERAS], rng)
        return pack_archive(_with_manifest(changed)), False
    if MACHINE in members and kind < 0.5:
        name = rng.choice([n for n in members if n.startswith("native/")])
        changed[name] = mutated_bytes(members[name], rng)
        return pack_archive(_with_manifest(changed)), False
    if kind < 0.75:
        changed[GRAPH] = mutated_json(members[GRAPH], rng)
    elif kind < 0.8:
        changed[GRAPH] = mutated_bytes(members[GRAPH], rng)
    elif kind < 0.95:
        changed[WEIGHTS] = _mutated_weights(members[WEIGHTS], rng)
    else:
        changed[MANIFEST] = mutated_json(members[MANIFEST], rng)
        return pack_archive(changed), True
    return pack_archive(_with_manifest(changed)), False
