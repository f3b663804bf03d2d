"""`tf.flags`, also `tf.app.flags`: settings of a program from its command line.

A flag is defined once with a default and read as an attribute of `FLAGS`, which looks at the
command line when the first flag is read. What looks like a flag and is none of those defined is
left alone, as in TensorFlow.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from graphflow.errors import AttributeValueError

_FALSE, _TRUE = ("false", "f", "0", "no", "n"), ("true", "t", "1", "yes", "y")


@dataclass(frozen=True, slots=True)
class _Flag:
    name: str
    default: Any
    help: str | None
    parse: Callable[[str], Any]
    boolean: bool = False


class FlagValues:
    """The values of all flags, as attributes; call it with a command line to read that."""

    def __init__(self) -> None:
        self.__dict__.update(_flags={}, _values={}, _read=False)

    def __call__(self, argv: Sequence[str], known_only: bool = True) -> list[str]:
        """Reads `argv`, whose first word is the program's name; gives what is left of it."""
        parser = argparse.ArgumentParser(prog=argv[0] if argv else None, allow_abbrev=False)
        for flag in self.__dict__["_flags"].values():
            _add(parser, flag)
        known, rest = parser.parse_known_args(list(argv[1:]))
        if rest and not known_only:
            raise AttributeValueError(f"Unknown command line flags: {' '.join(rest)}.")
        self.__dict__["_values"].update(vars(known))
        self.__dict__["_read"] = True
        return [*argv[:1], *rest]

    def _parse_flags(self, args: Sequence[str] | None = None) -> list[str]:
        """Reads `args`, by default the program's own: the name that TensorFlow 1.0 had."""
        return self([sys.argv[0], *(sys.argv[1:] if args is None else args)])

    def _define(self, flag: _Flag) -> None:
        self.__dict__["_flags"][flag.name] = flag
        self.__dict__["_values"].pop(flag.name, None)
        self.__dict__["_read"] = False

    def flag_values_dict(self) -> dict[str, Any]:
        """Name → value of every flag."""
        return {name: getattr(self, name) for name in self.__dict__["_flags"]}

    def __getattr__(self, name: str) -> Any:
        if name not in self.__dict__["_flags"]:
            raise AttributeError(f"There is no flag {name!r}. Define it with tf.flags.DEFINE_….")
        if name not in self.__dict__["_values"] and not self.__dict__["_read"]:
            self(sys.argv)
        return self.__dict__["_values"][name]

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in self.__dict__["_flags"]:
            raise AttributeError(f"There is no flag {name!r}. Define it with tf.flags.DEFINE_….")
        if not self.__dict__["_read"]:
            self(sys.argv)
        self.__dict__["_values"][name] = value

    def __iter__(self) -> Any:
        return iter(self.__dict__["_flags"])

    def __contains__(self, name: object) -> bool:
        return name in self.__dict__["_flags"]


FLAGS = FlagValues()


def _add(parser: argparse.ArgumentParser, flag: _Flag) -> None:
    options = [f"--{flag.name}", f"-{flag.name}"]
    values: dict[str, Any] = {"dest": flag.name, "default": flag.default, "type": flag.parse,
                              "help": (flag.help or "").replace("%", "%%")}
    if flag.boolean:
        values.update(nargs="?", const=True)
        parser.add_argument(f"--no{flag.name}", dest=flag.name, action="store_false",
                            default=flag.default, help=argparse.SUPPRESS)
    parser.add_argument(*options, **values)


def _boolean(text: str) -> bool:
    if text.lower() in _TRUE:
        return True
    if text.lower() in _FALSE:
        return False
    raise ValueError(text)


def DEFINE_string(name: str, default: str | None, help: str | None = None) -> None:
    """Defines a flag whose value is text. A flag that is defined again is the newer one."""
    FLAGS._define(_Flag(name, default, help, str))


def DEFINE_integer(
    name: str, default: int | None, help: str | None = None,
    lower_bound: int | None = None, upper_bound: int | None = None,
) -> None:
    """Defines a flag whose value is a whole number, in the bounds if there are any."""
    def parse(text: str) -> int:
        return _bounded(name, int(text, 0), lower_bound, upper_bound)

    FLAGS._define(_Flag(name, default, help, parse))


def DEFINE_float(
    name: str, default: float | None, help: str | None = None,
    lower_bound: float | None = None, upper_bound: float | None = None,
) -> None:
    """Defines a flag whose value is a number, in the bounds if there are any."""
    def parse(text: str) -> float:
        return _bounded(name, float(text), lower_bound, upper_bound)

    FLAGS._define(_Flag(name, default, help, parse))


def _bounded(name: str, value: Any, lower: Any, upper: Any) -> Any:
    if lower is not None and value < lower or upper is not None and value > upper:
        raise argparse.ArgumentTypeError(f"--{name} must be in [{lower}, {upper}], got {value}")
    return value


def DEFINE_boolean(name: str, default: bool | None, help: str | None = None) -> None:
    """Defines a flag that is true or false: `--name`, `--noname`, `--name=false`."""
    FLAGS._define(_Flag(name, default, help, _boolean, boolean=True))


DEFINE_bool = DEFINE_boolean


def DEFINE_enum(
    name: str, default: str | None, enum_values: Sequence[str], help: str | None = None
) -> None:
    """Defines a flag whose value is one of `enum_values`."""
    def parse(text: str) -> str:
        if text not in enum_values:
            raise argparse.ArgumentTypeError(
                f"--{name} must be one of {', '.join(enum_values)}, got {text!r}")
        return text

    FLAGS._define(_Flag(name, default, help, parse))


def DEFINE_list(name: str, default: Any, help: str | None = None) -> None:
    """Defines a flag whose value is a list of texts, between commas."""
    given = _words(default) if isinstance(default, str) else default
    FLAGS._define(_Flag(name, given, help, _words))


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",")] if text else []


def mark_flag_as_required(flag_name: str) -> None:
    """Accepted: a flag that is not given has its default, None."""


__all__ = [
    "DEFINE_bool", "DEFINE_boolean", "DEFINE_enum", "DEFINE_float", "DEFINE_integer",
    "DEFINE_list", "DEFINE_string", "FLAGS", "FlagValues", "mark_flag_as_required",
]
