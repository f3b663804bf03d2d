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
DEVICE_ENVIRONMENT = "native/cuda.environment"
DEVICE_RECORD, DEVICE_OBJECT = "native/cuda.record.", "native/cuda.object."


def environment_name() -> str:
    """What a compiled part must be made for to be of use in this process."""
    return portable_environment(code_settings())


def take_native(members: Mapping[str, bytes]) -> bool:
    """Takes up the compiled part of a file; False if there is none for this process.

    Code for a GPU is kept until a session runs on one like it.
    """
    if DEVICE_ENVIRONMENT in members:
        from graphflow.runtime.cuda.given import give_device_code

        give_device_code(members[DEVICE_ENVIRONMENT].decode("ascii", "replace"),
                         _named(members, DEVICE_OBJECT), _named(members, DEVICE_RECORD))
    if members.get(ENVIRONMENT) != environment_name().encode():
        return False
    CACHE.give(_named(members, OBJECT))
    give_records(_named(members, RECORD))
    return True


def _named(members: Mapping[str, bytes], prefix: str) -> dict[str, bytes]:
    return {name[len(prefix):]: data for name, data in members.items()
            if name.startswith(prefix)}
