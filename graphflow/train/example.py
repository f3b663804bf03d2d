"""`tf.train.Example` and its parts: named lists of bytes, floats or integers, to and from bytes.

The field numbers are those of TensorFlow's core/example/feature.proto and example.proto. Records
keep the order in which names were added.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from graphflow import wire


class _List:
    """A list of values of one kind."""

    def __init__(self, value: Iterable[Any] = ()) -> None:
        self.value: list[Any] = [self._checked(v) for v in value]

    def _checked(self, value: Any) -> Any:
        return value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, type(self)) and self.value == other.value

    def __hash__(self) -> int:
        return hash(tuple(self.value))

    def __repr__(self) -> str:
        return f"{type(self).__name__}(value={self.value!r})"


class BytesList(_List):
    """Strings of bytes. Raises TypeError for text: encode it first."""

    def _checked(self, value: Any) -> bytes:
        if not isinstance(value, (bytes, bytearray)):
            raise TypeError(f"BytesList takes bytes, got {value!r} ({type(value).__name__}). "
                            "Write text.encode().")
        return bytes(value)

    def SerializeToString(self) -> bytes:
        """The bytes of the message."""
        return b"".join(wire.message(1, self._checked(v)) for v in self.value)


class FloatList(_List):
    """Numbers, kept as float32."""

    def _checked(self, value: Any) -> float:
        return struct.unpack("<f", struct.pack("<f", float(value)))[0]

    def SerializeToString(self) -> bytes:
        """The bytes of the message."""
        return wire.message(1, struct.pack(f"<{len(self.value)}f", *self.value)) if (
            self.value) else b""


class Int64List(_List):
    """Whole numbers. Raises TypeError for fractions."""

    def _checked(self, value: Any) -> int:
        try:
            return int(value.__index__())
        except AttributeError:
            raise TypeError(f"Int64List takes whole numbers, got {value!r} "
                            f"({type(value).__name__}).") from None

    def SerializeToString(self) -> bytes:
        """The bytes of the message."""
        packed = b"".join(wire.varint(self._checked(v)) for v in self.value)
        return wire.message(1, packed) if self.value else b""


def _list_of(kind: int, data: bytes) -> _List:
    """The list in a Feature's field `kind`: packed or not."""
    found: _List = (BytesList, FloatList, Int64List)[kind - 1]()
    for number, content in wire.fields(data):
        if number != 1:
            continue
        if kind == 1 or not isinstance(content, bytes):
            found.value.append(_signed(content) if kind == 3 else content)
        elif kind == 2:
            found.value.extend(struct.unpack(f"<{len(content) // 4}f", content))
        else:
            found.value.extend(map(_signed, wire.varints(content)))
    return found


def _signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value


_KINDS = ("bytes_list", "float_list", "int64_list")


class Feature:
    """One list: `bytes_list`, `float_list` or `int64_list`; asking for one chooses it."""

    _types: ClassVar[dict[str, type[_List]]] = dict(
        zip(_KINDS, (BytesList, FloatList, Int64List)))

    def __init__(
        self, bytes_list: BytesList | None = None, float_list: FloatList | None = None,
        int64_list: Int64List | None = None,
    ) -> None:
        given = dict(zip(_KINDS, (bytes_list, float_list, int64_list)))
        self._kind: str | None = None
        self._list: _List | None = None
        for kind, value in given.items():
            if value is not None:
                if not isinstance(value, self._types[kind]):
                    raise TypeError(f"Feature: {kind} takes a {self._types[kind].__name__}, got "
                                    f"{value!r}.")
                self._kind, self._list = kind, value

    def __getattr__(self, name: str) -> Any:
        if name not in _KINDS:
            raise AttributeError(f"Feature has no field {name!r}; it has {', '.join(_KINDS)}.")
        if self._kind is None:
            self._kind, self._list = name, self._types[name]()
        return self._list if self._kind == name else self._types[name]()

    def WhichOneof(self, oneof_group: str = "kind") -> str | None:
        """The name of the list that it holds, or None."""
        return self._kind

    def HasField(self, field_name: str) -> bool:
        """True for the list that it holds."""
        return field_name == self._kind

    def SerializeToString(self) -> bytes:
        """The bytes of the message."""
        if self._kind is None or self._list is None:
            return b""
        content: Any = self._list
        return wire.message(_KINDS.index(self._kind) + 1, content.SerializeToString())

    @classmethod
    def FromString(cls, serialized: bytes) -> Feature:
        """A Feature from its bytes."""
        found = cls()
        for number, data in wire.fields(serialized):
            if number in (1, 2, 3):
                found._kind, found._list = _KINDS[number - 1], _list_of(number, data)
        return found

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Feature) and (
            self._kind == other._kind and self._list == other._list)

    def __hash__(self) -> int:
        return hash((self._kind, self._list))

    def __repr__(self) -> str:
        return f"Feature({self._kind}={self._list!r})" if self._kind else "Feature()"


