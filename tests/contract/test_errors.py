"""Contract: every declared mistake is refused when the op is built, and worded in the one form."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest

from graphflow.builder import apply
from graphflow.graph import Graph
from graphflow.opdef import REGISTRY, ErrorSample, OpDef, TensorType
from graphflow.ops.leaves import constant, placeholder

OPS = [name for name in sorted(REGISTRY) if REGISTRY[name].errors]


def _input(value: Any) -> Any:
    if isinstance(value, TensorType):
        return placeholder(value.dtype, value.shape)
    return constant(value)


def _refusal(opdef: OpDef, sample: ErrorSample) -> tuple[Exception, int]:
    """The error of building `opdef` here, and the line of this file that built it."""
    with Graph().as_default():
        inputs = [_input(value) for value in sample.inputs]
        try:
            line = sys._getframe().f_lineno + 1
            apply(opdef, inputs, sample.attrs, name="layer/step")
        except Exception as error:
            return error, line
    raise AssertionError(f"{opdef.name} accepts {sample}")


@pytest.mark.parametrize("name", OPS)
def test_declared_errors_name_op_problem_and_line(name: str) -> None:
    for sample in REGISTRY[name].errors():  # type: ignore[misc]  # OPS have them
        error, line = _refusal(REGISTRY[name], sample)
        message = str(error)
        assert type(error) is sample.raises, f"{type(error).__name__}: {message}"
        assert re.search(sample.match, message), f"{message!r} does not match {sample.match!r}"
        assert message.startswith(f"{name} 'layer/step': "), message
        where = re.search(r"[.?!] Built at (\S+):(\d+)\.(?: \S.*)?$", message, re.DOTALL)
        assert where, message
        assert (Path(where[1]).name, int(where[2])) == (Path(__file__).name, line), message
        assert "graphflow/" not in message, message


@pytest.mark.parametrize("name", OPS)
def test_declared_errors_say_what_came(name: str) -> None:
    """A message that quotes nothing of the mistake (a size, a name, a number) helps nobody."""
    for sample in REGISTRY[name].errors():  # type: ignore[misc]
        error, _ = _refusal(REGISTRY[name], sample)
        problem = str(error).split(": ", 1)[1].split(" Built at ")[0]
        assert re.search(r"\d|'|\bat least one\b|" + "|".join(
            re.escape(a.name) for a in REGISTRY[name].args), problem), str(error)
