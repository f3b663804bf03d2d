"""`tf.lookup` and `tf.contrib.lookup`: words to numbers and back."""

from __future__ import annotations

import os
from typing import Any

from graphflow import dtypes as dt
from graphflow.builder import F, apply, convert
from graphflow.errors import DTypeError, GraphError
from graphflow.graph import get_default_graph
from graphflow.ops import lookup_tables as ops
from graphflow.ops.lookup_tables import LINE_NUMBER, WHOLE_LINE, TableSpec
from graphflow.scopes import GraphKeys
from graphflow.sparse_tensor import SparseTensor
from graphflow.tensor import Operation, Tensor


class TextFileIndex:
    """What of a line of a file is a key or value: all of it, or its number."""

    WHOLE_LINE = WHOLE_LINE
    LINE_NUMBER = LINE_NUMBER


class TableInitializerBase:
    """What fills a table. key_dtype, value_dtype: the types."""

    def __init__(self, key_dtype: Any, value_dtype: Any) -> None:
        self._key_dtype, self._value_dtype = dt.as_dtype(key_dtype), dt.as_dtype(value_dtype)

    @property
    def key_dtype(self) -> dt.DType:
        """The type of the keys."""
        return self._key_dtype

    @property
    def value_dtype(self) -> dt.DType:
        """The type of the values."""
        return self._value_dtype

    def initialize(self, table: TableSpec) -> Operation:
        """The operation that fills a table."""
        raise NotImplementedError


class KeyValueTensorInitializer(TableInitializerBase):
    """keys, values: lists, arrays or tensors of one length."""

    def __init__(
        self, keys: Any, values: Any, key_dtype: Any = None, value_dtype: Any = None,
        name: str | None = None,
    ) -> None:
        self._keys, self._values = convert(keys, key_dtype), convert(values, value_dtype)
        super().__init__(self._keys.dtype, self._values.dtype)

    def initialize(self, table: TableSpec) -> Operation:
        """The operation that fills a table."""
        return ops.step(ops.INITIALIZE_TABLE, (self._keys, self._values), {"table": table}, None)


class TextFileInitializer(TableInitializerBase):
    """A line of a text file for each entry.

    key_index, value_index: WHOLE_LINE, LINE_NUMBER (int64, from 0), or the number of a column,
      between `delimiter`s. vocab_size: how many lines are read.
    """

    def __init__(
        self, filename: Any, key_dtype: Any, key_index: int, value_dtype: Any, value_index: int,
        vocab_size: int | None = None, delimiter: str = "\t", name: str | None = None,
        value_index_offset: int = 0,
    ) -> None:
        super().__init__(key_dtype, value_dtype)
        for what, index, kind in (("key", key_index, self.key_dtype),
                                  ("value", value_index, self.value_dtype)):
            if index == LINE_NUMBER and kind is not dt.int64:
                raise GraphError(f"TextFileInitializer: {what} must be int64 for LINE_NUMBER, got "
                                 f"{kind.name}.")
            if index == WHOLE_LINE and not kind.is_string and not kind.is_integer:
                raise GraphError(f"TextFileInitializer: {what} must be a string or integer for "
                                 f"WHOLE_LINE, got {kind.name}.")
        self._filename = os.fspath(filename) if isinstance(filename, os.PathLike) else filename
        self._attrs = {"key_index": key_index, "value_index": value_index,
                       "vocab_size": -1 if vocab_size is None else int(vocab_size),
                       "delimiter": delimiter}

    def initialize(self, table: TableSpec) -> Operation:
        """The operation that fills a table."""
        name = convert(self._filename, dt.string)
        return ops.step(ops.INITIALIZE_FROM_FILE, (name,), {"table": table, **self._attrs}, None)


class TextFileStringTableInitializer(TextFileInitializer):
    """Line numbers to lines."""

    def __init__(
        self, filename: Any, key_column_index: int = LINE_NUMBER,
        value_column_index: int = WHOLE_LINE, vocab_size: int | None = None,
        delimiter: str = "\t", name: str = "text_file_string_table_init",
    ) -> None:
        super().__init__(filename, dt.int64, key_column_index, dt.string, value_column_index,
                         vocab_size, delimiter, name)


