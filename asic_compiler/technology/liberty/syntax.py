"""Liberty text to groups and attributes, each with its place."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from lark import Lark, Token, Tree, UnexpectedCharacters, UnexpectedInput, UnexpectedToken

from asic_compiler.diagnostics import SourceLocation, UserError


@dataclass(frozen=True, slots=True)
class Value:
    """One number, name or string; quotes are gone, places remain."""

    text: str
    where: SourceLocation


@dataclass(frozen=True, slots=True)
class Attribute:
    """``name : value ;`` or ``name (value, ...) ;``."""

    name: str
    values: tuple[Value, ...]
    where: SourceLocation


@dataclass(frozen=True, slots=True)
class Group:
    """``kind (arguments) { ... }``."""

    kind: str
    arguments: tuple[Value, ...]
    attributes: tuple[Attribute, ...]
    groups: tuple[Group, ...]
    where: SourceLocation

    @property
    def name(self) -> str:
        """The first argument, or "" where there is none."""
        return self.arguments[0].text if self.arguments else ""

    def attribute(self, name: str) -> Attribute | None:
        """The last attribute of that name."""
        return next((a for a in reversed(self.attributes) if a.name == name), None)

    def of_kind(self, *kinds: str) -> list[Group]:
        """The groups of some kinds, in file order."""
        return [group for group in self.groups if group.kind in kinds]


def parse_liberty(text: str, file: str) -> Group:
    """The outermost group of a Liberty file.

    Raises:
        UserError: The text is no Liberty; the location is where it stops being.
    """
    try:
        tree = _parser().parse(text)  # pyright: ignore[reportUnknownMemberType]
    except UnexpectedInput as error:
        raise _syntax_error(text, file, error) from None
    child = tree.children[0]
    assert isinstance(child, Tree)
    try:
        return _group(child, file)
    except RecursionError as error:
        raise UserError("groups nest too deeply", SourceLocation(file, 1, 1)) from error


@cache
def _parser() -> Lark:
    grammar = (files("asic_compiler.technology.liberty") / "liberty.lark").read_text("utf-8")
    return Lark(grammar, parser="lalr", maybe_placeholders=False)


def _group(tree: Tree[Token], file: str) -> Group:
    name, *rest = tree.children
    assert isinstance(name, Token)
    arguments: tuple[Value, ...] = ()
    attributes: list[Attribute] = []
    groups: list[Group] = []
    for child in rest:
        assert isinstance(child, Tree)
        if child.data == "arguments":
            arguments = _values(child, file)
        elif child.data == "group":
            groups.append(_group(child, file))
        elif child.data in ("simple", "complex"):
            attributes.append(_attribute(child, file))
    return Group(str(name), arguments, tuple(attributes), tuple(groups), _place(name, file))


def _attribute(tree: Tree[Token], file: str) -> Attribute:
    name, *rest = tree.children
    assert isinstance(name, Token)
    values: list[Value] = []
    for child in rest:  # an operator between values is a token; what it computes is not read
        if isinstance(child, Tree):
            values += _values(child, file) if child.data == "arguments" else [_value(child, file)]
    return Attribute(str(name), tuple(values), _place(name, file))


def _values(tree: Tree[Token], file: str) -> tuple[Value, ...]:
    return tuple(_value(child, file) for child in tree.children if isinstance(child, Tree))


def _value(tree: Tree[Token], file: str) -> Value:
    token = tree.children[0]
    assert isinstance(token, Token)
    text = str(token)
    if token.type == "STRING":
        text = text[1:-1].replace("\\\r\n", " ").replace("\\\n", " ")
    return Value(text, _place(token, file))


def _place(token: Token, file: str) -> SourceLocation:
    return SourceLocation(file, token.line or 1, token.column or 1)


_EXPECTED = {
    "NAME": "a name",
    "NUMBER": "a number",
    "STRING": "a string",
    "LPAR": "'('",
    "RPAR": "')'",
    "LBRACE": "'{'",
    "RBRACE": "'}'",
    "COLON": "':'",
    "SEMICOLON": "';'",
    "COMMA": "','",
    "$END": "the end of the file",
}


def _syntax_error(text: str, file: str, error: UnexpectedInput) -> UserError:
    """What was expected where; at the end of the text, where its last word ends."""
    terminals: set[str] = set()
    if isinstance(error, UnexpectedToken):
        terminals = error.accepts or error.expected
    elif isinstance(error, UnexpectedCharacters):
        terminals = error.allowed or set()
    expected = [name for key, name in _EXPECTED.items() if key in terminals]
    choices = " or ".join([", ".join(expected[:-1]), expected[-1]] if expected[1:] else expected)
    token: Token | None = getattr(error, "token", None)
    position = getattr(error, "pos_in_stream", None)
    at_end = token is not None and token.type == "$END"
    offset = len(text) if at_end or position is None else int(position)
    offset = min(offset, len(text.rstrip()))
    line = text.count("\n", 0, offset) + 1
    where = SourceLocation(file, line, offset - text.rfind("\n", 0, offset))
    rest = text[offset:].split(maxsplit=1)
    found = f"'{rest[0][:20]}'" if rest else "the end of the file"
    return UserError(f"not Liberty: expected {choices}, not {found}", where)
