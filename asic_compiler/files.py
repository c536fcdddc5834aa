"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import stat
from pathlib import Path


def write_atomic(path: Path, data: str | bytes) -> None:
    """Writes ``data`` to a temporary file beside ``path`` and renames it into place.

    Args:
        path: The file; an existing one is replaced and keeps its mode. Its folder must exist.
        data: Text (written as UTF-8) or bytes.

    Raises:
        OSError: The folder is missing or not writable, or the disk is full; ``path`` is as before.
    """
    payload = data.encode("utf-8") if isinstance(data, str) else data
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("xb") as stream:
            stream.write(payload)
            stream.flush()
            os.fsync(stream.fileno())
        if path.exists():
            temporary.chmod(path.stat().st_mode & 0o777)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def is_special(path: Path) -> bool:
    """Whether there is a pipe or a device at ``path``, which is written itself, never replaced."""
    return path.exists() and not stat.S_ISREG(path.stat().st_mode) and not path.is_dir()


def refusal(path: Path) -> str | None:
    """Why nothing can be written at ``path``, or None: to be asked before the work starts."""
    if path.is_dir():
        return "it is a folder"
    folder = path.parent
    if not folder.is_dir():
        return f"there is no folder '{folder}'"
    # A file is replaced by another one of its folder, and one that is read-only is meant to stay.
    needed = [path] if is_special(path) else [folder, path]
    if all(os.access(one, os.W_OK) for one in needed if one.exists()):
        return None
    return "permission denied"
