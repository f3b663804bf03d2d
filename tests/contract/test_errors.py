"""Contract: every declared mistake is refused when the op is built, and worded in the one form."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest
from contract_cases import cases_of, ops_that

from graphflow import dtypes as dt
from graphflow.builder import apply
from graphflow.errors import DTypeError
from graphflow.graph import Graph
from graphflow.opdef import REGISTRY, ErrorSample, OpDef, TensorType
from graphflow.ops.leaves import constant, placeholder
from graphflow.shapes import TensorShape

OPS = [name for name in sorted(REGISTRY) if REGISTRY[name].errors]


def _input(value: Any) -> Any:
    if isinstance(value, TensorType):
        return placeholder(value.dtype, value.shape)
    return constant(value)


def _refusal(opdef: OpDef, sample: ErrorSample) -> str:
    """The message of building `opdef` here, which must be in the one form and name this line."""
    with Graph().as_default():
        inputs = [_input(value) for value in sample.inputs]
        line = sys._getframe().f_lineno + 2
        with pytest.raises(sample.raises, match=sample.match) as failure:
            apply(opdef, inputs, sample.attrs, name="layer/step")
    message = str(failure.value)
    assert type(failure.value) is sample.raises, message
    assert message.startswith(f"{opdef.name} 'layer/step': "), message
    where = re.search(r"[.?!] Built at (\S+):(\d+)\.(?: \S.*)?$", message, re.DOTALL)
    assert where, message
    assert (Path(where[1]).name, int(where[2])) == (Path(__file__).name, line), message
    assert "graphflow/" not in message, message
    return message


@pytest.mark.parametrize("name", OPS)
def test_declared_errors_name_op_problem_and_line(name: str) -> None:
    for sample in REGISTRY[name].errors():  # type: ignore[misc]  # OPS have them
        _refusal(REGISTRY[name], sample)


@pytest.mark.parametrize("name", OPS)
def test_declared_errors_say_what_came(name: str) -> None:
    """A message that quotes nothing of the mistake (a size, a name, a number) helps nobody."""
    for sample in REGISTRY[name].errors():  # type: ignore[misc]
        message = _refusal(REGISTRY[name], sample)
        problem = message.split(": ", 1)[1].split(" Built at ")[0]
        names = [re.escape(arg.name) for arg in REGISTRY[name].args]
        assert re.search("|".join([r"\d", "'", r"\bat least one\b", *names]), problem), message


def _picky(opdef: OpDef) -> bool:
    return any(set(arg.types) != set(dt.ALL) for arg in opdef.args)


@pytest.mark.parametrize("name", ops_that(_picky))
def test_wrong_element_types_are_refused(name: str) -> None:
    """Each input in turn, as a type that it does not take."""
    case = cases_of(REGISTRY[name])[0]
    for i in range(len(case.inputs)):
        types = case.opdef.arg(i).types
        wrong = next((t for t in dt.ALL if t not in types), None)
        if wrong is not None:
            inputs = [TensorType(wrong if k == i else dt.array_dtype(a), TensorShape.of(a.shape))
                      for k, a in enumerate(case.inputs)]
            match = (f"{re.escape(case.opdef.arg_name(i))} must be one of .*got {wrong.name}"
                     "|inputs must have the same dtype")
            _refusal(case.opdef, ErrorSample(tuple(inputs), case.sample.attrs, DTypeError, match))
