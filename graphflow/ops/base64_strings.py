"""Bytes as text: `encode_base64`, `decode_base64`, in the alphabet that is safe in addresses."""

from __future__ import annotations

import base64
import binascii
from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import apply, convert, op_function
from graphflow.errors import InvalidArgumentError
from graphflow.lowering import Host
from graphflow.opdef import Attr, NotDifferentiable, RunError, Sample, TensorType
from graphflow.ops.declare import declare
from graphflow.ops.strings import each

_STRINGS = NotDifferentiable("strings have no gradient")


def _encoded(input: np.ndarray, pad: bool) -> np.ndarray:
    def one(data: bytes) -> bytes:
        text = base64.urlsafe_b64encode(data)
        return text if pad else text.rstrip(b"=")

    return each(one, dt.string, input)


def _decoded(input: np.ndarray) -> np.ndarray:
    def one(text: bytes) -> bytes:
        try:
            return base64.b64decode(text.rstrip(b"=") + b"=" * (-len(text.rstrip(b"=")) % 4),
                                    b"-_", validate=True)
        except binascii.Error as error:
            raise RunError(InvalidArgumentError, f"{text!r} is no base64: {error}") from error

    return each(one, dt.string, input)


ENCODE_BASE64 = declare(
    "EncodeBase64", "input: string", attrs={"pad": Attr("bool", False)},
    infer=lambda c: [TensorType(dt.string, c.shape(0))], reference=_encoded, grad=_STRINGS,
    lowering=Host(effect=False),
    samples=lambda: [Sample((np.array(["", "a", "ab?>", "abcd"]),), {"pad": pad})
                     for pad in (True, False)] + [Sample((np.zeros([0, 2], object),), {})])

DECODE_BASE64 = declare(
    "DecodeBase64", "input: string", infer=lambda c: [TensorType(dt.string, c.shape(0))],
    reference=_decoded, grad=_STRINGS, lowering=Host(effect=False),
    samples=lambda: [Sample((np.array(["", "YQ", "YWI_Pg==", "YWJj"]),)),
                     Sample((np.zeros([0, 2], object),))])


@op_function
def encode_base64(input: Any, pad: bool = False, name: str | None = None) -> Any:
    """Strings of bytes as base64 with `-` and `_`; `pad` fills up with `=` to fours."""
    return apply(ENCODE_BASE64, (convert(input, dt.string),), {"pad": bool(pad)}, name=name)


@op_function
def decode_base64(input: Any, name: str | None = None) -> Any:
    """The bytes that base64 with `-` and `_` stands for.

    Raises InvalidArgumentError at run time for anything else.
    """
    return apply(DECODE_BASE64, (convert(input, dt.string),), name=name)
