"""Inputs changed at random, from fixed seeds, and what a tool may do with them."""

from __future__ import annotations

import contextlib
import io
import json
import random
import re
import resource
import signal
import struct
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from asic_compiler.diagnostics import UserError
from asic_compiler.tools import asic_opt, asic_run, asic_translate

ROOT = Path(__file__).resolve().parents[2]
MOST_SECONDS, MOST_BYTES = 2.0, 2**30
"""Of processor time and memory that one input may take."""

_TOKEN = re.compile(
    r'"(?:[^"\\\n]|\\.)*+"|[%#@!^]?[A-Za-z_][\w.$]*|-?\d+(?:\.\d+)?|\s+|.', re.DOTALL
)
_NUMBERS = [
    "0",
    "-1",
    "1",
    "2",
    "3",
    "7",
    "16",
    "2147483648",
    "9223372036854775807",
    "-9223372036854775809",
    "1e308",
    "1e400",
    "nan",
    "inf",
    "-0.0",
    "0x7FC0",
    "65536",
    "1000000",
    "4294967297",
    "99999999999999999999999",
    "?",
    "0.5",
    "1.5e-45",
]
_TYPES = [
    "f16",
    "f32",
    "f64",
    "bf16",
    "i1",
    "i8",
    "i64",
    "index",
    "i0",
    "i128",
    "none",
    "si8",
    "complex<f32>",
    "tensor<f16>",
    "tensor<*xf32>",
    "tensor<0xf16>",
    "memref<2xf32>",
    "!asic.foo",
    "vector<4xf32>",
    "tensor<?x4xf16>",
    "tuple<>",
]
_STRINGS = ['""', '"a"', '"<script>"', '"\\0a"', '"' + "x" * 300 + '"', '"é\\FF"', '"\\1b[31m"']
_LETTERS = "\0\x01\x1b\t\n\"'\\%#@!^(){}[]<>,:;=é\u202e-+.0x9az"


class FaultError(AssertionError):
    """What no input may bring a tool to."""


def changed(text: str, pool: Sequence[str], draw: random.Random) -> str:
    """A text with one to four changes: tokens, lines, letters, or another text's pieces."""
    for _ in range(1 if draw.random() < 0.55 else draw.randint(2, 4)):
        text = draw.choices([_tokens, _lines, _letters], [70, 20, 10])[0](text, pool, draw)
    return text


def _tokens(text: str, pool: Sequence[str], draw: random.Random) -> str:
    tokens = _TOKEN.findall(text)
    places = [i for i, token in enumerate(tokens) if not token.isspace()]
    if not places:
        return text
    kinds = {
        "number": [i for i in places if tokens[i].lstrip("-")[:1].isdigit()],
        "type": [i for i in places if re.fullmatch(r"b?f\d+|i\d+|index", tokens[i])],
        "value": [i for i in places if tokens[i][0] == "%"],
        "string": [i for i in places if tokens[i][0] == '"'],
    }
    at, other = draw.choice(places), draw.choice(places)
    match draw.choices(
        ["number", "type", "value", "string", "cut", "twice", "swap", "foreign"],
        [32, 10, 13, 5, 12, 8, 10, 10],
    )[0]:
        case "number" if kinds["number"]:
            at = draw.choice(kinds["number"])
            near = tokens[at].lstrip("-").isdigit() and draw.random() < 0.4
            step = draw.choice([-1, 1, 2, 10])
            tokens[at] = str(int(tokens[at]) + step) if near else draw.choice(_NUMBERS)
        case "type" if kinds["type"]:
            tokens[draw.choice(kinds["type"])] = draw.choice(_TYPES)
        case "value" if kinds["value"]:
            tokens[draw.choice(kinds["value"])] = tokens[draw.choice(kinds["value"])]
        case "string" if kinds["string"]:
            tokens[draw.choice(kinds["string"])] = draw.choice(_STRINGS)
        case "twice":
            tokens.insert(at, tokens[at])
        case "swap":
            tokens[at], tokens[other] = tokens[other], tokens[at]
        case "foreign":
            tokens[at] = draw.choice(_TOKEN.findall(draw.choice(pool)) or [""])
        case _:
            del tokens[at : at + draw.choice([1, 1, 1, 2, 3, 6])]
    return "".join(tokens)


