"""`keras.preprocessing`: sequences, texts and images made ready for models."""

from graphflow.keras.preprocessing import image, sequence, text

__all__ = ["image", "sequence", "text"]
