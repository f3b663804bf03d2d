"""The workloads of `networks.py`: their sizes, NumPy formulas for data and weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from benchmarks.networks import resnet_blocks
from benchmarks.workload import CLASSES, Arrays, Workload, glorot

WIDE_BATCH, WIDE = 256, 1024
RESNET_BATCH = 32
LSTM_BATCH, LSTM_STEPS, LSTM_INPUTS, LSTM_UNITS = 64, 28, 28, 128
TOKENS, VOCABULARY, WIDTH, FFN, SEQUENCES, BLOCKS = 64, 256, 128, 512, 16, 2


def network_workloads() -> Iterator[Workload]:
    """Training steps, then networks that only run."""
    yield _training("mlp_wide", f"MLP 784-{WIDE}-{WIDE}-10, batch {WIDE_BATCH}, Adam step",
                    _mlp_wide)
    yield _training("resnet20", "ResNet-20, CIFAR's size, batch norm, batch "
                    f"{RESNET_BATCH}, momentum step", _resnet20, "momentum")
    yield _training("lstm", f"LSTM {LSTM_STEPS}×{LSTM_INPUTS}→{LSTM_UNITS}, batch {LSTM_BATCH}, "
                    "Adam step", _lstm)
    yield _training("transformer", f"{BLOCKS} encoder blocks, width {WIDTH}, 4 heads, ffn {FFN}, "
                    f"{TOKENS} tokens, batch {SEQUENCES}, Adam step", _transformer)
    yield _inference("mlp_inference", "MLP 784-128-10, batch 1, logits", _mlp_inference)
    yield _inference("cnn_inference", "the CNN of `cnn`, batch 1, logits", _cnn_inference)
    yield _inference("resnet20_inference", f"ResNet-20, batch {RESNET_BATCH}, logits",
                     _resnet20_inference)


def _training(
    name: str, title: str, make: Callable[[], Arrays], optimizer: str = "adam"
) -> Workload:
    names = list(make())
    state = tuple(n for n in names if n.endswith(("/mean", "/variance")))
    parameters = tuple(n for n in names[2:] if n not in state)
    return Workload(name, title, tuple(names[:2]), parameters, make, optimizer=optimizer,
                    state=state)


def _inference(name: str, title: str, make: Callable[[], Arrays]) -> Workload:
    return Workload(name, title, ("x",), (), make, fixed=tuple(make())[1:], table="inference")


def _dense(rng: np.random.Generator, w: str, b: str, size: int, out: int) -> Arrays:
    return {w: glorot(rng, size, out, fan_in=size, fan_out=out), b: np.zeros(out, np.float32)}


def _mlp_wide() -> Arrays:
    rng = np.random.default_rng(11)
    return {"x": rng.random((WIDE_BATCH, 784), np.float32),
            "labels": rng.integers(0, CLASSES, WIDE_BATCH),
            **_dense(rng, "w1", "b1", 784, WIDE), **_dense(rng, "w2", "b2", WIDE, WIDE),
            **_dense(rng, "w3", "b3", WIDE, CLASSES)}


def _resnet20() -> Arrays:
    rng = np.random.default_rng(12)
    return {"x": rng.random((RESNET_BATCH, 32, 32, 3), np.float32),
            "labels": rng.integers(0, CLASSES, RESNET_BATCH), **_resnet_weights(rng)}


def _resnet_weights(rng: np.random.Generator) -> Arrays:
    made: Arrays = {}

    def unit(name: str, size: int, channels_in: int, channels: int) -> None:
        deviation = np.sqrt(2 / (size * size * channels_in))  # He et al. 2015
        shape = (size, size, channels_in, channels)
        made[f"{name}/kernel"] = (deviation * rng.standard_normal(shape)).astype(np.float32)
        made[f"{name}/scale"] = np.ones(channels, np.float32)
        for what, value in (("offset", 0), ("mean", 0), ("variance", 1)):
            made[f"{name}/{what}"] = np.full(channels, value, np.float32)

    unit("first", 3, 3, 16)
    for block in resnet_blocks():
        unit(f"{block.name}/conv1", 3, block.channels_in, block.channels)
        unit(f"{block.name}/conv2", 3, block.channels, block.channels)
        if block.projects:
            unit(f"{block.name}/shortcut", 1, block.channels_in, block.channels)
    return made | _dense(rng, "dense/w", "dense/b", 64, CLASSES)


def _lstm() -> Arrays:
    rng = np.random.default_rng(13)
    return {"x": rng.random((LSTM_BATCH, LSTM_STEPS, LSTM_INPUTS), np.float32),
            "labels": rng.integers(0, CLASSES, LSTM_BATCH),
            **_dense(rng, "lstm/kernel", "lstm/bias", LSTM_INPUTS + LSTM_UNITS, 4 * LSTM_UNITS),
            **_dense(rng, "dense/w", "dense/b", LSTM_UNITS, CLASSES)}


def _transformer() -> Arrays:
    rng = np.random.default_rng(14)

    def normal(*shape: int) -> np.ndarray:
        return (0.5 * rng.standard_normal(shape)).astype(np.float32)

    made = {"x": rng.integers(0, VOCABULARY, (SEQUENCES, TOKENS)),
            "labels": rng.integers(0, CLASSES, SEQUENCES),
            "embedding": normal(VOCABULARY, WIDTH), "positions": normal(TOKENS, WIDTH)}
    for block in range(1, BLOCKS + 1):
        for name, size, out in (("q", WIDTH, WIDTH), ("k", WIDTH, WIDTH), ("v", WIDTH, WIDTH),
                                ("out", WIDTH, WIDTH), ("up", WIDTH, FFN), ("down", FFN, WIDTH)):
            made |= _dense(rng, f"block{block}/{name}/w", f"block{block}/{name}/b", size, out)
        for name in ("norm1", "norm2"):
            made[f"block{block}/{name}/gamma"] = np.ones(WIDTH, np.float32)
            made[f"block{block}/{name}/beta"] = np.zeros(WIDTH, np.float32)
    return made | _dense(rng, "dense/w", "dense/b", WIDTH, CLASSES)


# ---- networks that only run ---------------------------------------------------------------------


def _mlp_inference() -> Arrays:
    rng = np.random.default_rng(15)
    return {"x": rng.random((1, 784), np.float32), **_dense(rng, "w1", "b1", 784, 128),
            **_dense(rng, "w2", "b2", 128, CLASSES)}


def _cnn_inference() -> Arrays:
    rng = np.random.default_rng(16)
    return {"x": rng.random((1, 28, 28, 1), np.float32),
            "k1": glorot(rng, 3, 3, 1, 32, fan_in=9, fan_out=9 * 32),
            "b1": np.zeros(32, np.float32),
            "k2": glorot(rng, 3, 3, 32, 64, fan_in=9 * 32, fan_out=9 * 64),
            "b2": np.zeros(64, np.float32), **_dense(rng, "w3", "b3", 1600, CLASSES)}


def _resnet20_inference() -> Arrays:
    """With moments as training leaves them: they are not those of a new network."""
    made = _resnet20()
    del made["labels"]
    rng = np.random.default_rng(17)
    for name, array in made.items():
        if name.endswith(("/mean", "/offset")):
            made[name] = rng.uniform(-0.2, 0.2, array.shape).astype(np.float32)
        elif name.endswith(("/variance", "/scale")):
            made[name] = rng.uniform(0.7, 1.4, array.shape).astype(np.float32)
    return made
