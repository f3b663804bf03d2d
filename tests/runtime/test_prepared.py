"""What is kept of a Program is what was made of it: every op, random graphs, and what is not kept.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import random
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from alike import Alike
from contract_cases import build, cases_of
from graph_proof import draw_graph

import graphflow as gf
from graphflow.codegen.kept.attributes import NotKept, plain, restored
from graphflow.codegen.kept.kernels import NamedKernel, packed, unpacked
from graphflow.codegen.kept.record import read_record, source_of, write_record
from graphflow.codegen.sizes import symbols_of
from graphflow.codegen.steps import CountStep
from graphflow.dims import Assumptions, assuming, symbol
from graphflow.loop_ir.nest import kernel_text
from graphflow.lowering import Leaf, State
from graphflow.opdef import REGISTRY
from graphflow.options import Options
from graphflow.runtime import prepared
from graphflow.runtime.prepared import Prepared, prepare
from graphflow.shapes import TensorShape

QUIET = Options(device="cpu", silence=frozenset({"not-compiled"}))


class Memory:
    """A store that keeps its files in memory."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}

    def read(self, name: str) -> bytes | None:
        return self.files.get(name)

    def write(self, objects: Mapping[str, bytes]) -> None:
        self.files.update(objects)


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Memory:
    made = Memory()
    monkeypatch.setattr(prepared, "program_store", lambda: made)
    return made


def frozen(fetches: Any, feeds: dict[Any, Any]) -> tuple[Assumptions, Any]:
    with gf.Session(options=QUIET) as session:
        return session._frozen(fetches, feeds)[:2]


def prepared_twice(fetches: Any, feeds: dict[Any, Any]) -> tuple[Prepared, Prepared]:
    """What the passes and the scheduler have made, and what is found then."""
    made = []
    for _ in range(2):
        assumptions, program = frozen(fetches, feeds)
        with assuming(assumptions):
            made.append((prepare(program, ()), assumptions.guards))
    (first, guards), (second, other_guards) = made
    assert guards == other_guards
    return first, second


def assert_alike(first: Prepared, second: Prepared) -> None:
    alike = Alike()
    alike.programs(first.program, second.program)
    alike.schedules(first.schedule, second.schedule)
    for launch in second.schedule.launches():
        kernel = launch.kernel
        if isinstance(kernel, NamedKernel):
            digest = hashlib.sha256(kernel_text(kernel).encode()).hexdigest()
            assert kernel.name == f"gf_{digest[:24]}"


# Ops whose attributes are Python objects that no other process has.
OPEN = ("PyFunc", "PyFuncStateless")


@pytest.mark.parametrize("name", [
    name for name in sorted(REGISTRY)
    if REGISTRY[name].samples and not isinstance(REGISTRY[name].lowering, (Leaf, State))])
def test_every_op_comes_back(name: str, store: Memory) -> None:
    cases = cases_of(REGISTRY[name])
    for case in {c.number: c for c in cases}.values():
        for kind in ("constants", "unknown sizes"):
            with gf.Graph().as_default():
                inputs, outputs = build(case, kind)
                feeds = {} if kind == "constants" else dict(zip(inputs, case.inputs))
                fetches = outputs or gf.get_default_graph().get_operations()[-1]
                first, second = prepared_twice(fetches, feeds)
            assert second.found or name in OPEN, f"{name} is not kept"
            if second.found:
                assert_alike(first, second)


@pytest.mark.parametrize("seed", range(40))
def test_random_graphs_come_back(seed: int, store: Memory) -> None:
    drawn = draw_graph(random.Random(seed), 8)
    if drawn is None:
        return
    with drawn.graph.as_default():
        first, second = prepared_twice(drawn.fetches, drawn.feeds)
        if second.found:
            assert_alike(first, second)
        else:
            assert any(op.type == "PyFunc" for op in all_operations(drawn.graph))


def all_operations(graph: Any) -> list[Any]:
    found = list(graph.get_operations())
    for op in graph.get_operations():
        for value in op.attrs.values():
            if isinstance(value, gf.Graph):
                found += all_operations(value)
    return found


@pytest.mark.parametrize("seed", range(100, 108))
def test_random_graphs_run_alike(seed: int, store: Memory) -> None:
    drawn = draw_graph(random.Random(seed), 8)
    if drawn is None:
        return
    results = []
    for _ in range(2):
        with gf.Session(graph=drawn.graph, options=QUIET) as session:
            session.run([v.initializer for v in drawn.variables])
            results.append([session.run(drawn.fetches, drawn.feeds) for _ in range(2)])
    for mine, theirs in zip(*results):
        for a, c in zip(mine, theirs, strict=True):
            assert np.asarray(a).dtype == np.asarray(c).dtype
            np.testing.assert_array_equal(a, c)


# ---- what decides -------------------------------------------------------------------------------


def small_program() -> tuple[Any, Assumptions]:
    with gf.Graph().as_default():
        x = gf.placeholder(gf.float32, [None, 3])
        assumptions, program = frozen(gf.tanh(x) + gf.reduce_sum(x), {x: np.ones((2, 3))})
    return program, assumptions


def name_of(program: Any, disabled: Any = (), assumptions: Assumptions | None = None) -> str:
    source = source_of(program, disabled, assumptions)
    assert source is not None
    return source.name


