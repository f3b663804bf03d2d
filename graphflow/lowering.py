"""The lowering kinds: the only vocabulary that the compiler knows an op by.

Each kind is a small frozen record of functions. *Index functions* receive tuples of index
expressions and give tuples of index expressions, using only `+ - * // %` with integers, sizes
and each other, so that one function serves NumPy index grids (the interpreter that the tests
run) and symbolic loop indices (the emitters). *Scalar bodies* are written against
`loop_ir.ScalarBuilder` (`b`).

`ctx` below is a `LoweringContext`: the shapes, dtypes and attributes of one node.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Union


@dataclass(frozen=True, slots=True)
class LoweringContext:
    """What an index function or scalar body may know about the node it is used for.

    Attributes:
      in_shapes, out_shapes: tuples of sizes, one tuple per input and output.
      in_dtypes, out_dtypes: `DType`s of inputs and outputs.
      attrs: the attributes of the node.
    """

    in_shapes: tuple[tuple[Any, ...], ...]
    out_shapes: tuple[tuple[Any, ...], ...]
    in_dtypes: tuple[Any, ...]
    out_dtypes: tuple[Any, ...]
    attrs: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Pointwise:
    """One typed scalar body: `body(b, *elements, **attrs) → Expr` (or a tuple of them).

    Inputs broadcast to the output's shape by NumPy's rule. `refuses(b, *elements) → Expr` is the
    condition under which the reference raises, beside those of the body's divisions, if any.
    """

    body: Callable[..., Any]
    refuses: Callable[..., Any] | None = None


@dataclass(frozen=True, slots=True)
class Generate:
    """A Pointwise body with no tensor element but the output's linear index.

    `body(b, linear_index, *scalars, **attrs) → Expr`; the inputs that are not scalars only give
    the shape. Random bits, `range` and `fill` are of this kind.
    `refuses(b, *scalars) → Expr` is the condition under which the reference raises, if any.
    `keys` names attributes, each a uint32, that the body takes as expressions as well.
    """

    body: Callable[..., Any]
    scalars: tuple[int, ...] = ()
    refuses: Callable[..., Any] | None = None
    keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reduce:
    """A reduction over `axes(ctx)`, as one or several accumulators.

    Attributes:
      axes: ctx → tuple of input axes, non-negative and sorted.
      init: (b, ctx) → tuple of constants, the identities of `combine`.
      lift: (b, x, position, ctx) → tuple: one element as accumulators; `position` is the
        element's linear index among the reduced ones (row-major), an int64.
      combine: (b, left, right) → tuple; associative, `left` comes from lower positions.
      finish: (b, accumulators, count, ctx) → tuple of outputs; `count` is the number of
        reduced elements, an int64.
      undoes_broadcast: True if the axes are those that a broadcast from the output's shape to the
        input's repeats, so that they depend on which sizes are one.
      any_order: True if `combine` may be given its operands in any order, so that several
        accumulators can be kept side by side in lanes. It goes without saying for a single one.
      moments: True if the accumulators are the number of elements, their sum, and the squared
        deviations from their mean: a part of the elements may be gone through twice for them.
    """

    axes: Callable[[LoweringContext], tuple[int, ...]]
    init: Callable[..., tuple]
    lift: Callable[..., tuple]
    combine: Callable[..., tuple]
    finish: Callable[..., tuple]
    undoes_broadcast: bool = False
    any_order: bool = False
    moments: bool = False


@dataclass(frozen=True, slots=True)
class Cumulative:
    """A running `combine` along `axis(ctx)`; `exclusive` and `reverse` are attributes.

    Each input is one accumulator, its elements cast to the type that `init` has there; all
    inputs have one shape. Output element i is the last accumulator of elements 0 … i combined
    (0 … i − 1, with `init` before them, if exclusive; from the end, if reverse).

    Attributes:
      axis: ctx → the axis, non-negative.
      init: (b, ctx) → tuple of constants, the identities of `combine`.
      combine: (b, left, right) → tuple; associative, `left` comes first in the running order.
    """

    axis: Callable[[LoweringContext], int]
    init: Callable[..., tuple]
    combine: Callable[..., tuple]


@dataclass(frozen=True, slots=True)
class View:
    """An index map: output element `i` is input element `source(i, ctx)`.

    With `fill`, an element whose source lies outside the input is `fill(ctx)` instead.
    Only input 0 is read; further inputs (a shape, begins and ends) are taken as symbolic values.
    `contiguous` says that the row-major order of the elements stays (reshape): no copy is needed.
    """

    source: Callable[[tuple, LoweringContext], tuple]
    fill: Callable[[LoweringContext], Any] | None = None
    contiguous: bool = False


@dataclass(frozen=True, slots=True)
class Sizes:
    """Integers made of the inputs' sizes alone; no element is read: shape, size, rank.

    `values(ctx)` → the output's elements, row-major.
    """

    values: Callable[[LoweringContext], tuple]


@dataclass(frozen=True, slots=True)
class Join:
    """Several inputs, each with its window of the output.

    `place(k, index, ctx)` is the output index of element `index` of input `k`; the windows are
    disjoint and cover the output.
    """

    place: Callable[[int, tuple, LoweringContext], tuple]


@dataclass(frozen=True, slots=True)
class Gather:
    """An indirect load: output element `i` is input 0 at `source(i, load, ctx)`.

    `load(k, index)` reads integer input `k`. Indices out of range are errors.
    """

    source: Callable[[tuple, Callable, LoweringContext], tuple]


@dataclass(frozen=True, slots=True)
class Scatter:
    """A deterministic combine into indirect places, in row-major order of the updates.

    Attributes:
      target: (index, load, ctx) → output index of update element `index`.
      updates: the number of the input that holds the updates.
      base: the number of the input that the output starts from, or None for `initial`.
      combine: one of `add`, `sub`, `mul`, `div`, `min`, `max`, `set`.
      initial: ctx → the value of untouched places, where `base` is None.
      keep: (index, load, ctx) → condition under which the update counts, or None: all do.
      skips_outside: True if an update whose place does not exist does not count; else it is an
        error.
      windows: ctx → that each update goes to the element of its window whose number input 1 says,
        or None.
    """

    target: Callable[[tuple, Callable, LoweringContext], tuple]
    updates: int
    combine: str
    base: int | None = None
    initial: Callable[[LoweringContext], Any] | None = None
    keep: Callable[[tuple, Callable, LoweringContext], Any] | None = None
    skips_outside: bool = False
    windows: Callable[[LoweringContext], Sliding] | None = None


@dataclass(frozen=True, slots=True)
class Sliding:
    """What makes a contraction a convolution, or one of its adjoints.

    Attributes:
      role: which of the three it computes: `output`, `image` or `filter`. Its inputs are the other
        two, in this order: image, filter; gradient of the output, filter; image, gradient.
      axes: how windows slide along each spatial axis, as `WindowAxis` of the image.
      channels_last: True if images have their channels last.
      groups: how many groups of channels there are.
    """

    role: str
    axes: tuple[Any, ...]
    channels_last: bool
    groups: Any


@dataclass(frozen=True, slots=True)
class Contraction:
    """Sum of products over index maps: out[o] = Σ_r lhs[left(o, r)] · rhs[right(o, r)].

    Attributes:
      extents: ctx → sizes of the summed indices.
      left, right: (out_index, sum_index, ctx) → index into input 0 and input 1. Where the map
        leaves the input (padding), or `inside` is false, the product is zero.
      inside: (out_index, sum_index, ctx) → condition under which the term exists, or None.
      conjugate: ctx → (bool, bool): which operands are conjugated.
      sliding: ctx → that it is a convolution, or None.
    """

    extents: Callable[[LoweringContext], tuple]
    left: Callable[[tuple, tuple, LoweringContext], tuple]
    right: Callable[[tuple, tuple, LoweringContext], tuple]
    inside: Callable[[tuple, tuple, LoweringContext], Any] | None = None
    conjugate: Callable[[LoweringContext], tuple[bool, bool]] | None = None
    sliding: Callable[[LoweringContext], Sliding] | None = None


@dataclass(frozen=True, slots=True)
class Window:
    """A reduction over a sliding window that may leave the input: pooling and its gradients.

    Attributes:
      extents: ctx → sizes of the window.
      source: (out_index, window_index, ctx) → index into input 0.
      init, lift, combine, finish: as in `Reduce`; `count` counts the elements inside the input.
    """

    extents: Callable[[LoweringContext], tuple]
    source: Callable[[tuple, tuple, LoweringContext], tuple]
    init: Callable[..., tuple]
    lift: Callable[..., tuple]
    combine: Callable[..., tuple]
    finish: Callable[..., tuple]


@dataclass(frozen=True, slots=True)
class Composite:
    """Other ops: `expand(F, *inputs, **attrs)` → one output or a tuple of them.

    `refuses(inputs, attrs)` is true where the reference looks at values that the expansion would
    let pass (ids that are not sorted): such a node stays whole and runs by its reference, or by
    the kernel that the code generator has for it, which `kernel` says.
    """

    expand: Callable[..., Any]
    refuses: Callable[[tuple, dict], bool] = lambda inputs, attrs: False
    kernel: bool = False


@dataclass(frozen=True, slots=True)
class State:
    """Reads or writes one variable; its first input is the variable's handle.

    `update(F, current, *inputs, **attrs)` → (new value or None for a pure read, outputs), where
    `current` is the variable's value.

    Attributes:
      update: as above.
      writes: False for an op that only looks.
      reads_flag: `current` is the flag "has the variable a value?" instead of the value.
      blind: `update` does not look at `current`, so the variable need not have a value.
    """

    update: Callable[..., tuple[Any, tuple]]
    writes: bool = True
    reads_flag: bool = False
    blind: bool = False


@dataclass(frozen=True, slots=True)
class Region:
    """Holds sub-graphs as attributes; the named attributes are its bodies, in order."""

    bodies: tuple[str, ...]


def _nothing(ctx: LoweringContext) -> tuple:
    return ()


@dataclass(frozen=True, slots=True)
class Library:
    """A named hand-written kernel of `graphflow/kernels/`.

    Its buffers are the inputs, the outputs, the scratch memory and, where there are unknowns, an
    int64 vector to which it writes their values. Sizes in `ctx` may be symbols here.

    Attributes:
      kernel: its name.
      sizes: ctx → the kernel's int64 parameters, as integers or sizes.
      scratch: ctx → (element type, number of elements) of each piece of memory that it needs
        while it runs.
      unknowns: (number of the output, axis) of each size that depends on the inputs' values.
      bounds: ctx → the largest value of each unknown; the outputs have memory for so much.
    """

    kernel: str
    sizes: Callable[[LoweringContext], tuple]
    scratch: Callable[[LoweringContext], tuple] = _nothing
    unknowns: tuple[tuple[int, int], ...] = ()
    bounds: Callable[[LoweringContext], tuple] = _nothing


@dataclass(frozen=True, slots=True)
class Host:
    """Runs in Python between native segments.

    Attributes:
      effect: True if it must run exactly once per execution, in order (prints, asserts,
        stateful `py_func`); False if it may be shared, folded and dropped.
      passes: True if output 0 is input 0 (a print): differentiation skips the effect.
      reaches_out: True if it opens files or calls functions of the user's: an exported file never
        holds such an op.
      waits: True if it may wait for another run of the session: no variable is taken meanwhile.
    """

    effect: bool = True
    passes: bool = False
    reaches_out: bool = False
    waits: bool = False


@dataclass(frozen=True, slots=True)
class Leaf:
    """A value that comes from outside the computation: constant, feed, argument, handle.

    Attributes:
      of_programs: True for the leaves that freezing makes; a Graph never holds them.
    """

    of_programs: bool = False


Lowering = Union[
    Pointwise, Generate, Reduce, Cumulative, View, Sizes, Join, Gather, Scatter, Contraction,
    Window, Composite, State, Region, Library, Host, Leaf,
]
