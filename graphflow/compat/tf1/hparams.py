"""`tf.contrib.training.HParams`: named settings of a model."""

from __future__ import annotations

import ast
import json
import re
from typing import Any

_PAIR = re.compile(r"\s*(\w+)\s*(?:\[(\d+)\])?\s*=\s*(\[[^\]]*\]|[^,]*)\s*(?:,|$)")


class HParams:
    """Settings as attributes: `HParams(learning_rate=0.1, layers=[64, 64])`.

    Each keeps the type that it was made with. Raises ValueError for wrong names and values.
    """

    _types: dict[str, tuple[type, bool]]

    def __init__(self, hparam_def: Any = None, model_structure: Any = None, **kwargs: Any) -> None:
        self._types = {}
        for name, value in kwargs.items():
            self.add_hparam(name, value)

    def add_hparam(self, name: str, value: Any) -> None:
        """One more. Raises ValueError if there is one of that name, or the list is empty."""
        if hasattr(self, name):
            raise ValueError(f"Hyperparameter name is reserved: {name}")
        many = isinstance(value, (list, tuple))
        if many and not value:
            raise ValueError(f"Multi-valued hyperparameters cannot be empty: {name}")
        self._types[name] = (type(value[0]) if many else type(value), many)
        setattr(self, name, list(value) if many else value)

    def set_hparam(self, name: str, value: Any) -> None:
        """Another value of the same type. Raises KeyError and ValueError."""
        kind, many = self._types[name]
        if many != isinstance(value, (list, tuple)):
            raise ValueError(f"Must {'' if many else 'not '}pass a list for parameter: {name}.")
        setattr(self, name, [_cast(name, kind, v) for v in value] if many else (
            _cast(name, kind, value)))

    def del_hparam(self, name: str) -> None:
        """Takes one away."""
        if name in self._types:
            delattr(self, name)
            del self._types[name]

    def override_from_dict(self, values_dict: dict[str, Any]) -> HParams:
        """`set_hparam` of all entries."""
        for name, value in values_dict.items():
            self.set_hparam(name, value)
        return self

    def parse(self, values: str) -> HParams:
        """Values from text: `"learning_rate=0.2,layers=[32,32],layers[1]=16"`."""
        at = 0
        while at < len(values):
            found = _PAIR.match(values, at)
            if not found:
                raise ValueError(f"Malformed hyperparameter value: {values[at:]}")
            self._parse_one(*found.groups())
            at = found.end()
        return self

    def _parse_one(self, name: str, index: str | None, text: str) -> None:
        if name not in self._types:
            raise ValueError(f"Unknown hyperparameter type for {name}")
        kind, many = self._types[name]
        if index is not None:
            changed = list(getattr(self, name))
            changed[int(index)] = _read(name, kind, text)
            self.set_hparam(name, changed)
        elif text.startswith("["):
            self.set_hparam(name, [_read(name, kind, t) for t in text[1:-1].split(",")])
        else:
            value = _read(name, kind, text)
            self.set_hparam(name, [value] if many else value)

    def values(self) -> dict[str, Any]:
        """All of them."""
        return {name: getattr(self, name) for name in self._types}

    def get(self, key: str, default: Any = None) -> Any:
        """One of them, or `default`."""
        return getattr(self, key) if key in self._types else default

    def to_json(self, indent: Any = None, separators: Any = None, sort_keys: bool = False) -> str:
        """All of them as JSON."""
        return json.dumps(self.values(), indent=indent, separators=separators,
                          sort_keys=sort_keys)

    def parse_json(self, values_json: str) -> HParams:
        """Values from JSON."""
        return self.override_from_dict(json.loads(values_json))

    def __contains__(self, key: str) -> bool:
        return key in self._types

    def __str__(self) -> str:
        return str(sorted(self.values().items()))

    def __repr__(self) -> str:
        return f"HParams({', '.join(f'{k}={v!r}' for k, v in sorted(self.values().items()))})"


def _read(name: str, kind: type, text: str) -> Any:
    """A value of a type from text."""
    text = text.strip()
    if kind is bool:
        if text.lower() in ("true", "1"):
            return True
        if text.lower() in ("false", "0"):
            return False
        raise ValueError(f"Could not parse hyperparameter value: {name}={text}")
    if kind is str:
        return ast.literal_eval(text) if text[:1] in "'\"" and text[:1] else text
    try:
        return kind(text) if kind is not type(None) else text
    except ValueError:
        raise ValueError(f"Could not parse hyperparameter value: {name}={text}") from None


def _cast(name: str, kind: type, value: Any) -> Any:
    """`value` as a type that it fits. Raises ValueError."""
    problem = ValueError(f"Could not cast hyperparameter {name!r} of type {kind.__name__} from "
                         f"value {value!r}")
    if kind is type(None) or value is None or isinstance(value, kind) and not (
            kind is int and isinstance(value, bool)):
        return value
    if kind is bool or isinstance(value, bool) or isinstance(value, str) != (kind is str):
        raise problem
    if kind is int and value != int(value):
        raise problem
    return kind(value)
