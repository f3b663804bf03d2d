"""`ScalarBuilder`: what op bodies are written against, `body=lambda b, x: b.tanh(x)`.

Every op of `scalar_ops.OPS` is a method: `b.add(x, y)`, `b.select(c, x, 0)`. Methods check the
dtypes of their operands and raise DTypeError; Python numbers take the dtype of the Expr beside
them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from graphflow.dtypes import DType, as_dtype
from graphflow.loop_ir.expr import Expr, build, constant
from graphflow.loop_ir.scalar_ops import OPS


class ScalarBuilder:
    """Builds scalar expressions. It has no state: `loop_ir.b` is the one that everybody uses.

    Methods that take more than operands are written out; the others come from the table of ops.
    """

    __slots__ = ()

    def arg(self, number: int, dtype: Any) -> Expr:
        """The element of input `number`."""
        return build("arg", dtype=as_dtype(dtype), attr=number)

    def const(self, value: Any, like: Expr | DType | Any) -> Expr:
        """The number `value` in the dtype of `like` (an Expr, or anything `as_dtype` takes)."""
        return constant(value, like.dtype if isinstance(like, Expr) else as_dtype(like))

    def index(self, axis: int) -> Expr:
        """The loop index along `axis`: int64."""
        return build("index", attr=axis)

    def size(self, axis: int) -> Expr:
        """The extent of `axis`: int64."""
        return build("size", attr=axis)

    def cast(self, x: Expr, dtype: Any) -> Expr:
        """The value of `x` in `dtype`; `x` itself if it has that dtype already.

        Float → integer truncates, NaN gives 0 and values outside the range its end; integers
        wrap; a cast to float16 or bfloat16 rounds, where the arithmetic between does not.
        """
        target = as_dtype(dtype)
        return x if x.dtype is target else build("cast", x, dtype=target)

    def bitcast(self, x: Expr, dtype: Any) -> Expr:
        """The bits of `x` read as `dtype`. Raises DTypeError if the sizes differ."""
        return build("bitcast", x, dtype=as_dtype(dtype))

    def __getattr__(self, name: str) -> Callable[..., Expr]:
        if name not in OPS:
            import difflib

            close = difflib.get_close_matches(name, OPS, n=1)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            raise AttributeError(f"There is no scalar op {name!r}.{hint}")
        method = partial(build, name)
        method.__doc__ = OPS[name].doc
        return method

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *OPS})


b = ScalarBuilder()
