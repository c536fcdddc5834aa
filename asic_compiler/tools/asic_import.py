"""``asic-import``: a model to linalg-on-tensors MLIR, weights by name and without data."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.table import Table
from rich.text import Text

from asic_compiler.diagnostics import UserError, one_line
from asic_compiler.frontends import (
    ArgumentInfo,
    ImportedModel,
    ImportSpec,
    TensorRequest,
    import_model,
)
from asic_compiler.frontends.models.catalogue import NAMED_MODELS
from asic_compiler.frontends.spec import DEFAULT_BATCH, DEFAULT_CONTEXT
from asic_compiler.frontends.stages import Stages
from asic_compiler.tools.console import (
    EXIT_INTERNAL_ERROR,
    Terminated,
    check_output,
    ended_by_signals,
    ensure_stderr,
    write_output,
)
from asic_compiler.tools.readable import refuse_unreadable

PROGRAM = "asic-import"

_DESCRIPTION = f"""\
Imports a model as linalg-on-tensors MLIR, ready for asic-opt. Weights are named resources
without data, so a model of any size imports on a laptop; nothing is downloaded. For asic-run,
--with-weights writes weights, inputs and what PyTorch computes from them beside it.

MODEL is one of
  a named model              {", ".join(NAMED_MODELS)}
  package.module:factory     a function that returns (nn.Module, example_inputs[, description])
  a config.json              of the Hugging Face layout (llama, qwen3, gemma2, phi3, gpt2, ...)
  a checkpoint folder        config.json and *.safetensors; names and shapes are checked
  model.onnx                 an ONNX file; --shape gives sizes that it leaves open
  a GGUF file, or its folder llama, qwen2 and qwen3; quantised tensors are de-quantised
"""

_EXAMPLES = """\
examples:
  asic-import llama-3.1-8b --phase decode --batch 3 --context 2048 -o llama.mlir
  asic-import llama-3.1-8b --layers 2 --report -o small.mlir
  asic-import ./gemma-2-9b/config.json --context 8192 -o gemma.mlir
  asic-import smolvlm-256m --part vision -o vision.mlir
  asic-import my_model:tiny_cnn -o cnn.mlir          (my_model.py in the current directory)
  asic-import ./Llama-3.2-1B/ --dtype bf16 | asic-opt --rl-explore
  asic-import model.onnx --shape x=1x3x224x224 --with-weights run/ -o run/model.mlir
  asic-import tiny/config.json --context 64 --with-weights run/ -o run/tiny.mlir

