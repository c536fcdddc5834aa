"""``asic-run``: a program on the simulated mesh, compared with what PyTorch computes."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from asic_compiler.diagnostics import UserError
from asic_compiler.tools.console import check_output, guarded, read_input, write_output

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from xdsl.dialects.builtin import ModuleOp

    from asic_compiler.simulate.images import ImageFolder
    from asic_compiler.simulate.observer import Observer
    from asic_compiler.tensors.files import TensorFile

PROGRAM = "asic-run"
DEFAULT_PERIODS = 2

_DESCRIPTION = """\
Runs a program of tensor-core tiles on a simulated mesh. With --inputs it executes the program tile
by tile on real numbers (f16 storage, f32 accumulation) and prints its outputs, or with --check how
far they are from a reference. With --timing it simulates cycles: pipelines, ports, routers, links.
"""

_EPILOG = """\
examples:
  asic-import tiny/config.json --context 64 --with-weights run/ -o run/tiny.mlir
  asic-opt run/tiny.mlir --rl-explore="emit=run/out" > run/mapped.mlir
  asic-run run/out/program.mlir --inputs run/inputs.safetensors \\
           --weights run/weights.safetensors --check run/reference.safetensors
  asic-run run/out/program.mlir --inputs run/inputs.safetensors --images run/rom
  asic-run run/out/program.mlir --timing --trace run/trace.json

The error of an output is the largest difference from the reference over the reference's largest
magnitude; beside it stands the error of PyTorch itself in the program's element type. The exit code
is 1 where ours is more than twice that plus 0.001, or with --tolerance where it exceeds that or the
largest logit is at another token. A program of a narrow format is compared with the same reference,
and says so. Results go to stdout, everything else to stderr.
"""


def build_parser() -> argparse.ArgumentParser:
    """The command line of ``asic-run``."""
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.error = _usage_error
    parser.add_argument(
        "program",
        metavar="PROGRAM.mlir",
        help="a module of programs, as emit= of rl-explore writes",
    )
    parser.add_argument(
        "--inputs",
        metavar="FILE",
        help="arguments and contents of caches by name (safetensors); execute the program",
    )
    parser.add_argument("--weights", metavar="FILE", help="weights by name (safetensors)")
    parser.add_argument(
        "--images",
        metavar="DIR",
        help="the contents of each tile's weight memory: read from DIR, or with --weights "
        "written to DIR first; a tile reads nothing but its own image",
    )
    parser.add_argument(
        "--check", metavar="FILE", help="compare outputs with a reference (safetensors)"
    )
    parser.add_argument(
        "--tolerance",
        type=float,
        metavar="X",
        help="largest error that --check accepts (default: twice what PyTorch loses in the "
        "program's own element type, as the reference says, and 0.001; without that 0.01)",
    )
    parser.add_argument("--outputs", metavar="FILE", help="write outputs by name (safetensors)")
    parser.add_argument(
        "--timing", action="store_true", help="simulate cycles: print latency, busy times, stalls"
    )
    parser.add_argument(
        "--periods",
        type=int,
        metavar="N",
        help=f"micro-batches that --timing simulates (default: {DEFAULT_PERIODS}); of a pipeline "
        "take several more than it has stages",
    )
    parser.add_argument(
        "--trace", metavar="FILE", help="write one period for Perfetto (Chrome's trace format)"
    )
    parser.add_argument("--debug", action="store_true", help="show the Python trace of an error")
    return parser


def _usage_error(message: str) -> NoReturn:
    raise UserError(message, notes=[f"{PROGRAM} --help shows the arguments"])


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the tool; returns the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    return guarded(PROGRAM, lambda: _run(arguments), debug="--debug" in arguments)


def _run(argv: Sequence[str]) -> int:
    options = build_parser().parse_args(argv)
    _check_options(options)
    for path in (options.outputs, options.trace):
        check_output(path)
    module = _read_program(options.program)
    if options.timing or options.trace is not None:
        _time(module, options)
    if options.inputs is not None:
        _execute(module, options)
    return 0


def _check_options(options: argparse.Namespace) -> None:
    executes = options.inputs is not None
    for name in ("weights", "images", "check", "outputs"):
        if getattr(options, name) is not None and not executes:
            _usage_error(f"--{name} needs --inputs: without them nothing is executed")
    if executes and options.weights is None and options.images is None:
        _usage_error("--inputs needs --weights or --images")
    if options.tolerance is not None:
        if options.check is None:
            _usage_error("--tolerance has no meaning without --check")
        if not 0 <= options.tolerance < float("inf"):
            _usage_error(f"--tolerance {options.tolerance:g}: must be a number from 0 on")
    if options.periods is not None:
        if not options.timing:
            _usage_error("--periods has no meaning without --timing")
        if options.periods < 1:
            _usage_error(f"--periods {options.periods}: must be at least 1")
    if not executes and not options.timing and options.trace is None:
        _usage_error("nothing to do: give --inputs and --weights, or --timing")


def _read_program(path: str) -> ModuleOp:
    data, name = read_input(path)

    from asic_compiler.diagnostics import SourceLocation
    from asic_compiler.dialects import tcc
    from asic_compiler.frontends.mlir_text import parse_module

    module = parse_module(data, name)
    if not any(isinstance(op, tcc.ProgramOp) for op in module.body.block.ops):
        raise UserError(
            "the module holds no tcc.program",
            SourceLocation(name, 1, 1),
            ['asic-opt --rl-explore="emit=DIR" writes DIR/program.mlir'],
        )
    return module


def _execute(module: ModuleOp, options: argparse.Namespace) -> None:
    from asic_compiler.simulate import run_program
    from asic_compiler.simulate.tensors import (
        check_related,
        check_whole,
        inputs_of,
        load,
        select,
    )
    from asic_compiler.tensors.comparison import summary
    from asic_compiler.tensors.files import write_arrays

    inputs = load(options.inputs)
    weights = None if options.weights is None else load(options.weights)
    reference = None if options.check is None else load(options.check)
    for file in (inputs, weights, reference):
        if file is not None:
            check_whole(file)
    if reference is not None:
        check_related(weights, inputs, reference)
    arguments = select(inputs, inputs_of(module), "inputs")
    outputs = run_program(module, arguments, _weights(module, weights, options.images), _progress())
    if options.outputs is not None:
        write_arrays(Path(options.outputs), outputs, {})
    if reference is None:
        write_output(None, summary(outputs))
        return
    _check(module, outputs, reference, options.tolerance)


def _check(
    module: ModuleOp,
    outputs: Mapping[str, NDArray[Any]],
    reference: TensorFile,
    tolerance: float | None,
) -> None:
    """Compares with a tolerance that was given, else with what PyTorch's own arithmetic loses."""
    from asic_compiler.simulate.formats import formats_of
    from asic_compiler.tensors.comparison import DEFAULT_TOLERANCE, compare, own_arithmetic

    own = own_arithmetic(reference.metadata)
    comparison = compare(outputs, reference)
    write_output(None, comparison.table(own))
    narrow = ", ".join(formats_of(module))
    if narrow:
        print(
            f"{PROGRAM}: note: the program has {narrow}; the errors are those of the format too",
            file=sys.stderr,
        )
    if tolerance is None and own is not None and not narrow:
        failures = comparison.failures_beside(own)
    else:
        failures = comparison.failures(DEFAULT_TOLERANCE if tolerance is None else tolerance)
    if tolerance is None and own is None and not narrow:
        why = "the reference does not say what PyTorch's own arithmetic loses"
        print(f"{PROGRAM}: note: compared with {DEFAULT_TOLERANCE:g}: {why}", file=sys.stderr)
    if failures:
        raise UserError(
            f"the outputs are not those of '{reference.path}': {failures[0]}", notes=failures[1:]
        )


