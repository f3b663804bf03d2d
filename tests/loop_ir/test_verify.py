"""`verify`: what it accepts, what it finds, and how it names the place."""

from __future__ import annotations

import pytest

from graphflow import dtypes
from graphflow.errors import ProgramError
from graphflow.loop_ir import Expr, b, philox4x32, verify

x = b.arg(0, dtypes.float32)
n = b.arg(1, dtypes.int32)


def test_what_the_builder_makes_is_right() -> None:
    verify(b.tanh(x * 2 + 1))
    verify(b.cast(n, dtypes.float16), b.select(x < 0, x, 1), b.index(0) + b.size(3))
    verify(*philox4x32(b, *(b.arg(i, dtypes.uint32) for i in range(6))))


@pytest.mark.parametrize("wrong, message", [
    (Expr("add", (x, n), dtypes.float32), "operands differ in dtype: float32, int32"),
    (Expr("add", (x,), dtypes.float32), "add takes 2 operands, it has 1"),
    (Expr("add", (x, x), dtypes.float64), "its dtype should be float32"),
    (Expr("lt", (x, x), dtypes.float32), "its dtype should be bool"),
    (Expr("sine", (x,), dtypes.float32), "there is no scalar op 'sine'"),
    (Expr("tanh", (x,), dtypes.float32, 3), "tanh takes no attribute, it has 3"),
    (Expr("tanh", (n,), dtypes.int32), "tanh: expects one of"),
    (Expr("const", (), dtypes.float32, 1), "a float32 constant is a Python float, got 1"),
    (Expr("const", (), dtypes.string, "a"), "cannot give a result of dtype string"),
    (Expr("arg", (), dtypes.float32), "expects a position 0, 1, 2 …, got None"),
    (Expr("index", (), dtypes.int32, 0), "its dtype should be int64"),
    (Expr("bitcast", (x,), dtypes.int64), "float32 has 32 bits, int64 64"),
    (Expr("arg", (), dtypes.float32, True), "expects a position 0, 1, 2 …, got True"),
], ids=lambda value: value if isinstance(value, str) else value.op)
def test_a_wrong_node_is_found_where_it_stands(wrong: Expr, message: str) -> None:
    with pytest.raises(ProgramError, match=f"root is <Expr .*{message}"):
        verify(wrong)
    parent = Expr("neg", (Expr("add", (x, wrong), dtypes.float32),), dtypes.float32)
    with pytest.raises(ProgramError) as raised:
        verify(parent)
    assert "root.args[0].args[1] is <Expr" in str(raised.value)
    assert message in str(raised.value)


def test_the_root_is_numbered_if_there_are_several() -> None:
    wrong = Expr("neg", (n,), dtypes.float32)
    with pytest.raises(ProgramError, match=r"roots\[1\]\.args\[0\] is"):
        verify(x, Expr("neg", (wrong,), dtypes.float32))


def test_a_long_path_is_shortened() -> None:
    chain = Expr("tanh", (n,), dtypes.float32)
    for _ in range(100_000):
        chain = Expr("neg", (chain,), dtypes.float32)
    with pytest.raises(ProgramError, match="99992 more") as raised:
        verify(chain)
    assert len(str(raised.value)) < 400