def _lines(text: str, pool: Sequence[str], draw: random.Random) -> str:
    lines = text.split("\n")
    at, other = draw.randrange(len(lines)), draw.randrange(len(lines))
    match draw.randrange(5):
        case 0:
            del lines[at]
        case 1:
            lines.insert(at, lines[other])
        case 2:
            lines[at], lines[other] = lines[other], lines[at]
        case 3:
            foreign = draw.choice(pool).split("\n")
            start = draw.randrange(len(foreign))
            lines[at:at] = foreign[start : start + draw.randint(1, 4)]
        case _:
            del lines[at:]
    return "\n".join(lines)


def _letters(text: str, pool: Sequence[str], draw: random.Random) -> str:
    at = draw.randrange(len(text) + 1)
    match draw.randrange(3):
        case 0:
            return text[:at]
        case 1:
            foreign = draw.choice(pool)
            return text[:at] + foreign[draw.randrange(len(foreign) + 1) :]
        case _:
            return text[:at] + "".join(draw.choices(_LETTERS, k=draw.randint(1, 4))) + text[at:]


def called(main: Callable[[list[str]], int], arguments: Sequence[str]) -> tuple[int, str]:
    """Exit code and stdout of a tool, which has told a wrong input as it should.

    Raises:
        FaultError: It has not.
    """
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main([*arguments])
    told = err.getvalue()
    if code not in (0, 1):
        raise FaultError(f"exit code {code}: {told[:500]}")
    if re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", told):
        raise FaultError(f"control characters: {told[:500]!r}")
    if code == 1:
        lines = told.rstrip("\n").split("\n")
        if not any(": error: " in line for line in lines):
            raise FaultError(f"no error is told: {told[:500]!r}")
        odd = [line for line in lines if not re.search(r": (?:error|note|warning): |^note: ", line)]
        if odd:
            raise FaultError(f"a line is no message: {odd[0][:300]!r}")
    return code, out.getvalue()


@contextlib.contextmanager
def bounded():
    """Processor time and memory of one input.

    Raises:
        FaultError: It takes more of them than one input may.
    """

    def stop(_number: int, frame: object) -> None:
        raise FaultError(f"more than {10 * MOST_SECONDS:g} s of processor time, at {frame}")

    before, memory = signal.signal(signal.SIGPROF, stop), _peak_bytes()
    signal.setitimer(signal.ITIMER_PROF, 10 * MOST_SECONDS)
    started = time.process_time()
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
    if (seconds := time.process_time() - started) > MOST_SECONDS:
        raise FaultError(f"{seconds:.1f} s of processor time")
    if (more := _peak_bytes() - memory) > MOST_BYTES:
        raise FaultError(f"{more / 1e9:.1f} GB of memory")


def _peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


@dataclass(frozen=True)
class Target:
    """A reader: texts to begin with, and what is done with a changed one in a folder."""

    seeds: Callable[[], tuple[str, ...]]
    run: Callable[[str, Path], None]


def opt(*flags: str) -> Callable[[str, Path], None]:
    """``asic-opt`` with flags; what it writes must read back as the same."""

    def run(text: str, folder: Path) -> None:
        source, again = folder / "in.mlir", folder / "again.mlir"
        source.write_bytes(text.encode("utf-8", "surrogatepass"))
        code, first = called(asic_opt.main, [str(source), *flags])
        if code:
            return
        again.write_text(first, encoding="utf-8")
        code, second = called(asic_opt.main, [str(again)])
        if code or first != second:
            raise FaultError("the output does not read back as the same")

    return run


def tool(main: Callable[[list[str]], int], *flags: str) -> Callable[[str, Path], None]:
    """A tool on a file of the text."""

    def run(text: str, folder: Path) -> None:
        source = folder / "in.txt"
        source.write_bytes(text.encode("utf-8", "surrogatepass"))
        called(main, [str(source), *flags])

    return run


@cache
def lit_texts(*folders: str) -> tuple[str, ...]:
    """Modules of the FileCheck tests, without their comments; the short ones."""
    found: list[str] = []
    for path in sorted(p for f in folders for p in (ROOT / "tests/lit" / f).rglob("*.mlir")):
        for part in path.read_text(encoding="utf-8").split("// -----"):
            lines = [line for line in part.split("\n") if not line.lstrip().startswith("//")]
            text = "\n".join(lines)
            if "func.func" in text or "tcc.program" in text:
                found.append(text)
    return tuple(text for text in found if len(text) < 6000)


@cache
def placed() -> tuple[str, ...]:
    """A small model with a plan."""
    options = "evaluations=16 strategy=random seed=1 quiet=true"
    model = ROOT / "tests/lit/rl-explore/mlp.mlir"
    return (called(asic_opt.main, [str(model), f"--rl-explore={options}"])[1],)


