"""The folder of a run and the names of its files."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from asic_compiler.diagnostics import UserError

HARDWARE, PROGRAM = "hardware.json", "program.mlir"
EVALUATIONS, PARETO, TRACE = "evaluations.safetensors", "pareto.json", "trace.json"


@contextmanager
def open_run(folder: Path) -> Generator[Path, None, None]:
    """The folder of a run, made before the search spends time; a failed run takes it away again.

    Raises:
        UserError: It cannot be made or written.
    """
    existed = folder.is_dir()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot make the folder '{folder}': {error.strerror}") from error
    if not os.access(folder, os.W_OK):
        raise UserError(f"cannot write into '{folder}': permission denied")
    try:
        yield folder
    except BaseException:
        if not existed and not any(folder.iterdir()):
            folder.rmdir()
        raise
