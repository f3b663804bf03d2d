"""The C header of an object, and a program that calls its functions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from graphflow.ahead.function import named_arguments
from graphflow.ahead.programs import Entry
from graphflow.ahead.targets import Target
from graphflow.dims import SymDim
from graphflow.dtypes import DType
from graphflow.program import Value

_TYPES = {
    "bool": "uint8_t", "float32": "float", "float64": "double", "float16": "uint16_t",
    "bfloat16": "uint16_t", "complex64": "float", "complex128": "double",
    **{f"{s}int{n}": f"{s}int{n}_t" for s in ("", "u") for n in (8, 16, 32, 64)},
}
_REMARKS = {
    "float16": "the bits of IEEE half precision", "bfloat16": "the upper half of a float",
    "complex64": "pairs: real, imaginary", "complex128": "pairs: real, imaginary",
    "bool": "0 or 1",
}


def c_type(dtype: DType) -> str:
    """The C type of an element."""
    return _TYPES[dtype.name]


def header_text(
    prefix: str, names: Sequence[str], entries: Sequence[Entry], state: Mapping[str, int],
    total: int, target: Target,
) -> str:
    """The header."""
    guard = f"{prefix.upper()}_H"
    lines = [
        f"/* {prefix}: compiled by graphflow for {target.name} ({target.triple}).",
        " *",
        " * Arrays are row-major and contiguous. Outputs must not overlap inputs. A function may",
        " * be called from several threads at once, each with a workspace (and state) of its own.",
        " * Functions return 0; 1 if a value was refused, such as an index out of range; 2 if",
        " * sizes are illegal. After a failure outputs are undefined and the state is unchanged.",
        " */",
        f"#ifndef {guard}", f"#define {guard}", "", "#include <stdint.h>", "",
        "#ifdef __cplusplus", 'extern "C" {', "#endif", "",
    ]
    if state:
        lines += [
            f"/* The variables that the functions change: {total} bytes, aligned to 64. */",
            f"int64_t {prefix}_state_bytes(void);",
            f"void {prefix}_init_state(void *state);", ""]
    for name, entry in zip(names, entries):
        lines += _function_lines(name, entry, bool(state))
    lines += ["#ifdef __cplusplus", "}", "#endif", "", "#endif", ""]
    return "\n".join(lines)


def _function_lines(name: str, entry: Entry, stateful: bool) -> list[str]:
    shown = dict(entry.sizes)
    lines = [f"/* {_comment(entry.name)}"]
    for number, (n, v) in enumerate(named_arguments(entry)):
        kind = "in " if number < len(entry.inputs) else "out"
        remark = f": {_REMARKS[v.dtype.name]}" if v.dtype.name in _REMARKS else ""
        lines.append(f" *   {kind} {n} {_shape(v, shown)}{remark}")
    sizes = ", ".join(f"int64_t {c}" for _, c in entry.sizes) or "void"
    return [
        *lines, " */", f"int {name}({', '.join(_parameters(entry, stateful))});",
        f"int64_t {name}_workspace_bytes({sizes});",
        *(f"int64_t {name}_{n}_bytes({sizes});" for n, _ in named_arguments(entry)), ""]


def _parameters(entry: Entry, stateful: bool) -> Iterable[str]:
    named = named_arguments(entry)
    for name, value in named[:len(entry.inputs)]:
        yield f"const {c_type(value.dtype)} *{name}"
    for _, size in entry.sizes:
        yield f"int64_t {size}"
    for name, value in named[len(entry.inputs):]:
        yield f"{c_type(value.dtype)} *{name}"
    yield "void *workspace"
    if stateful:
        yield "void *state"


def _comment(text: str) -> str:
    return text.replace("*/", "* /")


def _shape(value: Value, shown: Mapping[str, str]) -> str:
    def one(dim: object) -> str:
        text = str(dim)
        if isinstance(dim, SymDim):
            for name in sorted(shown, key=len, reverse=True):
                text = text.replace(name, shown[name])
        return _comment(text)

    return f"{value.dtype.name}[{', '.join(map(one, value.shape.sizes))}]"


def example_text(
    file: str, prefix: str, names: Sequence[str], entries: Sequence[Entry], total: int
) -> str:
    """A program that calls each function once, on zeros, and prints the first results."""
    lines = [f"/* cc {file}_main.c {file}.o -o {file} && ./{file} */",
             "#include <stdio.h>", "#include <stdlib.h>", "#include <string.h>", "",
             f'#include "{file}.h"', "",
             "static void *zeros(int64_t bytes) {",
             "    size_t size = ((size_t)bytes + 63) / 64 * 64 + 64;",
             "    void *found = aligned_alloc(64, size);", "    if (!found) abort();",
             "    return memset(found, 0, size);", "}", "", "int main(void) {"]
    if total:
        lines += [f"    void *state = zeros({prefix}_state_bytes());",
                  f"    {prefix}_init_state(state);"]
    for name, entry in zip(names, entries):
        lines += ["    {", *(f"        {line}" for line in _call_lines(
            name, entry, bool(total))), "    }"]
    return "\n".join([*lines, "    return 0;", "}", ""])


def _call_lines(name: str, entry: Entry, stateful: bool) -> list[str]:
    sizes = ", ".join(c for _, c in entry.sizes)
    named = named_arguments(entry)
    arguments = [n for n, _ in named]
    lines = [f"int64_t {c} = 1;" for _, c in entry.sizes]
    lines += [f"{c_type(v.dtype)} *{n} = zeros({name}_{n}_bytes({sizes}));" for n, v in named]
    lines.append(f"void *workspace = zeros({name}_workspace_bytes({sizes}));")
    call = [*arguments[:len(entry.inputs)], *(c for _, c in entry.sizes),
            *arguments[len(entry.inputs):], "workspace", *(["state"] if stateful else [])]
    lines += [f"int failed = {name}({', '.join(call)});",
              f'printf("{name}: %d\\n", failed);']
    lines += [f'printf("  {n}[0] = %g\\n", (double){n}[0]);'
              for n in arguments[len(entry.inputs):]]
    lines += [f"free({v});" for v in (*arguments, "workspace")]
    return lines