class TextFileIdTableInitializer(TextFileInitializer):
    """Lines to line numbers."""

    def __init__(
        self, filename: Any, key_column_index: int = WHOLE_LINE,
        value_column_index: int = LINE_NUMBER, vocab_size: int | None = None,
        delimiter: str = "\t", name: str = "text_file_id_table_init", key_dtype: Any = dt.string,
    ) -> None:
        super().__init__(filename, key_dtype, key_column_index, dt.int64, value_column_index,
                         vocab_size, delimiter, name)


class LookupInterface:
    """What all tables share."""

    def __init__(self, spec: TableSpec) -> None:
        self._spec = spec

    @property
    def name(self) -> str:
        """The table's name."""
        return self._spec.name

    @property
    def key_dtype(self) -> dt.DType:
        """The type of the keys."""
        return self._spec.key_dtype

    @property
    def value_dtype(self) -> dt.DType:
        """The type of the values."""
        return self._spec.value_dtype

    @property
    def default_value(self) -> Any:
        """What a missing key gives."""
        return self._spec.default.array[()]

    def lookup(self, keys: Any, name: str | None = None) -> Any:
        """The values of keys: a tensor of their shape, or a SparseTensor if `keys` is one."""
        if isinstance(keys, SparseTensor):
            return SparseTensor(keys.indices, self.lookup(keys.values), keys.dense_shape)
        return ops.find(self._spec, keys, name or f"{self.name}_Lookup")

    def size(self, name: str | None = None) -> Tensor:
        """How many entries there are. → int64 []."""
        found: Tensor = apply(ops.TABLE_SIZE, (), {"table": self._spec},
                              name=name or f"{self.name}_Size")
        return found

    def __getitem__(self, keys: Any) -> Any:
        return self.lookup(keys)


class StaticHashTable(LookupInterface):
    """A table that its initializer fills once: run `gf.tables_initializer()`, or `table.init`.

    default_value: what a missing key gives.
    """

    def __init__(
        self, initializer: TableInitializerBase, default_value: Any, name: str | None = None
    ) -> None:
        super().__init__(ops.new_table(name or "hash_table", initializer.key_dtype,
                                       initializer.value_dtype, default_value, False))
        self._init = initializer.initialize(self._spec)
        get_default_graph().add_to_collection(GraphKeys.TABLE_INITIALIZERS, self._init)

    @property
    def initializer(self) -> Operation:
        """The operation that fills it."""
        return self._init

    init = initializer


class HashTable(StaticHashTable):
    """`StaticHashTable` with the arguments of `tf.contrib.lookup`."""

    def __init__(
        self, initializer: TableInitializerBase, default_value: Any,
        shared_name: str | None = None, name: str | None = None,
    ) -> None:
        super().__init__(initializer, default_value, name)


class MutableHashTable(LookupInterface):
    """A table that operations fill and change. Checkpoints leave it out.

    default_value: what a missing key gives; each value has its shape.
    """

    def __init__(
        self, key_dtype: Any, value_dtype: Any, default_value: Any,
        shared_name: str | None = None, name: str = "MutableHashTable", checkpoint: bool = True,
    ) -> None:
        super().__init__(ops.new_table(name, key_dtype, value_dtype, default_value, True))

    def insert(self, keys: Any, values: Any, name: str | None = None) -> Operation:
        """An operation that sets the values of keys."""
        spec = self._spec
        pair = (convert(keys, spec.key_dtype), convert(values, spec.value_dtype))
        return ops.step(ops.TABLE_INSERT, pair, {"table": spec}, name)

    def remove(self, keys: Any, name: str | None = None) -> Operation:
        """An operation that removes keys; those that are not there are no error."""
        return ops.step(ops.TABLE_REMOVE, (convert(keys, self._spec.key_dtype),),
                        {"table": self._spec}, name)

    def export(self, name: str | None = None) -> tuple[Tensor, Tensor]:
        """(all keys, their values)."""
        keys, values = apply(ops.TABLE_EXPORT, (), {"table": self._spec}, name=name)
        return keys, values


class MutableDenseHashTable(MutableHashTable):
    """As MutableHashTable; `empty_key` and `deleted_key` are accepted, keys like others."""

    def __init__(
        self, key_dtype: Any, value_dtype: Any, default_value: Any, empty_key: Any = None,
        deleted_key: Any = None, initial_num_buckets: int | None = None,
        shared_name: str | None = None, name: str = "MutableDenseHashTable",
        checkpoint: bool = True,
    ) -> None:
        super().__init__(key_dtype, value_dtype, default_value, shared_name, name)


