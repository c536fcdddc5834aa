"""MLIR text to a module whose every operation knows its file, line and column."""

from __future__ import annotations

import re
from bisect import bisect_right

from xdsl.context import Context
from xdsl.dialect_interfaces.op_asm import OpAsmDialectInterface
from xdsl.dialects.builtin import UNKNOWN_LOC, FileLineColLoc, IntAttr, ModuleOp, StringAttr
from xdsl.ir import Operation
from xdsl.utils.exceptions import MultipleSpansParseError, ParseError
from xdsl.utils.lexer import Span

from asic_compiler.diagnostics import SourceLocation, UserError
from asic_compiler.frontends.context import make_context
from asic_compiler.frontends.float_text import FloatParser
from asic_compiler.frontends.known_text import KnowingParser
from asic_compiler.frontends.lexing import is_blank
from asic_compiler.frontends.location_text import LocationParser
from asic_compiler.frontends.verification import verify_module

_DIGITS = "for integer string conversion"
"""What Python says of a decimal integer that it does not read."""
_VAGUE = "Could not parse entire input!"


class LocatingParser(KnowingParser, FloatParser, LocationParser):
    """A parser that stamps ``file:line:col`` on operations that carry no ``loc(...)``.

    Args:
        ctx: Dialects the text may use.
        text: The MLIR text.
        name: File name shown in messages.
        line_offset: Lines of the file before ``text`` starts.
    """

    def __init__(self, ctx: Context, text: str, name: str, line_offset: int = 0) -> None:
        super().__init__(ctx, text, name)
        self.line_offset = line_offset
        self._line_starts = [0, *(match.end() for match in re.finditer("\n", text))]
        self._file = StringAttr(name)

    def parse_operation(self) -> Operation:
        """Parses one operation; its position in the text becomes its location."""
        position = self.pos
        op = super().parse_operation()
        # xDSL shares this one object among operations for which no location was written.
        if op.location is UNKNOWN_LOC:
            line, column = self.line_and_column(position)
            op.location = FileLineColLoc(self._file, IntAttr(line), IntAttr(column))
        return op

    def _parse_dialect_resource_handle(
        self, dialect_name: str, interface: OpAsmDialectInterface
    ) -> str:
        """A resource keeps its name: xDSL renames one that another module of the context has."""
        key = self.parse_resource_name()
        if interface.lookup(key) is None:
            interface.declare_resource(key)
        self.dialect_resources.add((dialect_name, key))
        return key

    def _parse_resource(self, dialect_name: str, interface: OpAsmDialectInterface) -> None:
        """The data of a resource; a context holds one of each name."""
        start = self.pos
        key = self._parse_dialect_resource_handle(dialect_name, interface)
        self.parse_punctuation(":")
        value = self.parse_str_literal()
        held = interface.lookup(key)
        if held and held != value:
            self.raise_error(
                f"the resource '{key}' has other data in this module or in another of its context",
                start,
                self.pos,
            )
        try:
            interface.parse_resource(key, value)
        except ValueError as error:
            self.raise_error(str(error)[:100], start, self.pos)

    def line_and_column(self, position: int) -> tuple[int, int]:
        """Line and column, both from 1, of an offset into the text."""
        line = bisect_right(self._line_starts, position)
        return line + self.line_offset, position - self._line_starts[line - 1] + 1

    def first_unresolved(self) -> int:
        """Offset of an operation that uses the first of the values that nothing has defined."""
        for values in self.forward_ssa_references.values():
            for value in values.values():
                where = None if value.first_use is None else value.first_use.operation.location
                if isinstance(where, FileLineColLoc) and where.filename == self._file:
                    line = where.line.data - self.line_offset
                    if 1 <= line <= len(self._line_starts):
                        return self._line_starts[line - 1] + where.column.data - 1
        return 0

    def place(self, position: int) -> SourceLocation:
        """The same as a location for a message."""
        line, column = self.line_and_column(position)
        return SourceLocation(self._file.data, line, column)


