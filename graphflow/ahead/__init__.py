"""Programs compiled ahead of time: an object file, a C header, and nothing of Python in them.

`compile_object` is the public face; `graphflow compile` is its command. The object holds one C
function for each signature, on plain pointers and sizes, and needs nothing but the C library.
"""

from __future__ import annotations

from graphflow.ahead.build import CompiledObject, compile_object

__all__ = ["CompiledObject", "compile_object"]
