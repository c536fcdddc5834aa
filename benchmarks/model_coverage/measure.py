"""One architecture through every tool, in a process of its own with a limit of time and memory."""

from __future__ import annotations

import io
import multiprocessing
import os
import resource
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from asic_compiler.tools import asic_import, asic_opt, asic_run

STAGES = ("imported", "raised", "designed", "run")
_DESIGN = "node=7nm evaluations=16 seed=1 train=false"
_MEMORY_BYTES = 10 << 30
"""Address space that a process may add to what this one holds."""


@dataclass(frozen=True, slots=True)
class Row:
    """How far an architecture came.

    ``error`` and ``own_error`` are the largest of its results: ours and PyTorch's own, both in the
    program's element type against PyTorch in f32, over the largest magnitude of the result.
    """

    name: str
    reached: str = ""
    """The last stage that succeeded; empty if none."""
    reason: str = ""
    """What the first stage that failed says."""
    error: str = ""
    own_error: str = ""
    seconds: str = ""
    memory_mb: str = ""


def measure(reference: str, limit_s: float) -> Row:
    """Takes ``package.module:factory`` through import, raising, design and run.

    Args:
        reference: What asic-import calls MODEL.
        limit_s: Of all stages together.
    """
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe(duplex=False)
    child = context.Process(target=_stages, args=(reference, there))
    began = time.perf_counter()
    with warnings.catch_warnings():
        # Python warns of threads at every fork; the child uses none of its parent's.
        warnings.simplefilter("ignore", DeprecationWarning)
        child.start()
    there.close()
    row = Row(reference.partition(":")[2], reason="the process ended without a word")
    while True:
        left = limit_s - (time.perf_counter() - began)
        if not here.poll(max(0.0, left)):
            child.kill()
            row = Row(**{**asdict(row), "reason": f"more than {limit_s:g} s"})
            break
        try:
            row = here.recv()
        except EOFError:
            break
    child.join()
    return row


def _stages(reference: str, told: Connection) -> None:
    before_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    most = before_bytes + _MEMORY_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    began = time.perf_counter()
    row = Row(reference.partition(":")[2])
    with tempfile.TemporaryDirectory() as folder:
        for stage, call in zip(STAGES, _calls(reference, Path(folder)), strict=True):
            told.send(Row(**{**asdict(row), "reason": f"died before it was {stage}"}))
            code, output, errors = _called(call)
            if code != 0:
                row = Row(**{**asdict(row), "reason": _reason(errors)})
                break
            row = Row(**{**asdict(row), "reached": stage})
            if stage == "run":
                ours, own = _errors(output)
                row = Row(**{**asdict(row), "error": ours, "own_error": own})
        peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        seconds = time.perf_counter() - began
        told.send(
            Row(**{**asdict(row), "seconds": f"{seconds:.1f}", "memory_mb": f"{peak_mb:.0f}"})
        )
    told.close()
    os._exit(0)


def _calls(reference: str, folder: Path) -> Sequence[Callable[[], int]]:
    module, design, files = folder / "model.mlir", folder / "design", folder / "files"
    tensors = {key: files / f"{key}.safetensors" for key in ("inputs", "weights", "reference")}
    imports = [reference, "--with-weights", files, "--dtype", "f16", "-o", module]
    raises = ["--convert-linalg-to-asic", module, "-o", folder / "raised.mlir"]
    designs = [f"--rl-explore={_DESIGN} emit={design}", folder / "raised.mlir",
               "-o", folder / "designed.mlir"]  # fmt: skip
    runs = [design / "program.mlir", "--inputs", tensors["inputs"], "--weights",
            tensors["weights"], "--check", tensors["reference"]]  # fmt: skip
    return (
        lambda: asic_import.main([str(each) for each in imports]),
        lambda: asic_opt.main([str(each) for each in raises]),
        lambda: asic_opt.main([str(each) for each in designs]),
        lambda: asic_run.main([str(each) for each in runs]),
    )


def _called(call: Callable[[], int]) -> tuple[int, str, str]:
    output, errors = io.StringIO(), io.StringIO()
    try:
        with redirect_stdout(output), redirect_stderr(errors):
            code = call()
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else 1
    except BaseException as error:  # whatever it is, it is a row of the table
        errors.write(f"internal error: {type(error).__name__}: {error}")
        code = 70
    return code, output.getvalue(), errors.getvalue()


def _reason(errors: str) -> str:
    """The error in one line, with the first note where that says more."""
    lines = [line.strip() for line in errors.splitlines() if "error" in line or "note" in line]
    first = next((i for i, line in enumerate(lines) if "error" in line), None)
    if first is None:
        return " ".join(errors.split())[-200:] or "no message"
    shown = lines[first].partition("error: ")[2]
    notes = [line.partition("note: ")[2] for line in lines[first + 1 :] if "note: " in line]
    return " | ".join([shown, *notes[:3]])[:600]


def _errors(table: str) -> tuple[str, str]:
    """The largest relative errors of ours and of PyTorch's own in the table of asic-run."""
    ours: list[float] = []
    own: list[float] = []
    for line in table.splitlines()[1:]:
        fields = line.split()
        if len(fields) >= 4:
            ours.append(float(fields[3]))
            own += [float(fields[4])] if len(fields) > 4 else []
    return (f"{max(ours):.2e}" if ours else "", f"{max(own):.2e}" if own else "")