# ---- words outside the vocabulary ---------------------------------------------------------------


class HasherSpec:
    """Which hash chooses the bucket of a word that is not in the vocabulary."""

    def __init__(self, hasher: str, key: Any = None) -> None:
        self.hasher, self.key = hasher, key


FastHashSpec = HasherSpec("fasthash")


def StrongHashSpec(key: Any) -> HasherSpec:
    """SipHash with a key of two integers."""
    if not isinstance(key, (list, tuple)) or len(key) != 2:
        raise GraphError(f"StrongHashSpec: key must have size 2, received {key!r}.")
    return HasherSpec("stronghash", list(key))


class IdTableWithHashBuckets:
    """A table of ids, and `num_oov_buckets` further ids for keys that are not in it.

    table: a StaticHashTable of int64 values, or None for buckets alone. key_dtype: string or an
      integer type (by its decimal digits).
    """

    def __init__(
        self, table: StaticHashTable | None, num_oov_buckets: int,
        hasher_spec: HasherSpec = FastHashSpec, name: str | None = None, key_dtype: Any = None,
    ) -> None:
        kind = dt.as_dtype(key_dtype or (table.key_dtype if table is not None else dt.string))
        if not kind.is_string and not kind.is_integer:
            raise DTypeError(f"IdTableWithHashBuckets: key_dtype must be integer or string, got "
                             f"{kind.name}.")
        if table is None and num_oov_buckets <= 0:
            raise GraphError("IdTableWithHashBuckets: num_oov_buckets must be > 0 if no table is "
                             "supplied.")
        self._table, self._buckets, self._kind = table, num_oov_buckets, kind
        self._hasher, self.name = hasher_spec, name or "hash_bucket"

    @property
    def key_dtype(self) -> dt.DType:
        """The type of the keys."""
        return self._kind

    @property
    def value_dtype(self) -> dt.DType:
        """int64."""
        return dt.int64

    @property
    def initializer(self) -> Operation:
        """The operation that fills the table."""
        found: Operation = F.no_op() if self._table is None else self._table.initializer
        return found

    init = initializer

    def size(self, name: str | None = None) -> Any:
        """How many ids there are. → int64 []."""
        buckets = F.constant(self._buckets, dt.int64)
        return buckets if self._table is None else F.add(self._table.size(), buckets, name=name)

    def lookup(self, keys: Any, name: str | None = None) -> Any:
        """The ids of keys: int64 of their shape, or a SparseTensor if `keys` is one."""
        if isinstance(keys, SparseTensor):
            return SparseTensor(keys.indices, self.lookup(keys.values), keys.dense_shape)
        keys = convert(keys, None if isinstance(keys, Tensor) else self._kind)
        if self._table is None:
            return self._bucket(keys)
        known = F.cast(keys, self._table.key_dtype) if keys.dtype.is_integer else keys
        ids = self._table.lookup(known)
        if not self._buckets:
            return ids
        missing = F.equal(ids, F.constant(self._table.default_value, dt.int64))
        return F.where(missing, self._bucket(keys) + self._table.size(), ids, name=name)

    def _bucket(self, keys: Any) -> Any:
        words = keys if keys.dtype.is_string else F.as_string(keys)
        if self._hasher.hasher == "stronghash":
            return F.string_to_hash_bucket_strong(words, self._buckets, self._hasher.key)
        if self._hasher.hasher == "legacy":
            return F.string_to_hash_bucket(words, self._buckets)
        return F.string_to_hash_bucket_fast(words, self._buckets)

    def __getitem__(self, keys: Any) -> Any:
        return self.lookup(keys)


class StaticVocabularyTable(IdTableWithHashBuckets):
    """Keys to ids by an initializer of int64 values; others to one of `num_oov_buckets` ids."""

    def __init__(
        self, initializer: TableInitializerBase | None, num_oov_buckets: int,
        lookup_key_dtype: Any = None, name: str | None = None,
    ) -> None:
        if num_oov_buckets <= 0:
            raise GraphError("StaticVocabularyTable: num_oov_buckets must be > 0.")
        table = None if initializer is None else StaticHashTable(initializer, -1, name=name)
        super().__init__(table, num_oov_buckets, name=name, key_dtype=lookup_key_dtype)


# ---- by one call --------------------------------------------------------------------------------


