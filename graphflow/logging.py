"""`tf.logging`: a thin face on Python's logging, under the logger `graphflow`."""

from __future__ import annotations

import logging as _logging
from typing import Any

DEBUG, INFO, WARN, ERROR, FATAL = (
    _logging.DEBUG, _logging.INFO, _logging.WARNING, _logging.ERROR, _logging.CRITICAL)

_logger = _logging.getLogger("graphflow")


def _emit(level: int, msg: str, args: tuple) -> None:
    if not _logger.handlers and not _logging.getLogger().handlers:
        handler = _logging.StreamHandler()
        handler.setFormatter(_logging.Formatter("%(levelname)s:%(name)s:%(message)s"))
        _logger.addHandler(handler)
    _logger.log(level, msg, *args)


def debug(msg: str, *args: Any) -> None:
    """Logs at level DEBUG."""
    _emit(DEBUG, msg, args)


def info(msg: str, *args: Any) -> None:
    """Logs at level INFO."""
    _emit(INFO, msg, args)


def warning(msg: str, *args: Any) -> None:
    """Logs at level WARN."""
    _emit(WARN, msg, args)


warn = warning


def error(msg: str, *args: Any) -> None:
    """Logs at level ERROR."""
    _emit(ERROR, msg, args)


def fatal(msg: str, *args: Any) -> None:
    """Logs at level FATAL."""
    _emit(FATAL, msg, args)


def log(level: int, msg: str, *args: Any) -> None:
    """Logs at `level`."""
    _emit(level, msg, args)


def set_verbosity(v: int) -> None:
    """Messages below level `v` are dropped."""
    _logger.setLevel(v)


def get_verbosity() -> int:
    """The level below which messages are dropped."""
    return _logger.getEffectiveLevel()
