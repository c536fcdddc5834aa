"""Constraints as text: ``mesh = 8x8; vlen in 256..1024; rows 3..5 only for lm_head``.

The grammar is in ``constraints.lark``, the language in ``docs/goals.md``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from decimal import Decimal, DecimalException
from difflib import get_close_matches
from functools import cache
from importlib.resources import files

from lark import Lark, Token, Tree, UnexpectedInput

from asic_compiler.diagnostics import SourceLocation, UserError
from asic_compiler.explore.constraints import (
    OF_TILE,
    OUTCOMES,
    PAIRS,
    VARIABLES,
    Restriction,
    Restrictions,
)
from asic_compiler.explore.goal import Quantity
from asic_compiler.explore.text_errors import syntax_error
from asic_compiler.machine.limits import LARGEST_NUMBER, LEAST_NUMBER

FILE = "constraints"
"""What stands for a file name in the places of errors."""

_ALIASES = {"kv": "kv_bits"}
_OPTIONS = {
    "precision": "precision=",
    "weight_store": "weight_store=",
    "weight_precision": "weight_bits, activation_bits, or the options precision= and weight_store=",
    "kv_precision": "kv_bits",
}
"""Words that have another place."""


def parse_constraints(text: str) -> Restrictions:
    """What ``text`` restricts; an empty text restricts nothing.

    Raises:
        UserError: It has no meaning, or nothing keeps it; the location is the column in ``text``.
    """
    try:
        tree = _parser().parse(text)  # pyright: ignore[reportUnknownMemberType]
    except UnexpectedInput as error:
        raise syntax_error(text, FILE, error, _EXPECTED) from None
    found: list[Restriction] = []
    for part in tree.children:
        assert isinstance(part, Tree)
        for restriction in _constraint(part):
            _merge(found, restriction)
    order = {name: i for i, name in enumerate(VARIABLES)}
    return Restrictions(tuple(sorted(found, key=lambda r: (order[r.variable], r.operators))))


@cache
def _parser() -> Lark:
    grammar = (files("asic_compiler.explore") / "constraints.lark").read_text(encoding="utf-8")
    return Lark(grammar, parser="lalr", maybe_placeholders=False)


@dataclass(frozen=True)
class _Value:
    """A number with its unit, or a size of two numbers."""

    token: Token
    unit: Token | None

    @property
    def numbers(self) -> tuple[str, ...]:
        return tuple(str(self.token).lower().split("x")) if self.token.type == "SIZE" else (
            str(self.token),
        )  # fmt: skip


def _constraint(tree: Tree[Token]) -> list[Restriction]:
    word, body, *scope = tree.children
    assert isinstance(word, Token)
    assert isinstance(body, Tree)
    operators = _operators(scope[0]) if scope and isinstance(scope[0], Tree) else ()
    name = _ALIASES.get(word.lower(), word.lower())
    variables = PAIRS.get(name) or (_known(name, word),)
    if operators and variables[0] not in OF_TILE:
        raise _error(
            f"'{word}' is no property of a tile: it cannot be restricted to operators",
            word,
            f"what can: {', '.join(OF_TILE)}",
        )
    return [
        replace(_body(body, variable, axis if name in PAIRS else None, word), operators=operators)
        for axis, variable in enumerate(variables)
    ]


def _known(name: str, word: Token) -> str:
    if name in VARIABLES:
        return name
    if name in _OPTIONS:
        raise _error(f"'{word}' is stated by {_OPTIONS[name]}", word)
    if name in tuple(Quantity):
        raise _error(
            f"{name} is what a design leads to, not a variable of it",
            word,
            f"bound it in the goal: goal='... subject to {name} ...'",
        )
    near = get_close_matches(name, [*VARIABLES, *PAIRS, *_ALIASES], n=1)
    notes = [f"did you mean '{near[0]}'?"] if near else []
    known = f"variables: {', '.join([*PAIRS, *VARIABLES])}"
    raise _error(f"unknown variable '{word}'", word, *notes, known)


def _operators(tree: Tree[Token]) -> tuple[str, ...]:
    names = [str(t) for t in tree.children if isinstance(t, Token) and t.type == "NAME"]
    return tuple(sorted(dict.fromkeys(names)))


def _body(tree: Tree[Token], variable: str, axis: int | None, word: Token) -> Restriction:
    """The restriction of one variable; ``axis`` is its place in a size, None for a number."""
    facts = VARIABLES[variable]
    column, line = word.column or 1, word.line or 1
    parts = [child for child in tree.children if isinstance(child, Tree)]
    if tree.data == "relation":
        sign = tree.children[0]
        assert isinstance(sign, Token)
        relation = _relation(sign)
        value = _number(_value(parts[0]), variable, axis)
        low = value if relation in (">=", "=") else facts.low
        high = value if relation in ("<=", "=") else facts.high
        return _checked(
            Restriction(variable, low, high, None, (), column, line), _value(parts[0]).token
        )
    inner = parts[0]
    values = [_value(child) for child in inner.children if isinstance(child, Tree)]
    if inner.data == "range":
        if values[0].unit is None:  # 32..64 KiB
            values[0] = replace(values[0], unit=values[1].unit)
        low, high = (_number(value, variable, axis) for value in values)
        if low > high:
            raise _error(f"the range of {variable} is empty: {low:g} is above {high:g}",
                         values[0].token)  # fmt: skip
        return _checked(Restriction(variable, low, high, None, (), column, line), values[0].token)
    if axis is not None or variable in OUTCOMES or not facts.values:
        raise _error(f"{word} takes a value or a range, not a set", values[0].token)
    if values[-1].unit is not None:  # {32, 64} KiB is not in the grammar; {32, 64 KiB} is
        values = [value if value.unit else replace(value, unit=values[-1].unit) for value in values]
    chosen = [_number(value, variable, axis) for value in values]
    for value, number in zip(values, chosen, strict=True):
        if number not in facts.values:
            raise _nothing(variable, f"{value.token} is none of its values", value.token, number)
    choices = tuple(sorted(dict.fromkeys(chosen)))
    return _simplified(Restriction(variable, choices[0], choices[-1], choices, (), column, line))


def _simplified(restriction: Restriction) -> Restriction:
    """A set without gaps is a range."""
    between = restriction.values
    known = _count_between(restriction)
    return replace(restriction, choices=None) if len(between) == known else restriction


def _count_between(restriction: Restriction) -> int:
    """How many values of its variable lie between the ends of a restriction."""
    known = VARIABLES[restriction.variable].values
    return sum(restriction.low <= value <= restriction.high for value in known)


def _value(tree: Tree[Token]) -> _Value:
    token, *unit = (child for child in tree.children if isinstance(child, Token))
    return _Value(token, unit[0] if unit else None)


def _relation(sign: Token) -> str:
    if sign in ("<=", ">=", "="):
        return str(sign)
    meant = "<=" if set(sign) & set("<≤") else ">=" if set(sign) & set(">≥") else "="
    raise _error(f"'{sign}' is no relation", sign, f"did you mean '{meant}'?")


def _number(value: _Value, variable: str, axis: int | None) -> float:
    numbers = value.numbers
    if axis is None and len(numbers) > 1:
        raise _error(f"{variable} is one number, not {value.token}", value.token)
    if axis is not None and len(numbers) == 1:
        raise _error(f"a size is written as two numbers: {value.token}x{value.token}?", value.token)
    try:  # in decimal: 700 mV is 0.7 V to the last bit
        exact = Decimal(numbers[axis or 0].strip()) * Decimal(repr(_unit(value, variable)))
    except DecimalException:  # an exponent that nobody means
        exact = Decimal("inf")
    number = float(exact)
    if not math.isfinite(number):
        raise _error(f"{value.token} is not finite", value.token)
    if abs(number) > LARGEST_NUMBER or (variable in OUTCOMES and 0.0 < number < LEAST_NUMBER):
        raise _error(f"{value.token} is beyond every {variable} there is", value.token)
    return number


def _unit(value: _Value, variable: str) -> float:
    units = VARIABLES[variable].units
    written = [name for name in units if name]
    choices = f"units of {variable}: {', '.join(written)}" + (", or none" if "" in units else "")
    if not written:
        choices = f"{variable} has no unit"
    if value.unit is None:
        if "" not in units:
            raise _error(
                f"{variable} needs a unit: {value.token} {written[0]}?", value.token, choices
            )
        return units[""]
    same = [name for name in written if name.lower() == value.unit.lower()]
    for name in same:  # the case of other letters is free, but 5 mHz is not 5 MHz
        if name[0].lower() != "m" or name[0] == value.unit[0]:
            return units[name]
    notes = [f"did you mean '{name}'?" for name in same]
    raise _error(f"'{value.unit}' is no unit of {variable}", value.unit, *notes, choices)


def _checked(restriction: Restriction, where: Token) -> Restriction:
    """The restriction within the variable's own range, if anything is left of it.

    Raises:
        UserError: Nothing is.
    """
    facts, name = VARIABLES[restriction.variable], restriction.variable
    if name in OUTCOMES and restriction.high <= 0:
        raise _error(f"{name} must be positive, not {where}", where)
    if restriction.low > facts.high or restriction.high < facts.low:
        raise _nothing(name, f"{where} is outside its range", where, restriction.low)
    ends = (restriction.low, restriction.high)
    if name == "dies" and not all(end.is_integer() or math.isinf(end) for end in ends):
        raise _error(f"dies are counted in whole numbers, not {where}", where)
    if facts.values:
        values = restriction.values
        if not len(values):
            raise _nothing(name, "no value of it is allowed", where, restriction.low)
        # The ends become values that there are: equal sets have equal restrictions.
        return replace(restriction, low=float(values[0]), high=float(values[-1]))
    return replace(
        restriction, low=max(restriction.low, facts.low), high=min(restriction.high, facts.high)
    )


def _nothing(variable: str, why: str, where: Token, wanted: float) -> UserError:
    facts = VARIABLES[variable]
    unit, size = next(iter(facts.units.items()))
    low, high = (f"{v / size:g}" for v in (facts.low, facts.high))
    known = f"{variable} is {facts.what}, {low} to {high} {unit}".rstrip()
    near: list[float] = []
    if facts.values:
        below = [v for v in facts.values if v < wanted][-1:]
        above = [v for v in facts.values if v >= wanted][:1]
        near = [*below, *above]
    notes = [f"nearest: {' and '.join(f'{v / size:g}' for v in near)} {unit}".rstrip()] * bool(near)
    return _error(f"{variable}: {why}", where, known, *notes)


def _merge(found: list[Restriction], new: Restriction) -> None:
    """Puts ``new`` into ``found``; two of one variable and scope become their intersection.

    Raises:
        UserError: Nothing keeps both.
    """
    for index, old in enumerate(found):
        if (old.variable, old.operators) != (new.variable, new.operators):
            continue
        low, high = max(old.low, new.low), min(old.high, new.high)
        choices = old.choices if new.choices is None else new.choices
        if old.choices is not None and new.choices is not None:
            choices = tuple(v for v in old.choices if v in new.choices)
        both = replace(new, low=low, high=high, choices=choices)
        values = both.values
        if low > high or (VARIABLES[new.variable].values and not len(values)):
            where = SourceLocation(FILE, new.line, new.column)
            raise UserError(f"nothing keeps both '{old}' and '{new}'", where)
        if len(values):
            ends = {"low": float(values[0]), "high": float(values[-1])}
            kept = tuple(values.tolist()) if choices is not None else None
            both = _simplified(replace(both, choices=kept, **ends))
        found[index] = both
        return
    found.append(new)


_EXPECTED: dict[str, tuple[str, ...]] = {
    "WORD": ("the name of a variable",),
    "RELATION": ("'='", "'<='", "'>='"),
    "IN": ("'in'",),
    "NUMBER": ("a number",),
    "SIZE": ("a size",),
    "DOTS": ("'..'",),
    "LBRACE": ("'{'",),
    "RBRACE": ("'}'",),
    "COMMA": ("','",),
    "UNIT": ("a unit",),
    "FOR": ("'for'",),
    "NAME": ("the name of an operator",),
    "_SEPARATOR": ("';'",),
    "$END": ("the end",),
}


def _error(message: str, token: Token, *notes: str) -> UserError:
    return UserError(message, SourceLocation(FILE, token.line or 1, token.column or 1), notes)
