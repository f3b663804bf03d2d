"""`tensorflow.python.client.timeline`: traced runs as Chrome traces."""

from __future__ import annotations

from graphflow.profiling.timeline import Timeline

__all__ = ["Timeline"]
