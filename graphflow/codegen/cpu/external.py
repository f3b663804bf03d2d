"""Calls of scalar functions from outside, over the lanes of a kernel.

A kernel's module declares `gf_call_<hash>_<lanes>`; `link_external` brings in the definitions.
Each is a loop over the lanes around Numba's function, which is inlined, so that LLVM makes vectors
of the loop where the function's control flow allows it (it does where both sides of each branch
may be computed), and a plain loop where it does not. Short ones are inlined into the kernel. They
are optimised once in a process for each function and number of lanes.
"""

from __future__ import annotations

import re
import threading
from typing import Any

from llvmlite import binding, ir

from graphflow.codegen.cpu.calls import call_name, declared_in, external_function, in_lanes
from graphflow.codegen.cpu.lanes import register_type
from graphflow.codegen.cpu.mathematics import PREFIX, define
from graphflow.codegen.cpu.numba_functions import NumbaFunction
from graphflow.codegen.link import check_symbols
from graphflow.dtypes import DType
from graphflow.loop_ir.external import ScalarFunction

RAISES = -1      # the part of a function that says whether it raises
SHORT = 400      # instructions of a function that is inlined into each kernel
_I8, _I32, _I64 = (ir.IntType(n) for n in (8, 32, 64))


def link_external(codegen: Any, module: Any, emitted: ir.Module) -> bool:
    """Adds what `emitted` declares from outside to `module`, which was parsed of it; inlines.

    Gives whether there is anything. The caller holds Numba's compiler lock.
    """
    wanted = declared_in(emitted)
    if not wanted:
        return False
    for name, (scalar, lanes) in wanted.items():
        module.link_in(binding.parse_bitcode(_DEFINITIONS.get(codegen, scalar, lanes)))
        module.get_function(name).linkage = "internal"
    passes = binding.create_new_module_pass_manager()
    passes.add_always_inliner_pass()
    passes.add_global_dead_code_eliminate_pass()
    passes.run(module, codegen._pass_builder(opt=2))
    return True


def never_raises(codegen: Any, scalar: ScalarFunction) -> bool:
    """True if LLVM finds that the function always returns. Takes the part `RAISES`."""
    module = binding.parse_bitcode(_DEFINITIONS.get(codegen, scalar, 1))
    blocks = list(module.get_function(call_name(scalar, 1)).blocks)
    lines = [str(i).strip() for block in blocks for i in block.instructions]
    return lines == ["ret i1 false"]


# ---- definitions --------------------------------------------------------------------------------


class _Definitions:
    """Optimised functions of this process, as bitcode."""

    def __init__(self) -> None:
        self._made: dict[tuple[ScalarFunction, int], bytes] = {}
        self._lock = threading.RLock()

    def get(self, codegen: Any, scalar: ScalarFunction, lanes: int) -> bytes:
        key = (scalar, lanes)
        with self._lock:
            if key not in self._made:
                self._made[key] = _define(codegen, scalar, lanes)
            return self._made[key]


_DEFINITIONS = _Definitions()


def _define(codegen: Any, scalar: ScalarFunction, lanes: int) -> bytes:
    """The module of one function for some lanes. Raises ProgramError for foreign symbols."""
    code: NumbaFunction = scalar.code
    emitted = codegen._create_empty_module("external")
    name = call_name(scalar, lanes)
    _emit_lanes(emitted, name, scalar, lanes)
    module = binding.parse_assembly(_with_hints(str(emitted), lanes))
    module.link_in(binding.parse_assembly(code.module))
    link_mathematics(codegen, module)
    module.data_layout = codegen._data_layout
    hide(module, name)
    module.verify()
    passes = codegen._pass_builder(opt=3, loop_vectorize=True, slp_vectorize=True)
    passes.getModulePassManager().run(module, passes)
    check_symbols(f.name for f in module.functions
                  if f.is_declaration and not f.name.startswith("llvm."))
    made = module.get_function(name)
    length = sum(1 for block in made.blocks for _ in block.instructions)
    made.add_function_attribute("alwaysinline" if length <= SHORT else "noinline")
    return bytes(module.as_bitcode())


def _with_hints(text: str, lanes: int) -> str:
    """LLVM IR whose loop over lanes says that it is to be one vector, and not to be unrolled.

    (Short loops would be unrolled before they are looked at. Such metadata names itself, which
    llvmlite cannot write.)
    """
    if lanes == 1:
        return text
    branch = re.search(r'^ +br i1 .*label %"lane", label %"end"$', text, re.MULTILINE)
    assert branch is not None
    text = f"{text[:branch.end()]}, !llvm.loop !0{text[branch.end():]}"
    return text + (
        '\n!0 = distinct !{!0, !1, !2}\n!1 = !{!"llvm.loop.unroll.disable"}\n'
        f'!2 = !{{!"llvm.loop.vectorize.width", i32 {lanes}}}\n')


