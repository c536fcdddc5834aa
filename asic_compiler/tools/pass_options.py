"""Pass options as MLIR users write them: ``--rl-explore="node=3nm emit=demo/out seed=0"``.

xDSL's own reader takes neither ``demo/out`` nor ``1e3`` for an integer and answers with a trace.
This one reads the same text after a flag (``--name="..."``) and inside ``-p 'name{...}'``:

    options  ::= (option (space option)*)?
    option   ::= key (`=` value (`,` value)*)? | key `=` `{` value (`,` value)* `}`
    value    ::= a quoted string | anything without spaces and commas
    key      ::= a field of the pass, spelt with `_` or `-`

Values are converted to the types of the pass's dataclass fields.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from xdsl.passes import ModulePass

from asic_compiler.diagnostics import SourceLocation, UserError

_SPACE = re.compile(r"\s*")
_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_QUOTED = re.compile(r'"((?:\\.|[^"\\])*)"' + r"|'((?:\\.|[^'\\])*)'", re.DOTALL)
_BARE = re.compile(r"[^\s,{}]*")
_PASS_NAME = re.compile(r"[A-Za-z0-9_.-]+")


@dataclass(frozen=True, slots=True)
class PassOption:
    """One ``key=value,value`` of a pass."""

    key: str
    """Spelt with underscores."""
    values: tuple[str, ...] | None
    """None where there is no equals sign."""
    where: SourceLocation


@dataclass(frozen=True, slots=True)
class PassRequest:
    """A pass that the command line asks for."""

    name: str
    options: tuple[PassOption, ...]
    where: SourceLocation
    text: str
    """As written, for passes that xDSL builds itself."""


class _Scanner:
    """A position in one command-line argument."""

    def __init__(self, text: str, argument: str) -> None:
        self.text = text
        self.argument = argument
        self.position = 0

    def where(self, position: int | None = None) -> SourceLocation:
        offset = self.position if position is None else position
        return SourceLocation(self.argument, 1, offset + 1)

    def take(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        match = pattern.match(self.text, self.position)
        if match is not None:
            self.position = match.end()
        return match

    def skip(self, character: str) -> bool:
        found = self.text.startswith(character, self.position)
        self.position += found
        return found

    @property
    def at_end(self) -> bool:
        return self.position == len(self.text)


def parse_flag(name: str, text: str | None) -> PassRequest:
    """``--name`` or ``--name="options"`` as a request.

    Raises:
        UserError: The text is not a list of options.
    """
    scanner = _Scanner(text or "", f"--{name}")
    options = _options(scanner)
    if not scanner.at_end:
        raise UserError(
            f"expected an option name, not '{scanner.text[scanner.position]}'", scanner.where()
        )
    return PassRequest(name, options, scanner.where(0), text or "")


def parse_pipeline(text: str, own_passes: Sequence[str]) -> tuple[PassRequest, ...]:
    """The passes of a ``-p`` argument, in order.

    Only options of ``own_passes`` are read; xDSL reads those of its own passes.

    Raises:
        UserError: A bracket is left open or a pass name is missing.
    """
    requests: list[PassRequest] = []
    for position, element in _split(text):
        scanner = _Scanner(text[: position + len(element)], "-p")
        scanner.position = position
        scanner.take(_SPACE)
        where = scanner.where()
        name = scanner.take(_PASS_NAME)
        if name is None:
            raise UserError("expected the name of a pass", where)
        options: tuple[PassOption, ...] = ()
        if name[0] in own_passes:
            scanner.take(_SPACE)
            if scanner.skip("{"):
                options = _options(scanner)
                if not scanner.skip("}"):
                    raise UserError("expected an option or '}'", scanner.where())
            scanner.take(_SPACE)
            if not scanner.at_end:
                raise UserError("expected ',' or the end after a pass", scanner.where())
        requests.append(PassRequest(name[0], options, where, element.strip()))
    return tuple(requests)


def _split(text: str) -> list[tuple[int, str]]:
    """Splits at the commas outside quotes and brackets; gives offset and text of each part."""
    if not text.strip():
        return []
    parts: list[tuple[int, str]] = []
    opened: list[int] = []
    start = position = 0
    while position < len(text):
        character = text[position]
        if (quoted := _QUOTED.match(text, position)) is not None:
            position = quoted.end()
            continue
        if character in "{[(":
            opened.append(position)
        elif character in "}])":
            if not opened:
                raise UserError(f"unexpected '{character}'", SourceLocation("-p", 1, position + 1))
            opened.pop()
        elif character == "," and not opened:
            parts.append((start, text[start:position]))
            start = position + 1
        position += 1
    if opened:
        raise UserError(
            f"'{text[opened[-1]]}' is never closed", SourceLocation("-p", 1, opened[-1] + 1)
        )
    return [*parts, (start, text[start:])]


def _options(scanner: _Scanner) -> tuple[PassOption, ...]:
    options: dict[str, PassOption] = {}
    while True:
        scanner.take(_SPACE)
        where = scanner.where()
        key = scanner.take(_KEY)
        if key is None:
            return tuple(options.values())
        values = _values(scanner) if scanner.skip("=") else None
        name = key[0].replace("-", "_")
        if name in options:
            raise UserError(f"option '{key[0]}' is given twice", where)
        options[name] = PassOption(name, values, where)


def _values(scanner: _Scanner) -> tuple[str, ...]:
    braced = scanner.skip("{")
    values = [_value(scanner)]
    while scanner.skip(","):
        if braced:
            scanner.take(_SPACE)
        values.append(_value(scanner))
    if braced and not scanner.skip("}"):
        raise UserError("expected ',' or '}' in a list", scanner.where())
    return tuple(values)


def _value(scanner: _Scanner) -> str:
    if (quoted := scanner.take(_QUOTED)) is not None:
        return re.sub(r"\\(.)", r"\1", quoted[1] or quoted[2] or "", flags=re.DOTALL)
    if scanner.text[scanner.position : scanner.position + 1] in ("'", '"'):
        raise UserError("the quote is never closed", scanner.where())
    bare = scanner.take(_BARE)
    return bare[0] if bare else ""


def build_pass(pass_type: type[ModulePass], request: PassRequest) -> ModulePass:
    """An instance of a pass from the options of a request.

    Raises:
        UserError: An option does not exist, is missing or has a value of the wrong type.
    """
    fields = {
        field.name: field
        for field in dataclasses.fields(pass_type)
        if field.init and field.name != "name"
    }
    hints = get_type_hints(pass_type)
    arguments: dict[str, Any] = {}
    for option in request.options:
        if option.key not in fields:
            raise UserError(
                f"{request.name} has no option '{option.key}'",
                option.where,
                [*did_you_mean(option.key, list(fields)), _legal(request.name, list(fields))],
            )
        arguments[option.key] = _convert(request.name, option, hints[option.key])
    for name in fields:
        if name in pass_type.required_fields() and name not in arguments:
            raise UserError(f"{request.name} needs the option '{name}'", request.where)
    # An optional field without a default is None, as in xDSL's own passes.
    for name, field in fields.items():
        has_default = (
            field.default is not dataclasses.MISSING
            or field.default_factory is not dataclasses.MISSING
        )
        if name not in arguments and not has_default:
            arguments[name] = None
    try:
        return pass_type(**arguments)
    except UserError as error:
        raise UserError(error.message, error.location or request.where, error.notes) from error
    except ValueError as error:
        raise UserError(f"{request.name}: {error}", request.where) from error


def did_you_mean(word: str, choices: Sequence[str]) -> list[str]:
    """A note with the nearest of the choices, if one is near."""
    near = get_close_matches(word, choices, n=1, cutoff=0.6)
    return [f"did you mean '{near[0]}'?"] if near else []


def _legal(name: str, options: Sequence[str]) -> str:
    return f"options of {name}: {', '.join(options)}" if options else f"{name} takes no options"


def _convert(pass_name: str, option: PassOption, hint: Any) -> Any:
    """The value of an option as the field's type has it."""
    alternatives = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    if option.values is None:
        if bool in alternatives:
            return True
        if NoneType in alternatives:
            return None
        raise UserError(
            f"option '{option.key}' of {pass_name} needs a value: {option.key}=...", option.where
        )
    # Text last: any value is text.
    for alternative in sorted(alternatives, key=lambda kind: kind is str):
        try:
            return _to_type(option.values, alternative)
        except ValueError:
            continue
    given = ",".join(option.values)
    expected = " or ".join(_describe(kind) for kind in alternatives if kind is not NoneType)
    choices = [str(choice) for kind in alternatives for choice in _choices(kind)]
    notes = did_you_mean(given, choices)
    if str in alternatives:
        notes.append(f'quote text that has commas: {option.key}="{given}"')
    raise UserError(
        f"option '{option.key}' of {pass_name} takes {expected}, not '{given}'",
        option.where,
        notes,
    )