def _with_buckets(
    table: StaticHashTable, buckets: int, hasher_spec: HasherSpec, dtype: Any
) -> Any:
    if not buckets and dt.as_dtype(dtype) is table.key_dtype:
        return table
    return IdTableWithHashBuckets(table, buckets, hasher_spec, key_dtype=dtype)


def index_table_from_tensor(
    vocabulary_list: Any, num_oov_buckets: int = 0, default_value: int = -1,
    hasher_spec: HasherSpec = FastHashSpec, dtype: Any = dt.string, name: str | None = None,
) -> Any:
    """A table from words to their places in a list.

    num_oov_buckets: further ids, by hash, for other words; else they give `default_value`.
    """
    if vocabulary_list is None:
        raise GraphError("index_table_from_tensor: vocabulary_list must be specified.")
    if num_oov_buckets < 0:
        raise GraphError("index_table_from_tensor: num_oov_buckets must be greater or equal than "
                         f"0, got {num_oov_buckets}.")
    keys = convert(vocabulary_list, dt.as_dtype(dtype) if not isinstance(vocabulary_list, Tensor)
                   else None)
    if keys.dtype.is_integer:
        keys = F.cast(keys, dt.int64)
    values = F.cast(F.range(F.size(keys)), dt.int64)
    table = StaticHashTable(KeyValueTensorInitializer(keys, values), default_value, name=name)
    return _with_buckets(table, num_oov_buckets, hasher_spec,
                         dtype if keys.dtype.is_integer else dt.string)


def index_table_from_file(
    vocabulary_file: Any = None, num_oov_buckets: int = 0, vocab_size: int | None = None,
    default_value: int = -1, hasher_spec: HasherSpec = FastHashSpec, key_dtype: Any = dt.string,
    name: str | None = None, key_column_index: int = WHOLE_LINE,
    value_column_index: int = LINE_NUMBER, delimiter: str = "\t",
) -> Any:
    """A table from the lines of a file to their numbers; see `index_table_from_tensor`."""
    if vocabulary_file is None or (isinstance(vocabulary_file, str) and not vocabulary_file):
        raise GraphError("index_table_from_file: vocabulary_file must be specified and must not "
                         "be empty.")
    kind = dt.as_dtype(key_dtype)
    initializer = TextFileIdTableInitializer(
        vocabulary_file, key_column_index, value_column_index, vocab_size, delimiter,
        key_dtype=dt.int64 if kind.is_integer else kind)
    return _with_buckets(StaticHashTable(initializer, default_value, name=name), num_oov_buckets,
                         hasher_spec, key_dtype)


def index_to_string_table_from_tensor(
    vocabulary_list: Any, default_value: str = "UNK", name: str | None = None
) -> StaticHashTable:
    """A table from places in a list to its words."""
    if vocabulary_list is None:
        raise GraphError("index_to_string_table_from_tensor: vocabulary_list must be specified.")
    values = convert(vocabulary_list, dt.string)
    keys = F.cast(F.range(F.size(values)), dt.int64)
    return StaticHashTable(KeyValueTensorInitializer(keys, values), default_value, name=name)


def index_to_string_table_from_file(
    vocabulary_file: Any, vocab_size: int | None = None, default_value: str = "UNK",
    name: str | None = None, key_column_index: int = LINE_NUMBER,
    value_column_index: int = WHOLE_LINE, delimiter: str = "\t",
) -> StaticHashTable:
    """A table from the numbers of the lines of a file to the lines."""
    if vocabulary_file is None or (isinstance(vocabulary_file, str) and not vocabulary_file):
        raise GraphError("index_to_string_table_from_file: vocabulary_file must be specified.")
    initializer = TextFileStringTableInitializer(
        vocabulary_file, key_column_index, value_column_index, vocab_size, delimiter)
    return StaticHashTable(initializer, default_value, name=name)


__all__ = [
    "FastHashSpec", "HashTable", "HasherSpec", "IdTableWithHashBuckets",
    "KeyValueTensorInitializer", "LookupInterface", "MutableDenseHashTable", "MutableHashTable",
    "StaticHashTable", "StaticVocabularyTable", "StrongHashSpec", "TextFileIdTableInitializer",
    "TextFileIndex", "TextFileInitializer", "TextFileStringTableInitializer",
    "index_table_from_file", "index_table_from_tensor", "index_to_string_table_from_file",
    "index_to_string_table_from_tensor",
]
