"""The pass driver behind ``asic-opt``: xDSL's, with MLIR's flags and errors that point."""

from __future__ import annotations

import argparse
import contextlib
import sys
import time
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from io import BytesIO
from pathlib import Path
from typing import IO, NoReturn

from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass, PassPipeline
from xdsl.utils.arg_spec import parse_spec
from xdsl.utils.exceptions import ArgSpecParseError, DiagnosticException, VerifyException
from xdsl.xdsl_opt_main import xDSLOptMain

from asic_compiler.diagnostics import SourceLocation, UserError
from asic_compiler.dialects.text import ExactPrinter
from asic_compiler.frontends.context import dialect_factories, forget_resources
from asic_compiler.frontends.mlir_text import parse_mlir
from asic_compiler.frontends.verification import verify_module
from asic_compiler.garbage import collected, uncollected
from asic_compiler.registry import PASSES
from asic_compiler.tools.console import check_output, read_input, write_output
from asic_compiler.tools.mlir_target import ExactTarget
from asic_compiler.tools.pass_options import (
    PassRequest,
    build_pass,
    did_you_mean,
    parse_flag,
    parse_pipeline,
)

_NUMERICS = "--verify-numerics"
_FLAG = "--pass-flag"
"""What ``--<pass>`` becomes before argparse sees it, see `spell_pass_flags`."""


def spell_pass_flags(arguments: Sequence[str]) -> list[str]:
    """Rewrites ``--<pass>`` and ``--<pass>="options"`` to one internal option with a value.

    argparse cannot say "a value only after an equals sign": with ``nargs="?"`` the flag in
    ``asic-opt --rl-explore llama.mlir`` would swallow the file name.
    """
    rewritten: list[str] = []
    for index, argument in enumerate(arguments):
        if argument == "--":
            return [*rewritten, *arguments[index:]]
        name, _, _ = argument[2:].partition("=")
        is_pass = argument.startswith("--") and name in PASSES
        if argument == _NUMERICS:
            argument = f"{_NUMERICS}=0"
        rewritten.append(f"{_FLAG}={argument[2:]}" if is_pass else argument)
    return rewritten


