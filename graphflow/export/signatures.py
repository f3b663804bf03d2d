"""`Signature`: the named inputs and outputs by which an exported graph is called."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from graphflow.errors import ExportError, FeedError, LoadError
from graphflow.export.graph_reader import tensor_at
from graphflow.export.plain import as_kind, number, only_keys, shown
from graphflow.export.plain import field as entry_of
from graphflow.export.sizes import dtype_of, open_shape
from graphflow.graph import Graph
from graphflow.indexed_slices import IndexedSlices
from graphflow.sparse_tensor import SparseTensor
from graphflow.tensor import Operation, Tensor, dereferenced

Value = Tensor | SparseTensor | IndexedSlices
_LIST = "a list of [name, value]"


@dataclass(frozen=True, slots=True)
class Signature:
    """What a part of a graph is called with, and what it gives.

    Attributes:
      inputs: name → tensor, SparseTensor or IndexedSlices that is fed. Tensors of any kind may be
        inputs; what computes them is not exported then.
      outputs: name → tensor, variable, SparseTensor or IndexedSlices.
      updates: operations that run with every call, such as a training step.
    """

    inputs: Mapping[str, Any] = field(default_factory=dict)
    outputs: Mapping[str, Any] = field(default_factory=dict)
    updates: Sequence[Any] = ()

    def resolved(self, graph: Graph, name: str) -> Signature:
        """The signature with tensors of `graph` alone. Raises ExportError for anything else."""
        inputs = {k: _resolved(graph, v, f"signature '{name}', input '{k}'")
                  for k, v in _named(self.inputs, name, "inputs")}
        outputs = {k: _resolved(graph, v, f"signature '{name}', output '{k}'")
                   for k, v in _named(self.outputs, name, "outputs")}
        updates = []
        for update in self.updates:
            element = _element(graph, update, f"signature '{name}', updates")
            updates.append(element.op if isinstance(element, Tensor) else element)
        for tensor in parts_of(inputs.values()):
            if tensor.is_handle:
                raise ExportError(f"signature '{name}': the variable {tensor.name!r} is no input.")
        return Signature(inputs, outputs, tuple(updates))


def as_signature(value: Any, name: str) -> Signature:
    """A Signature, or a pair of dicts (inputs, outputs). Raises ExportError otherwise."""
    value = getattr(value, "signature", value)
    if isinstance(value, Signature):
        return value
    if isinstance(value, (tuple, list)) and len(value) == 2 and all(
            isinstance(v, Mapping) for v in value):
        return Signature(*value)
    raise ExportError(
        f"signature '{name}' must be a gf.Signature or (inputs, outputs), two dicts from names to "
        f"tensors; got {value!r}.")


def parts_of(values: Any) -> list[Tensor]:
    """The tensors that stand behind the values of a signature."""
    found: list[Tensor] = []
    for value in values:
        if isinstance(value, SparseTensor):
            found += [value.indices, value.values, value.dense_shape]
        elif isinstance(value, IndexedSlices):
            found += [t for t in (value.values, value.indices, value.dense_shape)
                      if t is not None]
        else:
            found.append(value)
    return found


def _named(values: Any, name: str, what: str) -> Iterator[tuple[str, Any]]:
    if not isinstance(values, Mapping) or not all(isinstance(k, str) and k for k in values):
        raise ExportError(f"signature '{name}': {what} must be a dict from names to tensors, got "
                          f"{values!r}.")
    yield from values.items()


def _resolved(graph: Graph, value: Any, where: str) -> Value:
    if isinstance(value, SparseTensor):
        for tensor in parts_of([value]):
            _element(graph, tensor, where)
        return value
    if isinstance(value, IndexedSlices):
        parts = (value.values, value.indices, value.dense_shape)
        return IndexedSlices(*(None if p is None else _resolved(graph, p, where) for p in parts))
    element = _element(graph, value, where)
    if isinstance(element, Operation):
        raise ExportError(f"{where}: {element!r} has no value; it can be one of `updates`.")
    return element


def _element(graph: Graph, value: Any, where: str) -> Any:
    try:
        return graph.as_graph_element(dereferenced(value))
    except (ValueError, TypeError) as error:
        raise ExportError(f"{where}: {error}") from error


# ---- in a file ---------------------------------------------------------------------------------

Reference = Callable[[Tensor], list[int]]


def write_signature(
    signature: Signature, reference: Reference, numbers: Mapping[Operation, int]
) -> dict[str, Any]:
    """The plain form; element types and shapes stand there for whoever reads the file."""
    return {
        "inputs": [[k, _write_value(v, reference)] for k, v in signature.inputs.items()],
        "outputs": [[k, _write_value(v, reference)] for k, v in signature.outputs.items()],
        "updates": [numbers[op] for op in signature.updates],
    }


def _write_value(value: Value, reference: Reference) -> dict[str, Any]:
    if isinstance(value, SparseTensor):
        parts = [value.indices, value.values, value.dense_shape]
        return {"sparse": [reference(t) for t in parts], "dtype": value.dtype.name}
    if isinstance(value, IndexedSlices):
        rows = [value.values, value.indices, value.dense_shape]
        return {"rows": [None if t is None else reference(t) for t in rows],
                "dtype": value.dtype.name}
    return {"tensor": reference(value), "dtype": value.dtype.name,
            "shape": open_shape(value.shape)}


def read_signature(plain: Any, built: list[Operation], where: str) -> Signature:
    """The signature over the operations that were built. Raises LoadError."""
    record = as_kind(plain, dict, where)
    only_keys(record, ("inputs", "outputs", "updates"), where)
    updates = [built[number(n, where, len(built))]
               for n in entry_of(record, "updates", list, where)]
    inputs = _read_values(record, "inputs", built, where)
    if any(t.is_handle for t in parts_of(inputs.values())):
        raise LoadError(f"{where}: a variable is no input.")
    return Signature(inputs, _read_values(record, "outputs", built, where), tuple(updates))


def _read_values(
    record: dict[str, Any], key: str, built: list[Operation], where: str
) -> dict[str, Value]:
    found: dict[str, Value] = {}
    for pair in entry_of(record, key, list, where):
        if not isinstance(pair, list) or len(pair) != 2 or (
                not isinstance(pair[0], str) or not pair[0]):
            raise LoadError(f"{where}: {key} is {_LIST}, got {shown(pair)}.")
        if pair[0] in found:
            raise LoadError(f"{where}: {key}: {shown(pair[0])} is there twice.")
        found[pair[0]] = _read_value(pair[1], built, f"{where}: {shown(pair[0])}")
    return found


def _read_value(plain: Any, built: list[Operation], where: str) -> Value:
    record = as_kind(plain, dict, where)
    only_keys(record, ("tensor", "sparse", "rows", "dtype", "shape"), where)
    dtype = dtype_of(entry_of(record, "dtype", str, where), where)
    value: Value
    if "tensor" in record:
        value = tensor_at(record["tensor"], built, where)
        _check_shape(value, record.get("shape"), where)
    else:
        key = "sparse" if "sparse" in record else "rows"
        parts = [None if r is None and key == "rows" else tensor_at(r, built, where)
                 for r in entry_of(record, key, list, where)]
        if len(parts) != 3 or parts[0] is None or parts[1] is None:
            raise LoadError(f"{where}: three tensors were expected, got {shown(plain)}.")
        value = _sparse(parts, where) if key == "sparse" else IndexedSlices(*parts)
    if value.dtype is not dtype:
        raise LoadError(f"{where}: the graph gives {value.dtype.name}, not {dtype.name}.")
    return value


def _sparse(parts: list[Any], where: str) -> SparseTensor:
    try:
        with parts[0].graph.as_default():
            return SparseTensor(*parts)
    except (ValueError, TypeError) as error:
        raise LoadError(f"{where}: {error}") from error


def _check_shape(tensor: Tensor, plain: Any, where: str) -> None:
    known = open_shape(tensor.shape)
    if known is not None and plain is not None and plain != known:
        raise LoadError(f"{where}: the graph gives {tensor.shape}, not {shown(plain)}.")


# ---- called ------------------------------------------------------------------------------------


class LoadedSignature:
    """A signature of a loaded graph, called like a function: `outputs = serve(x=array)`.

    Attributes:
      name: its name in the file.
      signature: its inputs and outputs as tensors of the loaded graph.
    """

    __slots__ = ("_session", "name", "signature")

    def __init__(self, name: str, signature: Signature, session: Callable[[], Any]) -> None:
        self.name, self.signature, self._session = name, signature, session

    @property
    def inputs(self) -> dict[str, Any]:
        """Name → tensor that is fed."""
        return dict(self.signature.inputs)

    @property
    def outputs(self) -> dict[str, Any]:
        """Name → tensor that is computed."""
        return dict(self.signature.outputs)

    @property
    def session(self) -> Any:
        """The session in which calls run: one for all signatures of a loaded file."""
        return self._session()

    def __call__(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """The outputs by name, for inputs by position or name.

        Raises FeedError for inputs that are missing, unknown, or do not fit.
        """
        return self.run(self._session(), *args, **kwargs)

    def run(self, session: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """As calling it, in `session`, which must run the same graph and have its variables."""
        bound = self._bound(args, kwargs)
        feeds = {self.signature.inputs[k]: bound[k] for k in self.signature.inputs if k in bound}
        return session.run(self.fetches(), feeds)[0]

    def fetches(self) -> tuple[dict[str, Any], list[Any]]:
        """What a call fetches: the outputs by name, and the updates."""
        return dict(self.signature.outputs), list(self.signature.updates)

    def _bound(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        names = list(self.signature.inputs)
        if len(args) > len(names):
            raise FeedError(f"{self}: takes {len(names)} inputs, got {len(args)}.")
        bound = dict(zip(names, args))
        for name, value in kwargs.items():
            if name not in self.signature.inputs:
                near = difflib.get_close_matches(name, names, n=1)
                hint = f" Did you mean {near[0]!r}?" if near else ""
                raise FeedError(f"{self}: there is no input {name!r}.{hint}")
            if name in bound:
                raise FeedError(f"{self}: the input {name!r} was given twice.")
            bound[name] = value
        missing = [n for n in names if n not in bound and not _is_optional(
            self.signature.inputs[n])]
        if missing:
            raise FeedError(f"{self}: missing {', '.join(map(repr, missing))}.")
        return bound

    def __repr__(self) -> str:
        return f"<gf.{self}>"

    def __str__(self) -> str:
        def listed(values: Mapping[str, Any]) -> str:
            return ", ".join(f"{k}: {v.dtype.name} {v.shape}" for k, v in values.items())

        return (f"Signature '{self.name}' ({listed(self.signature.inputs)}) → "
                f"({listed(self.signature.outputs)})")


def _is_optional(value: Any) -> bool:
    return isinstance(value, Tensor) and value.op.type == "PlaceholderWithDefault"


class Signatures(dict[str, LoadedSignature]):
    """Name → signature; an unknown name is answered with those that there are."""

    def __missing__(self, name: str) -> LoadedSignature:
        raise UnknownSignatureError(
            f"There is no signature {name!r}; the file has {sorted(self)}.")


class UnknownSignatureError(LoadError, KeyError):
    """A signature that the file does not have."""

    def __str__(self) -> str:
        return str(self.args[0])
