"""Files that are read up to a limit, and that appear whole or not at all."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import stat
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex
from typing import BinaryIO

LARGEST_TEXT = 2**26
"""Bytes of a file that people write or that describes others: TOML, JSON, an index."""
LARGEST_INPUT = 2**30
"""Bytes of a model, a library of cells or an image."""

_NAME_BYTES = 100
"""Of a file's name in that of its temporary file, which must be a possible name too."""


def regular_size(path: Path) -> int:
    """Bytes of a regular file.

    Raises:
        OSError: There is none, or it is a folder, a pipe or a device; reading that might not end.
    """
    try:
        facts = path.stat()
    except ValueError as error:  # a NUL in the name
        raise OSError(errno.EINVAL, "not a possible name of a file", str(path)) from error
    if stat.S_ISDIR(facts.st_mode):
        raise IsADirectoryError(errno.EISDIR, "it is a folder, not a file", str(path))
    if not stat.S_ISREG(facts.st_mode):
        raise OSError(errno.EINVAL, "it is a pipe or a device, not a file", str(path))
    return facts.st_size


def read_regular(path: Path, most: int = LARGEST_TEXT) -> bytes:
    """The bytes of a regular file that is not larger than ``most`` bytes.

    Raises:
        OSError: As `regular_size`, or the file is larger or cannot be read.
    """
    size = regular_size(path)
    if size <= most:
        # Opened so that what has become a pipe meanwhile is not waited for.
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as stream:
            data = stream.read(most + 1)
        if len(data) <= most:
            return data
        size = len(data)
    raise OSError(errno.EFBIG, f"it has {size} bytes or more, more than {most}", str(path))


def write_atomic(path: Path, data: str | bytes) -> None:
    """Writes ``data`` to a temporary file beside ``path`` and renames it into place.

    Args:
        path: The file; an existing one is replaced and keeps its mode. Its folder must exist.
        data: Text (written as UTF-8) or bytes.

    Raises:
        OSError: The folder is missing or not writable, or the disk is full; ``path`` is as before.
            The error names ``path``.
    """
    payload = data.encode("utf-8") if isinstance(data, str) else data
    with replacing(path) as stream:
        stream.write(payload)


@contextmanager
def replacing(path: Path) -> Generator[BinaryIO, None, None]:
    """A stream whose bytes take the place of ``path`` when the ``with`` block ends well.

    Raises:
        OSError: As `write_atomic`.
    """
    try:
        temporary, stream = _temporary(path)
        with stream:  # closed last: until then the temporary file is locked
            try:
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
                if path.exists():
                    temporary.chmod(path.stat().st_mode & 0o777)
                temporary.replace(path)
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise
    except OSError as error:
        # A full disk does not say of which file it speaks, and a temporary name says little.
        if error.filename in (None, str(path)) or str(error.filename).endswith(".tmp"):
            raise OSError(error.errno, error.strerror or str(error), str(path)) from error
        raise


def remove_leftovers(path: Path) -> None:
    """Removes temporary files of ``path`` that processes which were killed have left."""
    for left in path.parent.glob(f"{_escaped(_stem(path))}.*tmp"):
        # Whoever is writing one at this moment holds it; a process that ended holds nothing.
        with suppress(OSError), left.open("rb") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            left.unlink(missing_ok=True)


@contextmanager
def staged(parent: Path, name: str) -> Generator[Path, None, None]:
    """A hidden folder for what is moved elsewhere when it is whole; it goes when this ends.

    Those of the same name that processes which were killed have left go first.

    Raises:
        OSError: It cannot be made.
    """
    prefix = f".{name[:50]}."
    with suppress(OSError):
        for left in [p for p in parent.iterdir() if p.name.startswith(prefix)]:
            if left.suffix == ".stage" and left.is_dir() and not left.is_symlink():
                with suppress(BlockingIOError), _held(left):
                    shutil.rmtree(left, ignore_errors=True)
    stage = parent / f"{prefix}{token_hex(8)}.stage"
    stage.mkdir()
    try:
        with _held(stage):
            yield stage
    finally:
        shutil.rmtree(stage, ignore_errors=True)


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


def is_special(path: Path) -> bool:
    """Whether there is a pipe or a device at ``path``, which is written itself, never replaced."""
    return path.exists() and not stat.S_ISREG(path.stat().st_mode) and not path.is_dir()


def refusal(path: Path) -> str | None:
    """Why nothing can be written at ``path``, or None: to be asked before the work starts."""
    try:
        if path.is_dir():
            return "it is a folder"
        folder = path.parent
        if not folder.is_dir():
            return f"there is no folder '{folder}'"
        # A file is replaced by another one of its folder, and one that is read-only is meant to
        # stay.
        special = is_special(path)
        needed = [path] if special else [folder, path]
        if not all(os.access(one, os.W_OK) for one in needed if one.exists()):
            return "permission denied"
        if not special:
            _try(path)
    except OSError as error:
        return _lower(error.strerror or str(error))
    except (ValueError, RuntimeError) as error:  # a NUL, links that lead in a circle
        return _lower(str(error))
    return None


def _try(path: Path) -> None:
    """Makes and removes a temporary file: a full disk or a strange file system may forbid it."""
    with suppress(FileNotFoundError):
        path.lstat()
    temporary, stream = _temporary(path)
    with stream:
        temporary.unlink(missing_ok=True)


def _temporary(path: Path) -> tuple[Path, BinaryIO]:
    """An empty file beside ``path``, locked.

    Its name is always the same, so that what a process which was killed has left is used again;
    another one is taken where somebody is writing that one now.
    """
    usual = path.with_name(f"{_stem(path)}.tmp")
    with suppress(OSError):  # it is locked or no file, or this file system has no locks
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        stream = os.fdopen(os.open(usual, flags, 0o666), "r+b")
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            held, named = os.fstat(stream.fileno()), usual.lstat()
            # Whoever wrote it a moment ago may have renamed it; a file of two names is not ours.
            if (held.st_dev, held.st_ino, 1) == (named.st_dev, named.st_ino, held.st_nlink):
                stream.truncate()
                return usual, stream
        except OSError:
            stream.close()
            raise
        stream.close()
    temporary = path.with_name(f"{_stem(path)}.{token_hex(8)}.tmp")
    stream = temporary.open("xb")
    with suppress(OSError):
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return temporary, stream


def _stem(path: Path) -> str:
    name = path.name.encode("utf-8", "surrogateescape")[:_NAME_BYTES]
    return f".{name.decode('utf-8', 'ignore')}"


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]


def _escaped(name: str) -> str:
    """A file name as a glob pattern that matches it alone."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)
