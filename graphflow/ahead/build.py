"""`compile_object`: signatures become an object file, a header and an example."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from llvmlite import binding, ir

from graphflow.ahead.function import ALIGNMENT, Emission, FunctionEmitter, identifier
from graphflow.ahead.header import example_text, header_text
from graphflow.ahead.programs import Entry, make_entry, values_of
from graphflow.ahead.targets import Target, find_target
from graphflow.codegen.compile import module_for
from graphflow.codegen.link import ALLOWED_SYMBOLS
from graphflow.codegen.objects import undefined_symbols
from graphflow.errors import ExportError
from graphflow.export.signatures import as_signature
from graphflow.storage import write_atomic

if TYPE_CHECKING:
    from graphflow.session import BaseSession
    from graphflow.storage import PathLike


@dataclass(frozen=True, slots=True)
class CompiledObject:
    """What `compile_object` has written.

    Attributes:
      object, header, example: the files.
      functions: the C functions, in order.
      state_bytes: the size of the variables that the functions change.
    """

    object: Path
    header: Path
    example: Path
    functions: tuple[str, ...]
    state_bytes: int


def compile_object(
    path: PathLike, signatures: Mapping[str, Any], session: BaseSession | None = None, *,
    target: str = "native", sizes: Mapping[str, int] | None = None,
) -> CompiledObject:
    """Compiles signatures to `path`.o, with `path`.h for C and `path`_main.c as an example.

    signatures: as for `gf.export`, or the `signatures` of a loaded file.
    session: where the variables have their values; that of the loaded signatures if None.
    target: `"native"` or the name of a processor family, see `graphflow.ahead.targets`.
    sizes: numbers for sizes that the graph leaves open, by `input.axis`; all others are
      parameters of the C functions.

    Each signature is one function on plain pointers. Variables that no signature changes are
    constants of the object; others lie in the caller's state. It works on one thread, allocates
    nothing, and needs nothing but the C library. Raises ExportError, which names the operation,
    for what needs Python: host operations, strings, sizes that depend on values.
    """
    machine = find_target(target)
    base = Path(path).with_suffix("") if Path(path).suffix == ".o" else Path(path)
    session = _session_of(signatures, session)
    entries = [make_entry(name, as_signature(s, name).resolved(session.graph, name), sizes or {})
               for name, s in signatures.items()]
    if not entries:
        raise ExportError("compile_object: there is no signature to compile.")
    prefix = identifier(base.name)
    names = [f"{prefix}_{identifier(e.name)}" for e in entries]
    if len(set(names)) < len(names):
        raise ExportError(f"compile_object: the signatures {', '.join(signatures)} do not have "
                          "different names in C.")
    values = values_of(entries, session)
    state, total = _state_layout(entries, values)
    data = _object(entries, names, prefix, state, total, values, machine)
    files = (base.with_name(f"{base.name}.o"), base.with_name(f"{base.name}.h"),
             base.with_name(f"{base.name}_main.c"))
    for file, contents in zip(files, (
        data, header_text(prefix, names, entries, state, total, machine).encode(),
        example_text(base.name, prefix, names, entries, total).encode(),
    )):
        write_atomic(file, lambda f, c=contents: f.write(c))  # type: ignore[misc]
    return CompiledObject(*files, tuple(names), total)


def _session_of(signatures: Mapping[str, Any], session: BaseSession | None) -> Any:
    from graphflow.defaults import get_default_session

    for value in signatures.values():
        session = session or getattr(value, "session", None)
    session = session or get_default_session()
    if session is None:
        raise ExportError("compile_object: no session says what the variables are. Pass one, or "
                          "call it inside `with gf.Session()`.")
    return session


def _state_layout(
    entries: Sequence[Entry], values: Mapping[str, np.ndarray]
) -> tuple[dict[str, int], int]:
    """Variable → offset, for those that some signature writes; and the bytes of all."""
    offsets: dict[str, int] = {}
    total = 0
    for key in dict.fromkeys(k for e in entries for k in e.program.writes):
        offsets[key] = total
        total += -(-values[key].nbytes // ALIGNMENT) * ALIGNMENT
    return offsets, total


def _object(
    entries: Sequence[Entry], names: Sequence[str], prefix: str, state: Mapping[str, int],
    total: int, values: Mapping[str, np.ndarray], target: Target,
) -> bytes:
    module = ir.Module(prefix)
    emission = Emission(module, state, values)
    for entry, name in zip(entries, names):
        FunctionEmitter(emission, entry, name).emit()
    if state:
        _emit_state(emission, prefix, total)
    machine = target.machine()
    parsed = _finished(binding.parse_assembly(str(module)), machine, target)
    for name, kernel in emission.kernels.items():
        part = module_for(name, kernel, target.vector_bytes)
        parsed.link_in(_finished(part, machine, target))
    public = {f.name for f in parsed.functions if not f.is_declaration and (
        f.name.startswith(f"{prefix}_") and "." not in f.name)}
    for function in parsed.functions:
        if not function.is_declaration and function.name not in public:
            function.linkage = "internal"
    data = bytes(machine.emit_object(parsed))
    foreign = undefined_symbols(data) - ALLOWED_SYMBOLS - {"_GLOBAL_OFFSET_TABLE_"}
    if foreign:
        raise ExportError(f"compile_object: for {target.name}, the code needs "
                          f"{', '.join(sorted(foreign))}, which the C library does not have.")
    return data


def _finished(module: Any, machine: Any, target: Target) -> Any:
    module.triple, module.data_layout = target.triple, str(machine.target_data)
    module.verify()
    passes = binding.create_pass_builder(machine, binding.create_pipeline_tuning_options(2))
    passes.getModulePassManager().run(module, passes)
    return module


def _emit_state(emission: Emission, prefix: str, total: int) -> None:
    """`prefix_state_bytes()` and `prefix_init_state(state)`."""
    size = ir.IntType(64)
    tell = ir.Function(emission.module, ir.FunctionType(size, []), f"{prefix}_state_bytes")
    ir.IRBuilder(tell.append_basic_block("entry")).ret(ir.Constant(size, total))
    pointer = ir.IntType(8).as_pointer()
    start = ir.Function(
        emission.module, ir.FunctionType(ir.VoidType(), [pointer]), f"{prefix}_init_state")
    b = ir.IRBuilder(start.append_basic_block("entry"))
    copy = emission.module.declare_intrinsic("llvm.memcpy", [pointer, pointer, size])
    for key, offset in emission.state.items():
        array = emission.values[key]
        b.call(copy, [b.gep(start.args[0], [ir.Constant(size, offset)]),
                      emission.constant(array), ir.Constant(size, array.nbytes),
                      ir.Constant(ir.IntType(1), 0)])
    b.ret_void()