def parse_mlir(
    ctx: Context,
    source: str | bytes,
    name: str,
    *,
    implicit_module: bool = True,
    line_offset: int = 0,
) -> ModuleOp:
    """Parses MLIR text, generic or pretty, into a module. Does not verify it.

    Args:
        ctx: Dialects the text may use.
        source: The text; bytes are decoded as UTF-8.
        name: File name shown in messages.
        implicit_module: Wrap top-level operations into a module if there is none.
        line_offset: Lines of the file before ``source`` starts.

    Raises:
        UserError: The text is empty, is not UTF-8 or is not MLIR; points at the place.
    """
    start = SourceLocation(name, 1 + line_offset, 1)
    text = _decode(source, start)
    if is_blank(text):
        raise UserError(
            "empty input: expected a module", start, ["asic-import writes one from a model"]
        )
    parser: LocatingParser | None = None
    try:
        parser = LocatingParser(ctx, text, name, line_offset)
        module = parser.parse_module(implicit_module)
    except ParseError as error:
        raise _from_parse_error(error, parser, start) from error
    except RecursionError as error:
        raise UserError("regions or attributes nest too deeply to be parsed", start) from error
    except MemoryError as error:
        raise UserError("it does not fit into the memory of this machine", start) from error
    except Exception as error:
        # Attribute verifiers and hand-written parse methods raise all sorts on malformed text.
        where = start if parser is None else parser.place(parser.pos)
        message = "a number has too many digits" if _DIGITS in str(error) else _first_line(error)
        raise UserError(message, where) from error
    if module.location is UNKNOWN_LOC:
        module.location = FileLineColLoc(
            StringAttr(name), IntAttr(start.line), IntAttr(start.column)
        )
    return module


def parse_module(source: str | bytes, name: str) -> ModuleOp:
    """Parses and verifies MLIR text of the dialects that we know.

    Args:
        source: The text; bytes are decoded as UTF-8.
        name: File name shown in messages.

    Raises:
        UserError: As `parse_mlir`, or the module does not verify; points at the place.
    """
    module = parse_mlir(make_context(), source, name)
    verify_module(module)
    return module


def _decode(source: str | bytes, start: SourceLocation) -> str:
    if isinstance(source, str):
        return source
    try:
        return source.decode()
    except UnicodeDecodeError as error:
        before = source[: error.start]
        where = SourceLocation(
            start.file,
            start.line + before.count(b"\n"),
            error.start - before.rfind(b"\n"),
        )
        is_bytecode = source.startswith(b"ML\xefR")
        notes = ["MLIR bytecode is not read: convert it to text first"] if is_bytecode else []
        raise UserError("not UTF-8 text", where, notes) from error


def _from_parse_error(
    error: ParseError, parser: LocatingParser | None, start: SourceLocation
) -> UserError:
    def at(span: Span[str] | Span[bytes]) -> SourceLocation:
        return start if parser is None else parser.place(span.start)

    where = at(error.span)
    message = "expected an operation" if error.msg == _VAGUE else " ".join(error.msg.split())
    notes: list[str] = []
    if isinstance(error, MultipleSpansParseError):
        prefix = (error.ref_text or "").strip()
        notes = [f"{prefix} {at(span)}".strip() for span, _ in error.refs]
    unknown = re.fullmatch(r"Operation (\S+) is not registered", message)
    if unknown and parser is not None:
        # xDSL is one token past the name.
        text, end = parser.lexer.input.content, error.span.start
        position = text.rfind(unknown[1], 0, end)
        where = parser.place(position - text.startswith('"', position - 1))
        notes.append("--allow-unregistered-dialect lets operations of other dialects through")
    undefined = re.fullmatch(r"values used but not defined: \[(%[^,\]]+).*", message)
    if undefined and parser is not None:
        # xDSL notices at the end of the text and no longer knows where the use was.
        name = re.compile(re.escape(undefined[1]) + r"(?![\w$.-])")
        use = name.search(parser.lexer.input.content, parser.first_unresolved())
        where = where if use is None else parser.place(use.start())
    return UserError(message, where, notes)


def _first_line(error: Exception) -> str:
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__
