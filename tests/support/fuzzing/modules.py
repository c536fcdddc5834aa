"""Targets that read MLIR: the text, passes, simulators and tools."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from functools import cache
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp

from asic_compiler.diagnostics import UserError
from asic_compiler.dialects import tcc
from asic_compiler.dialects.text import ExactPrinter
from asic_compiler.frontends.context import forget_resources, make_context
from asic_compiler.frontends.mlir_text import parse_mlir
from asic_compiler.frontends.verification import verify_module
from asic_compiler.registry import PASSES
from asic_compiler.simulate import run_program
from asic_compiler.simulate.tensors import inputs_of, weights_of
from asic_compiler.simulate.timing.report import module_trace
from asic_compiler.tensors.elements import dtype_of
from asic_compiler.tools import asic_opt, asic_run, asic_translate
from asic_compiler.tools.pass_options import build_pass, parse_flag
from asic_compiler.workload.extract import extract
from asic_compiler.workload.table_text import table_text
from fuzzing.changes import changed
from fuzzing.judging import FaultError, called
from fuzzing.target import Target, texts

ROOT = Path(__file__).resolve().parents[3]
LIT = ROOT / "tests/lit"
MODEL = LIT / "rl-explore/mlp.mlir"
_LONGEST = 2500
"""Letters of a module to begin with: what is longer takes longer, and says the same."""


@cache
def lit_texts(*folders: str) -> tuple[str, ...]:
    """Modules of the FileCheck tests, without their comments; the short ones that are right."""
    found: list[str] = []
    for path in sorted(p for f in folders for p in (LIT / f).rglob("*.mlir")):
        text = path.read_text(encoding="utf-8")
        if "// RUN: not " in text or "--verify-diagnostics" in text:
            continue
        for part in text.split("// -----"):
            lines = [line for line in part.split("\n") if not line.lstrip().startswith("//")]
            text = "\n".join(lines)
            if "func.func" in text or "tcc.program" in text:
                found.append(text)
    return tuple(text for text in found if len(text) < _LONGEST)


@cache
def context() -> Context:
    """One for all inputs: dialects are loaded once."""
    return make_context()


def read(data: bytes | str, name: str = "in.mlir") -> ModuleOp:
    """A module, read and verified as the tools do."""
    forget_resources(context())
    module = parse_mlir(context(), data, name)
    verify_module(module)
    return module


def text_of(module: ModuleOp, *, generic: bool = False) -> str:
    """A module as ``asic-opt`` prints it."""
    out = StringIO()
    printer = ExactPrinter(stream=out, print_generic_format=generic)
    printer.print_op(module)
    printer.print_metadata(context().loaded_dialects)
    return out.getvalue() + "\n"


def apply(module: ModuleOp, *flags: str) -> ModuleOp:
    """Runs passes, each with its options behind an equals sign."""
    for flag in flags:
        name, _, options = flag.partition("=")
        one = build_pass(PASSES[name].load(), parse_flag(name, options or None))
        one.apply(context(), module)
        verify_module(module, written_by=name)
    return module


def check_reads_back(module: ModuleOp, *, generic: bool = False) -> None:
    """Text of a module gives the same text again.

    Raises:
        FaultError: It does not.
    """
    first = text_of(module, generic=generic)
    try:
        second = text_of(read(first, "again.mlir"), generic=generic)
    except UserError as error:
        raise FaultError(f"the output is refused: {error.message}") from error
    if first != second:
        raise FaultError("the output does not read back as the same")


@cache
def placed() -> tuple[str, ...]:
    """A small model with a plan."""
    flag = "rl-explore=evaluations=16 strategy=random seed=1 quiet=true"
    return (text_of(apply(read(MODEL.read_bytes()), flag)),)


@cache
def programs() -> tuple[str, ...]:
    """The program of a small model, and the programs of the FileCheck tests."""
    module = apply(read(placed()[0]), "asic-schedule", "convert-asic-to-tcc")
    return (text_of(module), *lit_texts("tcc"))


def _round_trip(data: bytes, folder: Path) -> None:
    # Half of them in the form of every operation, decided by the input itself.
    check_reads_back(read(data), generic=len(data) % 4 == 0)


def _passes(*flags: str) -> Callable[[bytes, Path], None]:
    def run(data: bytes, folder: Path) -> None:
        check_reads_back(apply(read(data), *flags))

    return run


def _workload(data: bytes, folder: Path) -> None:
    module = read(data)
    PASSES["convert-linalg-to-asic"].load()().apply(Context(), module)
    table_text(extract(module))


def _trace(data: bytes, folder: Path) -> None:
    json.loads(module_trace(read(data)), parse_constant=_no_number)


def _no_number(text: str) -> float:
    raise FaultError(f"the trace says {text}")


def arrays(wanted: dict[str, Any]) -> dict[str, Any]:
    """Small numbers for what a program reads; what is huge is not made."""
    rng = np.random.default_rng(0)
    made: dict[str, Any] = {}
    for name, type_ in wanted.items():
        shape = type_.get_shape()
        if int(np.prod(shape, dtype=object)) > 2**20 or min(shape, default=1) < 0:
            raise UserError(f"'{name}' is larger than what is tried here")
        made[name] = rng.integers(0, 4, shape).astype(dtype_of(type_.element_type))
    return made


def _execute(data: bytes, folder: Path) -> None:
    module = read(data)
    if not any(isinstance(op, tcc.ProgramOp) for op in module.body.block.ops):
        raise UserError("the module holds no tcc.program")
    run_program(module, arrays(inputs_of(module)), arrays(weights_of(module)))


def _tools(data: bytes, folder: Path) -> None:
    """The tools themselves: their messages, exit codes and files."""
    source, again = folder / "in.mlir", folder / "again.mlir"
    source.write_bytes(data)
    flags = (("--convert-linalg-to-asic",), ("--split-input-file",), ("--print-op-generic",), ())
    code, first = called(asic_opt.main, [str(source), *flags[len(data) % len(flags)]])
    if code == 0 and "--split-input-file" not in flags[len(data) % len(flags)]:
        again.write_text(first, encoding="utf-8")
        if called(asic_opt.main, [str(again)])[0]:
            raise FaultError("the output is refused")
    for main, flag in ((asic_run.main, "--timing"), (asic_translate.main, "--to-workload")):
        if b"tcc.program" in data or main is asic_translate.main:
            called(main, [str(source), flag])
    if code:
        raise UserError("refused")


_ATTRIBUTE = re.compile(r"#(?:asic|tcc)\.\w+<|asic\.\w+ = |attributes \{")
"""Where attributes of a plan or a tile begin."""


def _attributes(draw: random.Random) -> bytes:
    """Modules changed in their attributes alone: chips, plans, tiles, cuts, regions."""
    pool = (*placed(), *programs())
    text = draw.choice(pool)
    starts = [match.start() for match in _ATTRIBUTE.finditer(text)]
    if not starts:
        return changed(text, pool, draw).encode("utf-8", "surrogatepass")
    start = draw.choice(starts)
    stop = text.find("\n", start)
    stop = len(text) if stop < 0 else min(stop, start + draw.choice([60, 200, 1000]))
    inner = changed(text[start:stop], pool, draw)
    return (text[:start] + inner + text[stop:]).encode("utf-8", "surrogatepass")


def _attributed(data: bytes, folder: Path) -> None:
    module = read(data)
    check_reads_back(module)
    module = read(data)
    if any(isinstance(op, tcc.ProgramOp) for op in module.body.block.ops):
        module_trace(module)
    else:
        apply(module, "asic-schedule", "convert-asic-to-tcc")


_MODELS = ("asic", "convert-linalg-to-asic", "rl-explore")
_EXPLORE = "rl-explore=evaluations=16 strategy=random seed=1 quiet=true"


def _models() -> tuple[str, ...]:
    return lit_texts(*_MODELS)


def _all() -> tuple[str, ...]:
    return (*lit_texts(*_MODELS, "tcc"), *placed())


MODULES = {
    "round-trip": Target(texts(_all), _round_trip, 20),
    "convert": Target(texts(_models), _passes("convert-linalg-to-asic"), 15),
    "workload": Target(texts(_models), _workload, 12),
    "attributes": Target(_attributes, _attributed, 3),
    "schedule": Target(texts(placed), _passes("asic-schedule", "convert-asic-to-tcc"), 3),
    "trace": Target(texts(programs), _trace, 3),
    "execute": Target(texts(programs), _execute, 3),
    "explore": Target(texts(_models), _passes("convert-linalg-to-asic", _EXPLORE), 1),
    "tools": Target(texts(_all), _tools, 1),
}
