"""The workloads in PyTorch: parameters as the framework likes them, and functions of them.

Images are channels_last: the NHWC batch is then a view, and it is oneDNN's faster layout.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks import workload as h
from benchmarks import workloads as w
from benchmarks.networks import NETWORKS
from benchmarks.workers.serve import Job
from benchmarks.workers.torch_layers import TorchLayers, lstm_weights

Parameters = dict[str, Any]


def start(torch: Any, job: Job) -> tuple[Parameters, Callable[[], list[Any]]]:
    """(initial weights, a function that turns the NumPy batch into tensors without copying).

    The weights are those that are trained, the state and the fixed ones.
    """
    torch.set_num_threads(job.threads)
    torch.set_num_interop_threads(job.threads)
    device = device_of(torch, job)
    parameters = {}
    for name, array in _stored(job.parameters | job.state | job.fixed).items():
        tensor = torch.from_numpy(array)
        if array.ndim == 4:
            tensor = tensor.permute(3, 2, 0, 1).contiguous(memory_format=torch.channels_last)
        parameters[name] = tensor.to(device, copy=True)
    arrays, images = job.batch, job.batch[0].ndim == 4

    def batch() -> list[Any]:
        tensors = [torch.from_numpy(a).to(device) for a in arrays]
        return [tensors[0].permute(0, 3, 1, 2), *tensors[1:]] if images else tensors

    return parameters, batch


def device_of(torch: Any, job: Job) -> Any:
    """Where the variant "cuda" computes: on the GPU. Raises RuntimeError if PyTorch sees none."""
    if job.variant != "cuda":
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise RuntimeError("PyTorch sees no GPU")
    return torch.device("cuda")


def _stored(weights: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The weights with those of recurrent layers as PyTorch has them."""
    made = dict(weights)
    for name in [n.removesuffix("/kernel") for n in weights if n.endswith("lstm/kernel")]:
        made |= lstm_weights(name, made.pop(f"{name}/kernel"), made.pop(f"{name}/bias"))
    return made


def function(torch: Any, job: Job) -> Callable[..., Any]:
    """The loss as a function of (parameters, *batch), or the output of a plain function."""
    if job.workload.name in NETWORKS:
        network, layers = NETWORKS[job.workload.name], TorchLayers(torch)
        return lambda p, *batch: network(layers, p, *batch)
    f = torch.nn.functional

    def linear_regression(p: Parameters, x: Any, y: Any) -> Any:
        return torch.mean(torch.square(torch.addmm(p["b"], x, p["w"]) - y))

    def mlp(p: Parameters, x: Any, labels: Any) -> Any:
        hidden = torch.relu(torch.addmm(p["b1"], x, p["w1"]))
        return f.cross_entropy(torch.addmm(p["b2"], hidden, p["w2"]), labels)

    def cnn(p: Parameters, x: Any, labels: Any) -> Any:
        y = f.max_pool2d(torch.relu(f.conv2d(x, p["k1"], p["b1"])), 2)
        y = f.max_pool2d(torch.relu(f.conv2d(y, p["k2"], p["b2"])), 2)
        features = y.permute(0, 2, 3, 1).reshape(-1, 1600)
        return f.cross_entropy(torch.addmm(p["b3"], features, p["w3"]), labels)

    def chain_softmax(p: Parameters, a: Any, b: Any, c: Any) -> Any:
        y = torch.tanh(a * b + c) * torch.sigmoid(a - c) + torch.exp(-b * b) / 2
        return torch.softmax(y, dim=1)

    def softmax(p: Parameters, x: Any, g: Any) -> Any:
        y, pull = torch.func.vjp(lambda x: torch.softmax(x, 1), x)
        return y, *pull(g)

    def layer_norm(p: Parameters, x: Any, g: Any, gamma: Any, beta: Any) -> Any:
        y, pull = torch.func.vjp(
            lambda x, gamma, beta: f.layer_norm(
                x, gamma.shape, gamma, beta, w.LAYER_NORM_EPSILON), x, gamma, beta)
        return y, *pull(g)

    def cross_entropy(p: Parameters, x: Any, labels: Any) -> Any:
        slope, loss = torch.func.grad_and_value(lambda x: f.cross_entropy(x, labels))(x)
        return loss, slope

    functions: dict[str, Callable[..., Any]] = {
        "linear_regression": linear_regression, "mlp": mlp, "cnn": cnn,
        "chain_softmax": chain_softmax, "softmax": softmax, "layer_norm": layer_norm,
        "cross_entropy": cross_entropy,
        "copy": lambda p, x: x * 1.5, "transpose": lambda p, x: x.t().contiguous(),
        "sum_all": lambda p, x: x.sum(), "sum_rows": lambda p, x: x.sum(1),
        "sum_columns": lambda p, x: x.sum(0)}
    name = w.math_name(job.workload.name)
    return _math(torch, name) if name else functions[job.workload.name]


def _math(torch: Any, name: str) -> Callable[..., Any]:
    made: dict[str, Callable[..., Any]] = {
        "exp": torch.exp, "log": torch.log, "tanh": torch.tanh, "sigmoid": torch.sigmoid,
        "erf": torch.erf, "sin": torch.sin, "pow": torch.pow,
        "gelu": torch.nn.functional.gelu}
    return lambda p, *arrays: made[name](*arrays)


def to_numpy(output: Any) -> Any:
    """A tensor as an array, or a tuple of such; without copies of what is on the host."""
    if isinstance(output, tuple):
        return tuple(o.cpu().numpy() for o in output)
    return output.cpu().numpy()


def trained(job: Job, initial: Parameters) -> Parameters:
    """Copies of the initial weights; all but the state are leaves that take gradients."""
    return {n: t.clone().requires_grad_(n not in job.workload.state) for n, t in initial.items()}


def optimizer(torch: Any, job: Job, parameters: Parameters, **settings: Any) -> Any:
    """`torch.optim`'s optimiser for the job."""
    leaves = [t for t in parameters.values() if t.requires_grad]
    if job.workload.optimizer == "sgd":
        return torch.optim.SGD(leaves, h.SGD_RATE, **settings)
    if job.workload.optimizer == "momentum":
        return torch.optim.SGD(leaves, h.MOMENTUM_RATE, h.MOMENTUM, **settings)
    return torch.optim.Adam(leaves, h.ADAM_RATE, (h.BETA1, h.BETA2), h.EPSILON, **settings)


def restore(torch: Any, parameters: Parameters, initial: Parameters, state: Any) -> None:
    """Writes `initial` over `parameters` and zero over the optimiser's state, in place."""
    with torch.no_grad():
        for name, tensor in parameters.items():
            tensor.copy_(initial[name])
        for tensors in state.values():
            for value in tensors.values():
                if torch.is_tensor(value):
                    value.zero_()
