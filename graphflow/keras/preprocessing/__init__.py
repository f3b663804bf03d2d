"""`keras.preprocessing`: sequences and texts made ready for models."""

from graphflow.keras.preprocessing import sequence, text

__all__ = ["sequence", "text"]
