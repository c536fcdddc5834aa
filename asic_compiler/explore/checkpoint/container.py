"""A state as one safetensors file, and back.

Arrays are the file's tensors, named by their path in the tree; everything else is JSON in its
metadata, with the schema's version and digests of both. Nothing in a file is executed, used as a
path, or allocated before the bytes for it are there.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from asic_compiler.explore.checkpoint.state import Array, State, StateError
from asic_compiler.files import read_regular, remove_leftovers, write_atomic

SCHEMA = "asic-compiler checkpoint"
VERSION = 1

LARGEST_BYTES = 2**30
"""A file beyond this is refused unread: a full replay buffer takes a tenth of it."""

_LARGEST_HEADER = 2**24
_DEEPEST = 16
_SEPARATOR = "/"
_METADATA = "checkpoint"


def encode(kind: str, state: State) -> bytes:
    """The file of a state; the same state gives the same bytes.

    Args:
        kind: What the state is of; :func:`decode` must be told the same.
        state: A tree whose names have no slash.
    """
    arrays: dict[str, Array] = {}
    values = _split(state, "", arrays)
    text = json.dumps(values, sort_keys=True, allow_nan=False)
    document = {
        "schema": SCHEMA,
        "version": VERSION,
        "kind": kind,
        "values": text,
        "values_sha256": hashlib.sha256(text.encode()).hexdigest(),
        "tensors_sha256": _digest(arrays),
    }
    return save(arrays, {_METADATA: json.dumps(document, sort_keys=True)})


def decode(kind: str, data: bytes) -> State:
    """The state in a file.

    Raises:
        StateError: The bytes are no checkpoint of this kind and version, or are damaged.
    """
    document = _document(data)
    if document.get("schema") != SCHEMA:
        raise StateError("it is not a checkpoint of asic-compiler")
    if document.get("version") != VERSION:
        raise StateError(f"its schema has version {document.get('version')!r}, not {VERSION}")
    if document.get("kind") != kind:
        raise StateError(f"it holds a {document.get('kind')!r}, not a '{kind}'")
    text = document.get("values")
    if not isinstance(text, str):
        raise StateError("its values are not text")
    if hashlib.sha256(text.encode()).hexdigest() != document.get("values_sha256"):
        raise StateError("its values do not have the digest that it states")
    try:
        arrays: dict[str, Array] = load(data)
    except (SafetensorError, ValueError, TypeError, KeyError, OverflowError, MemoryError) as error:
        raise StateError(f"its tensors cannot be read: {error}") from error
    if _digest(arrays) != document.get("tensors_sha256"):
        raise StateError("its tensors do not have the digest that it states")
    return _join(arrays, _parse(text))


def write(path: Path, kind: str, state: State) -> None:
    """Puts a state into a file that is replaced whole.

    Raises:
        OSError: The folder is missing or not writable, or the disk is full.
    """
    # A run that was killed while writing leaves its temporary file: it would never be removed.
    remove_leftovers(path)
    write_atomic(path, encode(kind, state))


def read(path: Path, kind: str) -> State:
    """The state in a file.

    Raises:
        StateError: As :func:`decode`, or the file is no regular file or too large.
        OSError: It cannot be read.
    """
    if not path.is_file():
        raise StateError("it is not a file" if path.exists() else "there is no such file")
    size = path.stat().st_size
    if size > LARGEST_BYTES:
        raise StateError(f"it has {size} bytes, more than {LARGEST_BYTES}")
    return decode(kind, read_regular(path, LARGEST_BYTES))


def _split(state: State, prefix: str, arrays: dict[str, Array]) -> dict[str, Any]:
    """The values of a state; its arrays go into ``arrays``."""
    values: dict[str, Any] = {}
    for name, value in state.items():
        if _SEPARATOR in name or not name:
            raise ValueError(f"an entry cannot be called '{name}'")
        if isinstance(value, dict):
            values[name] = _split(value, f"{prefix}{name}{_SEPARATOR}", arrays)
        elif isinstance(value, np.ndarray):
            arrays[f"{prefix}{name}"] = np.ascontiguousarray(value).reshape(value.shape)
        else:
            values[name] = value
    return values


def _join(arrays: Mapping[str, Array], values: State) -> State:
    """Puts arrays at their places among the values."""
    for path in sorted(arrays):
        *above, name = path.split(_SEPARATOR)
        if len(above) > _DEEPEST:
            raise StateError("its entries are nested too deeply")
        level = values
        for step in above:
            below = level.get(step)
            if not isinstance(below, dict):
                raise StateError(f"the tensor '{path[:200]}' has no place in it")
            level = below
        if name in level:
            raise StateError(f"'{path[:200]}' is there twice")
        level[name] = arrays[path]
    return values


def _document(data: bytes) -> dict[str, Any]:
    """The JSON that says what a file is."""
    if len(data) < 8:
        raise StateError("it is too short")
    (length,) = struct.unpack("<Q", data[:8])
    if length > min(len(data) - 8, _LARGEST_HEADER):
        raise StateError("it is cut short, or not a safetensors file")
    header = _parse(data[8 : 8 + length])
    metadata = header.get("__metadata__")
    text = metadata.get(_METADATA) if isinstance(metadata, dict) else None
    if not isinstance(text, str):
        raise StateError("it is not a checkpoint of asic-compiler")
    return cast("dict[str, Any]", _parse(text))


def _parse(text: str | bytes) -> State:
    try:
        parsed: Any = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise StateError("its header is not JSON") from error
    if not isinstance(parsed, dict):
        raise StateError("its header is not a JSON object")
    return cast("State", parsed)


def _refuse(constant: str) -> float:
    raise ValueError(constant)


def _digest(arrays: Mapping[str, Array]) -> str:
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"{name}\0{array.dtype.str}\0{list(array.shape)}\0".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