def _weights(
    module: ModuleOp, weights: TensorFile | None, folder: str | None
) -> Mapping[str, NDArray[Any]] | ImageFolder:
    """By name, or as images of each tile's weight memory."""
    from asic_compiler.simulate.images import ImageFolder, write_images
    from asic_compiler.simulate.tensors import select, weights_of

    if weights is None:
        assert folder is not None
        return ImageFolder(Path(folder))
    named = select(weights, weights_of(module), "weights")
    if folder is None:
        return named
    write_images(module, named, Path(folder), weights.metadata.get("model", ""))
    return ImageFolder(Path(folder))


def _time(module: ModuleOp, options: argparse.Namespace) -> None:
    from asic_compiler.simulate.timing.report import module_trace, require_end, simulate_timing

    if options.timing:
        report = simulate_timing(module, options.periods or DEFAULT_PERIODS)
        require_end(report)
        write_output(None, report.table())
    if options.trace is not None:
        write_output(options.trace, module_trace(module))


def _progress() -> Observer:
    """Shows instructions done on a terminal, nothing elsewhere."""
    from asic_compiler.simulate.observer import Observer

    class Progress(Observer):
        """Rewrites one line as the percentage grows."""

        shown = -1

        def executed(self, done: int, total: int) -> None:
            percent = 100 * done // max(1, total)
            if percent != self.shown:
                self.shown = percent
                end = "\n" if done >= total else ""
                text = f"\r{done:,} of {total:,} instructions ({percent}%)"
                print(text, end=end, file=sys.stderr, flush=True)

    return Progress() if sys.stderr.isatty() else Observer()


if __name__ == "__main__":
    sys.exit(main())