docs/import.md tells what the output contains and how to write a factory.
"""


def build_parser() -> argparse.ArgumentParser:
    """The command line of ``asic-import``."""
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("model", metavar="MODEL", help="what to import (see above)")
    parser.add_argument(
        "-o", "--output", metavar="FILE", default="-", help="where to write (default: stdout)"
    )
    parser.add_argument(
        "--phase",
        choices=("decode", "prefill"),
        help="decode one token against a KV cache (default), or prefill --context tokens",
    )
    parser.add_argument(
        "--batch", type=int, metavar="N", help=f"sequences or images (default: {DEFAULT_BATCH})"
    )
    parser.add_argument(
        "--context",
        type=int,
        metavar="N",
        help=f"KV slots in decode, tokens in prefill (default: {DEFAULT_CONTEXT})",
    )
    parser.add_argument(
        "--shape",
        metavar="NAME=SIZES",
        action="append",
        default=[],
        help="of an ONNX file: sizes that it leaves open, of an input (x=1x3x224x224) or of a "
        "dimension by its name (sequence=128)",
    )
    parser.add_argument(
        "--value",
        metavar="NAME=NUMBER",
        action="append",
        default=[],
        help="of an ONNX file: makes an input a constant (rate=16000); branches on it are decided",
    )
    parser.add_argument("--layers", type=int, metavar="N", help="keep only the first N layers")
    parser.add_argument(
        "--dtype",
        choices=("f16", "bf16", "f32"),
        help="element type of weights and activations (default: the configuration's, else f16)",
    )
    parser.add_argument(
        "--part",
        choices=("text", "vision"),
        help="which part of a vision-language model (default: text)",
    )
    parser.add_argument(
        "--with-weights",
        metavar="DIR",
        help="also write DIR/weights.safetensors (random, or those of the checkpoint folder or "
        "factory), DIR/inputs.safetensors and DIR/reference.safetensors: what PyTorch computes "
        "from them in f32",
    )
    parser.add_argument(
        "--seed", type=int, metavar="N", help="of random weights and inputs (default: 0)"
    )
    parser.add_argument(
        "--force",
        action="store_true",
        help="with --with-weights: go on if memory may not suffice or f16 overflows",
    )
    parser.add_argument(
        "--verify-numerics",
        action="store_true",
        help="compare what the module computes with PyTorch, on the same random inputs and "
        "weights; a model too large for that is not compared, and a note says so",
    )
    parser.add_argument(
        "--locations", action="store_true", help="print the model's source line on every operation"
    )
    parser.add_argument(
        "--report",
        action="store_true",
        help="print parameters, layers, arguments and times on stderr",
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the tool; returns the exit code."""
    ensure_stderr()
    arguments = build_parser().parse_args(argv)
    # Before PyTorch and transformers load: nothing is fetched, and they keep quiet.
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    console = Console(stderr=True)
    try:
        with ended_by_signals():
            imported = _import(arguments, console)
            refuse_unreadable(imported)
            if arguments.verify_numerics and not _is_verified(arguments, imported, console):
                return EXIT_INTERNAL_ERROR
            write_atomically(arguments.output, imported.text)
    except UserError as error:
        print(error.render(PROGRAM), file=sys.stderr)
        return 1
    except BrokenPipeError:
        # The reader closed early; keep Python from complaining again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        print(f"{PROGRAM}: interrupted", file=sys.stderr)
        return 130
    except Terminated as error:
        print(f"{PROGRAM}: ended by {error.signal.name}", file=sys.stderr)
        return 128 + error.signal
    for note in imported.notes:
        print(one_line(f"{PROGRAM}: note: {note}"), file=sys.stderr)
    for path in imported.tensor_files:
        size_mb = path.stat().st_size / 1e6
        print(one_line(f"{PROGRAM}: wrote {path} ({size_mb:,.1f} MB)"), file=sys.stderr)
    if arguments.report:
        print_report(imported, console)
    return 0


def _import(arguments: argparse.Namespace, console: Console) -> ImportedModel:
    check_output(arguments.output)
    # What a user's model prints must not end up inside the module on stdout.
    tensors = _tensor_request(arguments)
    with _progress(console) as stages, redirect_stdout(sys.stderr):
        return import_model(_spec(arguments), stages, tensors)


def _spec(arguments: argparse.Namespace) -> ImportSpec:
    return ImportSpec(
        model=arguments.model,
        phase=arguments.phase,
        batch=arguments.batch,
        context=arguments.context,
        layers=arguments.layers,
        dtype=arguments.dtype,
        part=arguments.part,
        locations=arguments.locations,
        shapes=tuple(arguments.shape),
        values=tuple(arguments.value),
        reproducer=reproducer_path(arguments.output),
    )


def _is_verified(arguments: argparse.Namespace, imported: ImportedModel, console: Console) -> bool:
    """Compares with PyTorch, from the files that were written, or from some of its own."""
    from asic_compiler.interpret.guard import NumericsError
    from asic_compiler.tools.numerics import tell, too_large, verify_import

    name = imported.workload.name
    reason = too_large(imported.text, name)
    if reason is not None:
        tell(f"the module is not checked: {reason}")
        return True
    try:
        if imported.tensor_files:
            notes = verify_import(imported.text, name, imported.tensor_files[0].parent)
        else:
            with TemporaryDirectory() as folder, redirect_stdout(sys.stderr):
                request = TensorRequest(Path(folder), arguments.seed or 0, force=True)
                with _progress(console) as stages:
                    again = import_model(_spec(arguments), stages, request)
                notes = verify_import(again.text, name, Path(folder))
    except NumericsError as error:
        print(one_line(f"{PROGRAM}: internal error: {error}"), file=sys.stderr)
        print(f"{PROGRAM}: note: this is a defect of the import", file=sys.stderr)
        return False
    for note in notes:
        tell(note)
    return True


