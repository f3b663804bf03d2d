"""Mutated files: `python tests/export/fuzz.py --cases 1000000 --seed 1 --jobs 2`.

Files of several kinds are changed in bytes, in the bytes of their members (with a manifest that
fits), and in the structure of their JSON (`fuzz_files.py`). Loading must give a graph or a
LoadError, soon, in little memory and without a warning. A file whose bytes alone were changed
loads only if its contents are what they were; a graph that was accepted must be the same after it
was written and read again. With `--run` what was accepted is also computed, compiled and by the
reference, which must agree. What breaks this is printed with the number that makes it again
(`--only N`).

Seconds are those of the processor, so that other work on the machine finds nothing.
"""

from __future__ import annotations

import argparse
import functools
import multiprocessing
import os
import random
import resource
import signal
import sys
import tempfile
import time
import traceback
import warnings
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

from fuzz_files import (  # it stands beside this script
    Members,
    compiled_seeds,
    forget_keras,
    keras_seeds,
    mutated,
    seeds,
    seeds_of_ops,
)

import graphflow as tf
from graphflow.errors import GraphflowError, LoadError
from graphflow.export.archive import GRAPH, KERAS, WEIGHTS, unpack_archive
from graphflow.export.limits import LoadLimits
from graphflow.export.reader import LoadedGraph, read_members
from graphflow.export.writer import build_members

__all__ = ["run_cases", "seeds", "seeds_of_ops"]

LIMITS = LoadLimits(file_bytes=1 << 26, json_bytes=1 << 24, operations=20_000)
SECONDS = 10
MEMORY = 1 << 30
DIFFERENT = 3  # what a child says that found compiled code and reference to differ
_ARE_RANDOM = ("Random", "Multinomial", "CandidateSampler", "Shuffle", "Dropout")


class Finding(Exception):
    """A file that was neither loaded nor refused as it should be."""


# ---- one case ----------------------------------------------------------------------------------


def check(data: bytes, original: Members | None = None) -> bool:
    """Loads the file; True if it was accepted. Raises Finding.

    original: what the contents must be if it is accepted.
    """
    try:
        members = unpack_archive(data, LIMITS)
        loaded = read_members(members, None, LIMITS)
        if KERAS in members:
            _load_keras(data)
    except Finding:
        raise
    except LoadError as error:
        cause: BaseException | None = error
        while cause is not None:
            if isinstance(cause, (Finding, MemoryError, RecursionError)):
                raise Finding(f"refused after {type(cause).__name__}: {error}") from error
            cause = cause.__cause__
        return False
    except Exception as error:
        raise Finding(f"{type(error).__name__}: {error}") from error
    if original is None:
        _check_again(loaded)
    elif any(members.get(n) != original[n] for n in (GRAPH, WEIGHTS)):
        raise Finding("loaded with other contents than were written")
    return True


def _load_keras(data: bytes) -> None:
    path = Path(tempfile.gettempdir()) / f"fuzz-{os.getpid()}.gflow"
    path.write_bytes(data)
    forget_keras()
    try:
        tf.keras.models.load_model(path)
    finally:
        path.unlink()


def _check_again(loaded: LoadedGraph) -> None:
    """An accepted graph is the same after it was written and read again."""
    try:
        once = _written(loaded)
        twice = _written(read_members(once, None, LIMITS))
    except Exception as error:
        raise Finding(f"accepted, but not written and read again: "
                      f"{type(error).__name__}: {error}") from error
    if once[GRAPH] != twice[GRAPH]:
        raise Finding("another graph after it was written and read again")


def _written(loaded: LoadedGraph) -> Members:
    signatures = dict(loaded.signatures) or {"none": ({}, {})}
    with loaded.session(device="reference") as session:
        return build_members(signatures, session, training=True)


def run_case(number: int, files: list[Members], run: bool = False) -> bool:
    """Case `number`, always the same one; True if the changed file was accepted.

    run: also runs what was accepted.
    """
    rng = random.Random(number)
    original = rng.choice(files)
    data, same = mutated(original, rng)
    accepted = check(data, original if same else None)
    if accepted and run and not same:
        survives(data)
    return accepted


# ---- running what was accepted -----------------------------------------------------------------


def survives(data: bytes) -> None:
    """Runs the signatures of an accepted file in a child, compiled and by the reference.

    What the graph computes, refuses or runs out of is its own affair; but both must say the same,
    and the process must live. Raises Finding.
    """
    child = os.fork()
    if child == 0:
        code = 0
        try:
            signal.setitimer(signal.ITIMER_PROF, 0)
            signal.signal(signal.SIGPROF, signal.SIG_DFL)
            signal.setitimer(signal.ITIMER_PROF, SECONDS)
            code = DIFFERENT if _differs(data) else 0
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) != signal.SIGPROF:
        raise Finding(f"the process died of signal {os.WTERMSIG(status)} when the graph was run")
    if os.WIFEXITED(status) and os.WEXITSTATUS(status) == DIFFERENT:
        raise Finding("compiled code and reference give different results")


