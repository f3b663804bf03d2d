"""PyTensor: one compiled function with updates, in its default mode.

Its inputs are checked at each call, as is its default; the variant "trusted" sets `trust_input`.

It has no convolution over several channels: the CNN's is a product with the nine shifted images,
its pooling a maximum over reshaped axes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks import workload as h
from benchmarks import workloads as w
from benchmarks.workers.serve import Job, Steps, serve


def build(pytensor: Any, job: Job) -> Steps:
    """pytensor: the package."""
    import pytensor.tensor as pt

    pytensor.config.floatX = "float32"
    kinds = {"f": "float32", "i": "int32"}
    inputs = [pt.tensor(dtype=kinds[a.dtype.kind], shape=a.shape) for a in job.batch]
    batch = [a.astype("int32") if a.dtype.kind == "i" else a for a in job.batch]
    shared = {n: pytensor.shared(a, name=n) for n, a in (job.parameters | job.fixed).items()}
    name = w.math_name(job.workload.name)
    output = _MATH[name](pt, *inputs) if name else _OUTPUTS[job.workload.name](
        pt, shared, *inputs)
    if not job.workload.trains:
        outputs = output if isinstance(output, list) else [output]
        borrowed = [pytensor.Out(o, borrow=True) for o in outputs]
        compiled = pytensor.function(inputs, borrowed if len(borrowed) > 1 else borrowed[0])
        compiled.trust_input = job.variant == "trusted"
        if job.workload.name == "transpose":  # it gives a view: nothing would be moved
            return Steps(lambda: np.ascontiguousarray(compiled(*batch)), lambda: None)
        return Steps(lambda: compiled(*batch), lambda: None)
    updates = _updates(pytensor, pt, job.workload.optimizer, output, shared)
    initial = {v: v.get_value() for v in updates}
    compiled = pytensor.function(inputs, output, updates=updates)
    compiled.trust_input = job.variant == "trusted"

    def reset() -> None:
        for variable, value in initial.items():
            variable.set_value(value)

    return Steps(lambda: compiled(*batch), reset)


def _updates(pytensor: Any, pt: Any, optimizer: str, loss: Any, shared: dict) -> dict:
    gradients = pytensor.grad(loss, list(shared.values()))
    if optimizer == "sgd":
        return {p: p - h.SGD_RATE * g for p, g in zip(shared.values(), gradients)}
    power1, power2 = (pytensor.shared(np.float32(1)) for _ in range(2))
    updates = {power1: power1 * h.BETA1, power2: power2 * h.BETA2}
    rate = h.ADAM_RATE * pt.sqrt(1 - updates[power2]) / (1 - updates[power1])
    for p, g in zip(shared.values(), gradients):
        m, v = (pytensor.shared(0 * p.get_value()) for _ in range(2))
        updates[m] = h.BETA1 * m + (1 - h.BETA1) * g
        updates[v] = h.BETA2 * v + (1 - h.BETA2) * g * g
        updates[p] = p - rate * updates[m] / (pt.sqrt(updates[v]) + h.EPSILON)
    return updates


def _linear_regression(pt: Any, p: dict, x: Any, y: Any) -> Any:
    return pt.mean(pt.sqr(x @ p["w"] + p["b"] - y))


def _cross_entropy(pt: Any, logits: Any, labels: Any) -> Any:
    log_p = pt.special.log_softmax(logits, axis=1)
    return -pt.mean(log_p[pt.arange(labels.shape[0]), labels])


def _mlp(pt: Any, p: dict, x: Any, labels: Any = None) -> Any:
    count = len(p) // 2
    for i in range(1, count):
        x = pt.maximum(x @ p[f"w{i}"] + p[f"b{i}"], 0)
    logits = x @ p[f"w{count}"] + p[f"b{count}"]
    return logits if labels is None else _cross_entropy(pt, logits, labels)


def _conv_relu_pool(pt: Any, x: Any, kernel: Any, bias: Any, size: int) -> Any:
    """x: [N, size, size, C], kernel: [3, 3, C, F] → [N, (size−2)//2, (size−2)//2, F]."""
    _, _, channels, filters = kernel.get_value(borrow=True).shape
    side = size - 2
    shifted = [x[:, i:i + side, j:j + side] for i in range(3) for j in range(3)]
    rows = pt.concatenate(shifted, axis=3).reshape((-1, 9 * channels))
    y = pt.maximum(rows @ kernel.reshape((9 * channels, filters)) + bias, 0)
    y, half = y.reshape((w.BATCH, side, side, filters)), side // 2
    y = y[:, :2 * half, :2 * half].reshape((w.BATCH, half, 2, half, 2, filters))
    return pt.max(y, axis=(2, 4))


def _cnn(pt: Any, p: dict, x: Any, labels: Any) -> Any:
    y = _conv_relu_pool(pt, x, p["k1"], p["b1"], 28)
    y = _conv_relu_pool(pt, y, p["k2"], p["b2"], 13)
    return _cross_entropy(pt, y.reshape((w.BATCH, 1600)) @ p["w3"] + p["b3"], labels)


def _chain_softmax(pt: Any, p: dict, a: Any, b: Any, c: Any) -> Any:
    y = pt.tanh(a * b + c) * pt.sigmoid(a - c) + pt.exp(-pt.sqr(b)) / 2
    return pt.special.softmax(y, axis=1)


def _softmax(pt: Any, p: dict, x: Any, g: Any) -> Any:
    y = pt.special.softmax(x, axis=1)
    return [y, pt.grad(pt.sum(y * g), x)]


def _layer_norm(pt: Any, p: dict, x: Any, g: Any, gamma: Any, beta: Any) -> Any:
    centred = x - pt.mean(x, axis=1, keepdims=True)
    variance = pt.mean(pt.sqr(centred), axis=1, keepdims=True)
    y = centred / pt.sqrt(variance + w.LAYER_NORM_EPSILON) * gamma + beta
    return [y, *pt.grad(pt.sum(y * g), [x, gamma, beta])]


def _cross_entropy_of_logits(pt: Any, p: dict, x: Any, labels: Any) -> Any:
    loss = _cross_entropy(pt, x, labels)
    return [loss, pt.grad(loss, x)]


_MATH: dict[str, Callable[..., Any]] = {
    "exp": lambda pt, x: pt.exp(x), "log": lambda pt, x: pt.log(x),
    "tanh": lambda pt, x: pt.tanh(x), "sigmoid": lambda pt, x: pt.sigmoid(x),
    "erf": lambda pt, x: pt.erf(x), "sin": lambda pt, x: pt.sin(x),
    "pow": lambda pt, x, y: x**y,
    "gelu": lambda pt, x: x * (1 + pt.erf(x * float(np.sqrt(0.5)))) / 2}

_OUTPUTS: dict[str, Callable[..., Any]] = {
    "linear_regression": _linear_regression, "cnn": _cnn,
    "mlp": _mlp, "mlp_wide": _mlp, "mlp_inference": _mlp,
    "chain_softmax": _chain_softmax, "softmax": _softmax, "layer_norm": _layer_norm,
    "cross_entropy": _cross_entropy_of_logits,
    "copy": lambda pt, p, x: x * 1.5, "transpose": lambda pt, p, x: x.T,
    "sum_all": lambda pt, p, x: x.sum(), "sum_rows": lambda pt, p, x: x.sum(axis=1),
    "sum_columns": lambda pt, p, x: x.sum(axis=0)}


if __name__ == "__main__":
    serve("pytensor", build)