def test_equal_programs_have_one_name() -> None:
    (one, _), (other, _) = small_program(), small_program()
    assert name_of(one) == name_of(other)
    assert name_of(one, {"algebra", "fold"}) == name_of(one, ["fold", "algebra"])
    assert name_of(one, ["fold"]) != name_of(one)


def test_what_was_assumed_is_part_of_the_name() -> None:
    program, _ = small_program()
    two, three = Assumptions({"a": 2, "b": 2}), Assumptions({"a": 2, "b": 3})
    assert name_of(program, (), two) == name_of(program, (), three)
    for assumptions in (two, three):
        assumptions.same(symbol("a"), symbol("b"))
    assert name_of(program, (), two) != name_of(program, (), three)


def test_assumptions_of_the_passes_come_back_and_must_hold() -> None:
    program, _ = small_program()
    made = prepare(program, ())
    source = source_of(program, (), None)
    assert source is not None
    guards = {(symbol("a"), symbol("b")): True, (symbol("a"), 1): False}
    data = write_record(source, made.program, made.schedule, guards)
    assert data is not None
    equal = Assumptions({"a": 4, "b": 4})
    assert read_record(data, source, equal) is not None and equal.guards == guards
    for hints in ({"a": 4, "b": 5}, {"a": 1, "b": 1}, {"a": 4}):
        other = Assumptions(hints)
        assert read_record(data, source, other) is None and other.guards == {}


def test_unknown_sizes_get_names_that_are_new(store: Memory) -> None:
    found = []
    for _ in range(3):
        with gf.Graph().as_default():
            x = gf.placeholder(gf.int32, [6])
            assumptions, program = frozen(gf.unique(gf.unique(x)[0] * 2)[0], {x: np.arange(6)})
            one = prepare(program, ())
            names = symbols_of([d for v in one.schedule.stored for d in v.shape.sizes])
            assert names and all(name.startswith("?") for name in names)
            counted = {name for step in one.schedule.steps if isinstance(step, CountStep)
                       for name in step.unknowns}
            own = symbols_of([d for n in program.nodes for v in n.outputs for d in v.shape.sizes])
            assert counted and counted <= own <= names
            found.append(names)
    assert len(store.files) == 1
    assert not found[0] & found[1] and not found[1] & found[2]


# ---- what is not kept, and what is not believed -------------------------------------------------


def test_programs_that_call_python_are_not_kept(store: Memory) -> None:
    with gf.Graph().as_default():
        y = gf.py_func(lambda: np.float32(2.0), [], gf.float32) * 3.0
        first, second = prepared_twice(y, {})
    assert not (first.found or second.found or store.files)


def test_ops_that_were_replaced_are_not_kept(
    store: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataclasses import replace

    monkeypatch.setitem(REGISTRY, "Tanh", replace(REGISTRY["Tanh"], defined_at="elsewhere.py:1"))
    program, assumptions = small_program()
    with assuming(assumptions):
        assert not prepare(program, ()).found
    assert not store.files


def test_a_print_counts_on_in_the_graph_that_has_it(
    store: Memory, capfd: pytest.CaptureFixture[str]
) -> None:
    with gf.Graph().as_default():
        x = gf.placeholder(gf.float32, [])
        y = gf.Print(x, [x], "seen: ", first_n=2)
        for _ in range(2):
            with gf.Session(options=QUIET) as session:
                for value in (1.0, 2.0, 3.0):
                    assert session.run(y, {x: value}) == value
    assert store.files
    said = capfd.readouterr().err
    assert said.count("seen: ") == 4 and "3" not in said


def test_nothing_but_plain_data_is_read(store: Memory) -> None:
    program, _ = small_program()
    prepare(program, ())
    name, = store.files
    for wrong in (pickle.dumps(os.getcwd), packed((1, 2)), packed(((), (), ((), (), ()), 0, ())),
                  b"", b"\x80", packed(None)):
        store.files[name] = wrong
        assert not prepare(program, ()).found
        assert prepare(program, ()).found  # it was replaced
    with pytest.raises(pickle.UnpicklingError, match="no plain data"):
        unpacked(pickle.dumps(os.getcwd))


def test_wrong_answers_are_left_out(store: Memory) -> None:
    program, _ = small_program()
    prepare(program, ())
    name, = store.files
    for wrong in (b"", packed((("gf_none", ()),)), packed(3), pickle.dumps(os.getcwd)):
        store.files[name + "_answers"] = wrong
        assert prepare(program, ()).found


@pytest.mark.parametrize("value", [
    None, True, 3, -0.0, float("inf"), 2 - 0.5j, "text", b"bytes", (1, ("a", (2.5,))), [1, "b"],
    gf.bfloat16, TensorShape(None), TensorShape([2, 3]), np.float32(0.1), np.int8(-3),
    "?1", symbol("x.0") * 3 + 1, (symbol("a") // 2) * symbol("b"), 10**30])
def test_attributes_come_back(value: Any) -> None:
    found = restored(unpacked(packed(plain(value))))
    assert type(found) is type(value) and found == value
    assert repr(found) == repr(value)


def test_what_has_no_plain_form() -> None:
    for value in (len, object(), {1}, (1, [print])):
        with pytest.raises(NotKept):
            plain(value)
