"""A trained MLP as a file, and a new process that runs it: `saved_mlp HOW save|run FOLDER`.

`save` writes the network (784-128-10, ReLU, softmax, any number of rows) with the weights of
`FOLDER/arrays.npz`. `run` is what is measured: from NumPy imported to the first result, on a line
of JSON; the result goes to `FOLDER/first.npy`.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True, slots=True)
class Saved:
    """One way to save a network and to run it.

    Attributes:
      package: what it imports.
      save: writes files into a folder.
      run: reads them and gives the first result for rows of x.
    """

    package: str
    save: Callable[[Path, Arrays], None]
    run: Callable[[Path, np.ndarray], np.ndarray]


# ---- graphflow ----------------------------------------------------------------------------------


def _save_graphflow(folder: Path, arrays: Arrays) -> None:
    import graphflow as gf

    x = gf.placeholder(gf.float32, [None, 784], name="x")
    w1, b1, w2, b2 = (gf.Variable(arrays[n]) for n in ("w1", "b1", "w2", "b2"))
    y = gf.nn.softmax(gf.matmul(gf.nn.relu(gf.matmul(x, w1) + b1), w2) + b2)
    with gf.Session() as session:
        session.run(gf.global_variables_initializer())
        gf.export(folder / "mlp.gflow", {"serve": ({"x": x}, {"y": y})}, session, compiled=True)


def _run_graphflow(native: str | None) -> Callable[[Path, np.ndarray], np.ndarray]:
    def run(folder: Path, x: np.ndarray) -> np.ndarray:
        import graphflow as gf

        model = gf.load(folder / "mlp.gflow", native=native)
        found: np.ndarray = model.signatures["serve"](x)["y"]
        return found

    return run


# ---- ONNX Runtime -------------------------------------------------------------------------------


def _save_onnx(folder: Path, arrays: Arrays) -> None:
    from onnx import TensorProto, save
    from onnx.helper import (
        make_graph,
        make_model,
        make_node,
        make_opsetid,
        make_tensor_value_info,
    )
    from onnx.numpy_helper import from_array

    graph = make_graph(
        [make_node("Gemm", ["x", "w1", "b1"], ["h"]), make_node("Relu", ["h"], ["r"]),
         make_node("Gemm", ["r", "w2", "b2"], ["l"]), make_node("Softmax", ["l"], ["y"])],
        "mlp", [make_tensor_value_info("x", TensorProto.FLOAT, ["n", 784])],
        [make_tensor_value_info("y", TensorProto.FLOAT, ["n", 10])],
        [from_array(arrays[n], n) for n in ("w1", "b1", "w2", "b2")])
    save(make_model(graph, opset_imports=[make_opsetid("", 17)], ir_version=8),
         folder / "mlp.onnx")


def _run_onnx(folder: Path, x: np.ndarray) -> np.ndarray:
    import onnxruntime

    session = onnxruntime.InferenceSession(folder / "mlp.onnx",
                                           providers=["CPUExecutionProvider"])
    found: np.ndarray = session.run(None, {"x": x})[0]
    return found


# ---- JAX ----------------------------------------------------------------------------------------


def _save_jax(folder: Path, arrays: Arrays) -> None:
    import jax
    from jax import export

    def network(x: Any) -> Any:
        hidden = jax.nn.relu(x @ arrays["w1"] + arrays["b1"])
        return jax.nn.softmax(hidden @ arrays["w2"] + arrays["b2"])

    (rows,) = export.symbolic_shape("rows")
    shape = jax.ShapeDtypeStruct((rows, 784), np.float32)
    (folder / "mlp.jax").write_bytes(export.export(jax.jit(network))(shape).serialize())


def _run_jax(folder: Path, x: np.ndarray) -> np.ndarray:
    from jax import export

    network = export.deserialize(bytearray((folder / "mlp.jax").read_bytes()))
    return np.asarray(network.call(x))


# ---- AOTInductor --------------------------------------------------------------------------------


def _save_torch(folder: Path, arrays: Arrays) -> None:
    import torch

    network = torch.nn.Sequential(torch.nn.Linear(784, 128), torch.nn.ReLU(),
                                  torch.nn.Linear(128, 10), torch.nn.Softmax(1)).eval()
    network.load_state_dict({
        f"{layer}.{kind}": torch.from_numpy(np.ascontiguousarray(arrays[n].T))
        for layer, kind, n in ((0, "weight", "w1"), (0, "bias", "b1"),
                               (2, "weight", "w2"), (2, "bias", "b2"))})
    with torch.no_grad():
        program = torch.export.export(network, (torch.ones(8, 784),), dynamic_shapes=(
            {0: torch.export.Dim("rows", min=1, max=4096)},))
        torch._inductor.aoti_compile_and_package(program, package_path=str(folder / "mlp.pt2"))


def _run_torch(folder: Path, x: np.ndarray) -> np.ndarray:
    import torch

    found: np.ndarray = torch._inductor.aoti_load_package(str(folder / "mlp.pt2"))(
        torch.from_numpy(x)).numpy()
    return found


SAVED = {
    "graphflow_cpu:trusted": Saved("graphflow", _save_graphflow, _run_graphflow("trusted")),
    "graphflow_cpu:checked": Saved("graphflow", _save_graphflow, _run_graphflow(None)),
    "onnxruntime": Saved("onnxruntime", _save_onnx, _run_onnx),
    "jax_export": Saved("jax", _save_jax, _run_jax),
    "torch_aotinductor": Saved("torch", _save_torch, _run_torch),
}


def main() -> None:
    """Saves, or runs and says how long that took."""
    how, what, folder = SAVED[sys.argv[1]], sys.argv[2], Path(sys.argv[3])
    with np.load(folder / "arrays.npz") as stored:
        arrays = dict(stored)
    if what == "save":
        how.save(folder, arrays)
        return
    start = time.perf_counter()
    first = how.run(folder, arrays["x"])
    seconds = time.perf_counter() - start
    np.save(folder / "first.npy", first)
    version = getattr(sys.modules[how.package], "__version__", "")
    print(json.dumps({"seconds": seconds, "version": version}))


if __name__ == "__main__":
    main()
