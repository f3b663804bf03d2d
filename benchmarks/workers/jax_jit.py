"""JAX: the whole step under `jax.jit`, the state donated."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from benchmarks import workload as h
from benchmarks import workloads as w
from benchmarks.networks import NETWORKS
from benchmarks.workers import jax_kernels
from benchmarks.workers.jax_layers import JaxLayers
from benchmarks.workers.serve import Job, Steps, serve


def build(jax: Any, job: Job) -> Steps:
    """jax: the package."""
    if job.variant == "cuda" and jax.default_backend() != "gpu":
        raise RuntimeError(f"JAX sees no GPU, only {jax.default_backend()!r}")
    if job.workload.kernel is not None:
        return jax_kernels.build(jax, job)
    batch = [a.astype(np.int32) if a.dtype.kind == "i" else a for a in job.batch]
    if not job.workload.trains:
        function = _function(jax, job)
        compiled = jax.jit(lambda *arrays: function(job.fixed, *arrays))
        return Steps(lambda: jax.tree.map(np.asarray, compiled(*batch)), lambda: None)
    train = jax.jit(_training_step(jax, job), donate_argnums=0)
    initial = (job.parameters, _slots(job), job.state)
    state = jax.tree.map(jax.numpy.array, initial)

    def step() -> float:
        nonlocal state
        state, loss = train(state, *batch)
        return float(loss)

    def reset() -> None:
        nonlocal state
        state = jax.tree.map(jax.numpy.array, initial)

    return Steps(step, reset)


def _slots(job: Job) -> Any:
    """What the optimiser keeps beside the parameters."""
    zeros = {n: np.zeros_like(a) for n, a in job.parameters.items()}
    one = np.float32(1)
    return {"sgd": (), "momentum": zeros, "adam": (zeros, zeros, one, one)}[job.workload.optimizer]


def _training_step(jax: Any, job: Job) -> Callable[..., Any]:
    loss_of, update = _loss(jax, job), _UPDATES[job.workload.optimizer]

    def train(state: Any, *batch: Any) -> Any:
        p, slots, averages = state
        (loss, averages), g = jax.value_and_grad(loss_of, has_aux=True)(p, averages, *batch)
        p, slots = update(jax, p, g, slots)
        return (p, slots, averages), loss

    return train


def _sgd(jax: Any, p: Any, g: Any, slots: Any) -> Any:
    return jax.tree.map(lambda p, g: p - h.SGD_RATE * g, p, g), slots


def _momentum(jax: Any, p: Any, g: Any, m: Any) -> Any:
    m = jax.tree.map(lambda m, g: h.MOMENTUM * m + g, m, g)
    return jax.tree.map(lambda p, m: p - h.MOMENTUM_RATE * m, p, m), m


def _adam(jax: Any, p: Any, g: Any, slots: Any) -> Any:
    jnp, (m, v, power1, power2) = jax.numpy, slots
    power1, power2 = power1 * h.BETA1, power2 * h.BETA2
    rate = h.ADAM_RATE * jnp.sqrt(1 - power2) / (1 - power1)
    m = jax.tree.map(lambda m, g: h.BETA1 * m + (1 - h.BETA1) * g, m, g)
    v = jax.tree.map(lambda v, g: h.BETA2 * v + (1 - h.BETA2) * g * g, v, g)
    p = jax.tree.map(lambda p, m, v: p - rate * m / (jnp.sqrt(v) + h.EPSILON), p, m, v)
    return p, (m, v, power1, power2)


_UPDATES: dict[str, Callable[..., Any]] = {"sgd": _sgd, "momentum": _momentum, "adam": _adam}


def _loss(jax: Any, job: Job) -> Callable[..., Any]:
    """(parameters, averages, *batch) → (loss, averages after the step)."""
    network = NETWORKS.get(job.workload.name)
    if network is None:
        function = _function(jax, job)
        return lambda p, averages, *batch: (function(p, *batch), averages)

    def loss(p: Any, averages: Any, *batch: Any) -> Any:
        layers = JaxLayers(jax)
        return network(layers, p | averages, *batch), layers.moved

    return loss


def _function(jax: Any, job: Job) -> Callable[..., Any]:
    jnp, nn = jax.numpy, jax.nn
    if job.workload.name in NETWORKS:
        return partial(NETWORKS[job.workload.name], JaxLayers(jax))

    def linear_regression(p: Any, x: Any, y: Any) -> Any:
        return jnp.mean(jnp.square(x @ p["w"] + p["b"] - y))

    def cross_entropy(logits: Any, labels: Any) -> Any:
        chosen = nn.log_softmax(logits) * nn.one_hot(labels, h.CLASSES)
        return -jnp.mean(jnp.sum(chosen, axis=1))

    def mlp(p: Any, x: Any, labels: Any) -> Any:
        return cross_entropy(nn.relu(x @ p["w1"] + p["b1"]) @ p["w2"] + p["b2"], labels)

    def conv_relu_pool(x: Any, kernel: Any, bias: Any) -> Any:
        y = jax.lax.conv_general_dilated(
            x, kernel, (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC"))
        return jax.lax.reduce_window(
            nn.relu(y + bias), -jnp.inf, jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")

    def cnn(p: Any, x: Any, labels: Any) -> Any:
        y = conv_relu_pool(conv_relu_pool(x, p["k1"], p["b1"]), p["k2"], p["b2"])
        return cross_entropy(y.reshape(-1, 1600) @ p["w3"] + p["b3"], labels)

    def chain_softmax(p: Any, a: Any, b: Any, c: Any) -> Any:
        return nn.softmax(jnp.tanh(a * b + c) * nn.sigmoid(a - c) + jnp.exp(-b * b) / 2)

    def softmax(p: Any, x: Any, g: Any) -> Any:
        y, pull = jax.vjp(nn.softmax, x)
        return y, *pull(g)

    def layer_norm(p: Any, x: Any, g: Any, gamma: Any, beta: Any) -> Any:
        def forward(x: Any, gamma: Any, beta: Any) -> Any:
            return nn.standardize(x, epsilon=w.LAYER_NORM_EPSILON) * gamma + beta

        y, pull = jax.vjp(forward, x, gamma, beta)
        return y, *pull(g)

    def cross_entropy_of_logits(p: Any, x: Any, labels: Any) -> Any:
        def loss(x: Any) -> Any:
            rows = jnp.arange(len(labels))
            return -jnp.mean(nn.log_softmax(x)[rows, labels])

        return jax.value_and_grad(loss)(x)

    functions: dict[str, Callable[..., Any]] = {
        "linear_regression": linear_regression, "mlp": mlp, "cnn": cnn,
        "chain_softmax": chain_softmax, "softmax": softmax, "layer_norm": layer_norm,
        "cross_entropy": cross_entropy_of_logits,
        "copy": lambda p, x: x * 1.5, "transpose": lambda p, x: x.T,
        "sum_all": lambda p, x: x.sum(), "sum_rows": lambda p, x: x.sum(1),
        "sum_columns": lambda p, x: x.sum(0)}
    name = w.math_name(job.workload.name)
    return _math(jax, name) if name else functions[job.workload.name]


def _math(jax: Any, name: str) -> Callable[..., Any]:
    jnp, nn = jax.numpy, jax.nn
    made: dict[str, Callable[..., Any]] = {
        "exp": jnp.exp, "log": jnp.log, "tanh": jnp.tanh, "sigmoid": nn.sigmoid,
        "erf": jax.lax.erf, "sin": jnp.sin, "pow": jnp.power,
        "gelu": lambda x: nn.gelu(x, approximate=False)}
    return lambda p, *arrays: made[name](*arrays)


if __name__ == "__main__":
    serve("jax", build)
