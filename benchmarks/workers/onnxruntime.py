"""ONNX Runtime: the chain, and networks that only run, as ONNX graphs. It does not train."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.networks import NETWORKS
from benchmarks.workers.onnx_layers import OnnxLayers
from benchmarks.workers.serve import Job, Steps, serve
from benchmarks.workload import CLASSES


def build(onnxruntime: Any, job: Job) -> Steps:
    """onnxruntime: the package. Images are fed as NCHW, the layout that ONNX has."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = job.threads
    batch = [np.ascontiguousarray(a.transpose(0, 3, 1, 2)) if a.ndim == 4 else a
             for a in job.batch]
    network = job.workload.name in NETWORKS
    model = _network(job, batch[0].shape) if network else _chain_softmax(batch[0].shape)
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    feeds = dict(zip(job.workload.batch, batch))
    return Steps(lambda: session.run(None, feeds)[0], lambda: None)


def _network(job: Job, shape: tuple[int, ...]) -> bytes:
    """The model of a network that only runs, serialised. shape: of x."""
    from onnx.helper import make_node
    from onnx.numpy_helper import from_array

    layers = OnnxLayers(job.fixed)
    logits = NETWORKS[job.workload.name](layers, {n: n for n in job.fixed}, "x")
    nodes = [*layers.nodes, make_node("Identity", [logits], ["y"])]
    weights = [from_array(a, n) for n, a in layers.weights.items()]
    return _model(nodes, job.workload.name, ["x"], shape, (shape[0], CLASSES), weights)


def _chain_softmax(shape: tuple[int, ...]) -> bytes:
    """The model, serialised. shape: of a, b, c and the output."""
    from onnx import TensorProto
    from onnx.helper import make_node, make_tensor

    nodes = [make_node(op, inputs.split(), [output], **attributes)
             for op, inputs, output, attributes in (
                 ("Mul", "a b", "ab", {}), ("Add", "ab c", "ab_c", {}),
                 ("Tanh", "ab_c", "tanh", {}),
                 ("Sub", "a c", "a_c", {}), ("Sigmoid", "a_c", "sigmoid", {}),
                 ("Mul", "tanh sigmoid", "product", {}),
                 ("Mul", "b b", "bb", {}), ("Neg", "bb", "minus_bb", {}),
                 ("Exp", "minus_bb", "exp", {}), ("Mul", "exp half", "half_exp", {}),
                 ("Add", "product half_exp", "sum", {}), ("Softmax", "sum", "y", {"axis": 1}))]
    half = make_tensor("half", TensorProto.FLOAT, [], [0.5])
    return _model(nodes, "chain_softmax", list("abc"), shape, shape, [half])


def _model(
    nodes: list[Any], name: str, inputs: list[str], shape: tuple[int, ...],
    output: tuple[int, ...], weights: list[Any],
) -> bytes:
    """A serialised model of float32 inputs of one shape, and of one output y."""
    from onnx import TensorProto
    from onnx.helper import make_graph, make_model, make_opsetid, make_tensor_value_info

    graph = make_graph(
        nodes, name, [make_tensor_value_info(n, TensorProto.FLOAT, shape) for n in inputs],
        [make_tensor_value_info("y", TensorProto.FLOAT, output)], weights)
    model = make_model(graph, opset_imports=[make_opsetid("", 17)], ir_version=8)
    return model.SerializeToString()


if __name__ == "__main__":
    serve("onnxruntime", build)
