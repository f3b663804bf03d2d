"""Expressions: interning, operators, constants, text, type errors."""

from __future__ import annotations

import copy
import gc
import math
import pickle
import subprocess
import sys
import threading
import weakref

import numpy as np
import pytest

from graphflow import dtypes
from graphflow.errors import DTypeError, ProgramError
from graphflow.loop_ir import OPS, Expr, ScalarBuilder, b, evaluate, to_text, walk
from graphflow.loop_ir.expr import leaves
from graphflow.loop_ir.nest import accumulator, load

x = b.arg(0, dtypes.float32)
y = b.arg(1, dtypes.float32)
n = b.arg(2, dtypes.int32)


def test_equal_expressions_are_one_object() -> None:
    assert b.tanh(x * y + 1) is b.tanh(x * y + 1)
    assert b.tanh(x * y + 1) is not b.tanh(y * x + 1)
    assert b.arg(0, dtypes.float32) is not b.arg(0, dtypes.float64)
    assert len({x + y, x + y, y + x}) == 2


def test_constants_are_told_apart_by_their_bits() -> None:
    def const(value: object) -> Expr:
        return b.const(value, dtypes.float32)

    assert const(0.0) is not const(-0.0)
    assert const(math.nan) is const(np.float64("nan"))
    assert const(1) is const(1.0)
    assert const(0.1) is const(np.float32(0.1))
    assert const(1) is not b.const(1, dtypes.int32)
    assert b.const(True, dtypes.bool_) is not b.const(1, dtypes.int8)


def test_interned_nodes_do_not_outlive_their_use() -> None:
    node = weakref.ref(b.tan(x * 12345))
    gc.collect()
    assert node() is None


