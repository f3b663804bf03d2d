"""`Dataset`: where elements come from, and what is done to them on the way.

A dataset is a recipe: `_elements(values)` gives a Python iterator over lists of arrays. Tensors of
the graph that it was made with (placeholders of the data, a fed batch size) are `_sources`; an
initializable iterator evaluates them when it is initialised. `values` belongs to one iterator: it
holds what they were, and the generators of random numbers.
"""

from __future__ import annotations

import copy
import glob
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from graphflow.builder import convert
from graphflow.data.pipeline import iterators
from graphflow.data.pipeline.elements import Spec, flatten, is_nest, joined, mapped, pack
from graphflow.data.pipeline.generators import generated
from graphflow.data.pipeline.mapping import ElementFunction
from graphflow.data.pipeline.nested import DatasetFunction, interleaved
from graphflow.dtypes import as_dtype, int64
from graphflow.errors import InvalidArgumentError, ShapeError
from graphflow.ops.arguments import holds_tensor
from graphflow.ops.graph_functions import get_seed
from graphflow.ops.static_facts import get_static_value
from graphflow.shapes import TensorShape, as_shape
from graphflow.tensor import Tensor

Values = dict[Any, Any]
Element = list[Any]
Elements = Callable[[Values], Iterator[Element]]


class Dataset:
    """A sequence of elements, each a nest of tensors, in the form of TensorFlow 1.15's."""

    def __init__(self, spec: Any, sources: Sequence[Tensor], elements: Elements) -> None:
        self._spec, self._sources = spec, tuple(dict.fromkeys(sources))
        self._elements = elements

    # ---- what the elements are ------------------------------------------------------------------

    @property
    def output_types(self) -> Any:
        """The element types, in a nest like an element."""
        return mapped(lambda s: s.dtype, self._spec)

    @property
    def output_shapes(self) -> Any:
        """The shapes, as far as they are known."""
        return mapped(lambda s: s.shape, self._spec)

    @property
    def output_classes(self) -> Any:
        """Tensor, for every component."""
        return mapped(lambda s: Tensor, self._spec)

    def __repr__(self) -> str:
        return f"<Dataset shapes: {self.output_shapes}, types: {self.output_types}>"

    # ---- sources --------------------------------------------------------------------------------

    @staticmethod
    def from_tensors(tensors: Any) -> Dataset:
        """One element: `tensors`, a nest of arrays or tensors."""
        spec, sources, read = _given(tensors)
        return Dataset(spec, sources, lambda values: iter([read(values)]))

    @staticmethod
    def from_tensor_slices(tensors: Any) -> Dataset:
        """The rows of `tensors`, a nest of arrays or tensors with one first size.

        Raises ShapeError for scalars and for first sizes that differ.
        """
        whole, sources, read = _given(tensors)
        sizes = set()
        for part in flatten(whole):
            if part.shape.rank == 0:
                raise ShapeError("from_tensor_slices: scalars have no slices. Did you mean "
                                 "from_tensors?")
            if part.shape.rank is not None and part.shape.as_list()[0] is not None:
                sizes.add(part.shape.as_list()[0])
        if len(sizes) > 1:
            raise ShapeError(f"from_tensor_slices: first sizes differ: {sorted(sizes)}.")

        def elements(values: Values) -> Iterator[Element]:
            arrays = read(values)
            if len({len(a) for a in arrays}) > 1:
                raise InvalidArgumentError(None, None, "from_tensor_slices: first sizes differ: "
                                           f"{[len(a) for a in arrays]}.")
            return (list(row) for row in zip(*arrays))

        rows = mapped(lambda s: Spec(s.dtype, s.shape[1:] if s.shape.rank else s.shape), whole)
        return Dataset(rows, sources, elements)

    @staticmethod
    def from_generator(
        generator: Callable[..., Any], output_types: Any, output_shapes: Any = None,
        args: Sequence[Any] = (),
    ) -> Dataset:
        """What `generator(*args)` yields, converted to the given types."""
        spec, elements = generated(generator, output_types, output_shapes, args)
        return Dataset(spec, (), elements)

    @staticmethod
    def list_files(file_pattern: Any, shuffle: bool | None = None, seed: int | None = None
                   ) -> Dataset:
        """The names of the files that match glob patterns, in random order unless shuffle=False.

        Raises InvalidArgumentError in the run if there are none.
        """
        given = [file_pattern] if isinstance(file_pattern, str) else list(file_pattern)

        def elements(values: Values) -> Iterator[Element]:
            names = sorted({name for pattern in given for name in glob.glob(str(pattern))})
            if not names:
                raise InvalidArgumentError(None, None, f"No files matched pattern: "
                                           f"{', '.join(map(str, given))}")
            return ([np.array(name.encode(), object)] for name in names)

        found = Dataset(Spec(as_dtype("string"), TensorShape([])), (), elements)
        return found if shuffle is False else found.shuffle(1 << 20, seed)

    @staticmethod
    def range(*args: int) -> Dataset:
        """int64 numbers, like Python's range."""
        return Dataset(Spec(int64, TensorShape([])), (), lambda values: (
            [np.int64(i)] for i in range(*args)))

    @staticmethod
    def zip(datasets: Any) -> Dataset:
        """Elements that are nests of one element each, as long as the shortest lasts."""
        parts = flatten(datasets)
        spec = pack(datasets, [d._spec for d in parts])
        return Dataset(spec, _all_sources(parts), lambda values: (
            list(itertools.chain(*rows))
            for rows in zip(*(d._elements(values) for d in parts))))

    # ---- transformations ------------------------------------------------------------------------

    def _then(
        self, change: Callable[[Iterator[Element], Values], Iterator[Element]], spec: Any = None,
        numbers: Sequence[Any] = (),
    ) -> Dataset:
        """The dataset after a change of its sequence."""
        sources = (*self._sources, *(n for n in numbers if isinstance(n, Tensor)))
        return Dataset(self._spec if spec is None else spec, sources,
                       lambda values: change(self._elements(values), values))

    def concatenate(self, dataset: Dataset) -> Dataset:
        """The elements of this, then those of another."""
        return Dataset(self._spec, _all_sources([self, dataset]), lambda values: itertools.chain(
            self._elements(values), dataset._elements(values)))

    def repeat(self, count: Any = None) -> Dataset:
        """All again, `count` times, or without end (None or −1)."""
        count = _number(count)

        def elements(values: Values) -> Iterator[Element]:
            times = -1 if count is None else _value(count, values)
            for _ in itertools.count() if times < 0 else range(times):
                empty = True
                for element in self._elements(values):
                    empty = False
                    yield element
                if empty:
                    return

        extra = [count] if isinstance(count, Tensor) else []
        return Dataset(self._spec, (*self._sources, *extra), elements)

    def shuffle(
        self, buffer_size: Any, seed: int | None = None,
        reshuffle_each_iteration: bool | None = None,
    ) -> Dataset:
        """Random order: each time one of the next `buffer_size` elements.

        Seeds count as those of random operations do; with one, every run has the same orders.
        """
        size, seeds = _number(buffer_size), get_seed(seed)
        fixed = None if seeds == (None, None) else [int(s or 0) & 0xFFFFFFFF for s in seeds]
        key = object()

        def change(elements: Iterator[Element], values: Values) -> Iterator[Element]:
            rng = values.setdefault(key, np.random.default_rng(fixed))  # begins with the iterator
            if reshuffle_each_iteration is False:
                rng = copy.deepcopy(rng)
            held: list[Element] = list(itertools.islice(elements, _value(size, values)))
            for element in elements:
                place = int(rng.integers(len(held)))
                held[place], element = element, held[place]
                yield element
            rng.shuffle(held)
            yield from held

        return self._then(change, numbers=[size])

    def batch(self, batch_size: Any, drop_remainder: bool = False) -> Dataset:
        """`batch_size` elements after one another along a new first axis; the last may be fewer.

        Raises InvalidArgumentError in the run if their shapes differ.
        """
        size = _number(batch_size)
        known = size if drop_remainder and not isinstance(size, Tensor) else None
        spec = mapped(lambda s: Spec(s.dtype, TensorShape([known]).concatenate(s.shape)),
                      self._spec)

        def change(elements: Iterator[Element], values: Values) -> Iterator[Element]:
            for rows in _chunks(elements, _value(size, values), drop_remainder):
                try:
                    yield [joined(column) for column in zip(*rows)]
                except ValueError as error:
                    raise InvalidArgumentError(
                        None, None, "batch: elements have different shapes: "
                        f"{[[np.shape(a) for a in row] for row in rows[:3]]}.") from error

        return self._then(change, spec, [size])

    def padded_batch(
        self, batch_size: Any, padded_shapes: Any = None, padding_values: Any = None,
        drop_remainder: bool = False,
    ) -> Dataset:
        """As `batch`; before, elements are filled up, at the end of each axis.

        padded_shapes: a nest of shapes; None and −1 are as long as the longest of the batch.
        padding_values: a nest of scalars, by default 0 or "".
        """
        size, parts = _number(batch_size), flatten(self._spec)
        goals = [s.shape for s in parts] if padded_shapes is None else [
            as_shape(s) for s in _shapes(padded_shapes, self._spec)]
        fills = [b"" if s.dtype.is_string else 0 for s in parts] if padding_values is None else (
            flatten(padding_values))

        def filled(column: Sequence[Any], goal: TensorShape, fill: Any) -> np.ndarray:
            arrays = [np.asarray(a) for a in column]
            longest = np.max([a.shape for a in arrays], axis=0, initial=0)
            sizes = [int(n) if g is None else g for g, n in zip(goal.as_list(), longest)]
            return joined([np.pad(a, [(0, n - m) for n, m in zip(sizes, a.shape)],
                                  constant_values=fill) if a.ndim else a for a in arrays])

        def change(elements: Iterator[Element], values: Values) -> Iterator[Element]:
            for rows in _chunks(elements, _value(size, values), drop_remainder):
                yield [filled(c, g, f) for c, g, f in zip(zip(*rows), goals, fills)]

        spec = pack(self._spec, [Spec(s.dtype, TensorShape([None]).concatenate(g))
                                 for s, g in zip(parts, goals)])
        return self._then(change, spec, [size])

    def map(self, map_func: Callable[..., Any], num_parallel_calls: int | None = None) -> Dataset:
        """`map_func(*components)` of each element: a function of tensors that gives a nest."""
        function = ElementFunction(map_func, self._spec)
        return self._then(lambda elements, values: map(function, elements), function.spec)

    def filter(self, predicate: Callable[..., Any]) -> Dataset:
        """The elements for which `predicate(*components)`, a bool tensor, is true."""
        function = ElementFunction(predicate, self._spec)
        return self._then(lambda elements, values: (e for e in elements if function(e)[0]))

    def take(self, count: Any) -> Dataset:
        """The first `count` elements; all if it is negative."""
        number = _number(count)

        def change(elements: Iterator[Element], values: Values) -> Iterator[Element]:
            limit = _value(number, values)
            return itertools.islice(elements, None if limit < 0 else limit)

        return self._then(change, numbers=[number])

    def skip(self, count: Any) -> Dataset:
        """All but the first `count` elements."""
        number = _number(count)
        return self._then(lambda elements, values: itertools.islice(
            elements, _value(number, values), None), numbers=[number])

    def shard(self, num_shards: int, index: int) -> Dataset:
        """Every `num_shards`-th element, from `index` on."""
        return self._then(lambda elements, values: itertools.islice(
            elements, index, None, num_shards))

    def enumerate(self, start: int = 0) -> Dataset:
        """(number, element) for each."""
        spec = (Spec(int64, TensorShape([])), self._spec)
        return self._then(lambda elements, values: (
            [np.int64(i), *e] for i, e in enumerate(elements, start)), spec)

    def flat_map(self, map_func: Callable[..., Any]) -> Dataset:
        """The elements of the dataset `map_func(*components)` of each element, in order.

        The function may also give tensors, for their rows.
        """
        function = DatasetFunction(map_func, self._spec)
        return self._then(lambda elements, values: (
            found for e in elements for found in function.elements(e)), function.rows_spec)

    def interleave(
        self, map_func: Callable[..., Any], cycle_length: int = -1, block_length: int = 1,
        num_parallel_calls: int | None = None,
    ) -> Dataset:
        """As `flat_map`, but `cycle_length` of the datasets at a time, each in its turn.

        block_length: how many elements of one are taken in turn. cycle_length -1 takes 4.
        """
        function = DatasetFunction(map_func, self._spec)
        cycle = 4 if cycle_length is None or cycle_length < 1 else int(cycle_length)
        return self._then(lambda elements, values: interleaved(
            iter(elements), function, cycle, int(block_length)), function.rows_spec)

    def unbatch(self) -> Dataset:
        """The rows of each element."""
        spec = mapped(lambda s: Spec(s.dtype, s.shape[1:]), self._spec)
        return self._then(lambda elements, values: (
            list(row) for e in elements for row in zip(*e)), spec)

    def with_options(self, options: Any) -> Dataset:
        """Accepted: the dataset itself."""
        return self

    def cache(self, filename: str = "") -> Dataset:
        """What comes is kept in memory, and comes from there in the next round."""
        kept: list[Element] = []
        complete: list[bool] = []

        def elements(values: Values) -> Iterator[Element]:
            if complete:
                yield from kept
                return
            kept.clear()
            for element in self._elements(values):
                kept.append(element)
                yield element
            complete.append(True)

        return Dataset(self._spec, self._sources, elements)

    def prefetch(self, buffer_size: Any) -> Dataset:
        """Accepted: elements are made when they are asked for."""
        return self

    def apply(self, transformation_func: Callable[[Dataset], Dataset]) -> Dataset:
        """`transformation_func(self)`."""
        return transformation_func(self)

    def make_one_shot_iterator(self) -> iterators.Iterator:
        """An iterator over the dataset, once in each session."""
        return iterators.make_one_shot_iterator(self)

    def make_initializable_iterator(self, shared_name: str | None = None) -> iterators.Iterator:
        """An iterator that begins when its `initializer` is run, and again each time."""
        return iterators.make_initializable_iterator(self)


