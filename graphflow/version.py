"""The version of graphflow."""

__version__ = "0.1.0"