def test_threads_intern_alike() -> None:
    barrier, built = threading.Barrier(4), []

    def make() -> None:
        barrier.wait()
        built.append([b.exp(x * i) for i in range(2000)])

    threads = [threading.Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for nodes in zip(*built):
        assert len(set(nodes)) == 1


def test_expressions_are_immutable() -> None:
    with pytest.raises(AttributeError, match="immutable"):
        x.op = "const"
    with pytest.raises(AttributeError, match="immutable"):
        del x.op


def test_copies_and_pickles_are_the_same_object() -> None:
    expr = b.tanh(x * 2 - y)
    assert copy.deepcopy(expr) is expr
    assert pickle.loads(pickle.dumps(expr)) is expr


def test_python_operators_are_the_builder_methods() -> None:
    flag = b.lt(x, y)
    one = b.const(1, like=x)
    assert x + 1 is b.add(x, one) and 1 + x is b.add(one, x)
    assert x - 1 is b.sub(x, one) and 1 - x is b.sub(one, x)
    assert x * 1 is b.mul(x, 1) and 1 * x is b.mul(1, x)
    assert x / 1 is b.div(x, 1) and 1 / x is b.div(1, x)
    assert n // 2 is b.floordiv(n, 2) and 2 // n is b.floordiv(2, n)
    assert n % 2 is b.mod(n, 2) and 2 % n is b.mod(2, n)
    assert x**2 is b.pow(x, 2) and 2**x is b.pow(2, x)
    assert -x is b.neg(x) and abs(x) is b.abs(x)
    assert (x < y) is flag and (x <= y) is b.le(x, y)
    assert (x > y) is b.gt(x, y) and (x >= 0) is b.ge(x, 0)
    assert n << 1 is b.shl(n, 1) and 1 << n is b.shl(1, n)
    assert n >> 1 is b.shr(n, 1) and 1 >> n is b.shr(1, n)
    assert n & 1 is b.bit_and(n, 1) and n | 1 is b.bit_or(n, 1)
    assert n ^ 1 is b.bit_xor(n, 1) and ~n is b.bit_not(n)
    assert flag & flag is b.logical_and(flag, flag) and flag | True is b.logical_or(flag, True)
    assert flag ^ flag is b.logical_xor(flag, flag) and ~flag is b.logical_not(flag)


def test_numbers_take_the_dtype_beside_them() -> None:
    assert (n * 3).args[1] is b.const(3, dtypes.int32)
    assert b.max(x, 0).args[1] is b.const(0.0, dtypes.float32)
    assert b.select(x < y, 0, n).args[1] is b.const(0, dtypes.int32)
    assert b.fma(2, 3, x).args[0] is b.const(2.0, dtypes.float32)
    third = b.arg(0, dtypes.float16) * (1 / 3)  # kept in float32, as such bodies compute
    assert third.args[1].attr == float(np.float32(1 / 3))


@pytest.mark.parametrize("make, message", [
    (lambda: x + n, r"scalar op add: operands differ in dtype: float32, int32\. "
                    r"Cast one of them, for example b\.cast\(x, dtypes\.float32\)\."),
    (lambda: n / n, "scalar op div: expects one of float32, .*; got int32"),
    (lambda: b.tanh(n), "tanh: expects one of .*; got int32"),
    (lambda: b.tanh(x, y), "tanh: expects 1 operands, got 2"),
    (lambda: b.add(x), "add: expects 2 operands, got 1"),
    (lambda: b.add(x, "1"), "add: expects Expr or numbers, got '1'"),
    (lambda: b.add(1, 2), r"numbers alone, without a dtype\. Give one of them as b\.const"),
    (lambda: b.select(1, x, y), "numbers alone"),
    (lambda: n + 1.5, "const: 1.5 is not a int32"),
    (lambda: n + True, "const: True is not a int32"),
    (lambda: x * 1j, "const: 1j is not a float32"),
    (lambda: b.const("a", dtypes.float32), "const: 'a' is not a float32"),
    (lambda: b.const(1, dtypes.string), "const: 1 is not a string"),
    (lambda: b.const(np.ones(2), dtypes.float32), r"expects a scalar, got an array \[2\]"),
    (lambda: b.arg(-1, dtypes.float32), "arg: expects a position 0, 1, 2 …, got -1"),
    (lambda: b.arg(0, dtypes.string), "arg: cannot give a result of dtype string"),
    (lambda: b.index("i"), "index: expects a position"),
    (lambda: b.cast(x, dtypes.string), "cast: cannot give a result of dtype string"),
    (lambda: b.bitcast(x < y, dtypes.uint8), "bitcast: expects one of"),
])
def test_type_errors_name_the_op_and_the_dtypes(make: object, message: str) -> None:
    with pytest.raises(DTypeError, match=message) as raised:
        make()
    assert isinstance(raised.value, TypeError)


@pytest.mark.parametrize("value, dtype", [
    (300, dtypes.uint8), (-1, dtypes.uint32), (2**63, dtypes.int64), (1e39, dtypes.float32)])
def test_constants_out_of_range(value: float, dtype: dtypes.DType) -> None:
    with pytest.raises(OverflowError, match=f"out of the range of {dtype.name}"):
        b.const(value, dtype)


def test_the_truth_of_an_expression_is_not_known() -> None:
    with pytest.raises(TypeError, match="b.select"):
        if x < y:
            pass


def test_operands_must_be_expressions_and_dtypes_dtypes() -> None:
    with pytest.raises(ProgramError, match="operands of neg are not all Expr"):
        Expr("neg", (1.0,), dtypes.float32)
    with pytest.raises(ProgramError, match="the dtype of neg is 'float32', not a DType"):
        Expr("neg", (x,), "float32")


def test_attributes_of_other_types_do_not_alias() -> None:
    assert Expr("arg", (), dtypes.float32, 1) is not Expr("arg", (), dtypes.float32, True)
    assert Expr("const", (), dtypes.float32, 1) is not b.const(1, dtypes.float32)


def test_the_builder_knows_every_op_and_suggests() -> None:
    assert set(OPS) <= set(dir(b))
    assert b.tanh.__doc__ == "The hyperbolic tangent."
    assert ScalarBuilder().tanh(x) is b.tanh(x)
    with pytest.raises(AttributeError, match="no scalar op 'tanhh'. Did you mean 'tanh'"):
        b.tanhh(x)


def test_a_cast_to_its_own_dtype_is_the_expression() -> None:
    assert b.cast(x, dtypes.float32) is x
    assert b.cast(x, "int32").dtype is dtypes.int32


def test_walk_gives_operands_first_and_each_node_once() -> None:
    shared = x * y
    expr = shared + b.tanh(shared)
    assert list(walk(expr)) == [x, y, shared, b.tanh(shared), expr]
    assert list(walk(y, shared)) == [y, x, shared]


def test_leaves_are_those_that_a_walk_finds() -> None:
    i, k = b.index(0), b.index(1)
    offset = (i * b.size(2) + k) * 3 - 1
    element = load(1, offset, dtypes.float32)
    for root in (x, n + 1, offset, b.fma(element, x, accumulator(4, dtypes.float32)),
                 b.tanh(y) * element):
        found = {(node.op, node.attr, node.dtype.name) for node in walk(root)
                 if node.op in ("index", "size", "accumulator", "load", "arg")}
        assert leaves(root) == found
    assert leaves(b.const(1.0, dtypes.float32)) == frozenset()
    deep = x
    for _ in range(5_000):
        deep = deep * 1.5
    assert leaves(deep) == leaves(x)


def test_text_is_canonical() -> None:
    shared = b.arg(0, dtypes.float32) * -1.5
    expr = b.select(shared < 0, b.cast(b.index(1), dtypes.float32), shared)
    assert to_text(expr) == (
        "%0 = arg[0] : float32\n"
        "%1 = const[-0x1.8000000000000p+0] : float32\n"
        "%2 = mul %0 %1 : float32\n"
        "%3 = const[0x0.0p+0] : float32\n"
        "%4 = lt %2 %3 : bool\n"
        "%5 = index[1] : int64\n"
        "%6 = cast %5 : float32\n"
        "%7 = select %4 %6 %2 : float32\n"
        "return %7\n")
    assert to_text(x, x + y).endswith("return %0, %2\n")


def test_text_tells_apart_what_differs() -> None:
    exprs = [x + 0.0, x + -0.0, x + 1e-45, x + math.nan, x + math.inf, x - 0.0, y + 0.0,
             b.cast(x, dtypes.int32), b.cast(x, dtypes.uint32), b.bitcast(x, dtypes.int32),
             b.const(complex(1, -0.0), dtypes.complex64), b.const(1 + 0j, dtypes.complex64)]
    assert len({to_text(expr) for expr in exprs}) == len(exprs)


def test_text_is_the_same_in_another_process() -> None:
    program = ("from graphflow.loop_ir import b, philox4x32, to_text\n"
               "words = [b.arg(i, 'uint32') for i in range(6)]\n"
               "print(to_text(*philox4x32(b, *words)), end='')\n")
    texts = {subprocess.run([sys.executable, "-c", program], capture_output=True, text=True,
                            check=True, env={"PYTHONPATH": ":".join(sys.path),
                                             "PYTHONHASHSEED": seed}).stdout
             for seed in ("1", "2")}
    assert len(texts) == 1 and "mulhi_u32" in texts.pop()


def test_a_repr_is_short() -> None:
    assert repr(b.tanh(x * y)) == "<Expr tanh(mul): float32>"
    assert repr(x) == "<Expr arg[0](): float32>"


def test_deep_chains() -> None:
    """10⁵ nodes build, walk, print, evaluate and go away without recursion."""
    chain = x
    for _ in range(100_000):
        chain = chain + 1
    assert sum(1 for _ in walk(chain)) == 100_002
    assert to_text(chain).count("\n") == 100_003
    assert evaluate(chain, [np.zeros(3, np.float32)]).tolist() == [1e5] * 3
    del chain
    gc.collect()
