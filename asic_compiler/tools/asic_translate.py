"""``asic-translate``: a module to something that is not MLIR."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from asic_compiler.diagnostics import UserError
from asic_compiler.registry import PASSES
from asic_compiler.tools.console import check_output, guarded, read_input, write_output

if TYPE_CHECKING:
    from xdsl.dialects.builtin import ModuleOp

_DESCRIPTION = "Reads MLIR from a file or stdin and writes what a flag asks for."
_EPILOG = """\
examples:
  asic-translate --to-workload llama.mlir
  asic-opt llama.mlir --convert-linalg-to-asic | asic-translate --to-workload -o workload.txt
"""


@dataclass(frozen=True, slots=True)
class Translation:
    """An output; its function imports what it needs when it is called."""

    help: str
    run: Callable[[ModuleOp], str]


def _to_workload(module: ModuleOp) -> str:
    from xdsl.context import Context

    from asic_compiler.workload.extract import extract
    from asic_compiler.workload.table_text import table_text

    # Does nothing where the module is raised already.
    PASSES["convert-linalg-to-asic"].load()().apply(Context(), module)
    return table_text(extract(module))


TRANSLATIONS: dict[str, Translation] = {
    "to-workload": Translation(
        "the operator table: classes, counts, multiply-accumulates, bytes", _to_workload
    ),
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="asic-translate",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.error = _usage_error
    parser.add_argument("input_file", nargs="?", metavar="input.mlir", help="default: stdin")
    parser.add_argument("-o", "--output-file", metavar="FILE", help="default: stdout")
    parser.add_argument("--debug", action="store_true", help="show the Python trace of an error")
    targets = parser.add_mutually_exclusive_group(required=True)
    for name, translation in TRANSLATIONS.items():
        targets.add_argument(
            f"--{name}", dest="target", action="store_const", const=name, help=translation.help
        )
    return parser


def _usage_error(message: str) -> NoReturn:
    raise UserError(message, notes=["asic-translate --help shows the arguments"])


def _run(arguments: Sequence[str]) -> int:
    options = _parser().parse_args(arguments)
    check_output(options.output_file)
    data, name = read_input(options.input_file)

    from asic_compiler.frontends.mlir_text import parse_module

    text = TRANSLATIONS[options.target].run(parse_module(data, name))
    write_output(options.output_file, text if text.endswith("\n") else text + "\n")
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """The ``asic-translate`` command.

    Args:
        arguments: Without the program's name; default those of the process.

    Returns:
        The exit code.
    """
    given = sys.argv[1:] if arguments is None else list(arguments)
    return guarded("asic-translate", lambda: _run(given), debug="--debug" in given)


if __name__ == "__main__":
    sys.exit(main())
