"""Compares the parameters of a built model with the safetensors files beside its configuration."""

from __future__ import annotations

import json
from pathlib import Path

from asic_compiler.diagnostics import UserError
from asic_compiler.frontends.pytorch.graph import Names
from asic_compiler.frontends.pytorch.prepared import Prepared

_HEADER_LIMIT_BYTES = 100_000_000
_SHOWN = 5


def check(folder: Path, prepared: Prepared) -> None:
    """Every parameter must be in the checkpoint, in its shape; only headers are read.

    The checkpoint may hold more: other parts of the model, or layers that were left out.

    Args:
        folder: Holds the ``*.safetensors`` files.
        prepared: The model built from the folder's configuration.

    Raises:
        UserError: No files, an unreadable header, or names and shapes that do not match.
    """
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise UserError(
            f"no *.safetensors files in '{folder}'",
            notes=["to import from the configuration alone, give its config.json"],
        )
    stored: dict[str, tuple[int, ...]] = {}
    for file in files:
        stored |= _shapes(file)
    names = Names(prepared.module, prepared.prefix)
    wanted = {
        names.published(name): tuple(parameter.shape)
        for name, parameter in prepared.module.named_parameters()
    }
    problems = [f"{name} is missing" for name in wanted if name not in stored]
    problems += [
        f"{name} is {list(stored[name])} in the checkpoint, {list(shape)} by config.json"
        for name, shape in wanted.items()
        if name in stored and stored[name] != shape
    ]
    if problems:
        notes = problems[:_SHOWN]
        notes += [f"and {len(problems) - _SHOWN} more"] if len(problems) > _SHOWN else []
        raise UserError(f"'{folder}': the checkpoint does not fit its config.json", notes=notes)


def _shapes(file: Path) -> dict[str, tuple[int, ...]]:
    """Names and shapes in the header of a safetensors file (format: 8-byte length, then JSON)."""
    try:
        with file.open("rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            if length > min(_HEADER_LIMIT_BYTES, file.stat().st_size - 8):
                raise ValueError("its header is longer than the file")
            header = json.loads(stream.read(length))
        return {
            name: tuple(entry["shape"]) for name, entry in header.items() if name != "__metadata__"
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"'{file}' is not a safetensors file: {error}") from None
