"""What a traced run reports, in TensorFlow's messages: `RunMetadata.step_stats`."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class NodeExecStats:
    """One call of a kernel, or of a step in Python; times in microseconds unless they say nanos.

    Attributes:
      node_name: the operation of the graph that it computes, the first of several.
      timeline_label: that with the ops that are computed and their inputs.
      thread_id: 0 for kernels, 1 for Python.
    """

    node_name: str = ""
    all_start_micros: int = 0
    op_start_rel_micros: int = 0
    op_end_rel_micros: int = 0
    all_end_rel_micros: int = 0
    all_start_nanos: int = 0
    op_start_rel_nanos: int = 0
    op_end_rel_nanos: int = 0
    all_end_rel_nanos: int = 0
    scheduled_micros: int = 0
    scheduled_nanos: int = 0
    timeline_label: str = ""
    thread_id: int = 0


@dataclass(slots=True)
class DeviceStepStats:
    """What one device has done, in the order in which it began."""

    device: str = ""
    node_stats: list[NodeExecStats] = field(default_factory=list)
    thread_names: dict[int, str] = field(default_factory=dict)


@dataclass(slots=True)
class StepStats:
    """What all devices have done in one run."""

    dev_stats: list[DeviceStepStats] = field(default_factory=list)
