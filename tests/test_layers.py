"""Imports point down only: the layers of the design, read off the source files."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import graphflow

ROOT = Path(graphflow.__file__).parent

LAYERS = [
    ["errors", "dtypes", "dims", "shapes", "options", "storage", "hardware", "sites",
     "version", "wire", "absent", "collector"],
    ["loop_ir"],
    ["lowering", "inference", "opdef", "builder", "lowering_interpreter", "gradient_registry"],
    ["tensor", "scopes", "defaults", "conversion", "graph", "regions", "indexed_slices",
     "program", "sparse_tensor"],
    ["gradients", "freeze"],
    ["ops"],
    ["reference"],
    ["passes"],
    ["codegen", "kernels"],
    ["runtime"],
    ["profiling"],
    ["session"],
    ["export"],
    ["ahead"],
    ["compat", "custom_gradient", "custom_ops", "gradient_checker", "train", "losses", "metrics",
     "layers", "regularizers", "recurrent", "data", "nn", "math", "linalg",
     "random", "bitwise", "debugging", "manip", "initializers", "test", "logging",
     "signal", "spectral", "sparse", "image", "io", "strings", "flags", "app", "gfile",
     "graph_files",
     "graph_util", "saved_model", "summary",
     "contrib", "examples", "distributions", "python_io", "lookup", "feature_column", "config",
     "device_spec", "nest", "queue", "resource_loader", "test_case"],
    ["keras", "viz", "estimator"],
    ["demo"],
    ["cli"],
]
ROW = {room: row for row, rooms in enumerate(LAYERS) for room in rooms}
FILES = sorted(p for p in ROOT.rglob("*.py") if p != ROOT / "__init__.py")


def room_of(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def module_of(path: Path) -> str:
    parts = ["graphflow", *path.relative_to(ROOT).with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(path: Path) -> set[str]:
    """The graphflow modules that a file imports, also inside functions."""
    found = set()
    tree = ast.parse(path.read_text())
    typing_only = {
        id(child) for node in ast.walk(tree) if isinstance(node, ast.If)
        and "TYPE_CHECKING" in ast.unparse(node.test) for child in ast.walk(node)}
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("graphflow"):
            if node.module == "graphflow":
                found.update(f"graphflow.{a.name}" for a in node.names)
            else:
                found.add(node.module)
        elif isinstance(node, ast.Import):
            found.update(a.name for a in node.names if a.name.startswith("graphflow."))
    return found


def test_every_room_has_a_layer():
    assert {room_of(module_of(p)) for p in FILES} <= set(ROW)


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_down(path):
    own = room_of(module_of(path))
    for module in imports_of(path):
        other = room_of(module)
        assert other in ROW, f"{path} imports {module}, which has no layer"
        assert ROW[other] <= ROW[own], f"{path} ({own}) imports {module} from a higher layer"


def test_modules_have_no_import_cycles():
    edges = {module_of(p): imports_of(p) & {module_of(q) for q in FILES} for p in FILES}
    edges = {m: {t for t in targets if t != m and not m.startswith(t + ".")}
             for m, targets in edges.items() if not m.endswith(".ops")}
    done: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, " → ".join((*path, module))
        if module not in done:
            for target in sorted(edges.get(module, ())):
                visit(target, (*path, module))
            done.add(module)

    for module in sorted(edges):
        visit(module, ())


def test_import_loads_nothing_heavy():
    import subprocess
    import sys

    code = ("import sys, graphflow; print([m for m in ('numba', 'llvmlite', 'networkx', 'scipy', "
            "'rich', 'click', 'sklearn', 'onnx') if m in sys.modules])")
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_import_leaves_modules_of_few_programs_to_these():
    import subprocess
    import sys

    code = ("import sys, numpy; before = set(sys.modules); import graphflow; "
            "print([m for m in ('csv', 'difflib', 'fractions', 'gzip', 'hashlib', 'pathlib', "
            "'pprint', 'secrets', 'urllib') if m in sys.modules and m not in before])")
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
