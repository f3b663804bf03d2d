"""`tf.logging`: a thin face on Python's logging, under the logger `graphflow`."""

from __future__ import annotations

import logging as _logging
import sys
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


vlog = log
_counts: dict[object, int] = {}


def log_if(level: int, msg: str, condition: Any, *args: Any) -> None:
    """Logs if `condition` is true."""
    if condition:
        _emit(level, msg, args)


def _count(token: object) -> int:
    """How often this was called with `token` before."""
    _counts[token] = _counts.get(token, -1) + 1
    return _counts[token]


def _caller() -> tuple[str, int]:
    frame = sys._getframe(2)
    return frame.f_code.co_filename, frame.f_lineno


def log_first_n(level: int, msg: str, n: int, *args: Any) -> None:
    """Logs the first `n` times that this line is reached."""
    log_if(level, msg, _count(_caller()) < n, *args)


def log_every_n(level: int, msg: str, n: int, *args: Any) -> None:
    """Logs the first, and then every `n`-th time that this line is reached."""
    log_if(level, msg, _count(_caller()) % n == 0, *args)


def flush() -> None:
    """Hands on what was logged."""
    for handler in _logger.handlers:
        handler.flush()


def get_logger() -> _logging.Logger:
    """Python's logger behind this module."""
    return _logger


def set_verbosity(v: int) -> None:
    """Messages below level `v` are dropped."""
    _logger.setLevel(v)


def get_verbosity() -> int:
    """The level below which messages are dropped."""
    return _logger.getEffectiveLevel()
