"""Loops over the first axis of tensors: `map_fn`, `scan`, `foldl`, `foldr`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from graphflow.builder import F, convert, op_function
from graphflow.dtypes import DType, as_dtype
from graphflow.errors import DTypeError, GraphError, GraphflowError, ShapeError
from graphflow.ops.arguments import failure
from graphflow.ops.nests import Nest
from graphflow.ops.scope import scope
from graphflow.ops.tensor_array import TensorArray
from graphflow.shapes import TensorShape
from graphflow.tensor import Tensor


class _Elements:
    """The elements that a loop goes through: `elems`, a nest of tensors [n, …].

    Attributes:
      tensors: the leaves.
      count: n, an int or an int32 scalar tensor.
    """

    def __init__(self, op: str, name: str | None, fn: Any, elems: Any) -> None:
        if not callable(fn):
            raise failure(op, name, f"fn must be a function, got {fn!r}", cls=DTypeError)
        self._op, self._name = op, name
        self.nest = Nest(elems)
        if self.nest.empty:
            raise failure(op, name, "elems must hold at least one tensor, got "
                          f"{self.nest.describe()}", cls=GraphError)
        self.tensors = [convert(e) for e in self.nest.leaves]
        length = TensorShape([None])
        for tensor in self.tensors:
            if tensor.shape.rank == 0:
                raise failure(
                    op, name, f"elems must have rank at least 1, got {tensor!r}",
                    "A list is a nest of tensors: gf.constant([…]) makes one tensor of it.",
                    ShapeError)
            if not length.is_compatible_with(tensor.shape[:1]):
                raise failure(
                    op, name, "elems must have the same first size, got shapes "
                    f"{', '.join(str(t.shape) for t in self.tensors)}", cls=ShapeError)
            length = length.merge_with(tensor.shape[:1])
        self.length = length
        known = length.num_elements()
        self.count: Any = F.shape(self.tensors[0])[0] if known is None else known
        self._arrays = [
            TensorArray(t.dtype, self.count, element_shape=t.shape[1:]).unstack(t)
            for t in self.tensors]

    def at(self, index: Any) -> Any:
        """The nest of the elements at `index`."""
        return self.nest.rebuild([a.read(index) for a in self._arrays])

    def results(self, arrays: Sequence[TensorArray]) -> list[Tensor]:
        """The arrays of results, one element per turn, as tensors [n, …]."""
        stacked = [a.stack() for a in arrays]
        for tensor in stacked:
            tensor.narrow(self.length.concatenate(tensor.shape[1:]))
        return stacked

    def checked(self, made: Any, like: Nest, dtypes: Sequence[DType], fix: str) -> list[Tensor]:
        """The leaves of fn's result. Raises GraphError or DTypeError unless they are as `like`."""
        nest = Nest(made)
        if not nest.same_structure(like):
            raise failure(
                self._op, self._name, f"fn must give the structure {like.describe()}, got "
                f"{nest.describe()}", fix, GraphError)
        leaves = []
        for leaf, dtype in zip(nest.leaves, dtypes):
            try:
                leaves.append(convert(leaf, dtype))
            except GraphflowError:
                raise failure(
                    self._op, self._name, f"fn must give {dtype.name}, got {leaf!r}", fix,
                    DTypeError) from None
        return leaves


@op_function
def map_fn(
    fn: Callable[..., Any], elems: Any, dtype: Any = None, parallel_iterations: int | None = None,
    back_prop: bool = True, swap_memory: bool = False, infer_shape: bool = True,
    name: str | None = None,
) -> Any:
    """`fn` of each element along the first axis, stacked.

    elems: a tensor [n, …] or a nest of tensors with the same n, which may be known only when the
      graph runs; fn takes the same nest of elements.
    dtype: the types of fn's results, in their nest; by default they are those of `elems`.
    parallel_iterations, swap_memory, infer_shape: accepted; all results must have one shape.
    back_prop: False lets no gradient flow.
    Returns the nest of results, tensors [n, …]. Raises DTypeError or GraphError for results of
    other types or another structure, ShapeError for scalar elems.
    """
    with scope(name, "map"):
        elements = _Elements("map_fn", name, fn, elems)
        like = elements.nest if dtype is None else Nest(dtype)
        dtypes = [t.dtype for t in elements.tensors] if dtype is None else [
            as_dtype(d) for d in like.leaves]
        arrays = [TensorArray(d, elements.count, infer_shape=infer_shape) for d in dtypes]

        def turn(i: Any, arrays: Sequence[TensorArray]) -> tuple[Any, list[TensorArray]]:
            made = elements.checked(
                fn(elements.at(i)), like, dtypes,
                "Pass dtype=…, the types of fn's results, as it nests them.")
            return i + 1, [a.write(i, v) for a, v in zip(arrays, made)]

        _, arrays = F.while_loop(
            lambda i, *_: i < elements.count, turn, (0, arrays), back_prop=back_prop)
        return like.rebuild(elements.results(arrays))


