"""Tensors in safetensors files: read where they lie, written one after the other.

The format: the length of the header in 8 bytes, the header in JSON (names to element type, shape
and place, and free text under ``__metadata__``), then the data. Source:
https://huggingface.co/docs/safetensors (format). NumPy has no bf16, which is why reading is not
left to the library: bf16 tensors are read as f32 (see `elements`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from asic_compiler.diagnostics import UserError
from asic_compiler.files import regular_size, replacing
from asic_compiler.tensors.elements import Array

# Of the format's own limit.
_HEADER_LIMIT_BYTES = 100_000_000
_ALIGNMENT_BYTES = 8
_DIGEST = "contents"

_NUMPY: dict[str, Any] = {
    "F64": np.float64,
    "F32": np.float32,
    "F16": np.float16,
    "BF16": np.uint16,
    "I64": np.int64,
    "I32": np.int32,
    "I16": np.int16,
    "I8": np.int8,
    "U64": np.uint64,
    "U32": np.uint32,
    "U16": np.uint16,
    "U8": np.uint8,
    "BOOL": np.bool_,
}
ELEMENT_TYPES: dict[str, str] = {
    "F64": "f64",
    "F32": "f32",
    "F16": "f16",
    "BF16": "bf16",
    "I64": "i64",
    "I32": "i32",
    "I16": "i16",
    "I8": "i8",
    "U64": "ui64",
    "U32": "ui32",
    "U16": "ui16",
    "U8": "ui8",
    "BOOL": "i1",
}
"""MLIR's name of each element type of the format that can be read."""
_CODES = {element: code for code, element in ELEMENT_TYPES.items()}


@dataclass(frozen=True, slots=True)
class TensorEntry:
    """What a file says about one tensor."""

    element_type: str
    """MLIR's name, or the format's own where it cannot be read (F8_E4M3, ...)."""
    shape: tuple[int, ...]
    start: int
    """First byte, counted from the start of the file."""
    stop: int

    def __str__(self) -> str:
        return "x".join((*map(str, self.shape), self.element_type))


class TensorFile(Mapping[str, Array]):
    """A safetensors file: names to read-only arrays, each mapped into memory when asked for.

    Args:
        path: The file.

    Raises:
        UserError: There is no such file, it is none of this format, or it is not whole.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.metadata, self.entries = _read_header(path)
        self._bytes: NDArray[np.uint8] = np.memmap(path, dtype=np.uint8, mode="r")

    def __getitem__(self, name: str) -> Array:
        """A tensor by name; bf16 as f32.

        Raises:
            KeyError: There is none of this name.
            UserError: Its element type cannot be read.
        """
        entry = self.entries[name]
        code = _CODES.get(entry.element_type)
        if code is None:
            raise UserError(f"'{self.path}': '{name}' has elements of type {entry.element_type}")
        array = self._bytes[entry.start : entry.stop].view(_NUMPY[code]).reshape(entry.shape)
        if entry.element_type == "bf16":
            array = (array.astype(np.uint32) << np.uint32(16)).view(np.float32)
        return np.asarray(array)

    def raw(self, start: int, stop: int) -> memoryview:
        """Bytes of the file as they are."""
        return self._bytes[start:stop].data

    def __iter__(self) -> Iterator[str]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    def __contains__(self, name: object) -> bool:
        return name in self.entries


def _read_header(path: Path) -> tuple[dict[str, str], dict[str, TensorEntry]]:
    try:
        size = regular_size(path)
        with path.open("rb") as stream:
            header, offset = _parse_header(stream, path, size)
    except FileNotFoundError:
        raise UserError(f"no such file: '{path}'") from None
    except OSError as error:
        raise UserError(f"cannot read '{path}': {error.strerror or error}") from None
    stated: Any = header.pop("__metadata__", {})
    if not isinstance(stated, dict) or not all(
        isinstance(value, str) for value in cast("dict[str, Any]", stated).values()
    ):
        raise _no_safetensors(path, "its metadata is not text by name")
    metadata = cast("dict[str, str]", stated)
    try:
        entries = {name: _entry(facts, offset) for name, facts in header.items()}
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise _no_safetensors(path, f"malformed entry: {error}") from None
    for name, entry in entries.items():
        if entry.stop > size:
            raise UserError(
                f"'{path}' is truncated: '{name}' ends at byte {entry.stop:,}, "
                f"the file has {size:,}",
                notes=["write or copy the file again"],
            )
    return metadata, entries


def _parse_header(stream: BinaryIO, path: Path, size: int) -> tuple[dict[str, Any], int]:
    length = int.from_bytes(stream.read(8), "little")
    if size < 8 or not 2 <= length <= _HEADER_LIMIT_BYTES:
        raise _no_safetensors(path, "it does not start with the length of a header")
    if 8 + length > size:
        # The first byte of a header tells a short file from one of another kind.
        if stream.read(1) == b"{":
            raise UserError(
                f"'{path}' is truncated: its header alone has {length:,} bytes, "
                f"the file has {size:,}",
                notes=["write or copy the file again"],
            )
        raise _no_safetensors(path, "its header would be longer than the file")
    try:
        header: Any = json.loads(stream.read(length))
    except (ValueError, RecursionError):
        raise _no_safetensors(path, "its header is not JSON") from None
    if not isinstance(header, dict):
        raise _no_safetensors(path, "its header is no JSON object")
    return cast("dict[str, Any]", header), 8 + length


def _entry(facts: Any, offset: int) -> TensorEntry:
    code, shape = str(facts["dtype"]), tuple(int(size) for size in facts["shape"])
    start, stop = (int(place) for place in facts["data_offsets"])
    if start < 0 or stop < start or any(size < 0 for size in shape):
        raise ValueError("a place or a size is negative")
    if code in _NUMPY and stop - start != prod(shape) * np.dtype(_NUMPY[code]).itemsize:
        raise ValueError(f"{stop - start} bytes for {code} of shape {list(shape)}")
    return TensorEntry(ELEMENT_TYPES.get(code, code), shape, offset + start, offset + stop)


def _no_safetensors(path: Path, why: str) -> UserError:
    notes = ["asic-import --with-weights writes weights, inputs and a reference"]
    return UserError(f"'{path}' is not a safetensors file: {why}", notes=notes)


@dataclass(frozen=True, slots=True)
class TensorFacts:
    """What must be known of a tensor before its data is."""

    shape: tuple[int, ...]
    element_type: str
    """MLIR's name."""

    @property
    def size_bytes(self) -> int:
        """Bytes of its data."""
        return prod(self.shape) * np.dtype(_NUMPY[_CODES[self.element_type]]).itemsize


