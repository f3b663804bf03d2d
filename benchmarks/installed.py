"""How much a framework takes on disk: its files and those of all that it requires."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Sequence
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from benchmarks.environment import ROOT
from benchmarks.frameworks import ALL, Framework
from benchmarks.rotation import Row
from benchmarks.stepping import Settings

# The distributions that have a package, the first of those installed.
_DISTRIBUTIONS = {"tensorflow": ("tensorflow", "tensorflow-cpu")}
_NAME = re.compile(r"[A-Za-z0-9._-]+")


def measure_installed(frameworks: Sequence[Framework], settings: Settings) -> list[Row]:
    """Bytes of the package and its requirements, without extras; one row per package."""
    rows = []
    for package, peer in {f.package: f.peer for f in frameworks if f.workloads & ALL}.items():
        row = Row(package, peer)
        rows.append(row)
        try:
            row.values.append(float(installed_bytes(package)))
        except PackageNotFoundError:
            row.problem = "absent"
    return rows


def installed_bytes(package: str) -> int:
    """The size of a package with all that it needs to run. Raises PackageNotFoundError."""
    if package == "graphflow":  # the checkout, as `pip install` would copy it
        text = (ROOT / "pyproject.toml").read_text()
        own = sum(f.stat().st_size for f in (ROOT / "graphflow").rglob("*")
                  if f.is_file() and f.suffix != ".pyc")
        needed = tomllib.loads(text)["project"]["dependencies"]
    else:
        own, needed = 0, [_installed(package).metadata["Name"]]
    found: dict[str, int] = {}
    pending = [_NAME.match(n).group() for n in needed]  # type: ignore[union-attr]  # it has a name
    while pending:
        name = pending.pop()
        key = re.sub(r"[-_.]+", "-", name).lower()
        if key in found:
            continue
        try:
            one = distribution(name)
        except PackageNotFoundError:
            if name in needed:
                raise
            continue  # for another system, or another version of Python
        found[key] = _size(one)
        pending += [_NAME.match(r).group() for r in one.requires or ()  # type: ignore[union-attr]
                    if not re.search(r"\bextra\b", r.partition(";")[2])]
    return own + sum(found.values())


def _installed(package: str) -> Distribution:
    names = _DISTRIBUTIONS.get(package, (package,))
    for name in names[:-1]:
        try:
            return distribution(name)
        except PackageNotFoundError:
            continue
    return distribution(names[-1])


def _size(one: Distribution) -> int:
    """Byte code is left out: it is there or not, whatever is installed."""
    paths = (Path(str(one.locate_file(f))) for f in one.files or () if f.suffix != ".pyc")
    return sum(os.path.getsize(p) for p in paths if p.is_file())