def link_mathematics(codegen: Any, module: Any) -> None:
    """Defines the functions of mathematics that a module declares."""
    emitted = codegen._create_empty_module("mathematics")
    for function in module.functions:
        if function.is_declaration and function.name.startswith(PREFIX):
            define(emitted, function.name)
    if emitted.globals:
        module.link_in(binding.parse_assembly(str(emitted)))


def hide(module: Any, name: str) -> None:
    """Makes all functions and variables but the function `name` private to the module."""
    for function in module.functions:
        if not function.is_declaration and function.name != name:
            function.linkage = "internal"
    for variable in module.global_variables:
        if not variable.is_declaration:
            variable.linkage = "internal"


def _emit_lanes(module: ir.Module, name: str, scalar: ScalarFunction, lanes: int) -> None:
    """The function over vectors: they go to memory, which a loop over the lanes reads."""
    one = _emit_one(module, f"{name}_one", scalar)
    function = external_function(module, scalar, lanes)
    b = ir.IRBuilder(function.append_basic_block("entry"))
    if lanes == 1:
        b.ret(b.call(one, function.args))
        return
    rooms = [b.alloca(_stored(d), size=lanes) for d in (*scalar.inputs, scalar.result)]
    for room, dtype, value in zip(rooms, scalar.inputs, function.args):
        stored = b.zext(value, in_lanes(_I8, lanes)) if dtype.is_bool else value
        b.store(stored, b.bitcast(room, stored.type.as_pointer()), align=dtype.size)
    start, loop, end = b.block, b.append_basic_block("lane"), b.append_basic_block("end")
    b.branch(loop)
    b.position_at_end(loop)
    lane = b.phi(_I64)
    lane.add_incoming(ir.Constant(_I64, 0), start)
    given = [_loaded(b, b.gep(room, [lane]), d) for room, d in zip(rooms, scalar.inputs)]
    made = b.call(one, given)
    b.store(b.zext(made, _I8) if scalar.result.is_bool else made, b.gep(rooms[-1], [lane]))
    following = b.add(lane, ir.Constant(_I64, 1))
    lane.add_incoming(following, loop)
    b.cbranch(b.icmp_unsigned("<", following, ir.Constant(_I64, lanes)), loop, end)
    b.position_at_end(end)
    kind = in_lanes(_stored(scalar.result), lanes)
    whole = b.load(b.bitcast(rooms[-1], kind.as_pointer()), align=scalar.result.size)
    if scalar.result.is_bool:
        whole = b.icmp_unsigned("!=", whole, ir.Constant(kind, None))
    b.ret(whole)


def _stored(dtype: DType) -> Any:
    return _I8 if dtype.is_bool else register_type(dtype)


def _loaded(b: ir.IRBuilder, pointer: Any, dtype: DType) -> Any:
    value = b.load(pointer)
    return b.icmp_unsigned("!=", value, ir.Constant(_I8, 0)) if dtype.is_bool else value


def _emit_one(module: ir.Module, name: str, scalar: ScalarFunction) -> ir.Function:
    """`result name(arguments)` around Numba's function: one of its results, as a real number."""
    from numba.core.registry import cpu_target

    context, code = cpu_target.target_context, scalar.code
    kinds = [register_type(d) for d in scalar.inputs]
    function = ir.Function(
        module, ir.FunctionType(register_type(scalar.result), kinds), name)
    for attribute in ("nounwind", "alwaysinline"):
        function.attributes.add(attribute)
    b = ir.IRBuilder(function.append_basic_block("entry"))
    callee = ir.Function(
        module, context.call_conv.get_function_type(code.result, code.arguments), code.symbol)
    given = _numba_arguments(context, b, code, list(function.args))
    status, result = context.call_conv.call_function(
        b, callee, code.result, code.arguments, given)
    if scalar.part == RAISES:
        b.ret(status.is_error)
    else:
        b.ret(_real_parts(context, b, code.result, result)[scalar.part])
    return function


def _numba_arguments(context: Any, b: ir.IRBuilder, code: NumbaFunction, reals: list[Any]) -> Any:
    """Numba's values of real numbers: two make a complex one."""
    from numba.core import types

    kinds: Any = types
    made = []
    for kind in code.arguments:
        if isinstance(kind, kinds.Complex):
            pair = ir.Constant(context.get_value_type(kind), ir.Undefined)
            for k in range(2):
                pair = b.insert_value(pair, reals.pop(0), k)
            made.append(pair)
        else:
            made.append(reals.pop(0))
    return made


def _real_parts(context: Any, b: ir.IRBuilder, kind: Any, value: Any) -> list[Any]:
    """The real numbers of a result: of each member of a tuple, both parts of complex ones."""
    from numba.core import types

    kinds: Any = types
    if isinstance(kind, kinds.BaseTuple):
        return [part for k, member in enumerate(kind.types)
                for part in _real_parts(context, b, member, b.extract_value(value, k))]
    if isinstance(kind, kinds.Complex):
        return [b.extract_value(value, k) for k in range(2)]
    return [value]
