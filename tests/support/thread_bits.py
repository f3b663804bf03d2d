"""What different numbers of threads give."""

from __future__ import annotations

from typing import Any

import numpy as np

import graphflow as gf


def bits(fetch: Any, feeds: dict[Any, Any]) -> tuple[np.ndarray, set[bytes]]:
    """What one thread gives, and the bits that one to four give."""
    found = []
    for threads in (1, 2, 3, 4):
        with gf.Session(options=gf.Options(threads=threads)) as session:
            found.append(np.asarray(session.run(fetch, feeds)))
    return found[0], {f.tobytes() for f in found}
