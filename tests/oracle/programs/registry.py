"""The register of little TF1 programs that are run with TensorFlow and with graphflow.

A program is a function of one argument: a module that speaks TF1's graph-mode API, either
`tensorflow.compat.v1` or `graphflow`. The recorder runs every program with the first and writes
the results to JSON; the tests run the same functions with the second and compare.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from programs.plain import outcome, plain, plain_error

Program = Callable[[ModuleType], Any]

MODULES = (
    "optimizers",
    "optimizers_adaptive",
    "train_schedules",
    "losses",
    "layers",
    "metrics",
    "semantics_state",
    "semantics_flow",
    "semantics_recurrent",
    "semantics_errors",
    "semantics_session",
    "semantics_names",
    "semantics_math",
    "semantics_gradients",
    "semantics_nn",
    "semantics_neural",
    "semantics_linalg",
    "semantics_types",
    "semantics_arrays",
    "semantics_sorting",
    "semantics_rearranging",
    "semantics_sparse",
    "semantics_images",
    "semantics_signal",
    "semantics_special",
    "semantics_strings",
)


@dataclass(frozen=True, slots=True)
class Case:
    """One registered program. rtol and atol bound the difference of floating-point results."""

    name: str
    program: Program
    rtol: float
    atol: float


CASES: dict[str, Case] = {}


def case(*, rtol: float = 1e-5, atol: float = 1e-6) -> Callable[[Program], Program]:
    """Register a program as `<module>.<function>`. Raises ValueError if the name is taken."""

    def register(program: Program) -> Program:
        module = program.__module__.rpartition(".")[2]
        add_case(f"{module}.{program.__name__}", program, rtol, atol)
        return program

    return register


def add_case(name: str, program: Program, rtol: float, atol: float) -> None:
    """Put one program under `name`. Raises ValueError if the name is taken."""
    if name in CASES:
        raise ValueError(f"two programs are called {name!r}")
    CASES[name] = Case(name, program, rtol, atol)


def run_case(tf: ModuleType, name: str) -> Any:
    """Run one program in a graph of its own and return its result in plain form."""
    with tf.Graph().as_default():
        return plain(CASES[name].program(tf))


def evaluated(
    tf: ModuleType,
    thunks: Mapping[str, Callable[[], Any]],
    feed: Mapping[Any, Any] | None = None,
    *,
    initialize: bool = False,
) -> dict[str, Any]:
    """Build what every thunk returns, then run each in one session; errors become results."""
    built: dict[str, Any] = {}
    failed: dict[str, Any] = {}
    for label, thunk in thunks.items():
        try:
            built[label] = thunk()
        except Exception as error:
            failed[label] = plain_error(error, "build")
    start = tf.global_variables_initializer() if initialize else None
    results: dict[str, Any] = {}
    with tf.Session() as sess:
        if start is not None:
            sess.run(start)
        for label in thunks:
            if label in failed:
                results[label] = failed[label]
                continue
            results[label] = outcome(lambda fetch=built[label]: sess.run(fetch, feed), "run")
    return results


def wave(*shape: int, dtype: str = "float32", phase: float = 0.0) -> np.ndarray:
    """A fixed array without a random generator: sin(0.7 i + phase) in row-major order."""
    count = int(np.prod(shape, dtype=np.int64))
    return np.sin(0.7 * np.arange(count) + phase).reshape(shape).astype(dtype)


def shape_of(tensor: Any) -> list[int | None] | None:
    """The static shape of a tensor as a list, None for an unknown size and for an unknown rank."""
    shape = tensor.get_shape()
    return None if shape.ndims is None else shape.as_list()
