"""Checkpoints: safetensors files beside a configuration, or one GGUF file."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from asic_compiler.diagnostics import UserError
from asic_compiler.files import regular_size
from asic_compiler.frontends.gguf.tensors import GgufCheckpoint
from asic_compiler.frontends.pytorch.graph import Names
from asic_compiler.frontends.pytorch.prepared import Prepared, Spelling, published_name
from asic_compiler.tensors.files import TensorFile

_HEADER_LIMIT_BYTES = 100_000_000
_SHOWN = 5
_BUFFERS = (
    "rotary_emb.inv_freq",
    ".attn.bias",
    ".attn.masked_bias",
    ".attention.bias",
    ".attention.masked_bias",
)
"""Ends of names that older checkpoints hold, of what a model computes anyway."""


class Checkpoint(Protocol):
    """Tensors by published name."""

    def tensor(self, name: str) -> NDArray[Any]:
        """The values of one."""
        ...


class SafetensorsCheckpoint:
    """The ``*.safetensors`` files of a folder; a later file wins.

    Args:
        folder: Where they are.

    Raises:
        UserError: There are none, or one is not whole.
    """

    def __init__(self, folder: Path) -> None:
        files = [TensorFile(path) for path in _files(folder)]
        self._files = {name: file for file in files for name in file}

    def tensor(self, name: str) -> NDArray[Any]:
        """The values of one."""
        return np.array(self._files[name][name])


def open_checkpoint(path: Path) -> Checkpoint:
    """The checkpoint in a folder, or in a GGUF file.

    Raises:
        UserError: It is not whole.
    """
    return GgufCheckpoint(path) if path.is_file() else SafetensorsCheckpoint(path)


def check(path: Path, prepared: Prepared) -> Prepared:
    """Every parameter must be in the checkpoint, in its shape; only headers are read.

    The checkpoint may hold more: other parts of the model, or layers that were left out. What
    belongs to a part that is imported must be a parameter of it: a bias that the configuration
    does not speak of is a contradiction, not something to leave out.

    Args:
        path: A folder with ``*.safetensors`` files, or a GGUF file.
        prepared: The model built from its configuration.

    Returns:
        The model, with names as this checkpoint spells them.

    Raises:
        UserError: No files, an unreadable header, or names and shapes that do not match.
    """
    described = "metadata" if path.is_file() else "config.json"
    stored = GgufCheckpoint(path).shapes if path.is_file() else _shapes(path)
    spellings = (prepared.prefix, *prepared.other_spellings)
    prepared = replace(prepared, prefix=min(spellings, key=lambda s: _missing(stored, prepared, s)))
    names = Names(prepared.module, prepared.prefix)
    wanted = {
        names.published(name): tuple(parameter.shape)
        for name, parameter in prepared.module.named_parameters()
    }
    problems = [f"{name} is missing" for name in wanted if name not in stored]
    problems += [
        f"{name} is {list(stored[name])} in the checkpoint, {list(shape)} by {described}"
        for name, shape in wanted.items()
        if name in stored and stored[name] != shape
    ]
    known = set(wanted) | _other_names(prepared)
    problems += [
        f"{name} is in the checkpoint, and {described} describes no such tensor"
        for name in stored
        if name not in known and not name.endswith(_BUFFERS) and _is_inside(name, prepared)
    ]
    if problems:
        notes = problems[:_SHOWN]
        notes += [f"and {len(problems) - _SHOWN} more"] if len(problems) > _SHOWN else []
        raise UserError(f"'{path}': the checkpoint does not fit its {described}", notes=notes)
    return prepared


def _missing(stored: Collection[str], prepared: Prepared, spelling: Spelling) -> int:
    """Parameters that a checkpoint has not, with names spelled so."""
    names = (published_name(name, spelling) for name, _ in prepared.module.named_parameters())
    return sum(name not in stored for name in names)


def _other_names(prepared: Prepared) -> set[str]:
    """Of buffers, and further names of tied weights."""
    module: Any = prepared.module
    named = (
        *module.named_parameters(remove_duplicate=False),
        *module.named_buffers(remove_duplicate=False),
    )
    return {published_name(name, prepared.prefix) for name, _ in named}


def _is_inside(name: str, prepared: Prepared) -> bool:
    """Whether a tensor's name lies in a layer, or in an operator, that is imported."""
    fitting = [pair for pair in prepared.prefix if name.startswith(pair[1])]
    if prepared.prefix and not fitting:
        return False
    ours, theirs = max(fitting, key=lambda pair: len(pair[1]), default=("", ""))
    part: torch.nn.Module = prepared.module
    in_layer = False
    for step in (ours + name.removeprefix(theirs)).split(".")[:-1]:
        child: Any = getattr(part, step, None)
        if not isinstance(child, torch.nn.Module):
            return in_layer
        in_layer = in_layer or isinstance(part, torch.nn.ModuleList)
        part = child
    return in_layer or not any(True for _ in part.children())


def _files(folder: Path) -> list[Path]:
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise UserError(
            f"no *.safetensors files in '{folder}'",
            notes=["to import from the configuration alone, give its config.json"],
        )
    return files


def _shapes(folder: Path) -> dict[str, tuple[int, ...]]:
    """Names and shapes in the headers of a folder's files (format: 8-byte length, then JSON)."""
    stored: dict[str, tuple[int, ...]] = {}
    for file in _files(folder):
        try:
            regular_size(file)
            with file.open("rb") as stream:
                length = int.from_bytes(stream.read(8), "little")
                if length > min(_HEADER_LIMIT_BYTES, file.stat().st_size - 8):
                    raise ValueError("its header is longer than the file")
                header = json.loads(stream.read(length))
            stored |= {
                name: tuple(entry["shape"])
                for name, entry in header.items()
                if name != "__metadata__"
            }
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise UserError(f"'{file}' is not a safetensors file: {error}") from None
    return stored
