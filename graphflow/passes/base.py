"""What all passes are made of: `Pass` and `Rebuilder`.

There is one rewriting mechanism. A `Rebuilder` copies a Program node by node, bodies of regions
included, and offers each node that it makes to a `rewrite` function, which gives replacement
values or None. What a rewrite makes is offered in turn, so that one walk reaches the end of a
chain of rules. New nodes carry the origin of the node that they replace.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from graphflow.builder import using
from graphflow.dims import SymDim, equal, is_anonymous
from graphflow.errors import ProgramError
from graphflow.lowering import Leaf, Region
from graphflow.opdef import OpDef, resolve_attrs
from graphflow.program import Node, Program, ProgramBuilder, Value, is_effect
from graphflow.shapes import TensorShape

if TYPE_CHECKING:
    from graphflow.passes.rules import Rule

MAX_CHAIN = 64


@dataclass(frozen=True, slots=True, eq=False)
class Pass:
    """A transformation of Programs.

    Attributes:
      name: unique; by it the pass is disabled, dumped, timed and named by the verifier.
      phase: `canonicalise`, `stabilise`, `specialise`, `expand` or `loops`.
      run: gives a Program that computes the same; the very same object if nothing changed.
      rules: the rewrite rules that it consists of, if it is made of rules.
      doc: what it does; the first sentence is its summary.
      required: True if nothing can be compiled without it.
    """

    name: str
    phase: str
    run: Callable[[Program], Program]
    rules: tuple[Rule, ...] = ()
    doc: str | None = None
    required: bool = False

    @property
    def summary(self) -> str:
        """What the pass does, in one sentence."""
        first = " ".join((self.doc or "").split("\n\n")[0].split())
        return first.split(". ")[0].rstrip(".") + "." if first else ""


# A rewrite gives None for no match, or the values that replace the node's outputs (None for an
# output that nothing uses).
Replacement = Value | Sequence[Value | None] | None
Rewrite = Callable[[Node, "Rebuilder"], Replacement]


def rebuilt(
    program: Program, rewrite: Rewrite, stage: str, *, required: bool = False,
    only: Container[str] | None = None,
) -> Program:
    """`program` with every node offered to `rewrite`; the same object if nothing changed.

    stage: names the pass in complaints. required: replacements are taken even where less is known
    of their shapes than of what they replace; otherwise such ones are left out, since facts about
    sizes are worth more than a simpler node. only: the ops that `rewrite` ever replaces, if not
    all.
    """
    return _rebuilt(program, rewrite, stage, required, {}, only)


def _rebuilt(
    program: Program, rewrite: Rewrite, stage: str, required: bool,
    bodies: dict[Program, Program], only: Container[str] | None,
) -> Program:
    settings = program, rewrite, stage, required, bodies, only
    first = Rebuilder(*settings, probing=True).first_change()
    return program if first is None else Rebuilder(*settings).rebuild(first)


class Rebuilder(ProgramBuilder):
    """Copies one Program, offering each node to `rewrite`; see `rebuilt`.

    Inputs, reads, flags, writes and the order of effects stay; effects and leaves are never
    offered. `rewrite` runs with this builder in force, so that it can be written with `F`.
    """

    def __init__(
        self, program: Program, rewrite: Rewrite, stage: str, required: bool,
        bodies: dict[Program, Program], only: Container[str] | None = None,
        probing: bool = False,
    ) -> None:
        super().__init__(stage)
        self.program, self._only = program, only
        self._rewrite, self._required, self._bodies = rewrite, required, bodies
        self._probing = probing
        self._values: dict[Value, Value] = {}
        self._sources: dict[Value, list[Value]] = {}
        self._simplified: dict[Node, tuple[Value | None, ...]] = {}
        self._chain = 0

    # ---- what rewrites may ask --------------------------------------------------------------

    @cached_property
    def _users(self) -> dict[Value, list[Node]]:
        users: dict[Value, list[Node]] = {}
        for node in self.program.nodes:
            for value in node.inputs:
                users.setdefault(value, []).append(node)
        return users

    @cached_property
    def _results(self) -> Counter[Value]:
        return Counter([*self.program.outputs, *self.program.writes.values()])

    def users(self, value: Value) -> list[Node]:
        """The nodes of the Program being copied that use what `value` stands for so far."""
        return [n for v in self._standing_for(value) for n in self._users.get(v, ())]

    def uses(self, value: Value) -> int:
        """How often the Program being copied uses what `value` stands for, results included.

        0 for values that a rewrite has just made.
        """
        return len(self.users(value)) + sum(self._results[v] for v in self._standing_for(value))

    def originals(self, value: Value) -> Sequence[Value]:
        """The values of the Program being copied that `value` stands for so far."""
        return self._standing_for(value)

    def now(self, original: Value) -> Value | None:
        """What stands for a value of the Program being copied; None if it is not copied yet."""
        return original if self._probing else self._values.get(original)

    def _standing_for(self, value: Value) -> Sequence[Value]:
        """The values of the Program being copied that `value` stands for."""
        return [value] if self._probing else self._sources.get(value, ())

    # ---- building ---------------------------------------------------------------------------

    def apply(
        self, opdef: OpDef, inputs: Sequence[Any], attrs: dict[str, Any], *,
        name: str | None = None, default_name: str | None = None,
    ) -> tuple[Value, ...]:
        """The outputs of a node, or what stands for them after rewriting."""
        attrs = resolve_attrs(opdef, attrs, name)
        node = self.add(opdef, self._convert_inputs(opdef, inputs), attrs)
        found = tuple(v for v in self._rewritten(node) if v is not None)
        return found if len(found) == len(node.outputs) else node.outputs

    def _rewritten(self, node: Node) -> tuple[Value | None, ...]:
        """The values that stand for the outputs of a node of this builder."""
        if self._only is not None and node.opdef.name not in self._only:
            return node.outputs
        known = self._simplified.get(node)
        if known is None:
            # A rule that comes back to the node it was given leaves it as it is.
            known = self._simplified[node] = node.outputs
            if not (isinstance(node.opdef.lowering, Leaf) or is_effect(node.opdef, node.attrs)):
                self._chain += 1
                if self._chain > MAX_CHAIN:
                    raise ProgramError(f"{self.stage}: the rewriting of {node!r} does not end.")
                known = self._simplified[node] = self._offered(node)
                self._chain -= 1
        return known

    def _offered(self, node: Node) -> tuple[Value | None, ...]:
        found = self._rewrite(node, self)
        if found is None:
            return node.outputs
        found = (found,) if isinstance(found, Value) else tuple(found)
        if len(found) != len(node.outputs):
            raise ProgramError(
                f"{self.stage}: {node!r} has {len(node.outputs)} outputs, {len(found)} values "
                "would replace it.")
        pairs = [(new, old) for new, old in zip(found, node.outputs) if new is not None]
        if not all(self._acceptable(new, old) for new, old in pairs):
            return node.outputs
        if not self._probing:
            for new, old in pairs:
                learn(new, old)
        return found

    def _acceptable(self, new: Value, old: Value) -> bool:
        if new.dtype is not old.dtype or not new.shape.is_compatible_with(old.shape):
            raise ProgramError(
                f"{self.stage}: {old!r} would be replaced by {new!r}, of another type.")
        return self._required or as_well_known(new, old)

    # ---- copying ----------------------------------------------------------------------------

    def first_change(self) -> int | None:
        """The number of the first node that is rewritten; None if there is none."""
        only, origins = self._only, self.program.origins
        with using(self):
            for i, node in enumerate(self.program.nodes):
                offered = only is None or node.opdef.name in only
                regional = isinstance(node.opdef.lowering, Region)
                if not offered and not regional:
                    continue
                self.origin = origins.get(node.serial)
                if regional and any(self._body(v) is not v for v in node.attrs.values()):
                    return i
                if offered and self._rewritten(node) != node.outputs:
                    return i
        return None

    def rebuild(self, first: int = 0) -> Program:
        """The rewritten copy. Nodes before number `first` are copied as they are."""
        program = self.program
        with using(self):
            for i, node in enumerate(program.nodes):
                self.origin = program.origins.get(node.serial)
                made = self._copy(node)
                found = made.outputs if i < first else self._rewritten(made)
                for old, new in zip(node.outputs, found):
                    if new is not None:
                        self._stands_for(new, old)
        at = self._values
        return self.finish(
            [at[v] for v in program.inputs], [at[v] for v in program.outputs],
            _mapped(program.reads, at), _mapped(program.flags, at), _mapped(program.writes, at))

    def _copy(self, node: Node) -> Node:
        attrs = node.attrs
        if isinstance(node.opdef.lowering, Region):
            bodies = {k: self._body(v) for k, v in attrs.items()}
            attrs = attrs if all(bodies[k] is v for k, v in attrs.items()) else bodies
        made = self.add(node.opdef, [self._values[v] for v in node.inputs], attrs, like=node)
        for new, old in zip(made.outputs, node.outputs):
            learn(new, old)
            self._stands_for(new, old)
        return made

    def _stands_for(self, new: Value, old: Value) -> None:
        if self._values.get(old) is not new:
            self._values[old] = new
            self._sources.setdefault(new, []).append(old)

    def _body(self, value: Any) -> Any:
        """The rewritten body of a region; any other attribute itself."""
        if not isinstance(value, Program):
            return value
        if value not in self._bodies:
            self._bodies[value] = _rebuilt(
                value, self._rewrite, self.stage, self._required, self._bodies, self._only)
        return self._bodies[value]


def op_names(program: Program) -> set[str]:
    """The names of all ops of a Program, those of region bodies included."""
    names = {n.opdef.name for n in program.nodes}
    for node in program.nodes:
        for value in node.attrs.values():
            if isinstance(value, Program):
                names |= op_names(value)
    return names


def _mapped(values: dict[str, Value], at: dict[Value, Value]) -> dict[str, Value]:
    return {key: at[value] for key, value in values.items()}


# ---- knowledge about values ---------------------------------------------------------------------


def as_well_known(new: Value, old: Value) -> bool:
    """True if `new` may stand for `old` without a fact about sizes being lost.

    Each size must be the same expression, or known, or nothing but a symbol of its own, which
    then takes the place of what is known of `old`.
    """
    if old.shape.rank is None:
        return True
    movable = not isinstance(new.node.opdef.lowering, Leaf)
    if new.shape.rank is None:
        return movable
    return all(
        isinstance(n, int) or equal(n, o) is True or (movable and is_anonymous(n))
        for n, o in zip(new.shape.sizes, old.shape.sizes))


def learn(new: Value, old: Value) -> None:
    """Gives a value that was just made what is known of the equal value `old`."""
    if isinstance(new.node.opdef.lowering, Leaf):
        return
    if new.symbolic_value is None:
        new.symbolic_value = old.symbolic_value
    if new.shape == old.shape or old.shape.rank is None:
        return
    if new.shape.rank is None:
        new.shape = old.shape
        return
    new.shape = TensorShape.of(
        o if isinstance(n, SymDim) and (isinstance(o, int) or is_anonymous(n)) else n
        for n, o in zip(new.shape.sizes, old.shape.sizes))
