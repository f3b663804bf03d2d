"""README and docs are true: snippets, links, lists of files and of error classes."""

from __future__ import annotations

import builtins
import re
import subprocess
import sys
from pathlib import Path

import pytest

import graphflow as tf

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]


def test_snippets_say_what_the_pages_print():
    result = subprocess.run(
        [sys.executable, ROOT / "docs" / "run_snippets.py", "--check"], cwd=ROOT,
        capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_lead_somewhere(page):
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\((?!https?:)([^)]+)\)", text):
        path, _, anchor = target.partition("#")
        linked = (page.parent / path) if path else page
        assert linked.exists(), f"{page.name} links to {target}"
        if anchor:
            headings = re.findall(r"^#+ (.*)$", linked.read_text(encoding="utf-8"), re.MULTILINE)
            slugs = {re.sub(r"[^\w -]", "", h.lower()).replace(" ", "-") for h in headings}
            assert anchor in slugs, f"{page.name} links to {target}"


def test_every_room_is_on_the_map():
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(\w+(?:\.py|/))`", page.split("## The rooms")[1].split("\n## ")[0]))
    package = Path(tf.__file__).parent
    rooms = {p.name for p in package.glob("*.py")} - {"__init__.py"}
    rooms |= {f"{p.parent.name}/" for p in package.glob("*/__init__.py")}
    missing = rooms - named
    assert not missing, f"docs/architecture.md, The rooms: say what is in {sorted(missing)}"
    inside = {p.name for p in package.rglob("*.py")} | rooms
    assert not named - inside, f"docs/architecture.md names {sorted(named - inside)}"


def test_every_family_of_ops_exists():
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    paragraph = page.split("In `ops/`, a family")[1].split("## ")[0]
    for name in re.findall(r"`(\w+)`", paragraph):
        assert (Path(tf.__file__).parent / "ops" / f"{name}.py").exists(), name


def test_the_table_of_error_classes_is_true():
    page = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| (.+?) \|", page, re.MULTILINE)
    assert len(rows) > 10
    for name, bases in rows:
        error = getattr(tf.errors, name)
        for base in re.findall(r"`(\w+)`", bases):
            expected = tf.GraphflowError if base == "GraphflowError" else getattr(builtins, base)
            assert issubclass(error, expected), f"{name} is no {base}"


def test_the_readme_lists_every_example():
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    for path in (ROOT / "examples").glob("*.py"):
        assert f"(examples/{path.name})" in page, path.name
