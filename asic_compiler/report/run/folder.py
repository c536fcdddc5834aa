"""The folder of a run and the names of its files; it changes whole or not at all.

A run's files are written into a folder beside it, which then takes its place in one step. Of a
folder that holds other things too, or that cannot be renamed, the files are written first and
renamed then, ``hardware.json`` taken away before and put back last: a folder without it is no run.
"""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

from asic_compiler.diagnostics import UserError
from asic_compiler.files import refusal, staged, write_atomic

HARDWARE, PROGRAM = "hardware.json", "program.mlir"
EVALUATIONS, PARETO, TRACE = "evaluations.safetensors", "pareto.json", "trace.json"
RUN_FILES = (PROGRAM, EVALUATIONS, PARETO, TRACE, HARDWARE)
"""What a run leaves; in this order where they are renamed one by one."""

_AT_FDCWD, _RENAME_EXCHANGE = -100, 2
"""Of Linux: <fcntl.h> and <linux/fs.h>."""


@contextmanager
def open_run(folder: Path) -> Generator[Path, None, None]:
    """The folder of a run, made before the search spends time; a failed run takes it away again.

    Raises:
        UserError: It cannot be made or written.
    """
    try:
        existed = folder.is_dir()
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise UserError(f"cannot make the folder '{folder}': {why}") from error
    try:
        if (why := refusal(folder / HARDWARE)) is not None:
            raise UserError(f"cannot write into '{folder}': {why}")
        yield folder
    except BaseException:
        if not existed and not any(folder.iterdir()):
            folder.rmdir()
        raise


def replace_run(folder: Path, contents: Mapping[str, str | bytes]) -> None:
    """Puts the files of a run into its folder: all of them, or the folder is as before.

    Args:
        folder: Exists.
        contents: By name, those of `RUN_FILES`.

    Raises:
        UserError: They cannot be written.
    """
    folder = folder.resolve()
    try:
        own = all(path.name in contents for path in folder.iterdir())
        if not (own and _swap(folder, contents)):
            _rename_each(folder, contents)
    except OSError as error:
        raise UserError(f"cannot write into '{folder}': {_what(error)}") from error


def _what(error: OSError) -> str:
    """A full disk is told with the file that had no room."""
    named = Path(str(error.filename)).name if error.filename else ""
    return f"{error.strerror} ('{named}')" if named in RUN_FILES else str(error.strerror)


def _swap(folder: Path, contents: Mapping[str, str | bytes]) -> bool:
    """Writes a folder beside this one and exchanges the two; False where that is not possible."""
    try:
        with staged(folder.parent, folder.name) as stage:
            for name in RUN_FILES:
                write_atomic(stage / name, contents[name])
            stage.chmod(folder.stat().st_mode & 0o7777)
            return _exchange(stage, folder)
    except OSError as error:
        # The folder above is another user's, or this one is where a file system begins.
        if error.errno in (errno.EXDEV, errno.EBUSY, errno.EACCES, errno.EPERM, errno.EROFS):
            return False
        raise


def _exchange(stage: Path, folder: Path) -> bool:
    """Gives each of two folders the other's name in one step, where the system can."""
    try:
        call = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):
        call = None
    if call is not None:
        names = os.fsencode(stage), os.fsencode(folder)
        if call(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_EXCHANGE) == 0:
            return True
    if any(folder.iterdir()):
        return False
    stage.replace(folder)  # of an empty folder every system's rename takes the place
    return True


def _rename_each(folder: Path, contents: Mapping[str, str | bytes]) -> None:
    """Writes every file first, so that a full disk changes nothing, and then renames them."""
    with staged(folder, "run") as stage:
        for name in RUN_FILES:
            write_atomic(stage / name, contents[name])
        (folder / HARDWARE).unlink(missing_ok=True)
        for name in RUN_FILES:
            (stage / name).replace(folder / name)
