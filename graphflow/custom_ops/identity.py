"""What a user's function depends on, as text, so that its machine code can be kept on disk.

A function that closes over constants alone is told by its bytecode and these: equal texts are
equal code, in any process of one Python. What else a function may refer to (arrays, objects,
functions that Python calls) can change without a trace, so such functions have no text.
"""

from __future__ import annotations

import dis
import hashlib
import types
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

_NUMBERS = (bool, int, float, complex, np.generic)
_MODULES = frozenset({"math", "cmath", "numpy", "builtins"})


class _NotConstant(Exception):
    """The function depends on something that is no constant."""


def code_identity(function: Callable[..., Any]) -> str | None:
    """A digest of a Python function and all that it refers to; None if that is not constant."""
    digest = hashlib.sha256(np.__version__.encode())
    try:
        for part in _function(function, set()):
            digest.update(f"{len(part)}:{part}".encode())
    except (_NotConstant, ValueError):  # ValueError: it closes over what has no value yet
        return None
    return digest.hexdigest()[:32]


def plain_function(function: Any) -> Any:
    """The Python function behind one that Numba decorated; any other thing itself."""
    return getattr(function, "py_func", function)


def global_names(code: types.CodeType) -> list[str]:
    """The names of globals and builtins that the code reads, in order."""
    names = dict.fromkeys(
        i.argval for i in dis.get_instructions(code) if i.opname in ("LOAD_GLOBAL", "LOAD_NAME"))
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            names.update(dict.fromkeys(global_names(constant)))
    return list(names)


def _function(function: Any, seen: set[int]) -> Iterator[str]:
    options = getattr(function, "targetoptions", {})
    function = plain_function(function)
    if id(function) in seen:  # it calls itself
        yield "seen"
        return
    seen.add(id(function))
    yield repr(sorted((k, repr(v)) for k, v in options.items()))
    yield from _code(function.__code__)
    yield from _value(function.__defaults__ or (), seen)
    for cell in function.__closure__ or ():
        yield from _value(cell.cell_contents, seen)
    known = function.__globals__
    for name in global_names(function.__code__):
        yield name
        if name in known:
            yield from _value(known[name], seen)


def _code(code: types.CodeType) -> Iterator[str]:
    yield code.co_code.hex()
    yield getattr(code, "co_exceptiontable", b"").hex()
    yield repr((code.co_argcount, code.co_names, code.co_varnames, code.co_freevars))
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _code(constant)
        else:
            yield _constant(constant)


def _value(value: Any, seen: set[int]) -> Iterator[str]:
    """What a name stands for."""
    if isinstance(value, tuple):
        yield f"tuple of {len(value)}"
        for member in value:
            yield from _value(member, seen)
    elif isinstance(value, types.ModuleType) and value.__name__ in _MODULES:
        yield f"module {value.__name__}"
    elif hasattr(value, "py_func") or isinstance(value, types.FunctionType):
        yield from _function(value, seen)
    elif isinstance(value, (types.BuiltinFunctionType, type, np.ufunc)):
        yield _library_name(value)
    else:
        yield _constant(value)


def _library_name(value: Any) -> str:
    module = getattr(value, "__module__", None) or ("numpy" if isinstance(value, np.ufunc) else "")
    if module.partition(".")[0] not in _MODULES:
        raise _NotConstant
    return f"{module}.{value.__name__}"


def _constant(value: Any) -> str:
    if isinstance(value, (tuple, frozenset)):
        members = [_constant(v) for v in value]
        return repr(members if isinstance(value, tuple) else sorted(members))
    if value is None or isinstance(value, (str, bytes)):
        return repr(value)
    if isinstance(value, _NUMBERS):
        return f"{type(value).__name__} {np.asarray(value).tobytes().hex()}" if not isinstance(
            value, int) else f"{type(value).__name__} {value}"
    raise _NotConstant
