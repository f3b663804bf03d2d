"""`ConfigProto` and its kin: accepted so that TensorFlow 1 programs run; mostly without effect."""

from __future__ import annotations

from typing import Any, ClassVar

from graphflow.errors import AttributeValueError
from graphflow.runtime.step_stats import StepStats


class _Message:
    """A record whose fields have defaults; a field that is itself a record is made on demand."""

    fields: ClassVar[dict[str, Any]] = {}

    def __init__(self, **values: Any) -> None:
        for name, default in self.fields.items():
            made = default() if isinstance(default, type) else default
            object.__setattr__(self, name, made)
        for name, value in values.items():
            setattr(self, name, value)

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in self.fields:
            raise AttributeValueError(
                f"{type(self).__name__} has no field {name!r}; it has {', '.join(self.fields)}."
            )
        object.__setattr__(self, name, value)

    def __repr__(self) -> str:
        shown = ", ".join(f"{n}={getattr(self, n)!r}" for n in self.fields)
        return f"{type(self).__name__}({shown})"


class GPUOptions(_Message):
    """Memory settings of GPUs."""

    fields: ClassVar[dict[str, Any]] = {
        "per_process_gpu_memory_fraction": 0.0, "allow_growth": False, "allocator_type": "",
        "visible_device_list": "", "deferred_deletion_bytes": 0, "polling_active_delay_usecs": 0,
        "force_gpu_compatible": False,
    }


class OptimizerOptions(_Message):
    """Graph optimisation settings."""

    L0, L1 = -1, 0
    OFF, ON_1, ON_2, DEFAULT = -1, 1, 2, 0
    fields: ClassVar[dict[str, Any]] = {
        "do_common_subexpression_elimination": True, "do_constant_folding": True,
        "do_function_inlining": True, "opt_level": 0, "global_jit_level": 0,
    }


class GraphOptions(_Message):
    """Settings of graph execution."""

    fields: ClassVar[dict[str, Any]] = {
        "optimizer_options": OptimizerOptions, "enable_recv_scheduling": False,
        "build_cost_model": 0, "infer_shapes": True, "place_pruned_graph": False,
        "timeline_step": 0,
    }


class ConfigProto(_Message):
    """Settings of a session, as in `tf.ConfigProto`.

    `intra_op_parallelism_threads`: how many threads share a run, 0 for all cores.
    """

    intra_op_parallelism_threads: int
    allow_soft_placement: bool
    log_device_placement: bool
    device_count: dict[str, int]
    fields: ClassVar[dict[str, Any]] = {
        "device_count": dict, "intra_op_parallelism_threads": 0,
        "inter_op_parallelism_threads": 0, "use_per_session_threads": False,
        "placement_period": 0, "device_filters": list, "gpu_options": GPUOptions,
        "allow_soft_placement": False, "log_device_placement": False,
        "graph_options": GraphOptions, "operation_timeout_in_ms": 0,
        "isolate_session_state": False,
    }


class RunOptions(_Message):
    """Settings of one run."""

    NO_TRACE, SOFTWARE_TRACE, HARDWARE_TRACE, FULL_TRACE = 0, 1, 2, 3
    fields: ClassVar[dict[str, Any]] = {
        "trace_level": 0, "timeout_in_ms": 0, "inter_op_thread_pool": 0,
        "output_partition_graphs": False, "report_tensor_allocations_upon_oom": False,
    }


class RunMetadata(_Message):
    """What a run reports: `step_stats` of a traced one, see `Session.run`."""

    fields: ClassVar[dict[str, Any]] = {"step_stats": StepStats, "cost_graph": None,
                                        "partition_graphs": list}
