"""Python's garbage collector, kept from what lives as long as the process.

Modules, classes and declarations of ops are never garbage, but while tens of thousands of them are
made, the collector looks through them again and again: a fifth of the time that graphflow needs to
be imported and to run its first program.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def made_to_last() -> Iterator[None]:
    """Nothing is collected within; what was made counts as old afterwards.

    Old objects are looked through by full collections only. Where the program has frozen objects
    itself (`gc.freeze`), they stay frozen, and the new ones young.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if not gc.get_freeze_count():
            gc.freeze()  # all objects go to the permanent generation,
            gc.unfreeze()  # and from there to the oldest one: neither looks at them
        if enabled:
            gc.enable()


@contextmanager
def collected_later() -> Iterator[None]:
    """Nothing is collected within: for work that makes a great many objects, all of which stay.

    A graph of a hundred thousand operations becomes a program in five sixths of the time. Several
    threads may be inside at once: whoever has stopped the collector starts it again.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