class AsicOptMain(xDSLOptMain):
    """Parses, runs passes and prints; whatever a user can get wrong is a `UserError`."""

    def __init__(self, description: str = "", args: Sequence[str] | None = None) -> None:
        self._running: str | None = None
        arguments = spell_pass_flags(sys.argv[1:] if args is None else args)
        try:
            super().__init__(description, arguments)
        except ArgSpecParseError as error:
            # A BaseException in xDSL: nothing else would catch it.
            raise UserError(f"argument -t/--target: {' '.join(str(error).split())}") from error

    # Registration ---------------------------------------------------------------------------

    def register_all_dialects(self) -> None:
        """The dialects of xDSL and ours."""
        for name, factory in dialect_factories().items():
            self.ctx.register_dialect(name, factory)

    def register_all_passes(self) -> None:
        """The passes of xDSL and ours."""
        super().register_all_passes()
        for name, entry in PASSES.items():
            self.register_pass(name, entry.load)

    def register_all_targets(self) -> None:
        """The targets of xDSL, with ours for MLIR."""
        super().register_all_targets()
        self.available_targets[ExactTarget.name] = lambda: ExactTarget

    def register_all_arguments(self, arg_parser: argparse.ArgumentParser) -> None:
        """The arguments that the parent class reads, and a flag for each of our passes."""
        arg_parser.prog = "asic-opt"
        arg_parser.allow_abbrev = False
        arg_parser.error = self._usage_error
        add = arg_parser.add_argument
        add("input_file", nargs="?")
        add("-o", "--output-file")
        add("-p", "--passes", dest="pipeline", action="append", type=lambda text: ("-p", text))
        add(_FLAG, dest="pipeline", action="append", type=lambda text: ("flag", text))
        add("-f", "--frontend", choices=list(self.available_frontends))
        add("-t", "--target", default="mlir")
        add(_NUMERICS, metavar="SEED")
        for names in (
            ("--allow-unregistered-dialect",),
            ("--no-implicit-module",),
            ("--disable-verify",),
            ("--split-input-file",),
            ("--verify-diagnostics",),
            ("--parsing-diagnostics",),
            ("--print-op-generic", "--mlir-print-op-generic"),
            ("--print-debuginfo", "--mlir-print-debuginfo"),
            ("--print-between-passes",),
            ("--time-passes", "--mlir-timing"),
            ("--print-no-properties",),
            ("--syntax-highlight",),
            ("--debug",),
        ):
            add(*names, action="store_true")
        # Read by the parent class, of no use here.
        arg_parser.set_defaults(shrink=False, passes="", pipeline=[])

    def _usage_error(self, message: str) -> NoReturn:
        unknown = message.removeprefix("unrecognized arguments: ")
        if unknown == message:
            raise UserError(message, notes=["asic-opt --help shows the arguments"])
        flag = unknown.split()[0].partition("=")[0]
        if not flag.startswith("--"):
            raise UserError(f"unexpected argument '{flag}'", notes=["one input file at a time"])
        notes = did_you_mean(flag, [f"--{name}" for name in PASSES])
        near = get_close_matches(flag[2:], list(self.available_passes), n=1, cutoff=0.8)
        if not notes and near:
            notes = [f"'{near[0]}' is a pass of xDSL: -p {near[0]}"]
        raise UserError(f"unknown flag or pass '{flag}'", notes=notes or ["see asic-opt --help"])

    # Pipeline -------------------------------------------------------------------------------

    def setup_pipeline(self) -> None:
        """Builds the passes in the order of the command line."""
        requests: list[PassRequest] = []
        for kind, text in self.args.pipeline:
            if kind == "flag":
                name, equals, options = text.partition("=")
                requests.append(parse_flag(name, options if equals else None))
            else:
                requests.extend(parse_pipeline(text, tuple(PASSES)))
        passes = tuple(self._build(request) for request in requests)
        self.pipeline = PassPipeline(passes, self._between_passes())

    def _build(self, request: PassRequest) -> ModulePass:
        factory = self.available_passes.get(request.name)
        if factory is None:
            raise UserError(
                f"unknown pass '{request.name}'",
                request.where,
                did_you_mean(request.name, list(self.available_passes))
                or ["asic-opt --list-passes shows them"],
            )
        if request.name in PASSES:
            return build_pass(factory(), request)
        try:
            return factory().from_spec(parse_spec(request.text))
        except (ArgSpecParseError, ValueError) as error:
            raise UserError(" ".join(str(error).split()), request.where) from error

    def _between_passes(self) -> Callable[[ModulePass | None, ModuleOp, ModulePass | None], None]:
        started = time.perf_counter()
        look = self._numerics()

        def callback(before: ModulePass | None, module: ModuleOp, after: ModulePass | None) -> None:
            nonlocal started
            if before is not None and self.args.time_passes:
                print(f"{before.name}: {time.perf_counter() - started:.3f} s", file=sys.stderr)
            if not self.args.disable_verify:
                verify_module(module, written_by=None if before is None else before.name)
            with collected():
                look(module, None if before is None else before.name)
            if before is not None and after is not None and self.args.print_between_passes:
                print(f"// IR after {before.name}", file=sys.stderr)
                ExactPrinter(stream=sys.stderr).print_op(module)
                print(file=sys.stderr)
            self._running = None if after is None else after.name
            started = time.perf_counter()

        return callback

    def _numerics(self) -> Callable[[ModuleOp, str | None], None]:
        """What ``--verify-numerics`` does with each module, and with the pass that wrote it."""
        if self.args.verify_numerics is None:
            return lambda module, written_by: None
        # Imported here: it brings NumPy and the simulator.
        from asic_compiler.tools.numerics import NumericsCheck, parse_seed

        return NumericsCheck(self.ctx, parse_seed(self.args.verify_numerics)).look

    def apply_passes(self, prog: ModuleOp) -> None:
        """Runs the pipeline; what a pass prints goes to stderr, stdout is for the IR."""
        try:
            with contextlib.redirect_stdout(sys.stderr):
                super().apply_passes(prog)
        except VerifyException as error:
            error.add_note(f"in {self._running}")
            raise
        except DiagnosticException as error:
            where = SourceLocation(self.get_input_name(), 1, 1)
            raise UserError(f"{self._running}: {error}", where) from error
        except UserError:
            raise
        except Exception as error:
            if self._running is not None:
                error.add_note(f"in {self._running}")
            raise

    # Input and output -----------------------------------------------------------------------

    def get_input_name(self) -> str:
        """The file name shown in messages."""
        path = self.args.input_file
        return "<stdin>" if path in (None, "-") else path

    def get_input_stream(self) -> tuple[IO[bytes], str]:
        """The input and which front end reads it: MLIR text unless the ending says otherwise."""
        data, name = read_input(self.args.input_file)
        ending = Path(name).suffix.removeprefix(".")
        return BytesIO(data), ending if ending in self.available_frontends else "mlir"

    def parse_chunk(
        self, chunk: IO[bytes], file_extension: str, start_offset: int = 0
    ) -> ModuleOp | None:
        """Parses the input, or one part of it, and keeps the line numbers of the file."""
        if file_extension != "mlir":
            return super().parse_chunk(chunk, file_extension, start_offset)
        forget_resources(self.ctx)
        return parse_mlir(
            self.ctx,
            chunk.read(),
            self.get_input_name(),
            implicit_module=not self.args.no_implicit_module,
            line_offset=start_offset,
        )

    def run(self) -> None:
        """Runs the whole; writes the output only when nothing went wrong.

        With ``--split-input-file`` the parts after a wrong one are still processed, so that all
        errors are reported.

        Raises:
            UserError: The last error; those before it are on stderr already.
        """
        check_output(self.args.output_file)
        chunks, extension = self.prepare_input()
        # xDSL's habit for tests: the diagnostic is the output, and success.
        expect_errors = self.args.verify_diagnostics or self.args.parsing_diagnostics
        outputs: list[str] = []
        failures: list[UserError] = []
        for chunk, offset in chunks:
            try:
                with uncollected():
                    module = self.parse_chunk(chunk, extension, offset)
                    if module is not None:
                        self.apply_passes(module)
                        text = self.output_resulting_program(module)
                        outputs.append(text.rstrip("\n") + "\n")
            except UserError as error:
                failures.append(error)
                if expect_errors:
                    outputs.append(error.render("asic-opt") + "\n")
        if failures and not expect_errors:
            for failure in failures[:-1]:
                print(failure.render("asic-opt"), file=sys.stderr)
            raise failures[-1]
        write_output(self.args.output_file, "// -----\n".join(outputs))
