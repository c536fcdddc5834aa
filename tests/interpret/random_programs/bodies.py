"""Random scalar bodies: typed values in, lines of ``arith`` and ``math`` out."""

from __future__ import annotations

from random_programs.choices import Choices

FLOATS = ("f16", "f32", "bf16", "f64")
INTEGERS = ("i8", "i32", "i64")
BITS = {"i1": 1, "i8": 8, "i32": 32, "i64": 64, "f16": 16, "bf16": 16, "f32": 32, "f64": 64}

_BINARY = ("addf", "subf", "mulf", "maximumf", "minimumf")
_UNARY = ("tanh", "absf", "floor", "exp", "ceil", "erf")
_INTEGER = (
    "addi", "subi", "muli", "andi", "ori", "xori", "maxsi", "minsi", "maxui", "minui",
    "divsi", "remsi", "floordivsi", "ceildivsi",
)  # fmt: skip
_CONSTANTS = {
    "f": ("0.5", "2.0", "-1.25", "0.0", "-0.0", "5.0", "0.1", "-3.0"),
    "i": ("1", "2", "-1", "3", "7", "0", "-5"),
}


def is_float(kind: str) -> bool:
    return kind in FLOATS


class Body:
    """The lines of one body.

    Args:
        choices: What to choose by.
        values: Names and types that the body may read.
        rank: Of the iteration space: an index of it may be read.
    """

    def __init__(self, choices: Choices, values: list[tuple[str, str]], rank: int = 0) -> None:
        self.choices = choices
        self.values = list(values)
        self.rank = rank
        self.lines: list[str] = []

    def text(self) -> str:
        return "".join(f"    {line}\n" for line in self.lines)

    def new(self, kind: str, text: str) -> str:
        name = f"%b{len(self.lines)}"
        self.lines.append(f"{name} = {text}")
        self.values.append((name, kind))
        return name

    def constant(self, kind: str, value: str | None = None) -> str:
        if kind == "i1":
            return self.new(kind, f"arith.constant {value or self.choices.pick(('true', 'false'))}")
        value = value or self.choices.pick(_CONSTANTS["f" if is_float(kind) else "i"])
        return self.new(kind, f"arith.constant {value} : {kind}")

    def any_of(self, kind: str) -> str:
        """A value of a type: one that is there, or another converted, or a constant."""
        there = [name for name, own in self.values if own == kind]
        if there and self.choices.flip(80):
            return self.choices.pick(there)
        others = [(name, own) for name, own in self.values if own != kind]
        if others and self.choices.flip(80):
            name, own = self.choices.pick(others)
            return self.converted(name, own, kind)
        return self.choices.pick(there) if there else self.constant(kind)

    def converted(self, name: str, own: str, kind: str) -> str:
        if own == kind:
            return name
        if own == "index":
            return self.converted(
                self.new("i64", f"arith.index_cast {name} : index to i64"), "i64", kind
            )
        if is_float(own) and is_float(kind):
            if BITS[own] == BITS[kind]:
                name, own = self.new("f32", f"arith.extf {name} : {own} to f32"), "f32"
            name_of = "extf" if BITS[own] < BITS[kind] else "truncf"
            return self.new(kind, f"arith.{name_of} {name} : {own} to {kind}")
        if is_float(kind):
            sign = "u" if own == "i1" or self.choices.flip(25) else "s"
            return self.new(kind, f"arith.{sign}itofp {name} : {own} to {kind}")
        if is_float(own):
            if kind == "i1":
                zero = self.constant(own, "0.0")
                predicate = self.choices.pick(("ogt", "ult", "une", "oeq"))
                return self.new("i1", f"arith.cmpf {predicate}, {name}, {zero} : {own}")
            wide = "i64" if self.choices.flip() else kind
            whole = self.new(wide, f"arith.fptosi {name} : {own} to {wide}")
            return self.converted(whole, wide, kind)
        if BITS[own] < BITS[kind]:
            return self.new(
                kind, f"arith.{self.choices.pick(('extsi', 'extui'))} {name} : {own} to {kind}"
            )
        return self.new(kind, f"arith.trunci {name} : {own} to {kind}")

    def step(self, kind: str) -> str:
        """One operation that gives a type."""
        choices = self.choices
        if kind == "i1":
            own = choices.pick([own for _, own in self.values if own not in ("index",)])
            a, b = self.any_of(own), self.any_of(own)
            if is_float(own):
                predicate = choices.pick(("ogt", "oge", "olt", "ule", "une", "ueq", "uno", "ord"))
                return self.new("i1", f"arith.cmpf {predicate}, {a}, {b} : {own}")
            predicate = choices.pick(("eq", "ne", "slt", "sge", "ult", "uge"))
            return self.new("i1", f"arith.cmpi {predicate}, {a}, {b} : {own}")
        what = choices.integer(0, 9)
        if what == 9 and self.rank:
            dim = choices.integer(0, self.rank - 1)
            index = self.new("index", f"linalg.index {dim} : index")
            return self.converted(index, "index", kind)
        if what == 8:
            test, a, b = self.step("i1"), self.any_of(kind), self.any_of(kind)
            return self.new(kind, f"arith.select {test}, {a}, {b} : {kind}")
        if not is_float(kind):
            name = choices.pick(_INTEGER)
            return self.new(kind, f"arith.{name} {self.any_of(kind)}, {self.any_of(kind)} : {kind}")
        if what == 7:
            return self.new(kind, f"arith.negf {self.any_of(kind)} : {kind}")
        if what == 6:
            a, b = self.any_of(kind), self.any_of(kind)
            return self.new(kind, f"math.copysign {a}, {b} : {kind}")
        if what == 5:
            positive = self.new(kind, f"math.absf {self.any_of(kind)} : {kind}")
            shifted = self.new(
                kind, f"arith.addf {positive}, {self.constant(kind, '0.5')} : {kind}"
            )
            return self.new(
                kind, f"math.{choices.pick(('sqrt', 'rsqrt', 'log'))} {shifted} : {kind}"
            )
        if what == 4:
            bounded = self.new(kind, f"math.tanh {self.any_of(kind)} : {kind}")
            return self.new(kind, f"math.{choices.pick(_UNARY)} {bounded} : {kind}")
        a, b = self.any_of(kind), self.any_of(kind)
        return self.new(kind, f"arith.{choices.pick(_BINARY)} {a}, {b} : {kind}")

    def steps(self, kind: str, most: int) -> str:
        """A few operations; the last gives the type."""
        for _ in range(self.choices.integer(0, most - 1)):
            own = [own for _, own in self.values if own not in ("index", "i1")]
            self.step(self.choices.pick([kind, *own]))
        return self.step(kind)
