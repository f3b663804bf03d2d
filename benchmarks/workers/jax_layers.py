"""The layers of `networks.py` in JAX."""

from __future__ import annotations

from typing import Any

from benchmarks import networks as n

_IMAGES = ("NHWC", "HWIO", "NHWC")


class JaxLayers:
    """`networks.Layers`. jax: the package.

    Attributes:
      moved: the moving averages after a training step, by name: a jitted function returns them.
    """

    def __init__(self, jax: Any) -> None:
        self._jax, self._jnp = jax, jax.numpy
        self.moved: dict[str, Any] = {}

    def dense(self, x: Any, w: Any, b: Any) -> Any:
        return x @ w + b

    def relu(self, x: Any) -> Any:
        return self._jax.nn.relu(x)

    def add(self, x: Any, y: Any) -> Any:
        return x + y

    def conv(self, x: Any, kernel: Any, stride: int, pad: int, bias: Any = None) -> Any:
        y = self._jax.lax.conv_general_dilated(
            x, kernel, (stride, stride), ((pad, pad), (pad, pad)), dimension_numbers=_IMAGES)
        return y if bias is None else y + bias

    def max_pool(self, x: Any) -> Any:
        lax = self._jax.lax
        return lax.reduce_window(x, -self._jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")

    def flatten(self, x: Any) -> Any:
        return x.reshape(x.shape[0], -1)

    def batch_norm(self, x: Any, p: n.Weights, name: str, training: bool) -> Any:
        mean, variance = p[f"{name}/mean"], p[f"{name}/variance"]
        if training:
            count = x.size // x.shape[-1]
            moments = self._jnp.mean(x, (0, 1, 2)), self._jnp.var(x, (0, 1, 2))
            unbiased = moments[1] * (count / (count - 1))
            for what, old, new in (("mean", mean, moments[0]), ("variance", variance, unbiased)):
                self.moved[f"{name}/{what}"] = old + (1 - n.BATCH_NORM_MOMENTUM) * (new - old)
            mean, variance = moments
        slope = p[f"{name}/scale"] * self._jax.lax.rsqrt(variance + n.BATCH_NORM_EPSILON)
        return (x - mean) * slope + p[f"{name}/offset"]

    def mean_of_pixels(self, x: Any) -> Any:
        return self._jnp.mean(x, (1, 2))

    def lstm(self, x: Any, p: n.Weights, name: str) -> Any:
        jax, jnp = self._jax, self._jnp
        kernel, bias = p[f"{name}/kernel"], p[f"{name}/bias"]
        zeros = jnp.zeros((x.shape[0], bias.shape[0] // 4), x.dtype)

        def turn(state: Any, x: Any) -> Any:
            c, h = state
            gates = jnp.concatenate([x, h], 1) @ kernel + bias
            i, j, f, o = jnp.split(gates, 4, 1)
            c = c * jax.nn.sigmoid(f + n.FORGET_BIAS) + jax.nn.sigmoid(i) * jnp.tanh(j)
            h = jnp.tanh(c) * jax.nn.sigmoid(o)
            return (c, h), None

        (_, h), _ = jax.lax.scan(turn, (zeros, zeros), jnp.swapaxes(x, 0, 1))
        return h

    def embed(self, table: Any, tokens: Any) -> Any:
        return table[tokens]

    def attention(self, q: Any, k: Any, v: Any) -> Any:
        count, steps, width = q.shape

        def heads(x: Any) -> Any:
            return x.reshape(count, steps, n.HEADS, -1)

        mixed = self._jax.nn.dot_product_attention(heads(q), heads(k), heads(v))
        return mixed.reshape(count, steps, width)

    def layer_norm(self, x: Any, gamma: Any, beta: Any) -> Any:
        normal = self._jax.nn.standardize(x, epsilon=n.LAYER_NORM_EPSILON)
        return normal * gamma + beta

    def mean_of_tokens(self, x: Any) -> Any:
        return self._jnp.mean(x, 1)

    def cross_entropy(self, logits: Any, labels: Any) -> Any:
        nn = self._jax.nn
        chosen = nn.log_softmax(logits) * nn.one_hot(labels, logits.shape[1])
        return -self._jnp.mean(self._jnp.sum(chosen, axis=1))
