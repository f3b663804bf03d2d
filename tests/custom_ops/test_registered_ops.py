"""`register_op`: declarations from outside, of each kind of lowering."""

from __future__ import annotations

import numpy as np
import pytest

import graphflow as gf
from graphflow.kernels import add_outside
from graphflow.lowering import Composite, Host, Library, Pointwise
from graphflow.opdef import REGISTRY, Attr, NotDifferentiable, same_as_input

FLOATS = (gf.float32, gf.float64)
V = np.array([-3.0, -0.5, 0.25, 2.0])


@pytest.fixture(autouse=True)
def graph():
    with gf.Graph().as_default():
        yield


@pytest.fixture
def register():
    """`register_op`, whose ops are gone after the test."""
    made = []

    def add(*args, **kwargs):
        made.append(gf.register_op(*args, **kwargs))
        return made[-1]

    yield add
    for op in made:
        op.unregister()


@pytest.fixture(params=["cpu", "reference"])
def session(graph: None, request: pytest.FixtureRequest):
    options = gf.Options(device=request.param, disable_passes=frozenset({"fold"}))
    with gf.Session(options=options) as sess:  # what is folded is not compiled
        yield sess


def clip_reference(x, limit):
    return np.clip(x, -limit, limit)


def clip_gradient(F, op, dy):
    x, limit = op.inputs[0], op.attrs["limit"]
    return [F.where(F.abs(x) < limit, dy, F.zeros_like(dy))]


LOWERINGS = {
    "pointwise": Pointwise(lambda b, x, limit: b.min(b.max(x, -limit), limit)),
    "composite": Composite(lambda F, x, limit: F.minimum(F.maximum(x, -limit), limit)),
    "host": Host(effect=False),
}


@pytest.mark.filterwarnings("ignore::graphflow.errors.GraphflowWarning")
@pytest.mark.parametrize("kind", LOWERINGS)
def test_an_op_of_each_kind(session, register, kind):
    clip = register(
        "test_ops/Clip", "x: T", T=FLOATS, attrs={"limit": Attr("float", 1.0)},
        infer=same_as_input, reference=clip_reference, grad=clip_gradient,
        lowering=LOWERINGS[kind])
    x = gf.constant(V)
    y = clip(x, limit=0.5)
    assert y.op.type == "test_ops/Clip" and y.op.name == "Clip"
    np.testing.assert_array_equal(session.run(y), np.clip(V, -0.5, 0.5))
    np.testing.assert_array_equal(session.run(clip(x)), np.clip(V, -1, 1))
    np.testing.assert_array_equal(session.run(gf.gradients(y, x)[0]), abs(V) < 0.5)


def reversing_kernel(dtypes):
    from graphflow.kernels.pointers import BITS, elements

    kind = BITS[dtypes[0].size]

    def kernel(buffers, sizes):
        source, target = elements(buffers, 0, kind), elements(buffers, 1, kind)
        for i in range(sizes[0]):
            target[i] = source[sizes[0] - 1 - i]

    return kernel


def test_a_kernel_from_outside(session, register):
    add_outside("test_ops reverse 1", reversing_kernel)
    flip = register(
        "test_ops/Flip", "x: T", T=FLOATS, infer=same_as_input, reference=lambda x: x[::-1].copy(),
        grad=lambda F, op, dy: [F.reverse(dy, [0])],
        lowering=Library("test_ops reverse 1", lambda ctx: (ctx.in_shapes[0][0],)))
    x = gf.placeholder(gf.float64, [None])
    np.testing.assert_array_equal(session.run(flip(gf.square(x)), {x: V}), (V * V)[::-1])


def test_a_name_is_taken_until_it_is_given_back(register):
    def declare():
        return register("test_ops/Same", "x: T", T=FLOATS, infer=same_as_input,
                        reference=lambda x: x, lowering=Composite(lambda F, x: F.identity(x)))

    op = declare()
    with pytest.raises(ValueError, match=r"'test_ops/Same' is declared twice: at .*ops\.py"):
        declare()
    op.unregister()
    assert "test_ops/Same" not in REGISTRY
    assert declare() is not op


@pytest.mark.parametrize("name", ["Clip", "", "/Clip", "my lib/Clip", 3])
def test_names_have_a_namespace(name):
    with pytest.raises(ValueError, match="a name in a namespace"):
        gf.register_op(name, "x: T", T=FLOATS, infer=same_as_input, reference=lambda x: x,
                       lowering=Host())


def test_no_gradient(register):
    kwargs = {"infer": same_as_input, "reference": clip_reference, "T": FLOATS,
              "lowering": Composite(lambda F, x: F.identity(x))}
    refuses = register("test_ops/Refuses", "x: T", **kwargs)
    blocks = register("test_ops/Blocks", "x: T", grad=NotDifferentiable("a test"), **kwargs)
    x = gf.constant(V)
    with pytest.raises(LookupError, match="test_ops/Refuses 'Refuses': it has no gradient"):
        gf.gradients(refuses(x), x)
    assert gf.gradients(blocks(x), x) == [None]


def test_wrong_uses(register):
    op = register("test_ops/Add", "x: T, y: T", T=FLOATS, infer=same_as_input,
                  reference=np.add, lowering=Composite(lambda F, x, y: F.add(x, y)))
    with pytest.raises(TypeError, match=r"test_ops/Add: it takes the inputs \(x, y\), got 1"):
        op(gf.constant(V))
    with pytest.raises(TypeError, match="same dtype"):
        op(gf.constant(V), gf.constant(V, gf.float32))
    with pytest.raises(ValueError, match="unknown attribute"):
        op(gf.constant(V), 1.0, axis=0)
    with pytest.raises(TypeError, match="must be a function of arrays"):
        gf.register_op("test_ops/X", "x: T", T=FLOATS, infer=same_as_input, reference=None,
                       lowering=Host())
