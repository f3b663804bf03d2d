"""Records of the native entry: what a session's calls look like, written down for native code.

A direct run (`runtime/direct.py`) that has come a few times in the same form gets a record and a
plan of its own. From then on the built-in function of `codegen/entry.py` runs it; it answers
`MISS`, having done nothing, whenever a call is not exactly as it was.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable, Hashable, Sequence
from functools import cache
from typing import Any

import numpy as np

from graphflow.codegen.compile import CACHE
from graphflow.codegen.dispatch import STATE, dispatcher
from graphflow.codegen.entry import emit_entry
from graphflow.codegen.entry_layout import (
    API,
    DATA,
    FLAGS,
    FUNCTIONS,
    IN_ORDER,
    LIST,
    OBJECT_TYPE,
    RANK,
    RECORD,
    SINGLE,
    SIZES,
    TABLE,
    TUPLE,
    TYPE,
    WRITEABLE,
)
from graphflow.runtime.calls import MISS, PreparedCall
from graphflow.runtime.direct import Recipe
from graphflow.runtime.fetch import FlatForm
from graphflow.runtime.numpy_interface import NUMPY_FUNCTIONS, numpy_function
from graphflow.runtime.plan import BUDGET, Plan
from graphflow.runtime.results import is_large, recycling
from graphflow.runtime.store import VariableStore

REPEATS = 3              # calls in the same form before one gets a record
KEPT_RECORDS = 8
HELD_COST = 1 << 18      # a step that touches fewer bytes keeps the interpreter lock
_METH_FASTCALL = 0x0080


class _MethodDefinition(ctypes.Structure):
    """Python's PyMethodDef."""

    _fields_ = (("name", ctypes.c_char_p), ("function", ctypes.c_void_p),
                ("flags", ctypes.c_int), ("doc", ctypes.c_char_p))


def _missed(*arguments: Any) -> Any:
    return MISS


class Entry:
    """The built-in function of one session, or of one callable, and its records.

    Args:
      store: the session's variables.
      positional: whether calls are (values…), rather than (fetches, feed_dict).

    Attributes:
      call: the function; answers MISS, or the values of the fetches.
    """

    def __init__(self, store: VariableStore, positional: bool) -> None:
        self._store, self._positional = store, positional
        self._records: list[_Record] = []
        self._seen: dict[Hashable, int] = {}
        self.call: Callable[..., Any] = _missed

    def _open(self) -> None:
        """Makes the function: it is long to compile, and not every session comes to need it."""
        self._table = np.zeros(len(TABLE) + KEPT_RECORDS, np.int64)
        self._table[:len(TABLE)] = (
            _api().ctypes.data, self._store.open.ctypes.data, self._positional, 0)
        self._definition = _MethodDefinition(b"run", _entry_address(), _METH_FASTCALL, None)
        make = ctypes.pythonapi.PyCFunction_NewEx
        make.restype, make.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.py_object,
                                                         ctypes.c_void_p]
        self.call = make(ctypes.addressof(self._definition), self._table, None)

    def note(self, call: PreparedCall, executable: Any, feeds: Sequence[np.ndarray]) -> None:
        """Counts a call that went the long way; the third one in the same form gets a record.

        executable: what ran, a `NativeExecutable` whose runs are direct.
        """
        key = (call, *[f.shape for f in feeds])
        self._seen[key] = self._seen.get(key, 0) + 1
        if self._seen[key] != REPEATS:
            return
        if len(self._seen) > 64 * KEPT_RECORDS:
            self._seen.clear()
        found = executable.direct_plan(feeds) if all(f.size for f in feeds) else None
        if found is None or call.form is None:
            return
        plan, recipe, states = found
        if not all(math.prod(shape) for shape, _ in recipe.fresh):
            return
        if recipe.fresh_commits(len(feeds) + len(states)) and releases(plan):
            return
        if self.call is _missed:
            self._open()
        record = _Record(call.form, call.fed, feeds, plan, recipe, states, self._store)
        # A replaced record must not be found any more before its memory goes.
        self._records.append(record)
        kept = self._records[-KEPT_RECORDS:]
        self._table[TABLE.index("count")] = 0
        self._table[len(TABLE):len(TABLE) + len(kept)] = [r.address for r in reversed(kept)]
        self._table[TABLE.index("count")] = len(kept)
        self._records = kept if not any(r.busy for r in self._records) else self._records


