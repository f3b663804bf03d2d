"""Draws random graphs over the whole catalogue of ops, for comparing executors.

A `RandomGraph` applies ops to tensors that it made before, all decisions taken from one
`random.Random` (hypothesis has one whose decisions it can simplify). Each step is evaluated by
the reference at once, with all that was made before fed: so shapes and values are known while
drawing, and what is refused, not finite or very large is left out.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import graphflow as gf
from graphflow import dtypes as dt
from graphflow.errors import GraphflowError
from graphflow.options import Options

SIZES = (0, 1, 2, 3, 4, 7, 17)
FEED_DTYPES = (*[gf.float64] * 5, *[gf.float32] * 5, gf.int32, gf.int32, gf.int64, gf.bool,
               gf.complex64, gf.complex128, gf.float16, gf.bfloat16, gf.uint8, gf.int8)
MAX_ELEMENTS = 600
MAX_MAGNITUDE = 1e3


@dataclass
class Drawn:
    """A graph, and what to run of it.

    Attributes:
      feeds: placeholder → array; now and then another tensor.
      later: the feeds of the second run and so on, where those differ.
      fetches: tensors; updates of variables are among them, all of them.
      variables: in order of creation, with initial values.
      runs: how often to run the fetches in one session.
      ops: how often each type of op was drawn.
    """

    graph: gf.Graph
    feeds: dict[Any, np.ndarray] = field(default_factory=dict)
    later: list[dict[Any, np.ndarray]] = field(default_factory=list)
    fetches: list[Any] = field(default_factory=list)
    variables: list[Any] = field(default_factory=list)
    runs: int = 1
    ops: Counter[str] = field(default_factory=Counter)


class RandomGraph:
    """Tensors made so far, with their values; call inside `graph.as_default()`.

    Attributes:
      r: decides. numbers: fills arrays.
      values: of all tensors of the pool, in the first run.
      inputs: what gradients are taken with respect to: float feeds and variables.
      updates: of variables.
      fixed: feeds that keep their sizes in all runs.
    """

    def __init__(self, r: random.Random, graph: gf.Graph) -> None:
        self.r = r
        self.numbers = np.random.default_rng(r.randint(0, 2**32 - 1))
        self.drawn = Drawn(graph)
        self.values: dict[Any, np.ndarray] = {}
        self.pool: list[Any] = []
        self.inputs: list[Any] = []
        self.updates: list[Any] = []
        self.fixed: set[Any] = set()
        self.refused = 0
        self._session = gf.Session(graph=graph, options=Options(
            device="reference", silence=frozenset({"graph-growth"})))

    # ---- decisions --------------------------------------------------------------------------

    def pick(self, items: Sequence[Any]) -> Any:
        return items[self.r.randint(0, len(items) - 1)]

    def chance(self, percent: int) -> bool:
        return self.r.randint(0, 99) < percent

    def shape(self) -> tuple[int, ...]:
        while True:
            shape = tuple(self.pick(SIZES) for _ in range(self.r.randint(0, 3)))
            if np.prod(shape, dtype=int) <= MAX_ELEMENTS:
                return shape

    # ---- inputs -----------------------------------------------------------------------------

    def array(self, dtype: Any, shape: Sequence[int]) -> np.ndarray:
        """Numbers between −2 and 2; often whole or in quarters, so that some are equal."""
        drawn = self.numbers.uniform(-2, 2, shape)
        if dtype.is_bool:
            return drawn > 0
        if dtype.is_integer:
            drawn = np.rint(2 * drawn)
            return (np.abs(drawn) if dtype.is_unsigned else drawn).astype(dtype.numpy)
        if self.chance(30):
            drawn = np.rint(4 * drawn) / 4
        if dtype.is_complex:
            drawn = drawn + 1j * self.numbers.uniform(-2, 2, shape)
        return drawn.astype(dtype.numpy)

    def fed(self, array: np.ndarray, constant: int = 0) -> Any:
        """A placeholder for an array, sizes known or not; in `constant` % a constant."""
        dtype = dt.array_dtype(array)
        if self.chance(constant):
            return gf.constant(array, dtype=dtype)
        shape: Any = [n if self.chance(50) else None for n in array.shape]
        x = gf.placeholder(dtype, None if self.chance(3) else shape)
        self.drawn.feeds[x] = array
        self.values[x] = array
        if dtype.is_floating:
            self.inputs.append(x)
        return x

    def feed(self) -> None:
        """A new tensor from outside."""
        self.pool.append(self.fed(self.array(self.pick(FEED_DTYPES), self.shape())))

    def variable(self) -> None:
        """A new variable; what reads it follows later updates."""
        dtype = self.pick((gf.float64, gf.float32, gf.float32, gf.int32))
        v = gf.Variable(self.array(dtype, self.shape()), dtype=dtype)
        self._session.run(v.initializer)
        self.drawn.variables.append(v)
        if dtype.is_floating:
            self.inputs.append(v)

    # ---- tensors ----------------------------------------------------------------------------

    def any(
        self, rank: int = 0, fits: Callable[[np.ndarray], bool] = lambda value: True,
        floating: bool = True, like: Any = None,
    ) -> Any:
        """A tensor of the pool of at least that rank whose value fits; None if there is none.

        like: of the same element type as this one.
        """
        found = [t for t in self.pool if self.values[t].ndim >= rank
                 and (t.dtype.is_floating or not floating)
                 and (like is None or t.dtype is like.dtype) and fits(self.values[t])]
        return self.pick(found) if found else None

    def attempt(self, build: Callable[[], Any], updates: bool = False) -> bool:
        """Adds what `build` makes, if it can be built and its values are fit to go on with.

        updates: if it changes variables.
        """
        mark = len(self.drawn.graph.get_operations())
        fed = dict(self.drawn.feeds)
        try:
            made = build()
            made = _flat(made)
            values = self._evaluate(made, mark, updates)
        except GraphflowError:  # sizes, types or values that do not go together
            values = None
        if values is None:
            self.refused += 1
            self.drawn.feeds = fed
            self.inputs = [x for x in self.inputs if x in fed or not isinstance(x, gf.Tensor)]
            return False
        self.values.update(zip(made, values))
        self.pool += [t for t in made if t not in self.pool]
        self.updates += made if updates else []
        self.drawn.ops.update(
            op.type for op in self.drawn.graph.get_operations()[mark:])
        return True

    def _evaluate(self, made: list[Any], mark: int, updates: bool) -> list[np.ndarray] | None:
        """The values of new tensors, by the reference; None if one is not fit to go on with."""
        new = self.drawn.graph.get_operations()[mark:]
        border = {t: self.values[t] for op in new for t in op.inputs if t in self.values}
        before = self._session.run(self.drawn.variables) if updates else []
        values = [np.asarray(v) for v in self._session.run(list(made), border)]
        after = self._session.run(self.drawn.variables) if updates else []
        if all(map(_is_fit, (*values, *after))):
            return values
        for variable, value in zip(self.drawn.variables, before):
            variable.load(value, self._session)
        return None

    def finish(self) -> Drawn | None:
        """Chooses what to fetch; None if there is nothing."""
        drawn = self.drawn
        made = [t for t in self.pool if t not in drawn.feeds]
        if not made:
            return None
        drawn.fetches = [self.pick(made[-6:]) for _ in range(self.r.randint(1, 4))]
        drawn.fetches += self.updates
        resized = not drawn.variables and self.chance(30)
        if self.chance(45):
            drawn.fetches += self._gradients(made, resized)
        if drawn.variables:
            drawn.runs = 3
            drawn.fetches += [v for v in drawn.variables if self.chance(50)]
        if resized:
            drawn.runs = 3
            drawn.later = [self._resized() for _ in range(2)]
        if self.chance(8):
            inner = self.pick(made)
            drawn.feeds[inner] = self.values[inner]
            for feeds in drawn.later:
                feeds[inner] = self.values[inner]
        return drawn

    def _resized(self) -> dict[Any, np.ndarray]:
        """The feeds with other sizes where the graph knows none: equal sizes stay equal."""
        sizes = {n: self.pick((n, *SIZES)) for n in (0, 1, 2, 3, 4, 5, 6, 7, 17)}
        feeds = {}
        for x, array in self.drawn.feeds.items():
            known = [None] * array.ndim if x.shape.rank is None else x.shape.as_list()
            shape = tuple(sizes.get(n, n) if k is None else n
                          for k, n in zip(known, array.shape))
            small = np.prod(shape, dtype=int) <= 4 * MAX_ELEMENTS
            if array.size and small and x not in self.fixed:
                array = np.resize(array, shape)
            feeds[x] = array
        return feeds

    def _gradients(self, made: Sequence[Any], resized: bool) -> list[Any]:
        """Gradients of a random projection of some tensors; of sums, if sizes are to change."""
        targets = [t for t in made[-6:] if t.dtype.is_floating][-self.r.randint(1, 2):]
        if not targets or not self.inputs:
            return []
        seeds = [gf.constant(self.array(t.dtype, self.values[t].shape), dtype=t.dtype)
                 for t in targets]
        before = len(self.drawn.graph.get_operations())
        try:
            found = gf.gradients(targets, self.inputs, grad_ys=None if resized else seeds)
        except GraphflowError:  # no gradient is defined
            return []
        dense = [gf.convert_to_tensor(g) for g in found if g is not None]
        if dense and self.chance(15):
            try:
                twice = gf.gradients(dense[0] * dense[0], self.inputs)
            except GraphflowError:
                twice = []
            dense += [gf.convert_to_tensor(g) for g in twice if g is not None]
        self.drawn.ops.update(op.type for op in self.drawn.graph.get_operations()[before:])
        return dense


def _flat(made: Any) -> list[Any]:
    if isinstance(made, (list, tuple)):
        return [t for part in made for t in _flat(part)]
    return [made]


def _is_fit(value: np.ndarray) -> bool:
    if value.dtype.kind in "OSU" or value.size > MAX_ELEMENTS:
        return False
    if value.dtype.kind in "biu":
        return True
    with np.errstate(all="ignore"):
        size = np.abs(value.astype(np.complex128))
        return bool(np.all(np.isfinite(size)) and np.all(size <= MAX_MAGNITUDE))