def write_tensors(
    path: Path,
    facts: Mapping[str, TensorFacts],
    data: Callable[[str], memoryview],
    metadata: Mapping[str, str],
) -> str:
    """Writes a file that is there as a whole or not at all, one tensor in memory at a time.

    Args:
        path: The file; its folder must exist.
        facts: Tensors in the order in which they are written.
        data: Gives the bytes of a tensor, little-endian and row-major; called once for each.
        metadata: Text that goes into the header; ``contents`` is added.

    Returns:
        SHA-256 of all tensors' bytes in order, which the header holds as ``contents``.

    Raises:
        UserError: An element type has no name in the format.
        OSError: The file cannot be written; ``path`` is as before.
    """
    for name, fact in facts.items():
        if fact.element_type not in _CODES:
            raise UserError(f"'{name}': elements of type {fact.element_type} cannot be stored")
    digest = hashlib.sha256()
    with replacing(path) as stream:
        # The digest is known last and has a fixed length: the header is written twice.
        stream.write(_header(facts, {**metadata, _DIGEST: "0" * 64}))
        for name, fact in facts.items():
            payload = data(name)
            if payload.nbytes != fact.size_bytes:
                raise ValueError(f"'{name}' has {payload.nbytes} bytes, not {fact.size_bytes}")
            digest.update(payload)
            stream.write(payload)
        stream.seek(0)
        stream.write(_header(facts, {**metadata, _DIGEST: digest.hexdigest()}))
    return digest.hexdigest()


def write_arrays(path: Path, arrays: Mapping[str, Array], metadata: Mapping[str, str]) -> str:
    """`write_tensors` of arrays in memory, each in the element type of its own dtype."""
    names = {np.dtype(_NUMPY[code]): name for code, name in ELEMENT_TYPES.items() if code != "BF16"}
    facts = {n: TensorFacts(tuple(a.shape), names[a.dtype]) for n, a in arrays.items()}
    return write_tensors(path, facts, lambda name: memoryview(arrays[name].tobytes()), metadata)


def _header(facts: Mapping[str, TensorFacts], metadata: Mapping[str, str]) -> bytes:
    entries: dict[str, Any] = {"__metadata__": dict(metadata)}
    place = 0
    for name, fact in facts.items():
        end = place + fact.size_bytes
        entries[name] = {
            "dtype": _CODES[fact.element_type],
            "shape": list(fact.shape),
            "data_offsets": [place, end],
        }
        place = end
    text = json.dumps(entries, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _ALIGNMENT_BYTES)
    return len(text).to_bytes(8, "little") + text


def structure(facts: Mapping[str, TensorFacts]) -> str:
    """SHA-256 of names, shapes and element types, in the order of names."""
    lines = [f"{name} {list(f.shape)} {f.element_type}\n" for name, f in sorted(facts.items())]
    return hashlib.sha256("".join(lines).encode()).hexdigest()
