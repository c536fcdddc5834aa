"""Boolean functions of Liberty pins as truth tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from itertools import product

from lark import Lark, Token, Tree, UnexpectedInput

from asic_compiler.diagnostics import UserError
from asic_compiler.technology.liberty.syntax import Value


def truth_table(function: Value, inputs: Sequence[str]) -> tuple[bool, ...] | None:
    """The function's value for every assignment of ``inputs``, the last of them changing fastest.

    None where it depends on something that is no input (an internal state), or on too many.

    Raises:
        UserError: The text is no boolean function.
    """
    try:
        tree = _parser().parse(function.text)  # pyright: ignore[reportUnknownMemberType]
    except UnexpectedInput:
        raise UserError(f"'{function.text}' is no boolean function", function.where) from None
    try:
        if len(inputs) > _MOST_INPUTS or any(name not in inputs for name in _names(tree)):
            return None
        assignments = product((False, True), repeat=len(inputs))
        return tuple(_evaluate(tree, dict(zip(inputs, bits, strict=True))) for bits in assignments)
    except RecursionError:
        raise UserError("a boolean function nests too deeply", function.where) from None


_MOST_INPUTS = 12
"""Of a function whose table is written: cells that are looked for have few."""


@cache
def _parser() -> Lark:
    grammar = (files("asic_compiler.technology.liberty") / "function.lark").read_text("utf-8")
    return Lark(grammar, parser="lalr")


def _names(tree: Tree[Token]) -> list[str]:
    return [str(token) for token in tree.scan_values(lambda t: getattr(t, "type", "") == "NAME")]  # pyright: ignore


def _evaluate(tree: Tree[Token], pins: Mapping[str, bool]) -> bool:
    if tree.data == "pin":
        return pins[str(tree.children[0])]
    if tree.data in ("zero", "one"):
        return tree.data == "one"
    values = [_evaluate(child, pins) for child in tree.children if isinstance(child, Tree)]
    if tree.data == "not_":
        return not values[0]
    left, right = values
    if tree.data == "and_":
        return left and right
    return left or right if tree.data == "or_" else left != right