def _tensor_request(arguments: argparse.Namespace) -> TensorRequest | None:
    if arguments.with_weights is None:
        for option, is_given in (("seed", arguments.seed is not None), ("force", arguments.force)):
            if is_given and not (option == "seed" and arguments.verify_numerics):
                raise UserError(
                    f"--{option} has no meaning here",
                    notes=["it belongs to --with-weights DIR: nothing else is drawn at random"],
                )
        return None
    seed = arguments.seed or 0
    if seed < 0:
        raise UserError(f"--seed {seed}: must not be negative")
    return TensorRequest(Path(arguments.with_weights), seed, arguments.force)


def reproducer_path(output: str) -> str:
    """Beside the output, or in the working directory when that is stdout."""
    if output == "-":
        return f"{PROGRAM}-reproducer.mlir"
    path = Path(output)
    return str(path.with_name(f"{path.stem}.reproducer.mlir"))


@contextmanager
def _progress(console: Console) -> Generator[Stages]:
    """A spinner with the current stage on a terminal, nothing elsewhere."""
    if not console.is_terminal:
        yield Stages()
        return
    with console.status("starting") as status:
        yield Stages(announce=status.update)


def write_atomically(output: str, text: str) -> None:
    """Writes to stdout (``-``), or to a file that is either complete or untouched.

    Raises:
        UserError: The file cannot be written.
    """
    try:
        write_output(output, text)
    except OSError as error:
        raise UserError(f"cannot write '{output}': {error.strerror or error}") from None


def print_report(imported: ImportedModel, console: Console) -> None:
    """Parameters, layers, the argument table and the stage times."""
    workload = imported.workload
    context = f", context {workload.context}" if workload.context else ""
    unit = "samples" if workload.phase == "inference" else "tokens"
    console.print(
        f"{one_line(workload.name)}: {workload.phase}, batch {workload.batch}{context}, "
        f"{workload.tokens} {unit} an execution",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )
    count, size_bytes = imported.parameter_count, imported.parameter_bytes
    console.print(
        f"parameters: {count:,} ({count / 1e9:.3f} B) in {len(imported.parameters)} tensors, "
        f"{size_bytes / 1e6:,.1f} MB; layers: {imported.layers or 'not known'}",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )
    table = Table("argument", "role", "type", box=None, pad_edge=False)
    for info, mlir_type in _folded(imported.arguments, imported.argument_types):
        table.add_row(*(Text(one_line(cell)) for cell in (info[0], info[1], mlir_type)))
    table.add_section()
    for info, mlir_type in _folded(imported.results, imported.result_types):
        table.add_row(*(Text(one_line(c)) for c in (f"-> {info[0]}", info[1], mlir_type)))
    console.print(table, highlight=False)
    seconds = imported.stage_seconds
    stages = ", ".join(f"{stage} {value:.1f}" for stage, value in seconds.items())
    console.print(f"{sum(seconds.values()):.1f} s: {stages}", highlight=False, soft_wrap=True)


def _folded(
    infos: Sequence[ArgumentInfo], types: Sequence[str]
) -> list[tuple[tuple[str, str], str]]:
    """Caches of all layers are one row: their shapes are equal but for their layer."""
    rows: dict[tuple[str, str, str], list[ArgumentInfo]] = {}
    for info, mlir_type in zip(infos, types, strict=True):
        own_row = info.name if info.layer is None else ""
        rows.setdefault((info.role, mlir_type, own_row), []).append(info)
    folded: list[tuple[tuple[str, str], str]] = []
    for (role, mlir_type, _), members in rows.items():
        name = members[0].name if len(members) == 1 else f"{members[0].name} .. {members[-1].name}"
        folded.append(((name, role), mlir_type))
    return folded


if __name__ == "__main__":
    sys.exit(main())
