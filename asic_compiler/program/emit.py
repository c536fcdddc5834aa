"""Programs as a file."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

from xdsl.dialects.builtin import ModuleOp

from asic_compiler.diagnostics import UserError
from asic_compiler.dialects.text import ExactPrinter
from asic_compiler.files import write_atomic


def program_text(module: ModuleOp) -> str:
    """A module of programs as MLIR text, ending in a newline."""
    stream = StringIO()
    ExactPrinter(stream).print_op(module)
    return stream.getvalue() + "\n"


def write_program(path: Path, module: ModuleOp) -> None:
    """Verifies a module of programs and writes it, whole or not at all.

    Raises:
        UserError: The file cannot be written.
        VerifyException: The module is not well formed: a defect of its generator.
    """
    module.verify()
    try:
        write_atomic(path, program_text(module))
    except OSError as error:
        raise UserError(f"cannot write '{path}': {error.strerror}") from error