def _to_type(values: tuple[str, ...], kind: Any) -> Any:
    """Raises ValueError where the values do not fit."""
    if get_origin(kind) is tuple:
        parts = get_args(kind)
        if len(parts) == 2 and parts[1] is Ellipsis:
            return tuple(_to_type((value,), parts[0]) for value in values)
        return tuple(_to_type((value,), part) for value, part in zip(values, parts, strict=True))
    if get_origin(kind) in (Union, UnionType):
        for alternative in sorted(get_args(kind), key=lambda kind: kind is str):
            try:
                return _to_type(values, alternative)
            except ValueError:
                continue
        raise ValueError(values)
    if len(values) != 1:
        raise ValueError(values)
    text = values[0]
    if get_origin(kind) is Literal:
        return next(choice for choice in _choices_or_raise(kind, text) if str(choice) == text)
    if kind is bool:
        return {"true": True, "false": False}[text] if text in ("true", "false") else _no(text)
    if kind is int:
        return _to_int(text)
    if kind is float:
        return float(text)
    return text if kind is str else _no(text)


def _to_int(text: str) -> int:
    if re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)[eE]\+?\d+", text):
        number = float(text)
        return int(number) if number.is_integer() else _no(text)
    return int(text, 0) if text.lower().startswith("0x") else int(text)


def _no(text: str) -> Any:
    raise ValueError(text)


def _choices(kind: Any) -> tuple[Any, ...]:
    return get_args(kind) if get_origin(kind) is Literal else ()


def _choices_or_raise(kind: Any, text: str) -> tuple[Any, ...]:
    choices = _choices(kind)
    return choices if text in map(str, choices) else _no(text)


def _describe(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return "one of " + ", ".join(map(str, get_args(kind)))
    if get_origin(kind) is tuple:
        return f"a list of {_describe(get_args(kind)[0])}"
    if get_origin(kind) in (Union, UnionType):
        return " or ".join(_describe(part) for part in get_args(kind) if part is not NoneType)
    names = {int: "an integer", float: "a number", bool: "true or false", str: "text"}
    return names.get(kind, str(kind))