@op_function
def scan(
    fn: Callable[..., Any], elems: Any, initializer: Any = None, parallel_iterations: int = 10,
    back_prop: bool = True, swap_memory: bool = False, infer_shape: bool = True,
    reverse: bool = False, name: str | None = None,
) -> Any:
    """All values of `a = fn(a, element)`, element after element along the first axis.

    elems: a tensor [n, …] or a nest of tensors with the same n.
    initializer: the first a, a nest that fn gives again; by default a starts as the first element
      and is the first result.
    reverse: goes from the last element to the first; results stand where their elements do.
    parallel_iterations, swap_memory, infer_shape: accepted. back_prop: False lets no gradient
      flow.
    Returns the nest of a, tensors [n, …]. Raises DTypeError or GraphError if fn gives other types
    or another structure than a has.
    """
    with scope(name, "scan"):
        elements = _Elements("scan", name, fn, elems)
        count = elements.count
        first = (count - 1 if reverse else 0) if initializer is None else None
        like = elements.nest if initializer is None else Nest(initializer)
        start = [convert(v) for v in (
            Nest(elements.at(first)).leaves if initializer is None else like.leaves)]
        dtypes = [a.dtype for a in start]
        arrays = [TensorArray(d, count, infer_shape=infer_shape) for d in dtypes]
        if first is not None:
            arrays = [a.write(first, v) for a, v in zip(arrays, start)]

        def turn(i: Any, a: Sequence[Any], arrays: Sequence[TensorArray]) -> tuple[Any, ...]:
            made = elements.checked(
                fn(like.rebuild(a), elements.at(i)), like, dtypes,
                "The initializer gives the structure and types of the results.")
            written = [array.write(i, v) for array, v in zip(arrays, made)]
            return i - 1 if reverse else i + 1, made, written

        done = 0 if initializer is not None else 1
        _, _, arrays = F.while_loop(
            (lambda i, *_: i >= 0) if reverse else (lambda i, *_: i < count), turn,
            (count - 1 - done if reverse else done, start, arrays), back_prop=back_prop)
        return like.rebuild(elements.results(arrays))


@op_function
def foldl(
    fn: Callable[..., Any], elems: Any, initializer: Any = None, parallel_iterations: int = 10,
    back_prop: bool = True, swap_memory: bool = False, name: str | None = None,
) -> Any:
    """The last value of `a = fn(a, element)`, from the first element to the last.

    See `scan` for the arguments; without an initializer there must be an element. fn may give
    another type or structure than the elements have only if the initializer has it.
    """
    with scope(name, "foldl"):
        elements = _Elements("foldl", name, fn, elems)
        return _fold(elements, fn, initializer, back_prop, reverse=False)


@op_function
def foldr(
    fn: Callable[..., Any], elems: Any, initializer: Any = None, parallel_iterations: int = 10,
    back_prop: bool = True, swap_memory: bool = False, name: str | None = None,
) -> Any:
    """The last value of `a = fn(a, element)`, from the last element to the first.

    See `foldl`.
    """
    with scope(name, "foldr"):
        elements = _Elements("foldr", name, fn, elems)
        return _fold(elements, fn, initializer, back_prop, reverse=True)


def _fold(
    elements: _Elements, fn: Callable[..., Any], initializer: Any, back_prop: bool, reverse: bool
) -> Any:
    count = elements.count
    done = 0 if initializer is not None else 1
    like = elements.nest if initializer is None else Nest(initializer)
    start = Nest(elements.at(count - 1 if reverse else 0)).leaves if done else like.leaves
    start = [convert(v) for v in start]
    dtypes = [a.dtype for a in start]

    def turn(i: Any, a: Sequence[Any]) -> tuple[Any, ...]:
        made = elements.checked(
            fn(like.rebuild(a), elements.at(i)), like, dtypes,
            "The initializer gives the structure and types of the result.")
        return i - 1 if reverse else i + 1, made

    _, last = F.while_loop(
        (lambda i, *_: i >= 0) if reverse else (lambda i, *_: i < count), turn,
        (count - 1 - done if reverse else done, start), back_prop=back_prop)
    return like.rebuild(last)
