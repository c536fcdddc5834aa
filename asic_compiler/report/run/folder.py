"""The folder of a run and the names of its files; it changes whole or not at all.

A run's files are written into a folder beside it, which then takes its place in one step. Of a
folder that holds other things too, or that cannot be renamed, the files are written first and
renamed then, ``hardware.json`` taken away before and put back last: a folder without it is no run.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import shutil
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex

from asic_compiler.diagnostics import UserError
from asic_compiler.files import refusal, remove_leftovers, write_atomic

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
        _remove_stages(folder)
        own = all(path.name in contents for path in folder.iterdir())
        if not (own and _swap(folder, contents)):
            _rename_each(folder, contents)
    except OSError as error:
        raise UserError(f"cannot write into '{folder}': {error.strerror}") from error


def _swap(folder: Path, contents: Mapping[str, str | bytes]) -> bool:
    """Writes a folder beside this one and exchanges the two; False where that is not possible."""
    stage = folder.with_name(f"{_prefix(folder)}{token_hex(8)}.stage")
    try:
        stage.mkdir()
    except OSError:  # the folder above is another user's, or a file system's root
        return False
    try:
        with _held(stage):
            for name in RUN_FILES:
                write_atomic(stage / name, contents[name])
            stage.chmod(folder.stat().st_mode & 0o7777)
            return _exchange(stage, folder)
    except OSError as error:
        if error.errno in (errno.EXDEV, errno.EBUSY, errno.EACCES, errno.EPERM):
            return False
        raise
    finally:
        shutil.rmtree(stage, ignore_errors=True)


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
    for name in contents:
        remove_leftovers(folder / name)
    stage = folder / f".{token_hex(8)}.stage"
    stage.mkdir()
    try:
        for name in RUN_FILES:
            write_atomic(stage / name, contents[name])
        (folder / HARDWARE).unlink(missing_ok=True)
        for name in RUN_FILES:
            (stage / name).replace(folder / name)
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def _prefix(folder: Path) -> str:
    return f".{folder.name[:50]}."


def _remove_stages(folder: Path) -> None:
    """Removes stages of this folder that processes which were killed have left."""
    prefix = _prefix(folder)
    beside = (p for p in folder.parent.iterdir() if p.name.startswith(prefix))
    with suppress(OSError):
        for left in [*beside, *folder.iterdir()]:
            if left.suffix == ".stage" and left.name.startswith(".") and left.is_dir():
                with suppress(BlockingIOError), _held(left):
                    shutil.rmtree(left, ignore_errors=True)


@contextmanager
def _held(folder: Path) -> Generator[None, None, None]:
    """Locks a folder, until this ends or the process dies.

    Raises:
        BlockingIOError: Another process holds it.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)
