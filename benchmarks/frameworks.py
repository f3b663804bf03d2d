"""Who takes part: one entry for each way of calling each framework."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.workloads import WORKLOADS

KERNELS = frozenset(w.name for w in WORKLOADS.values() if w.kernel is not None)
HALVES = frozenset(n for n in KERNELS if n.endswith(".bf16"))
PRODUCTS = frozenset(n for n in KERNELS if n.startswith("product."))
ALL = frozenset(WORKLOADS) - KERNELS
TRAINING = frozenset({"linear_regression", "mlp", "cnn"})
SMALL = TRAINING | {"chain_softmax"}
INFERENCE = frozenset(w.name for w in WORKLOADS.values() if w.fixed)
PYTENSOR = ALL - {"resnet20", "lstm", "transformer", "cnn_inference", "resnet20_inference"}


@dataclass(frozen=True, slots=True)
class Framework:
    """One worker.

    Attributes:
      name: what the table and `--only` call it: module, or module:variant.
      package: what it imports; if that is missing, the framework is absent.
      workloads: those that it can do, and that this way of calling it makes a difference to.
      peer: False for graphflow itself, and for what is listed for comparison only.
      checked: False for what computes nothing.
    """

    name: str
    package: str
    workloads: frozenset[str] = ALL
    peer: bool = True
    checked: bool = True

    @property
    def module(self) -> str:
        """The worker's module."""
        return f"benchmarks.workers.{self.name.partition(':')[0]}"

    @property
    def variant(self) -> str:
        """What follows the colon of the name, or ""."""
        return self.name.partition(":")[2]

    @property
    def on_gpu(self) -> bool:
        """Whether it runs on a GPU."""
        return "cuda" in self.name


PEAK = "fma_peak"
FRAMEWORKS = (
    Framework("graphflow_cpu", "graphflow", ALL | KERNELS, peer=False),
    Framework("graphflow_cpu:run", "graphflow", SMALL | INFERENCE, peer=False),
    Framework("graphflow_cpu:run_many", "graphflow", frozenset({"linear_regression"}),
              peer=False),
    Framework("graphflow_cpu:native", "graphflow", HALVES, peer=False),
    Framework("graphflow_reference", "graphflow", SMALL, peer=False),
    Framework("graphflow_reference:run", "graphflow", SMALL, peer=False),
    Framework("torch_eager", "torch", ALL | KERNELS),
    Framework("torch_eager:nchw", "torch", KERNELS - PRODUCTS),
    Framework("torch_compile", "torch", ALL - {"lstm"}),  # it fails on oneDNN's fused LSTM
    Framework("torch_compile:functional", "torch", TRAINING | {"mlp_wide"}),
    Framework("jax_jit", "jax", ALL | KERNELS - HALVES),
    Framework("numpy_blas", "numpy", PRODUCTS - HALVES),
    Framework("tensorflow_v1", "tensorflow"),
    Framework("tensorflow_v1:run", "tensorflow", SMALL),
    Framework("pytensor_fn", "pytensor", PYTENSOR),
    Framework("pytensor_fn:trusted", "pytensor", PYTENSOR),
    Framework("onnxruntime", "onnxruntime", INFERENCE | {"chain_softmax"}),  # it runs models only
    Framework(PEAK, "graphflow", KERNELS, peer=False, checked=False),
)


def select(names: Sequence[str]) -> list[Framework]:
    """The entries that `names` mean, all if empty; a name without a variant means all variants.

    Raises ValueError for a name that nobody has.
    """
    known = {f.name for f in FRAMEWORKS} | {f.name.partition(":")[0] for f in FRAMEWORKS}
    unknown = sorted(set(names) - known)
    if unknown:
        raise ValueError(f"no framework {', '.join(unknown)}; there are "
                         f"{', '.join(f.name for f in FRAMEWORKS)}")
    return [f for f in FRAMEWORKS
            if not names or f.name in names or f.name.partition(":")[0] in names]
