"""Who takes part on a GPU."""

from __future__ import annotations

from benchmarks.frameworks import ALL, Framework
from benchmarks.workloads import WORKLOADS

NETWORKS = tuple(n for n in ("linear_regression", "mlp", "mlp_wide", "cnn", "resnet20", "lstm",
                             "transformer") if n in WORKLOADS)
ROWWISE = ("chain_softmax", "softmax", "layer_norm", "cross_entropy")
STEPS = (*NETWORKS, *ROWWISE)

PEERS = (
    Framework("torch_eager:cuda", "torch", ALL),
    Framework("torch_compile:cuda", "torch", ALL),
    Framework("jax_jit:cuda", "jax", ALL),
)


def frameworks(fake: bool) -> list[Framework]:
    """Graphflow, and its peers; on the fake GPU, graphflow alone."""
    if fake:
        return [Framework("graphflow_cuda:fake", "graphflow", ALL, peer=False)]
    return [Framework("graphflow_cuda", "graphflow", ALL, peer=False), *PEERS]