@cache
def program() -> tuple[str, ...]:
    """The program of a small model."""
    out, text = io.StringIO(), placed()[0]
    stdin = sys.stdin
    sys.stdin = io.TextIOWrapper(io.BytesIO(text.encode()))
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
            asic_opt.main(["-", "--asic-schedule", "--convert-asic-to-tcc"])
    finally:
        sys.stdin = stdin
    return (out.getvalue(),)


def options(name: str) -> Callable[[str, Path], None]:
    """A text as an option of ``rl-explore``."""

    def run(text: str, folder: Path) -> None:
        from asic_compiler.passes.rl_explore import RLExplorePass

        with contextlib.suppress(UserError):
            RLExplorePass(**{name: text}).check()

    return run


def tech(text: str, folder: Path) -> None:
    """A file of a technology."""
    from asic_compiler.technology.library import load_constants

    path = folder / "t.toml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    with contextlib.suppress(UserError):
        load_constants("5nm", str(path)).technology()


def tensors(text: str, folder: Path) -> None:
    """A header of a safetensors file, with bytes behind it."""
    from asic_compiler.tensors.files import TensorFile

    path, header = folder / "t.safetensors", text.encode("utf-8", "surrogatepass")
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(512))
    with contextlib.suppress(UserError):
        file = TensorFile(path)
        for name in file:
            with contextlib.suppress(UserError):
                file[name].sum()


def _files(pattern: str) -> Callable[[], tuple[str, ...]]:
    return lambda: tuple(p.read_text(encoding="utf-8") for p in sorted(ROOT.glob(pattern)))


_GOALS = (
    "maximize tokens_per_s subject to power <= 51 W and die_area <= 858 mm2",
    "minimize latency subject to dies = 3 and clock >= 100 MHz and clock <= 1 GHz",
    "weights 0.4/0.4/0.2 subject to power <= 51.4 W",
    "minimize power subject to latency <= 20 ms and energy_per_token <= 5 mJ/token",
)
_CONSTRAINTS = (
    "mesh = 8x8; vlen in 256..1024",
    "clock <= 500 MHz and dies = 1 and stages = 2 and sc = 2x2 and kv in {8, 16}",
    "rows 3..5 only for lm_head; vlen = 256 for attention",
    "dmem in 32..64 KiB; imem <= 8 KiB; wmem_bank = 16 KiB",
)
_HEADERS = tuple(
    json.dumps(header)
    for header in (
        {"x": {"dtype": "F16", "shape": [4, 64], "data_offsets": [0, 512]}},
        {
            "__metadata__": {"model": "m"},
            "a": {"dtype": "F32", "shape": [], "data_offsets": [0, 4]},
            "b": {"dtype": "BF16", "shape": [2, 2], "data_offsets": [4, 12]},
        },
    )
)
_MODELS = ("asic", "convert-linalg-to-asic", "rl-explore")

TARGETS: dict[str, Target] = {
    "round-trip": Target(lambda: lit_texts(*_MODELS, "tcc"), opt()),
    "convert": Target(lambda: lit_texts(*_MODELS), opt("--convert-linalg-to-asic")),
    "schedule": Target(placed, opt("--asic-schedule", "--convert-asic-to-tcc")),
    "timing": Target(program, tool(asic_run.main, "--timing")),
    "trace": Target(program, tool(asic_translate.main, "--to-trace")),
    "workload": Target(lambda: lit_texts(*_MODELS), tool(asic_translate.main, "--to-workload")),
    "goal": Target(lambda: _GOALS, options("goal")),
    "constraints": Target(lambda: _CONSTRAINTS, options("constraints")),
    "tech": Target(_files("examples/*.toml"), tech),
    "liberty": Target(_files("examples/*.lib"), tool(asic_translate.main, "--liberty-to-tech")),
    "safetensors": Target(lambda: _HEADERS, tensors),
}


@cache
def _warm(name: str) -> None:
    """Imports and grammars are loaded before time is counted."""
    with TemporaryDirectory() as folder:
        TARGETS[name].run(TARGETS[name].seeds()[0], Path(folder))


def fuzzed(name: str, number: int, folder: Path) -> str | None:
    """What is wrong with the changed input of this number, None if nothing is.

    The input itself is left in the folder.
    """
    target = TARGETS[name]
    _warm(name)
    seeds, draw = target.seeds(), random.Random(f"{name}.{number}")
    text = changed(draw.choice(seeds), seeds, draw)
    (folder / "changed.txt").write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        with bounded():
            target.run(text, folder)
    except FaultError as fault:
        return str(fault)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None
