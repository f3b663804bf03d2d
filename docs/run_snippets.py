"""Runs the Python snippets of the README and of docs/, and writes what they say below them.

A block of Python that a block of text follows gives that text: what it prints, and the class and
message of the error or warning that ends it. A block without one must run without complaint.
`python docs/run_snippets.py` brings the texts up to date; `--check` changes nothing and fails if
one is not true. Each snippet runs in a graph and a directory of its own, as the file `train.py`;
those of errors.md have `tf` and `np` already.
"""

from __future__ import annotations

import contextlib
import difflib
import io
import os
import re
import sys
import tempfile
import textwrap
import warnings
from pathlib import Path
from typing import Any

import numpy as np

import graphflow as tf

DOCS = Path(__file__).resolve().parent
PAGES = (DOCS.parent / "README.md", *sorted(DOCS.glob("*.md")))
SNIPPET = re.compile(
    r"^```python\n(?P<code>.*?)^```\n(?P<said>\n```text\n(?P<text>.*?)```\n)?",
    re.DOTALL | re.MULTILINE)
WIDTH = 95


class SnippetError(Exception):
    """A snippet does not do what its page says."""


def public_class(error: BaseException) -> str:
    """The class to catch: the error's own, or the nearest one that `tf.errors` has."""
    for kind in type(error).__mro__:
        if not kind.__name__.startswith("_") and getattr(tf.errors, kind.__name__, None) is kind:
            return kind.__name__
    return type(error).__name__


def run(code: str, names: dict[str, Any]) -> tuple[str, str]:
    """What the code prints, and `Class: message` of what it raises or warns of first."""
    printed = io.StringIO()
    with tf.Graph().as_default(), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            with contextlib.redirect_stdout(printed):
                exec(compile(code, "train.py", "exec"), {"__name__": "__main__", **names})
        except tf.GraphflowError as error:
            return printed.getvalue(), f"{public_class(error)}: {error}"
    complaint = f"{caught[0].category.__name__}: {caught[0].message}" if caught else ""
    return printed.getvalue(), complaint


def wrapped(text: str) -> str:
    """The text with long lines broken between words."""
    lines = [
        textwrap.fill(line, WIDTH, break_long_words=False, break_on_hyphens=False,
                      drop_whitespace=True, subsequent_indent="  " if line[:1] == " " else "")
        for line in text.splitlines()]
    return "\n".join(lines)


def refreshed(page: str, names: dict[str, Any]) -> str:
    """The page with the text below every snippet replaced by what it says now.

    Raises SnippetError if a snippet without text raises, or one with text says nothing.
    """
    def replace(match: re.Match[str]) -> str:
        code = match["code"]
        printed, complaint = run(code, names)
        if match["said"] is None:
            if complaint:
                raise SnippetError(f"{complaint}\nin the snippet\n{code}")
            return match[0]
        said = printed.rstrip("\n") + ("\n" if printed and complaint else "") + wrapped(complaint)
        if not said:
            raise SnippetError(f"Nothing is said by the snippet\n{code}")
        return f"```python\n{code}```\n\n```text\n{said}\n```\n"

    home = os.getcwd()
    with tempfile.TemporaryDirectory() as directory:
        os.chdir(directory)
        try:
            return SNIPPET.sub(replace, page)
        finally:
            os.chdir(home)


def main(check: bool) -> int:
    """Refreshes or checks the pages; the exit code."""
    stale = []
    for path in PAGES:
        old = path.read_text(encoding="utf-8")
        names = {"tf": tf, "np": np} if path.name == "errors.md" else {}
        new = refreshed(old, names)
        if old != new:
            stale.append(path.name)
            if check:
                sys.stderr.writelines(difflib.unified_diff(
                    old.splitlines(True), new.splitlines(True), path.name, "what it says now"))
            else:
                path.write_text(new, encoding="utf-8")
    if check and stale:
        print(f"{', '.join(stale)}: run `python docs/run_snippets.py`.", file=sys.stderr)
    return int(check and bool(stale))


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv[1:]))
