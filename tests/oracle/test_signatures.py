"""Public functions and methods take TensorFlow 1.15's arguments, in order, with its defaults."""

from __future__ import annotations

import ast
import enum
import inspect
import json
from pathlib import Path
from typing import Any

import pytest
from differences import NOT_YET, SIGNATURE_DIFFERENCES

import graphflow as gf

RECORDED = json.loads(Path(__file__).with_name("signatures.json").read_text(encoding="utf-8"))
SIGNATURES: dict[str, list[list[Any]]] = RECORDED["signatures"]
STARS = {
    inspect.Parameter.VAR_POSITIONAL: "*",
    inspect.Parameter.VAR_KEYWORD: "**",
}


def lookup(path: str) -> Any:
    """The object at a dotted path below graphflow, or None."""
    value: Any = gf
    for part in path.split("."):
        value = getattr(value, part, None)
        if value is None:
            return None
    return value


def text(default: Any) -> str:
    """A default in the form of the record."""
    if isinstance(default, gf.DType):
        return f"tf.{default.name}"
    if inspect.isfunction(default):
        return "function"
    return default.name if isinstance(default, enum.Enum) else repr(default)


def same_default(recorded: str | None, found: str | None) -> bool:
    """Equal as text or as Python values: TensorFlow's 0 is as good as 0.0, a list as a tuple."""
    if recorded == found or recorded is None or found is None:
        return recorded == found
    try:
        values = [ast.literal_eval(side) for side in (recorded, found)]
    except (ValueError, SyntaxError):
        return False
    first, second = (list(v) if isinstance(v, tuple) else v for v in values)
    return first == second


def signature(function: Any) -> list[list[Any]]:
    """[name, default] of each argument but `self`, in the form of the record."""
    function = function.__init__ if isinstance(function, type) else function
    found = []
    for parameter in inspect.signature(function).parameters.values():
        has_default = parameter.default is not inspect.Parameter.empty
        found.append([STARS.get(parameter.kind, "") + parameter.name,
                      text(parameter.default) if has_default else None])
    return [argument for argument in found if argument[0] != "self"]


def keyword_only(function: Any) -> set[str]:
    """The arguments that can only be given by name."""
    function = function.__init__ if isinstance(function, type) else function
    parameters = inspect.signature(function).parameters.values()
    return {p.name for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY}


def differences(recorded: list[list[Any]], function: Any) -> list[str]:
    """What differs, as lines. Additional arguments are fine where they go by name only."""
    wanted = [a for a in recorded if a[0] != "*"]
    extra = keyword_only(function) - {name for name, _ in wanted}
    found = [a for a in signature(function) if a[0] not in extra]
    names = [[_starred(name) for name, _ in side] for side in (wanted, found)]
    if names[0] != names[1]:
        return [f"arguments {names[0]} became {names[1]}"]
    return [f"{a[0]}={a[1]} became {b[0]}={b[1]}" for a, b in zip(wanted, found)
            if not same_default(a[1], b[1])]


def _starred(name: str) -> str:
    return "*" * name.count("*") or name


@pytest.mark.parametrize("path", [path for path in SIGNATURES if lookup(path) is not None])
def test_signature_is_tensorflows(path: str) -> None:
    found = differences(SIGNATURES[path], lookup(path))
    if path in SIGNATURE_DIFFERENCES:
        assert found, f"{path} no longer differs: take it out of SIGNATURE_DIFFERENCES"
    else:
        assert found == []


def test_no_other_name_is_missing() -> None:
    assert {path for path in SIGNATURES if lookup(path) is None} <= NOT_YET


@pytest.mark.parametrize("name", RECORDED["graph_keys"])
def test_graph_key(name: str) -> None:
    assert getattr(gf.GraphKeys, name) == RECORDED["graph_keys"][name]


@pytest.mark.parametrize("name", RECORDED["error_codes"])
def test_error_code(name: str) -> None:
    error = getattr(gf.errors, name)(None, None, "what went wrong")
    assert isinstance(error, gf.errors.OpError)
    assert error.error_code == RECORDED["error_codes"][name]
    assert (error.op, error.message) == (None, "what went wrong")


def instances() -> dict[str, Any]:
    """One object of each class whose properties are recorded."""
    graph = gf.Graph()
    with graph.as_default():
        tensor = gf.constant([1.0, 2.0])
        variable = gf.Variable([1.0, 2.0])
        scope = gf.get_variable_scope()
        slices = gf.IndexedSlices(tensor, gf.constant([0, 1]))
        session = gf.Session()
        array = gf.TensorArray(gf.float32, size=1, element_shape=[2])
    return {
        "Graph": graph, "Tensor": tensor, "Operation": tensor.op, "Variable": variable,
        "TensorShape": tensor.shape, "Dimension": gf.Dimension(3), "DType": gf.float32,
        "IndexedSlices": slices,
        "Session": session, "VariableScope": scope,
        "TensorArray": array,
        "errors.OpError": gf.errors.InvalidArgumentError(None, None, "message"),
    }


@pytest.mark.parametrize("owner", RECORDED["properties"])
def test_properties_are_there(owner: str) -> None:
    instance = instances()[owner]
    missing = [p for p in RECORDED["properties"][owner] if not hasattr(instance, p)]
    assert missing == []
