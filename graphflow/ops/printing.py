"""`Print` (an identity that prints when it runs) and `tf.print` (an operation that prints)."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import apply, convert, current, publish
from graphflow.errors import DTypeError, UnknownError
from graphflow.lowering import Host
from graphflow.opdef import Attr, Codec, Infer, NotDifferentiable, RunError, Sample, same_as_input
from graphflow.ops.arguments import failure, is_tensor
from graphflow.ops.declare import declare
from graphflow.ops.host_state import CallCount, current_host_state
from graphflow.ops.value_text import flat_text, nested_text

# --- Print ------------------------------------------------------------------------------------


def _print(
    value: np.ndarray, *data: np.ndarray, message: str, first_n: int, summarize: int,
    calls: CallCount | None,
) -> np.ndarray:
    if calls is None or current_host_state().count(calls) < first_n:
        shown = "".join(f"[{flat_text(d, summarize)}]" for d in data)
        sys.stderr.write(f"{message}{shown}\n")
        sys.stderr.flush()
    return value


def _new_count(plain: Any) -> CallCount:
    if plain is not True:
        raise ValueError(f"a counter of calls is written as true, got {plain!r}")
    return CallCount()


_CALLS = Codec(lambda calls: True, _new_count)


def _print_samples() -> list[Sample]:
    return [Sample((np.array([1.0, -2.0]), np.array([3, 4]), np.array(True)), {"message": "m: "}),
            Sample((np.zeros((0, 2)),), {"summarize": -1})]


PRINT = declare(
    "Print", "input: T, data: *any", T=dt.ALL,
    attrs={"message": Attr("str", ""), "first_n": Attr("int", -1), "summarize": Attr("int", 3),
           "calls": Attr("object", None, optional=True, codec=_CALLS)},
    infer=same_as_input, reference=_print,
    grad=lambda F, op, g: [g] + [None] * (len(op.inputs) - 1),
    lowering=Host(effect=True), samples=_print_samples)


def print_identity(
    input_: Any, data: Sequence[Any], message: str | None = None, first_n: int | None = None,
    summarize: int | None = None, name: str | None = None,
) -> Any:
    """`input_`; when it runs, `message[value][value]…` with the values of `data` goes to stderr.

    data: a list of tensors (or what converts to them) of any dtype and shape.
    first_n: prints only that many times per operation and session; always if None or negative.
    summarize: elements shown per tensor: 3 if None, all if negative.

    The gradient passes to `input_`. This is `tf.Print`; it prints when its output is used.
    """
    if not isinstance(data, (list, tuple)):
        raise failure("Print", name, f"data must be a list of tensors, got {data!r}",
                      "Write Print(x, [x]).", DTypeError)
    limit = -1 if first_n is None else first_n
    attrs = {"message": message or "", "first_n": limit,
             "summarize": 3 if summarize is None else summarize,
             "calls": CallCount() if limit >= 0 else None}
    return apply(PRINT, (input_, *data), attrs, name=name)


print_identity.__name__ = print_identity.__qualname__ = "Print"
Print = publish(print_identity, "Print")


# --- tf.print ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Template:
    """Text with gaps for tensors: `pieces` stand around and between them, one more than gaps."""

    pieces: tuple[str, ...]

    def fill(self, values: Sequence[str]) -> str:
        """The text with the gaps filled."""
        between = (text for pair in zip(values, self.pieces[1:]) for text in pair)
        return self.pieces[0] + "".join(between)


@dataclass(frozen=True, slots=True, eq=False)
class Output:
    """Where `tf.print` writes: `stdout` and `stderr` are looked up when it does.

    Attributes:
      name: `stdout`, `stderr`, `file` or `call`.
      target: the path of a file that is appended to, or a function that takes the text.
    """

    name: str
    target: Any = None

    def write(self, text: str) -> None:
        """Writes `text`, flushed."""
        if self.name == "call":
            self.target(text)
        elif self.name == "file":
            with open(self.target, "a", encoding="utf-8") as file:
                file.write(text)
        else:
            stream = getattr(sys, self.name)
            stream.write(text)
            stream.flush()


def _print_formatted(
    *values: np.ndarray, template: Template, summarize: int, end: str, output: Output
) -> tuple[()]:
    alone = len(values) == 1 and template.pieces == ("", "") and values[0].ndim == 0
    if alone and values[0].dtype == object:  # one string stands as it is
        text = values[0].item().decode("utf-8", "replace")
    else:
        text = template.fill([nested_text(v, summarize) for v in values])
    try:
        output.write(text + end)
    except OSError as error:
        raise RunError(UnknownError, f"cannot write to {output.target or output.name}: {error}",
                       ) from error
    return ()


def _template_of(plain: Any) -> Template:
    if not isinstance(plain, list) or not plain or not all(isinstance(p, str) for p in plain):
        raise ValueError(f"a template is a list of texts, got {plain!r}")
    return Template(tuple(plain))


def _stream_name(output: Output) -> str:
    if output.name not in ("stdout", "stderr"):
        raise ValueError(f"it prints to a {'file' if output.name == 'file' else 'function'}")
    return output.name


def _stream(plain: Any) -> Output:
    if plain not in ("stdout", "stderr"):
        raise ValueError(f"only stdout and stderr can be printed to, got {plain!r}")
    return Output(plain)


_TEMPLATE = Codec(lambda template: list(template.pieces), _template_of)
_OUTPUT = Codec(_stream_name, _stream)


def _print_v2_samples() -> list[Sample]:
    attrs = {"template": Template(("x = ", ", y = ", "")), "output": Output("stderr")}
    return [Sample((np.array([1, 2]), np.array(0.5)), attrs, grad=False),
            Sample((np.zeros((0, 2)), np.array(True)), attrs, grad=False)]


def _nothing(c: Infer) -> list[Any]:
    return []


PRINT_V2 = declare(
    "PrintV2", "inputs: *any",
    attrs={"template": Attr("object", codec=_TEMPLATE), "summarize": Attr("int", 3),
           "end": Attr("str", "\n"), "output": Attr("object", codec=_OUTPUT)},
    infer=_nothing, reference=_print_formatted, grad=NotDifferentiable("no outputs"),
    lowering=Host(effect=True), samples=_print_v2_samples)


def print_operation(*inputs: Any, **kwargs: Any) -> Any:
    """An operation that prints its inputs each time it runs, as `tf.print` of TensorFlow 1.15.

    inputs: tensors, Python values, and (nested) lists, tuples and dicts of both; tensors are
      shown by their values.
    output_stream: sys.stderr (default), sys.stdout, `"file://path"` (appended to), or a function
      of one string, such as `logging.info`.
    summarize: elements shown at each end of each axis: 3 if not given, all if negative.
    sep: between inputs, a space if not given. end: after the last, a line end if not given.

    It runs only if it is run itself or is a control input of what runs. Raises TypeError for an
    unknown keyword, DTypeError for a stream that is none of these.
    """
    stream = kwargs.pop("output_stream", sys.stderr)
    summarize = kwargs.pop("summarize", 3)
    sep, end = kwargs.pop("sep", " "), kwargs.pop("end", os.linesep)
    name = kwargs.pop("name", None)
    if kwargs:
        raise TypeError(f"print: unknown keyword arguments {sorted(kwargs)}.")
    tensors: list[Any] = []
    template = _template(inputs, " " if sep is None else sep, tensors)
    attrs = {"template": template, "summarize": 3 if summarize is None else int(summarize),
             "end": os.linesep if end is None else end, "output": _output(stream, name)}
    graph: Any = current()
    return graph.add_operation(PRINT_V2, tuple(tensors), attrs, name)


print_operation.__name__ = print_operation.__qualname__ = "print"
publish(print_operation, "print")


def _output(stream: Any, name: str | None) -> Output:
    if stream is sys.stderr or stream == "stderr":
        return Output("stderr")
    if stream is sys.stdout or stream == "stdout":
        return Output("stdout")
    if isinstance(stream, str) and stream.startswith("file://"):
        return Output("file", stream[len("file://"):])
    if callable(getattr(stream, "write", None)):
        return Output("call", stream.write)
    if callable(stream):
        return Output("call", stream)
    raise failure(
        "print", name, f"output_stream {stream!r} is not supported",
        'Use sys.stderr, sys.stdout, "file://path", or a function of one string.', DTypeError)


_MARK = "\x00tensor\x00"  # no text holds it: zero characters are taken out of strings


class _Gap:
    """Stands for a tensor in a structure that is printed."""

    def __repr__(self) -> str:
        return _MARK


def _template(inputs: Sequence[Any], sep: str, tensors: list[Any]) -> Template:
    """The text of `inputs` with gaps for the tensors, which are appended to `tensors`."""
    import pprint

    texts = []
    for item in inputs:
        if isinstance(item, str):
            texts.append(item.replace("\x00", ""))
        else:
            texts.append(pprint.pformat(_with_gaps(item, tensors)))
    return Template(tuple(sep.join(texts).split(_MARK)))


def _with_gaps(item: Any, tensors: list[Any]) -> Any:
    """A copy of a nested structure with gaps for tensors, in the order in which pprint shows it.

    Dicts become sorted by key as there.
    """
    if is_tensor(item):
        tensors.append(convert(item))
        return _Gap()
    if isinstance(item, dict):
        try:
            keys = sorted(item)
        except TypeError:
            keys = list(item)
        return {k: _with_gaps(item[k], tensors) for k in keys}
    if isinstance(item, tuple) and hasattr(item, "_fields"):
        return type(item)(*(_with_gaps(v, tensors) for v in item))
    if isinstance(item, (list, tuple)):
        return type(item)(_with_gaps(v, tensors) for v in item)
    return item