class FeatureList:
    """A sequence of Features."""

    def __init__(self, feature: Iterable[Feature] = ()) -> None:
        self.feature = _Features(feature)

    def SerializeToString(self) -> bytes:
        """The bytes of the message."""
        return b"".join(wire.message(1, f.SerializeToString()) for f in self.feature)

    @classmethod
    def FromString(cls, serialized: bytes) -> FeatureList:
        """A FeatureList from its bytes."""
        return cls(Feature.FromString(data) for n, data in wire.fields(serialized) if n == 1)


class _Features(list):
    def add(self, **lists: Any) -> Feature:
        """Appends a Feature and gives it."""
        self.append(Feature(**lists))
        return self[-1]


class _Map(dict):
    """Names to messages; asking for a name that is not there makes it."""

    def __init__(self, kind: Any, values: Mapping[str, Any]) -> None:
        super().__init__(values)
        self._kind = kind

    def __missing__(self, key: str) -> Any:
        self[key] = self._kind()
        return self[key]

    def serialized(self) -> bytes:
        """The entries, as field 1 of a message."""
        return b"".join(
            wire.message(1, wire.message(1, key.encode()) + wire.message(
                2, value.SerializeToString())) for key, value in self.items())

    def read(self, serialized: bytes) -> None:
        """Takes the entries of a message."""
        for number, entry in wire.fields(serialized):
            if number == 1:
                found = dict(wire.fields(entry))
                self[found.get(1, b"").decode()] = self._kind.FromString(found.get(2, b""))


class Features:
    """Names to Features: `features.feature["label"].int64_list.value.append(3)`."""

    def __init__(self, feature: Mapping[str, Feature] | None = None) -> None:
        self.feature = _Map(Feature, feature or {})

    def __repr__(self) -> str:
        return f"Features(feature={dict(self.feature)!r})"


class FeatureLists:
    """Names to FeatureLists."""

    def __init__(self, feature_list: Mapping[str, FeatureList] | None = None) -> None:
        self.feature_list = _Map(FeatureList, feature_list or {})


class Example:
    """One record of named features: `Example(features=Features(feature={…}))`."""

    def __init__(self, features: Features | None = None) -> None:
        self.features = features or Features()

    def SerializeToString(self) -> bytes:
        """The bytes of the message."""
        return wire.message(1, self.features.feature.serialized())

    def ParseFromString(self, serialized: bytes) -> int:
        """Takes what the bytes say. Gives their number. Raises ValueError for damaged ones."""
        self.features = Features()
        for number, data in wire.fields(serialized):
            if number == 1:
                self.features.feature.read(data)
        return len(serialized)

    @classmethod
    def FromString(cls, serialized: bytes) -> Example:
        """An Example from its bytes. Raises ValueError for damaged ones."""
        found = cls()
        found.ParseFromString(serialized)
        return found

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Example) and (
            dict(self.features.feature) == dict(other.features.feature))

    def __hash__(self) -> int:
        return hash(self.SerializeToString())

    def __repr__(self) -> str:
        return f"Example(features={self.features!r})"


class SequenceExample:
    """A record of features, `context`, and of sequences of features, `feature_lists`."""

    def __init__(
        self, context: Features | None = None, feature_lists: FeatureLists | None = None
    ) -> None:
        self.context = context or Features()
        self.feature_lists = feature_lists or FeatureLists()

    def SerializeToString(self) -> bytes:
        """The bytes of the message."""
        return wire.message(1, self.context.feature.serialized()) + (
            wire.message(2, self.feature_lists.feature_list.serialized()))

    def ParseFromString(self, serialized: bytes) -> int:
        """Takes what the bytes say. Gives their number. Raises ValueError for damaged ones."""
        self.context, self.feature_lists = Features(), FeatureLists()
        for number, data in wire.fields(serialized):
            if number == 1:
                self.context.feature.read(data)
            elif number == 2:
                self.feature_lists.feature_list.read(data)
        return len(serialized)

    @classmethod
    def FromString(cls, serialized: bytes) -> SequenceExample:
        """A SequenceExample from its bytes. Raises ValueError for damaged ones."""
        found = cls()
        found.ParseFromString(serialized)
        return found