def _given(tensors: Any) -> tuple[Any, list[Tensor], Callable[[Values], list[Any]]]:
    """(types, tensors of the graph, function that gives the arrays) of a nest."""
    leaves: list[Any] = []
    for leaf in flatten(tensors):
        if isinstance(leaf, list) and holds_tensor(leaf):
            leaf = convert(leaf)
        static = leaf if not isinstance(leaf, Tensor) else get_static_value(leaf)
        if static is None:
            leaves.append(leaf)
        else:
            leaves.append(_array(static))
    spec = pack(tensors, [
        Spec(v.dtype, v.shape) if isinstance(v, Tensor)
        else Spec(as_dtype(v.dtype) if v.dtype != object else as_dtype("string"),
                  TensorShape(v.shape)) for v in leaves])

    def read(values: Values) -> list[Any]:
        return [values[v] if isinstance(v, Tensor) else v for v in leaves]

    return spec, [v for v in leaves if isinstance(v, Tensor)], read


def _array(value: Any) -> np.ndarray:
    """An array with the type that a constant of the value would have."""
    if isinstance(value, np.ndarray) and value.dtype.kind not in "SU":
        return value
    found = get_static_value(convert(value))
    return np.asarray(found)


def _number(value: Any) -> Any:
    """A whole number, a tensor of one, or None."""
    if isinstance(value, Tensor):
        static = get_static_value(value)
        return value if static is None else int(static)
    return None if value is None else int(value)


def _value(number: Any, values: Values) -> int:
    return int(values[number]) if isinstance(number, Tensor) else number


def _chunks(elements: Iterator[Element], size: int, drop: bool) -> Iterator[list[Element]]:
    if size < 1:
        raise InvalidArgumentError(None, None, f"batch_size must be greater than 0, got {size}.")
    while rows := list(itertools.islice(elements, size)):
        if len(rows) == size or not drop:
            yield rows


def _shapes(shapes: Any, spec: Any) -> list[Any]:
    """The shapes of a nest like `spec`; a list is one shape."""
    if not is_nest(spec):
        return [shapes]
    keys = sorted(spec) if isinstance(spec, Mapping) else range(len(spec))
    return [s for key in keys for s in _shapes(shapes[key], spec[key])]


def _all_sources(datasets: Sequence[Dataset]) -> list[Tensor]:
    return [s for d in datasets for s in d._sources]
