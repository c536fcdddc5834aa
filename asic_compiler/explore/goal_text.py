"""Goals as text: ``maximize tokens_per_s subject to power <= 51 W and die_area <= 858 mm2``.

The grammar is in ``goal.lark``, the language in ``docs/goals.md``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from difflib import get_close_matches
from functools import cache
from importlib.resources import files

from lark import Lark, Token, Tree, UnexpectedInput

from asic_compiler.diagnostics import SourceLocation, UserError
from asic_compiler.explore.constraints import PAIRS, VARIABLES
from asic_compiler.explore.goal import FACTS, OBJECTIVES, Bound, Goal, Quantity, Relation, Sense
from asic_compiler.explore.text_errors import syntax_error
from asic_compiler.machine.limits import LARGEST_NUMBER, LEAST_NUMBER

FILE = "goal"
"""What stands for a file name in the places of errors."""


def parse_goal(text: str) -> Goal:
    """The goal that ``text`` states.

    Raises:
        UserError: The text states none; the location is the column in ``text`` (and the line, if
            it has several).
    """
    try:
        tree = _parser().parse(text)  # pyright: ignore[reportUnknownMemberType]
    except UnexpectedInput as error:
        raise syntax_error(text, FILE, error, _EXPECTED) from None
    head, *rest = tree.children
    bounds = _tightest([_bound(part) for part in rest if isinstance(part, Tree)])
    assert isinstance(head, Tree)
    tokens = _tokens(head)
    if head.data == "weights":
        return Goal(weights=_weights(tokens), constraints=bounds)
    return Goal(objective=_objective(*tokens), constraints=bounds)


@cache
def _parser() -> Lark:
    grammar = (files("asic_compiler.explore") / "goal.lark").read_text(encoding="utf-8")
    return Lark(grammar, parser="lalr", maybe_placeholders=False)


def _tokens(tree: Tree[Token]) -> list[Token]:
    return [child for child in tree.children if isinstance(child, Token)]


def _objective(sense: Token, word: Token) -> Quantity:
    quantity = _quantity(word, OBJECTIVES, "objective")
    wanted = FACTS[quantity].sense
    asked = Sense.MAXIMIZE if sense.lower().startswith("max") else Sense.MINIMIZE
    if asked is not wanted:
        raise _error(
            f"'{asked} {quantity}' asks for a worse chip", sense, f"did you mean '{wanted}'?"
        )
    return quantity


def _weights(tokens: list[Token]) -> tuple[float, float, float]:
    numbers = [token for token in tokens if token.type == "NUMBER"]
    performance, power, area = (_scaled(number, 0) for number in numbers)
    for number, weight in zip(numbers, (performance, power, area), strict=True):
        if not 0.0 <= weight < math.inf:
            raise _error(f"a weight must be finite and not negative, not {number}", number)
        if weight and not LEAST_NUMBER <= weight <= LARGEST_NUMBER:
            raise _error(f"a weight is between {_RANGE}, or 0, not {number}", number)
    if performance == power == area == 0.0:
        raise _error("one weight must be above zero", numbers[0])
    return performance, power, area


def _bound(tree: Tree[Token]) -> tuple[Bound, Token]:
    """A constraint, and the word it begins with."""
    word, sign, number, *units = _tokens(tree)
    quantity = _quantity(word, tuple(Quantity), "quantity")
    relation = _relation(quantity, sign)
    value = _scaled(number, _power_of_ten(quantity, number, units[0] if units else None))
    if not 0.0 < value < math.inf:
        raise _error(f"the limit of {quantity} must be positive and finite, not {number}", number)
    if not LEAST_NUMBER <= value <= LARGEST_NUMBER:
        raise _error(f"the limit of {quantity} is between {_RANGE} (SI), not {number}", number)
    if quantity is Quantity.DIES and not value.is_integer():
        raise _error(f"dies are counted in whole numbers, not {number}", number)
    return Bound(quantity, relation, value), word


def _quantity(word: Token, known: tuple[Quantity, ...], kind: str) -> Quantity:
    name = word.lower()
    if name in known:
        return Quantity(name)
    if name in tuple(Quantity):
        raise _error(f"{name} can be bounded, but is no {kind}", word, _known(kind, known))
    if name in VARIABLES or name in PAIRS:
        raise _error(
            f"{name} is a variable of the design, not what it leads to",
            word,
            f"pin it in the constraints: constraints='{name} ...'",
        )
    near = get_close_matches(name, known, n=1)
    notes = [f"did you mean '{near[0]}'?"] if near else []
    raise _error(f"unknown {kind} '{word}'", word, *notes, _known(kind, known))


def _known(kind: str, known: tuple[Quantity, ...]) -> str:
    plural = {"objective": "objectives", "quantity": "quantities"}[kind]
    return f"{plural}: {', '.join(known)}"


def _relation(quantity: Quantity, sign: Token) -> Relation:
    if sign not in tuple(Relation):
        meant = "<=" if set(sign) & set("<≤") else ">=" if set(sign) & set(">≥") else "="
        raise _error(f"'{sign}' is no relation", sign, f"did you mean '{meant}'?")
    allowed = FACTS[quantity].relations
    if sign not in allowed:
        choices = " or ".join(f"'{relation}'" for relation in allowed)
        raise _error(f"{quantity} is bounded by {choices}, not by '{sign}'", sign)
    return Relation(sign)


def _power_of_ten(quantity: Quantity, number: Token, unit: Token | None) -> int:
    units = FACTS[quantity].units
    written = [name for name in units if name]
    choices = f"units of {quantity}: {', '.join(written)}" + (", or none" if "" in units else "")
    if unit is None:
        if "" not in units:
            raise _error(f"{quantity} needs a unit: {number} {written[0]}?", number, choices)
        return units[""]
    plain = _plain(unit)
    same = [name for name in written if name.lower() == plain.lower()]
    # The case of other letters is free, but 5 MW is not 5 mW.
    for name in same:
        if name[0].lower() != "m" or name[0] == plain[0]:
            return units[name]
    raise _error(
        f"'{unit}' is no unit of {quantity}", unit, *(f"did you mean '{s}'?" for s in same), choices
    )


def _plain(unit: str) -> str:
    """The unit in ASCII, without spaces: µ (micro sign) and μ (Greek) are u, mm² and mm^2 mm2."""
    return "".join(unit.split()).translate(str.maketrans("µμ²", "uu2", "^"))


def _scaled(number: Token, power_of_ten: int) -> float:
    """``number`` times a power of ten, rounded once: 13 mW is 0.013 W to the last bit."""
    mantissa, _, exponent = number.lower().partition("e")
    if len(exponent) > 5:
        return math.inf  # no double has such an exponent
    return float(f"{mantissa}e{int(exponent or '0') + power_of_ten}")


def _tightest(bounds: Sequence[tuple[Bound, Token]]) -> tuple[Bound, ...]:
    """One bound a quantity and relation, in canonical order; an exact one replaces the others."""
    kept: dict[tuple[Quantity, Relation], Bound] = {}
    for bound, word in bounds:
        key = (bound.quantity, bound.relation)
        rival = kept.get(key)
        if rival is not None and bound.relation is Relation.EXACTLY:
            raise _error(f"{bound.quantity} is given twice by '='", word, f"first: {rival}")
        for other in kept.values():
            if other.quantity is bound.quantity and not _compatible(bound, other):
                raise _error(f"nothing keeps both '{other}' and '{bound}'", word)
        kept[key] = bound if rival is None else _tighter(rival, bound)
    fixed = {quantity for quantity, relation in kept if relation is Relation.EXACTLY}
    return tuple(
        kept[quantity, relation]
        for quantity in Quantity
        for relation in Relation
        if (quantity, relation) in kept and (relation is Relation.EXACTLY or quantity not in fixed)
    )


def _tighter(left: Bound, right: Bound) -> Bound:
    choose = min if left.relation is Relation.AT_MOST else max
    return choose(left, right, key=lambda bound: bound.value)


def _compatible(left: Bound, right: Bound) -> bool:
    """Whether some value keeps both of two bounds on one quantity."""
    pair = (left, right)
    least = max((b.value for b in pair if b.relation is not Relation.AT_MOST), default=0.0)
    most = min((b.value for b in pair if b.relation is not Relation.AT_LEAST), default=math.inf)
    return least <= most


_RANGE = f"{LEAST_NUMBER:g} and {LARGEST_NUMBER:g}"
_EXPECTED: dict[str, tuple[str, ...]] = {
    "SENSE": ("'maximize'", "'minimize'"),
    "WEIGHTS": ("'weights'",),
    "WORD": ("the name of a quantity",),
    "RELATION": ("'<='", "'>='", "'='"),
    "NUMBER": ("a number",),
    "SLASH": ("'/'",),
    "UNIT": ("a unit",),
    "SUBJECT_TO": ("'subject to'",),
    "AND": ("'and'",),
    "$END": ("the end",),
}


def _error(message: str, token: Token, *notes: str) -> UserError:
    return UserError(message, SourceLocation(FILE, token.line or 1, token.column or 1), notes)
