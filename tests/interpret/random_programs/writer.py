"""Random programs of linalg on tensors: chains of what models are made of, and of odd things.

Every program is legal MLIR that means one thing. What a compiler does with it is to refuse it, or
to give a module, and programs of tiles, that compute the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import prod

from random_programs.bodies import BITS, INTEGERS, is_float
from random_programs.choices import Choices

Shape = tuple[int, ...]
MOST_ELEMENTS = 256


@dataclass(frozen=True)
class Tensor:
    name: str
    shape: Shape
    kind: str

    @property
    def type(self) -> str:
        return f"tensor<{'x'.join(map(str, (*self.shape, self.kind)))}>"


@dataclass(frozen=True)
class Program:
    """The text of a module, and the integers that each selecting argument may hold."""

    text: str
    below: dict[int, int]
    """By argument: its values select among so many."""


def dims(rank: int) -> str:
    return ", ".join(f"d{i}" for i in range(rank))


def affine(rank: int, results: Sequence[str]) -> str:
    return f"affine_map<({dims(rank)}) -> ({', '.join(results)})>"


@dataclass
class Writer:
    """Writes one program."""

    choices: Choices
    lines: list[str] = field(default_factory=list)
    arguments: list[Tensor] = field(default_factory=list)
    below: dict[int, int] = field(default_factory=dict)
    pool: list[Tensor] = field(default_factory=list)
    weights: list[Tensor] = field(default_factory=list)
    returned: list[Tensor] = field(default_factory=list)
    count: int = 0

    # Values.

    def name(self) -> str:
        self.count += 1
        return f"%v{self.count}"

    def add(self, shape: Shape, kind: str, text: str, *, keep: bool = True) -> Tensor:
        tensor = Tensor(self.name(), shape, kind)
        self.lines.append(f"  {tensor.name} = {text.replace('$T', tensor.type)}")
        if keep:
            self.pool.append(tensor)
        return tensor

    def argument(self, shape: Shape, kind: str, below: int = 0) -> Tensor:
        tensor = Tensor(f"%arg{len(self.arguments)}", shape, kind)
        if below:
            self.below[len(self.arguments)] = below
        self.arguments.append(tensor)
        if not below:
            self.pool.append(tensor)
        return tensor

    def scalar(self, kind: str, value: str) -> str:
        name = self.name()
        self.lines.append(f"  {name} = arith.constant {value} : {kind}")
        return name

    def empty(self, shape: Shape, kind: str) -> Tensor:
        return self.add(shape, kind, "tensor.empty() : $T", keep=False)

    def filled(self, shape: Shape, kind: str, value: str) -> Tensor:
        scalar, empty = self.scalar(kind, value), self.empty(shape, kind)
        text = f"linalg.fill ins({scalar} : {kind}) outs({empty.name} : {empty.type}) -> $T"
        return self.add(shape, kind, text, keep=False)

    def value(self, kinds: Callable[[str], bool] = lambda kind: True, rank: int = 0) -> Tensor:
        """A tensor of the pool, rather a late one; of at least a rank."""
        fits = [t for t in self.pool if kinds(t.kind) and len(t.shape) >= rank]
        if not fits:
            shape = tuple(self.choices.integer(1, 4) for _ in range(max(rank, 2)))
            kind = next(kind for kind in ("f32", "i32", "i1") if kinds(kind))
            return self.argument(shape, kind)
        return fits[-1] if self.choices.flip(60) else self.choices.pick(fits)

    def like(self, shape: Shape, kind: str) -> Tensor | None:
        """Another tensor of a shape and type, if there is one."""
        fits = [t for t in self.pool if t.shape == shape and t.kind == kind]
        return self.choices.pick(fits) if fits else None

    def constant(self, shape: Shape, kind: str) -> Tensor:
        """A weight: one that is there, a new one without data, or one whose data is written."""
        fits = [t for t in self.weights if t.shape == shape and t.kind == kind]
        if fits and self.choices.flip(70):
            return self.choices.pick(fits)
        # A weight of one name has one type.
        name = f"w{len(self.weights)}"
        if self.choices.flip(60):
            tensor = self.add(
                shape, kind, f"arith.constant dense_resource<{name}> : $T", keep=False
            )
        else:
            tensor = self.add(
                shape, kind, f"arith.constant dense<{self.data(shape, kind)}> : $T", keep=False
            )
        self.weights.append(tensor)
        return tensor

    def data(self, shape: Shape, kind: str) -> str:
        if self.choices.flip(15):
            return self.number(kind)
        flat = [self.number(kind) for _ in range(min(prod(shape), 6))]
        # More would be more choices to shrink: they repeat, out of step with the rows.
        values = [flat[(i * 5 + i // 7) % len(flat)] for i in range(prod(shape))]
        return nested(values, shape)

    def number(self, kind: str) -> str:
        if kind == "i1":
            return self.choices.pick(("true", "false"))
        if is_float(kind):
            return self.choices.pick(("0.5", "-1.5", "2.0", "-0.75", "1.0", "0.0", "-0.0", "3.25"))
        return str(self.choices.integer(-4, 4))

    # The module.

    def finish(self) -> Program:
        results = list(self.returned)
        candidates = [t for t in self.pool if t not in results]
        computed = [t for t in candidates if t not in self.arguments]
        if computed and computed[-1] not in results:
            results.append(computed[-1])
        for _ in range(self.choices.integer(0, 2)):
            # Sometimes an argument or a weight as it is.
            odd = self.choices.flip(10)
            results.append(
                self.choices.pick([*candidates, *self.weights] if odd else computed or candidates)
            )
        arguments = ", ".join(f"{t.name}: {t.type}" for t in self.arguments)
        types = ", ".join(t.type for t in results)
        names = ", ".join(t.name for t in results)
        body = "\n".join(self.lines)
        text = (
            f"func.func @main({arguments}) -> ({types}) {{\n{body}\n"
            f"  return {names} : {types}\n}}\n"
        )
        return Program(text, self.below)


def nested(values: Sequence[str], shape: Shape) -> str:
    if not shape:
        return values[0]
    step = len(values) // shape[0]
    parts = (nested(values[i * step : (i + 1) * step], shape[1:]) for i in range(shape[0]))
    return f"[{', '.join(parts)}]"


def widest(kinds: Sequence[str]) -> str:
    return max(kinds, key=lambda kind: (BITS[kind], kind != "bf16"))


def program(choices: Choices, operations: Sequence[Callable[[Writer], None]]) -> Program:
    """A chain of operations over one to three arguments."""
    writer = Writer(choices)
    for _ in range(choices.integer(1, 3)):
        shape = tuple(choices.integer(1, 5) for _ in range(choices.integer(1, 3)))
        writer.argument(
            shape, choices.pick(("f32", "f16", "f32", *INTEGERS[:2], "f32", "bf16", "i1"))
        )
    for _ in range(choices.integer(2, 8)):
        choices.pick(operations)(writer)
    return writer.finish()
