"""JAX: the whole step under `jax.jit`, the state donated."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks import workloads as w
from benchmarks.workers.serve import Job, Steps, serve


def build(jax: Any, job: Job) -> Steps:
    """jax: the package."""
    function = _function(jax, job)
    batch = [a.astype(np.int32) if a.dtype.kind == "i" else a for a in job.batch]
    if not job.workload.trains:
        compiled = jax.jit(lambda *arrays: function({}, *arrays))
        return Steps(lambda: jax.tree.map(np.asarray, compiled(*batch)), lambda: None)
    train = jax.jit(_training_step(jax, job, function), donate_argnums=0)
    zeros = {n: np.zeros_like(a) for n, a in job.parameters.items()}
    one = np.float32(1)
    initial = (job.parameters, zeros, zeros, (one, one))
    state = jax.tree.map(jax.numpy.array, initial)

    def step() -> float:
        nonlocal state
        state, loss = train(state, *batch)
        return float(loss)

    def reset() -> None:
        nonlocal state
        state = jax.tree.map(jax.numpy.array, initial)

    return Steps(step, reset)


def _training_step(jax: Any, job: Job, function: Callable[..., Any]) -> Callable[..., Any]:
    jnp, sgd = jax.numpy, job.workload.name == "linear_regression"

    def train(state: Any, *batch: Any) -> Any:
        p, m, v, (power1, power2) = state
        loss, g = jax.value_and_grad(function)(p, *batch)
        if sgd:
            p = jax.tree.map(lambda p, g: p - w.SGD_RATE * g, p, g)
            return (p, m, v, (power1, power2)), loss
        power1, power2 = power1 * w.BETA1, power2 * w.BETA2
        rate = w.ADAM_RATE * jnp.sqrt(1 - power2) / (1 - power1)
        m = jax.tree.map(lambda m, g: w.BETA1 * m + (1 - w.BETA1) * g, m, g)
        v = jax.tree.map(lambda v, g: w.BETA2 * v + (1 - w.BETA2) * g * g, v, g)
        p = jax.tree.map(lambda p, m, v: p - rate * m / (jnp.sqrt(v) + w.EPSILON), p, m, v)
        return (p, m, v, (power1, power2)), loss

    return train


def _function(jax: Any, job: Job) -> Callable[..., Any]:
    jnp, nn = jax.numpy, jax.nn

    def linear_regression(p: Any, x: Any, y: Any) -> Any:
        return jnp.mean(jnp.square(x @ p["w"] + p["b"] - y))

    def cross_entropy(logits: Any, labels: Any) -> Any:
        chosen = nn.log_softmax(logits) * nn.one_hot(labels, w.CLASSES)
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
