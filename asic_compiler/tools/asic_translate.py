"""``asic-translate``: a module, or a file of another kind, to something that is not MLIR."""

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

_DESCRIPTION = "Reads MLIR, or what a flag names, and writes what the flag asks for."
_EPILOG = """\
examples:
  asic-translate --to-workload llama.mlir
  asic-opt llama.mlir --convert-linalg-to-asic | asic-translate --to-workload -o workload.txt
  asic-translate --to-trace out/program.mlir -o trace.json
  asic-translate --to-report out/ -o report.html
  asic-translate --liberty-to-tech --node 5nm cells.lib -o my.toml
"""


@dataclass(frozen=True, slots=True)
class Translation:
    """An output; its function imports what it needs when it is called."""

    help: str
    run: Callable[[ModuleOp], str]


@dataclass(frozen=True, slots=True)
class TextTranslation:
    """An output of an input that is no MLIR: text, name of the file and options go in."""

    help: str
    run: Callable[[str, str, argparse.Namespace], str]


@dataclass(frozen=True, slots=True)
class FolderTranslation:
    """An output of a folder that ``rl-explore`` emitted: its path goes in."""

    help: str
    run: Callable[[str], str]


def _to_workload(module: ModuleOp) -> str:
    from xdsl.context import Context

    from asic_compiler.workload.extract import extract
    from asic_compiler.workload.table_text import table_text

    # Does nothing where the module is raised already.
    PASSES["convert-linalg-to-asic"].load()().apply(Context(), module)
    return table_text(extract(module))


def _to_trace(module: ModuleOp) -> str:
    from asic_compiler.simulate.timing.report import module_trace

    return module_trace(module)


def _liberty_to_tech(text: str, name: str, options: argparse.Namespace) -> str:
    from asic_compiler.technology.liberty.calibrate import calibrate

    return calibrate(text, name, options.node, options.multiplier)


def _to_report(folder: str) -> str:
    from pathlib import Path

    from asic_compiler.report.html.run_report import run_report

    return run_report(Path(folder))


TRANSLATIONS: dict[str, Translation] = {
    "to-workload": Translation(
        "the operator table: classes, counts, multiply-accumulates, bytes", _to_workload
    ),
    "to-trace": Translation(
        "of tcc programs, a simulated step for Perfetto (JSON): tiles and links",
        _to_trace,
    ),
}


TEXT_TRANSLATIONS: dict[str, TextTranslation] = {
    "liberty-to-tech": TextTranslation(
        "a Liberty cell library (.lib) to a file for rl-explore's tech option",
        _liberty_to_tech,
    ),
}


FOLDER_TRANSLATIONS: dict[str, FolderTranslation] = {
    "to-report": FolderTranslation(
        "of a folder that rl-explore emitted, one HTML page: the chip and why it is this one",
        _to_report,
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
    parser.add_argument("input_file", nargs="?", metavar="input", help="default: stdin")
    parser.add_argument("-o", "--output-file", metavar="FILE", help="default: stdout")
    parser.add_argument("--debug", action="store_true", help="show the Python trace of an error")
    liberty = parser.add_argument_group("--liberty-to-tech")
    liberty.add_argument("--node", default="5nm", help="what keeps the rest; default: 5nm")
    liberty.add_argument("--multiplier", metavar="CELL", help="a cell that multiplies two integers")
    targets = parser.add_mutually_exclusive_group(required=True)
    for name, translation in (TRANSLATIONS | TEXT_TRANSLATIONS | FOLDER_TRANSLATIONS).items():
        targets.add_argument(
            f"--{name}", dest="target", action="store_const", const=name, help=translation.help
        )
    return parser


def _usage_error(message: str) -> NoReturn:
    raise UserError(message, notes=["asic-translate --help shows the arguments"])


def _run(arguments: Sequence[str]) -> int:
    options = _parser().parse_args(arguments)
    check_output(options.output_file)
    if options.target in FOLDER_TRANSLATIONS:
        if options.input_file is None:
            raise UserError(f"--{options.target} takes a folder", notes=["none is given"])
        text = FOLDER_TRANSLATIONS[options.target].run(options.input_file)
        write_output(options.output_file, text)
        return 0
    data, name = read_input(options.input_file)
    if options.target in TEXT_TRANSLATIONS:
        translation = TEXT_TRANSLATIONS[options.target]
        write_output(options.output_file, translation.run(_decoded(data, name), name, options))
        return 0

    from asic_compiler.frontends.mlir_text import parse_module

    text = TRANSLATIONS[options.target].run(parse_module(data, name))
    write_output(options.output_file, text if text.endswith("\n") else text + "\n")
    return 0


def _decoded(data: bytes, name: str) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"'{name}' is not UTF-8 text") from error


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
