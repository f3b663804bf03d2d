"""Contract: every declaration is complete, and importing the registry stays light."""

from __future__ import annotations

import inspect
import pkgutil
import subprocess
import sys
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from contract_cases import assert_close, cases_of, is_differentiable, ops_that, run_reference

import graphflow.ops
from graphflow.builder import F
from graphflow.dtypes import array_dtype
from graphflow.lowering import (
    Composite,
    Contraction,
    Cumulative,
    Gather,
    Generate,
    Host,
    Join,
    Leaf,
    Library,
    Lowering,
    Pointwise,
    Reduce,
    Region,
    Scatter,
    Sizes,
    State,
    View,
    Window,
)
from graphflow.opdef import REGISTRY, OpDef

NAMES = sorted(REGISTRY)
COMPUTING = (
    Composite, Contraction, Cumulative, Gather, Generate, Join, Library, Pointwise, Reduce,
    Scatter, Sizes, View, Window)
# The stacks of a loop's gradient: only a While makes them.
INTERNAL = {"HistoryRead", "HistoryScatter", "Remembered"}


def test_every_module_of_the_package_is_imported() -> None:
    modules = {f"graphflow.ops.{m.name}" for m in pkgutil.iter_modules(graphflow.ops.__path__)}
    assert modules <= set(sys.modules), sorted(modules - set(sys.modules))


def test_the_lowering_kinds_are_the_vocabulary() -> None:
    assert set(get_args(Lowering)) == {*COMPUTING, Host, Leaf, Region, State}


@pytest.mark.parametrize("name", NAMES)
def test_declaration_is_complete(name: str) -> None:
    opdef = REGISTRY[name]
    assert opdef.name == name
    assert isinstance(opdef.lowering, get_args(Lowering))
    file, _, line = opdef.defined_at.rpartition(":")
    inside = Path(graphflow.__file__).parent in Path(file).parents
    assert inside and line.isdigit(), f"{name} is defined at {opdef.defined_at}"
    if not is_differentiable(opdef):
        assert opdef.grad.reason, f"{name}: say why it has no gradient"  # type: ignore[union-attr]
    if isinstance(opdef.lowering, COMPUTING):
        assert opdef.reference is not None, f"{name} has no reference"
        assert opdef.samples or name in INTERNAL, f"{name} has no samples"


@pytest.mark.parametrize("name", NAMES)
def test_arguments_are_well_named(name: str) -> None:
    names = [arg.name for arg in REGISTRY[name].args] + list(REGISTRY[name].attrs)
    assert len(set(names)) == len(names)
    assert all(arg.types for arg in REGISTRY[name].args)
    assert not any(arg.many for arg in REGISTRY[name].args[:-1])


@pytest.mark.parametrize("name", ops_that(lambda opdef: bool(opdef.attrs)))
def test_attributes_are_hashable_and_of_their_kind(name: str) -> None:
    opdef = REGISTRY[name]
    for case in cases_of(opdef):
        for key, value in case.attrs.items():
            hash(value)
            problem = opdef.attrs[key].check(value)
            assert problem is None, f"{case.id}: {key} {problem}"
    for key, attr in opdef.attrs.items():
        hash(attr.default)
        assert attr.default in attr.choices or not attr.choices or attr.default is None or (
            repr(attr.default) == "REQUIRED"), key


def _works_by_element(opdef: OpDef) -> bool:
    return opdef.pointwise and "shape" not in opdef.attrs  # EnsureShape looks at the whole


@pytest.mark.parametrize("name", ops_that(lambda o: isinstance(o.lowering, COMPUTING)))
def test_samples_try_every_type_and_choice(name: str) -> None:
    opdef, cases = REGISTRY[name], cases_of(REGISTRY[name])
    for i, arg in enumerate(opdef.args):
        end = None if arg.many else i + 1
        tried = {array_dtype(a) for case in cases for a in case.inputs[i:end]}
        missing = [t.name for t in arg.types if t not in tried]
        assert not missing, f"no sample has {arg.name} as {', '.join(missing)}"
    for key, attr in opdef.attrs.items():
        choices = {True, False} if attr.kind == "bool" else set(attr.choices)
        missing = choices - {case.attrs[key] for case in cases}
        assert not missing, f"no sample has {key} as {missing}"


@pytest.mark.parametrize("name", ops_that(_works_by_element))
def test_pointwise_references_work_element_by_element(name: str) -> None:
    """Element k of the output comes from element k of each input, which may be broadcast."""
    opdef = REGISTRY[name]
    for case in cases_of(opdef):
        outputs = run_reference(case)
        shape = np.broadcast_shapes(*(a.shape for a in case.inputs))
        assert all(o.shape == shape for o in outputs), case.id
        if not outputs[0].size:
            continue
        place = tuple(n - 1 for n in shape)
        elements = [np.broadcast_to(a, shape)[place] for a in case.inputs]
        elements = [np.asarray(e, a.dtype) for e, a in zip(elements, case.inputs)]
        for whole, single in zip(outputs, run_reference(case, elements)):
            assert_close(np.asarray(whole[place], whole.dtype), single, case.id)


@pytest.mark.parametrize("name", ops_that(lambda opdef: opdef.commutative))
def test_commutative_ops_commute(name: str) -> None:
    for case in cases_of(REGISTRY[name]):
        swapped = (case.inputs[1], case.inputs[0], *case.inputs[2:])
        for a, b in zip(run_reference(case), run_reference(case, swapped)):
            assert_close(a, b, case.id, exact=True)


def test_public_functions_have_docstrings_and_take_a_name() -> None:
    undocumented = [n for n in dir(F) if not (inspect.getdoc(getattr(F, n)) or "").strip()]
    assert not undocumented


HEAVY = ("numba", "llvmlite", "scipy", "networkx", "sklearn", "onnx", "rich", "click")


@pytest.mark.parametrize("package", ["graphflow.ops", "graphflow"])
def test_importing_loads_nothing_heavy(package: str) -> None:
    code = f"import sys, {package}; print([m for m in {HEAVY!r} if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True,
                           check=True, cwd=Path(graphflow.ops.__file__).parents[2])
    assert found.stdout.strip() == "[]"
