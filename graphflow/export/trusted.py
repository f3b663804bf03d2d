"""Taking up the compiled part of a file that is trusted: machine code and schedules.

It stands in members `native/…`, which `native.py` writes. Code for another processor, or of
another graphflow, is left alone.
"""

from __future__ import annotations

from collections.abc import Mapping

from graphflow.codegen.cache import portable_environment
from graphflow.codegen.compile import CACHE, code_settings
from graphflow.runtime.prepared import give_records

ENVIRONMENT = "native/environment"
RECORD, OBJECT = "native/record.", "native/object."


def environment_name() -> str:
    """What a compiled part must be made for to be of use in this process."""
    return portable_environment(code_settings())


def take_native(members: Mapping[str, bytes]) -> bool:
    """Takes up the compiled part of a file; False if there is none for this process."""
    if members.get(ENVIRONMENT) != environment_name().encode():
        return False
    CACHE.give(_named(members, OBJECT))
    give_records(_named(members, RECORD))
    return True


def _named(members: Mapping[str, bytes], prefix: str) -> dict[str, bytes]:
    return {name[len(prefix):]: data for name, data in members.items()
            if name.startswith(prefix)}
