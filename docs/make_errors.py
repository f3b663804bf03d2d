"""Runs every mistake of docs/errors.md and writes what it really says below it.

A mistake is a block of Python followed by a block of text. `python docs/make_errors.py` runs the
first and replaces the second by the class and message of what was raised (or warned);
`--check` changes nothing and fails if a text is no longer true. Each mistake runs in a graph and
a directory of its own, as the file `train.py`, with `tf` and `np` imported.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
import textwrap
import warnings
from pathlib import Path

import numpy as np

import graphflow as tf

PAGE = Path(__file__).with_name("errors.md")
MISTAKE = re.compile(r"```python\n(?P<code>.*?)```\n\n```text\n(?P<text>.*?)```\n", re.DOTALL)


def public_class(error: BaseException) -> str:
    """The class to catch: the error's own, or the nearest one that `tf.errors` has."""
    for kind in type(error).__mro__:
        if not kind.__name__.startswith("_") and getattr(tf.errors, kind.__name__, None) is kind:
            return kind.__name__
    return type(error).__name__


def outcome_of(code: str) -> str:
    """`Class: message` of what the code raises, or of its first warning.

    Raises RuntimeError if nothing happens, which means that the page is wrong.
    """
    with tf.Graph().as_default(), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            exec(compile(code, "train.py", "exec"), {"tf": tf, "np": np})
        except tf.GraphflowError as error:
            return f"{public_class(error)}: {error}"
    if caught:
        return f"{caught[0].category.__name__}: {caught[0].message}"
    raise RuntimeError(f"Nothing is raised by:\n{code}")


def refreshed(page: str) -> str:
    """The page with the text of every mistake replaced by what it says now."""
    def replace(match: re.Match[str]) -> str:
        code = match["code"]
        text = textwrap.fill(
            outcome_of(code), 95, break_long_words=False, break_on_hyphens=False)
        return f"```python\n{code}```\n\n```text\n{text}\n```\n"

    home = os.getcwd()
    with tempfile.TemporaryDirectory() as directory:
        os.chdir(directory)
        try:
            return MISTAKE.sub(replace, page)
        finally:
            os.chdir(home)


def main(check: bool) -> int:
    """Refreshes or checks the page; the exit code."""
    old = PAGE.read_text(encoding="utf-8")
    new = refreshed(old)
    if not check:
        PAGE.write_text(new, encoding="utf-8")
        return 0
    if old != new:
        print("docs/errors.md is out of date: run `python docs/make_errors.py`.", file=sys.stderr)
    return int(old != new)


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv[1:]))
