"""The compiled part of a file: machine code and schedules for one kind of machine.

It stands in members `native/…` beside the graph, which stays the truth: where the compiled part is
for another processor or another graphflow, the graph is compiled as if there were none. Machine
code is never looked at unless the caller says that the file is trusted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from graphflow.codegen.compile import CACHE
from graphflow.codegen.dispatch import emit_dispatcher
from graphflow.codegen.entry import emit_entry
from graphflow.codegen.recycling import emit_recycling
from graphflow.dims import assuming
from graphflow.errors import GraphflowError
from graphflow.export.limits import LoadLimits
from graphflow.export.reader import read_members
from graphflow.export.signatures import LoadedSignature, parts_of
from graphflow.export.trusted import (
    DEVICE_ENVIRONMENT,
    DEVICE_OBJECT,
    DEVICE_RECORD,
    ENVIRONMENT,
    OBJECT,
    RECORD,
    environment_name,
)
from graphflow.runtime.bind import feed_types
from graphflow.runtime.fetch import FetchPlan
from graphflow.runtime.prepared import CPU, CUDA, record_of
from graphflow.tensor import Tensor

if TYPE_CHECKING:
    from graphflow.session import BaseSession

_SHOWN = 2  # what sizes that are not known are while a program is frozen


def native_members(
    members: Mapping[str, bytes], exporter: BaseSession | None = None
) -> dict[str, bytes]:
    """The compiled part of a file with these members, made by loading and compiling it here.

    A signature whose program cannot be written down (an input of unknown rank) has none.
    exporter: the session whose values the file holds. If it runs on a GPU, there is code for that
      GPU, too.
    """
    loaded = read_members(members, None, LoadLimits())
    found: dict[str, bytes] = {}
    with loaded.session() as session:
        for signature in loaded.signatures.values():
            found |= _compiled(signature, session)
        if exporter is not None and exporter.placement is not None:
            found |= _device_members(loaded.signatures.values(), session, exporter.placement[0])
    if not found:
        return {}
    for name, emit in (("gf_dispatch", emit_dispatcher), ("gf_entry", emit_entry),
                       ("gf_recycling", emit_recycling)):
        found[OBJECT + name] = CACHE.function_object(name, emit)
    return {ENVIRONMENT: environment_name().encode(), **dict(sorted(found.items()))}


def _device_members(
    signatures: Iterable[LoadedSignature], session: object, gpu: Any
) -> dict[str, bytes]:
    """The code of all signatures for one kind of GPU."""
    found: dict[str, bytes] = {}
    for signature in signatures:
        record = _record(signature, session, CUDA)
        if record is not None:
            name, data, kernels = record
            found[DEVICE_RECORD + name] = data
            found |= {DEVICE_OBJECT + n: code for n, code in gpu.codes.images(kernels).items()}
    return {DEVICE_ENVIRONMENT: gpu.codes.environment.encode(), **found} if found else {}


def _compiled(signature: LoadedSignature, session: object) -> dict[str, bytes]:
    """The members of one signature."""
    record = _record(signature, session, CPU)
    if record is None:
        return {}
    name, data, kernels = record
    return {RECORD + name: data,
            **{OBJECT + n: code for n, code in CACHE.objects(kernels).items()}}


def _record(
    signature: LoadedSignature, session: object, device: str
) -> tuple[str, bytes, list[Any]] | None:
    """What was made of a signature's program for a device, by name, and its kernels."""
    inputs = parts_of(signature.signature.inputs.values())
    if any(t.shape.rank is None for t in inputs):
        return None
    plan = FetchPlan(session.graph, signature.fetches())  # type: ignore[attr-defined]
    types, sizes = feed_types({t: _shown(t) for t in inputs})
    disabled = set(session.options.disable_passes)  # type: ignore[attr-defined]
    if device == CUDA:
        from graphflow.runtime.cuda.device import CPU_PASSES

        disabled.update(CPU_PASSES)
    try:
        assumptions, program = session._freeze(  # type: ignore[attr-defined]
            plan.tensors, plan.operations, types, sizes)
        with assuming(assumptions):
            return record_of(program, disabled, device)
    except GraphflowError:  # these sizes are none that it takes; others will be compiled for
        return None


def _shown(tensor: Tensor) -> np.ndarray:
    shape = [_SHOWN if n is None else n for n in tensor.shape.as_list()]
    return np.zeros(shape, object if tensor.dtype.is_string else tensor.dtype.numpy)
