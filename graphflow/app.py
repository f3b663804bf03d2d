"""`tf.app`: `run`, which calls a program's `main`, and `flags`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

from graphflow import flags


def run(main: Callable[[list[str]], Any] | None = None, argv: Sequence[str] | None = None) -> None:
    """Reads the flags, then ends the program with `sys.exit(main(what is left of argv))`.

    main: by default the function `main` of the program itself.
    """
    rest = flags.FLAGS(sys.argv if argv is None else argv)
    chosen = main if main is not None else sys._getframe(1).f_globals["main"]
    sys.exit(chosen(rest))


__all__ = ["flags", "run"]