def _differs(data: bytes) -> bool:
    """True if compiled code and the reference, with the same inputs, differ."""
    loaded = read_members(unpack_archive(data, LIMITS), None, LIMITS)
    if any(word in op.type for op in loaded.graph.get_operations() for word in _ARE_RANDOM):
        return False
    for signature in loaded.signatures.values():
        feeds = {k: _any_value(v) for k, v in signature.inputs.items()}
        compiled, reference = (_results(signature, session, feeds) for session in (
            loaded.session(), loaded.session(device="reference")))
        if compiled is not None and reference is not None and not all(
                _agree(compiled[k], reference[k]) for k in reference):
            return True
    return False


def _results(signature: Any, session: Any, feeds: dict[str, Any]) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = signature.run(session, **feeds)
        return found
    except (GraphflowError, MemoryError):
        return None


def _agree(a: Any, b: Any) -> bool:
    if isinstance(a, tuple):
        return all(_agree(x, y) for x, y in zip(a, b))
    if a is None or np.asarray(a).dtype == object:
        return bool(np.all(a == b))
    a, b = np.asarray(a), np.asarray(b)
    return a.shape == b.shape and a.dtype == b.dtype and np.allclose(
        a.astype(complex), b.astype(complex), rtol=2e-2, atol=1e-3, equal_nan=True)


def _any_value(value: Any) -> Any:
    if isinstance(value, tf.SparseTensor):
        return tf.SparseTensorValue([[0, 1], [2, 3]], np.ones(2, value.dtype.numpy), [4, 5])
    known = value.shape.as_list() if value.shape.rank is not None else [2]
    sizes = [2 if n is None else min(n, 100) for n in known]
    return np.full(sizes, b"1", object) if value.dtype.is_string else np.ones(
        sizes, value.dtype.numpy)


# ---- many cases --------------------------------------------------------------------------------


def _alarm(*_: Any) -> None:
    raise Finding(f"more than {SECONDS} seconds")


def _warned(message: Any, *_: Any, **__: Any) -> None:
    raise Finding(f"a warning: {message}")


def run_cases(
    numbers: range, files: list[Members] | None = None, run: bool = False
) -> tuple[int, list[str]]:
    """How many of the cases were accepted, and what was found."""
    accepted, found = 0, []
    files = files or _files()
    before = signal.signal(signal.SIGPROF, _alarm)
    with open("/proc/self/statm") as pages:
        used = int(pages.read().split()[0]) * resource.getpagesize()
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    if not run:
        resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, hard))
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = _warned
        for number in numbers:
            try:
                signal.setitimer(signal.ITIMER_PROF, SECONDS)
                accepted += run_case(number, files, run)
                signal.setitimer(signal.ITIMER_PROF, 0)
            except Finding as finding:
                signal.setitimer(signal.ITIMER_PROF, 0)
                where = traceback.extract_tb((finding.__cause__ or finding).__traceback__)[-1]
                found.append(f"case {number}: {finding} ({where.filename}:{where.lineno})")
                print(found[-1][:400], flush=True)
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
    signal.signal(signal.SIGPROF, before)
    return accepted, found


@functools.cache
def _files() -> list[Members]:
    """All files to begin with, once a process."""
    return seeds() * 4 + seeds_of_ops() + compiled_seeds() * 2 + keras_seeds()


def _show(number: int) -> None:
    """Writes one case to a file and runs it."""
    rng = random.Random(number)
    original = rng.choice(_files())
    data, same = mutated(original, rng)
    path = Path(tempfile.gettempdir()) / f"case-{number}.gflow"
    path.write_bytes(data)
    print(path)
    accepted = check(data, original if same else None)
    print("accepted" if accepted else "refused")
    if accepted and not same:
        survives(data)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--run", action="store_true", help="also run what is accepted")
    parser.add_argument("--only", type=int, help="one case, written to a file and run")
    options = parser.parse_args()
    if options.only is not None:
        _show(options.only)
        return 0
    first, step = options.seed * 10**9, 2_000
    ranges = [range(first + k, first + min(k + step, options.cases))
              for k in range(0, options.cases, step)]
    _files()
    cases, accepted, found, start = 0, 0, list[str](), time.monotonic()
    with multiprocessing.Pool(options.jobs, maxtasksperchild=50) as pool:
        for some, texts in pool.imap_unordered(
                functools.partial(run_cases, run=options.run), ranges):
            cases, accepted, found = cases + step, accepted + some, found + texts
            if cases % 10_000 == 0:
                print(f"{cases} cases, {accepted} accepted, {len(found)} findings, "
                      f"{time.monotonic() - start:.0f} s", flush=True)
    print(f"{options.cases} cases, {accepted} accepted, {len(found)} findings")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