class _Record:
    """One form of a call, as words. Keeps alive what the words point to."""

    def __init__(
        self, form: FlatForm, keys: Sequence[Any], feeds: Sequence[np.ndarray], plan: Plan,
        recipe: Recipe, states: Sequence[str], store: VariableStore,
    ) -> None:
        kind, picks = form
        first = len(feeds) + len(states)
        released, commits = releases(plan), recipe.fresh_commits(first)
        scalars = [np.zeros((), dtype) if shape == () and place in recipe.outputs else None
                   for place, (shape, dtype) in enumerate(recipe.fresh, first)]
        self._keep: list[Any] = [
            plan, recipe, picks, keys, states, store, scalars, [f.dtype for f in feeds]]
        lists: dict[str, Sequence[tuple[int, ...]]] = {
            "feeds": [(id(f.dtype), f.ndim, self._sizes(f.shape)) for f in feeds],
            "states": [(id(key), k in recipe.taken) for k, key in enumerate(states)],
            "fresh": [(id(dtype), len(shape), self._sizes(shape), 0 if s is None else id(s))
                      for (shape, dtype), s in zip(recipe.fresh, scalars)],
            "binds": list(enumerate(recipe.order)),
            "commits": [(id(key), place) for key, place in commits],
            "outputs": [(place, recipe.fresh[place - first][0] == ())
                        for place in recipe.outputs],
            "picks": [(id(fetch), output) for fetch, output in picks],
        }
        words = {
            "releases": released, "writes": bool(recipe.commits),
            "guarded": released and bool(recipe.commits),
            "form": SINGLE if kind is None else LIST if kind is list else TUPLE,
            "keys": self._words([id(k) for k in keys]), "fed": self._words([0] * len(feeds)),
            "arrays": self._words([0] * (first + len(recipe.fresh))),
            "made": self._words([0] * len(recipe.outputs)),
            "objects": plan.objects.ctypes.data, "state": plan.address,
            "dispatch": dispatcher_address(),
            "last": plan.last_row,
            "status": np.asarray(plan.status).ctypes.data, "budget": BUDGET,
            "memory": _memory_for(recipe),
            **{name: id(self._kept(value)) for name, value in store.for_entry(
                frozenset(key for key, _ in recipe.commits)).items()},
        }
        for name, rows in lists.items():
            words[name] = self._words([word for row in rows for word in row])
            words["fresh_count" if name == "fresh" else f"{name[:-1]}_count"] = len(rows)
        self._words_array = np.array([words.get(name, 0) for name in RECORD], np.int64)
        self.address = self._words_array.ctypes.data

    @property
    def busy(self) -> bool:
        """Whether a thread is in the step."""
        return bool(self._words_array[RECORD.index("busy")])

    def _kept(self, value: Any) -> Any:
        self._keep.append(value)
        return value

    def _words(self, words: Sequence[int]) -> int:
        """The address of words that stay."""
        return int(self._kept(np.array([*words, 0], np.int64)).ctypes.data)

    def _sizes(self, shape: Sequence[int]) -> int:
        return self._words(shape)


def _memory_for(recipe: Recipe) -> int:
    """The address of the memory handler of a step's results; 0 for NumPy's own."""
    handler = recycling() if any(is_large(*form) for form in recipe.fresh) else None
    return 0 if handler is None else id(handler)


def releases(plan: Plan) -> bool:
    """Whether a step takes long enough to let other threads work."""
    return plan.loops or plan.cost > HELD_COST or bool(plan.state[STATE.index("team")])


def dispatcher_address() -> int:
    """The address of the dispatcher's code."""
    address = ctypes.cast(dispatcher(), ctypes.c_void_p).value  # type: ignore[arg-type]
    assert address is not None
    return address


@cache
def _entry_address() -> int:
    return CACHE.function("gf_entry", emit_entry)


@cache
def _api() -> np.ndarray:
    """The addresses of what the entry calls and knows, in the order of `API`."""
    objects = {"ndarray": np.ndarray, "dict": dict, "list": list, "tuple": tuple, "none": None,
               "true": True, "false": False, "miss": MISS}
    addresses: list[Any] = []
    for name in API:
        if name in objects:
            addresses.append(id(objects[name]))
        elif name in NUMPY_FUNCTIONS:
            addresses.append(numpy_function(name))
        else:
            addresses.append(ctypes.cast(getattr(ctypes.pythonapi, name), ctypes.c_void_p).value)
    assert set(API) == set(FUNCTIONS) | set(objects)
    return np.array(addresses, np.int64)


@cache
def layouts_hold() -> bool:
    """Whether this Python's and NumPy's objects are laid out as the entry reads them."""
    probe = np.zeros((3, 5), np.float32)
    word = ctypes.c_int64.from_address
    sizes = word(id(probe) + SIZES).value
    own = object()
    return bool(
        word(id(probe) + OBJECT_TYPE).value == id(np.ndarray)
        and word(id(probe) + DATA).value == probe.ctypes.data
        and ctypes.c_int32.from_address(id(probe) + RANK).value == 2
        and [word(sizes).value, word(sizes + 8).value] == [3, 5]
        and word(id(probe) + TYPE).value == id(probe.dtype)
        and ctypes.c_int32.from_address(id(probe) + FLAGS).value & (IN_ORDER | WRITEABLE)
        == IN_ORDER | WRITEABLE
        and ctypes.c_int32.from_address(id(own)).value == 1)
