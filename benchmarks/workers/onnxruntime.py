"""ONNX Runtime: the chain as an ONNX graph. It runs models and does not train them."""

from __future__ import annotations

from typing import Any

from benchmarks.workers.serve import Job, Steps, serve


def build(onnxruntime: Any, job: Job) -> Steps:
    """onnxruntime: the package."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = job.threads
    session = onnxruntime.InferenceSession(
        _chain_softmax(job.batch[0].shape), options, providers=["CPUExecutionProvider"])
    feeds = dict(zip(job.workload.batch, job.batch))
    return Steps(lambda: session.run(None, feeds)[0], lambda: None)


def _chain_softmax(shape: tuple[int, ...]) -> bytes:
    """The model, serialised. shape: of a, b, c and the output."""
    from onnx import TensorProto
    from onnx.helper import (
        make_graph,
        make_model,
        make_node,
        make_opsetid,
        make_tensor,
        make_tensor_value_info,
    )

    nodes = [make_node(op, inputs.split(), [output], **attributes)
             for op, inputs, output, attributes in (
                 ("Mul", "a b", "ab", {}), ("Add", "ab c", "ab_c", {}),
                 ("Tanh", "ab_c", "tanh", {}),
                 ("Sub", "a c", "a_c", {}), ("Sigmoid", "a_c", "sigmoid", {}),
                 ("Mul", "tanh sigmoid", "product", {}),
                 ("Mul", "b b", "bb", {}), ("Neg", "bb", "minus_bb", {}),
                 ("Exp", "minus_bb", "exp", {}), ("Mul", "exp half", "half_exp", {}),
                 ("Add", "product half_exp", "sum", {}), ("Softmax", "sum", "y", {"axis": 1}))]
    inputs = [make_tensor_value_info(n, TensorProto.FLOAT, shape) for n in "abc"]
    outputs = [make_tensor_value_info("y", TensorProto.FLOAT, shape)]
    half = make_tensor("half", TensorProto.FLOAT, [], [0.5])
    graph = make_graph(nodes, "chain_softmax", inputs, outputs, [half])
    model = make_model(graph, opset_imports=[make_opsetid("", 17)], ir_version=8)
    return model.SerializeToString()


if __name__ == "__main__":
    serve("onnxruntime", build)
