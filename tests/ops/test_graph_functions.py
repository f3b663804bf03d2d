"""Scopes, collections and seeds as functions of the default graph.

Seeds and names are those that `tensorflow.compat.v1` gives for the same calls.
"""

from __future__ import annotations

import pytest

import graphflow as gf


@pytest.fixture(autouse=True)
def graph():
    with gf.Graph().as_default() as graph:
        yield graph


def test_name_scope_takes_the_default_name_if_there_is_none():
    x = gf.constant(1.0)
    with gf.name_scope(None, "my_op", [x]) as scope:
        assert scope == "my_op/"
    with gf.name_scope("given", "my_op", [x]) as scope:
        assert scope == "given/"
    assert gf.name_scope(None, "my_op").name == "my_op"


def test_name_scope_can_be_entered_twice():
    block = gf.name_scope("a")
    with block as first:
        pass
    with block as second:
        assert (first, second) == ("a/", "a_1/")


def test_name_scope_goes_to_the_root():
    with gf.name_scope("a"), gf.name_scope(None) as scope:
        assert scope == "" and gf.constant(1, name="c").name == "c:0"


def test_name_scope_uses_the_graph_of_its_values(graph):
    x = gf.constant(1.0)
    with gf.Graph().as_default(), gf.name_scope("a", values=[3, x, None]):
        assert gf.get_default_graph() is graph


@pytest.mark.parametrize(("enter", "error", "message"), [
    (lambda: gf.name_scope(None, values=[1]), ValueError, "give a name"),
    (lambda: gf.name_scope(None, [1]), TypeError, "values="),
    (lambda: gf.control_dependencies(gf.constant(1)), TypeError, "takes a list"),
    (lambda: gf.control_dependencies([3.0]), TypeError, "3.0"),
])
def test_mistakes(enter, error, message):
    with pytest.raises(error, match=message), enter():
        pass


def test_values_of_two_graphs():
    x = gf.constant(1.0)
    with gf.Graph().as_default():
        y = gf.constant(1.0)
    with pytest.raises(ValueError, match="must be from the same graph"), \
            gf.name_scope("a", values=[x, y]):
        pass


def test_init_scope_keeps_names_and_drops_control_inputs():
    step = gf.constant(1).op
    with gf.control_dependencies([step]), gf.name_scope("a"), gf.init_scope():
        made = gf.constant(1.0, name="c").op
    assert (made.name, made.control_inputs) == ("a/c", ())


def test_collections():
    gf.add_to_collection("a", 1)
    gf.add_to_collections(["a", "b", "a"], 2)
    assert (gf.get_collection("a"), gf.get_collection("b")) == ([1, 2], [2])
    gf.get_collection("a").append(3)
    assert gf.get_collection("a") == [1, 2]
    gf.get_collection_ref("a").append(3)
    assert gf.get_collection("a") == [1, 2, 3]


def test_scopes_without_effect():
    x = gf.constant(1.0)
    with gf.colocate_with(x.op), gf.container("c") as name, gf.device("/cpu:0"):
        assert name == "c" and gf.constant(1.0).device == "/cpu:0"


def test_seeds():
    assert gf.get_seed(None) == (None, None)
    assert gf.get_seed(3) == (87654321, 3)
    gf.set_random_seed(5)
    assert [gf.get_seed(None), gf.get_seed(3), gf.get_seed(None)] == [(5, 0), (5, 3), (5, 1)]
    gf.set_random_seed(0)
    assert gf.get_seed(0) == (0, 2**31 - 1)
    assert gf.get_seed(2**31 + 4) == (0, 5)
