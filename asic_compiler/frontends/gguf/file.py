"""The header of a GGUF file: metadata, and where each tensor lies.

Source: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md (versions 2 and 3). The reader of
the ``gguf`` package makes a Python object of every string of the vocabulary (15 s for SmolLM2's),
and believes what a file says of its own lengths; here every length is checked against the file.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from asic_compiler.diagnostics import UserError
from asic_compiler.files import regular_size

Value: TypeAlias = int | float | bool | str | list[str] | NDArray[Any]
"""Of a key: a scalar, a text, or an array (NumPy's for numbers, a list of texts)."""

_MAGIC = b"GGUF"
_VERSIONS = (2, 3)
_MOST_DIMENSIONS = 4
_MOST_ELEMENTS = 2**40
"""Of a dimension: beside one of none, a tensor of any size would fit the file."""
_DEFAULT_ALIGNMENT = 32
_MOST_ALIGNMENT = 1 << 20
_STRING, _ARRAY, _BOOL = 8, 9, 7
_SCALARS = {
    0: "<u1",
    1: "<i1",
    2: "<u2",
    3: "<i2",
    4: "<u4",
    5: "<i4",
    6: "<f4",
    7: "?",
    10: "<u8",
    11: "<i8",
    12: "<f8",
}
"""Type numbers of metadata, as NumPy spells them."""


@dataclass(frozen=True, slots=True)
class GgufTensor:
    """What the header says of one tensor."""

    shape: tuple[int, ...]
    """As PyTorch counts: the last dimension is contiguous."""
    type_name: str
    """ggml's: ``F32``, ``Q4_0``, ..."""
    start: int
    """First byte, counted from the start of the file."""
    stop: int


@dataclass(frozen=True, slots=True)
class GgufFile:
    """A GGUF file's header; data is read when it is asked for."""

    path: Path
    metadata: dict[str, Value]
    tensors: dict[str, GgufTensor]

    def raw(self, name: str) -> NDArray[np.uint8]:
        """The bytes of a tensor, mapped into memory."""
        tensor = self.tensors[name]
        size = tensor.stop - tensor.start
        if not size:
            return np.zeros(0, np.uint8)
        return np.memmap(self.path, np.uint8, "r", tensor.start, (size,))


def read(path: Path) -> GgufFile:
    """Reads the header of a GGUF file.

    Args:
        path: The file.

    Raises:
        UserError: It cannot be read, is of another format or version, or is not whole.
    """
    try:
        if regular_size(path) < len(_MAGIC):
            raise _MalformedError("it is shorter than its signature")
        data: NDArray[np.uint8] = np.memmap(path, np.uint8, "r")
        return _parse(path, data.data)
    except OSError as error:
        raise UserError(f"cannot read '{path}': {error.strerror or error}") from None
    except _MalformedError as error:
        raise UserError(f"'{path}' is not a whole GGUF file: {error}") from None


class _MalformedError(Exception):
    """The bytes are not what the format allows."""


class _Cursor:
    """Reads one thing after the other, never beyond the end."""

    def __init__(self, data: memoryview) -> None:
        self.data = data
        self.place = 0

    def take(self, size: int, what: str) -> memoryview:
        start, self.place = self.place, self.place + size
        if self.place > len(self.data):
            raise _MalformedError(
                f"{what} ends at byte {self.place:,}, the file has {len(self.data):,}"
            )
        return self.data[start : self.place]

    def number(self, code: str, what: str) -> Any:
        return struct.unpack(code, self.take(struct.calcsize(code), what))[0]

    def text(self, what: str) -> str:
        length: int = self.number("<Q", what)
        return bytes(self.take(length, what)).decode("utf-8", errors="replace")

    def value(self, key: str) -> Value:
        kind: int = self.number("<I", key)
        if kind == _STRING:
            return self.text(key)
        if kind == _ARRAY:
            return self._array(key)
        return self._scalars(kind, 1, key)[0].item()

    def _array(self, key: str) -> Value:
        kind: int = self.number("<I", key)
        count: int = self.number("<Q", key)
        if kind != _STRING:
            return self._scalars(kind, count, key)
        return [self.text(key) for _ in self.counted(count, 8, key)]

    def _scalars(self, kind: int, count: int, key: str) -> NDArray[Any]:
        if kind not in _SCALARS:
            raise _MalformedError(f"'{key}' has a value of unknown type {kind}")
        dtype = np.dtype(_SCALARS[kind])
        values = self.take(count * dtype.itemsize, f"'{key}'")
        if kind == _BOOL:
            return np.frombuffer(values, np.uint8) != 0
        return np.frombuffer(values, dtype)

    def counted(self, count: int, least_bytes: int, what: str) -> range:
        """A range of so many things, if the file could hold them."""
        if count * least_bytes > len(self.data) - self.place:
            raise _MalformedError(f"{count:,} entries of {what} would be longer than the file")
        return range(count)


def _parse(path: Path, data: memoryview) -> GgufFile:
    cursor = _Cursor(data)
    if bytes(cursor.take(4, "its signature")) != _MAGIC:
        raise _MalformedError("it does not start with 'GGUF'")
    version: int = cursor.number("<I", "its version")
    if version not in _VERSIONS:
        swapped = int.from_bytes(version.to_bytes(4, "little"), "big")
        order = " (big-endian)" if swapped in _VERSIONS else ""
        raise _MalformedError(f"it has version {version}{order}, versions 2 and 3 are read")
    tensor_count: int = cursor.number("<Q", "the number of tensors")
    key_count: int = cursor.number("<Q", "the number of keys")
    metadata: dict[str, Value] = {}
    for _ in cursor.counted(key_count, 13, "metadata"):
        key = cursor.text("a key")
        if key in metadata:
            raise _MalformedError(f"the key '{key}' is there twice")
        metadata[key] = cursor.value(key)
    found: list[tuple[str, tuple[int, ...], int, int]] = []
    for _ in cursor.counted(tensor_count, 24, "tensors"):
        name = cursor.text("a tensor's name")
        rank: int = cursor.number("<I", f"'{name}'")
        if rank > _MOST_DIMENSIONS:
            raise _MalformedError(f"'{name}' has {rank} dimensions, more than {_MOST_DIMENSIONS}")
        shape = tuple(cursor.number("<Q", f"'{name}'") for _ in range(rank))
        if any(size > _MOST_ELEMENTS for size in shape):
            raise _MalformedError(f"'{name}' has a dimension of {max(shape):,} elements")
        kind: int = cursor.number("<I", f"'{name}'")
        offset: int = cursor.number("<Q", f"'{name}'")
        found.append((name, shape, kind, offset))
    start = _aligned(cursor.place, metadata)
    sizes = _sizes()
    tensors: dict[str, GgufTensor] = {}
    for name, shape, kind, offset in found:
        if name in tensors:
            raise _MalformedError(f"the tensor '{name}' is there twice")
        tensor = _tensor(name, shape, kind, start + offset, sizes)
        if tensor.stop > len(data):
            raise _MalformedError(
                f"'{name}' ends at byte {tensor.stop:,}, the file has {len(data):,}"
            )
        tensors[name] = tensor
    return GgufFile(path, metadata, tensors)


def _aligned(place: int, metadata: dict[str, Value]) -> int:
    alignment = metadata.get("general.alignment", _DEFAULT_ALIGNMENT)
    if not isinstance(alignment, int) or not 1 <= alignment <= _MOST_ALIGNMENT:
        raise _MalformedError(f"general.alignment is {alignment}")
    return -(-place // alignment) * alignment


_Sizes: TypeAlias = Callable[[int], tuple[str, int, int]]


def _sizes() -> _Sizes:
    """Type number to name, elements of a block and bytes of a block."""
    from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType

    def sizes(kind: int) -> tuple[str, int, int]:
        type_ = GGMLQuantizationType(kind)
        return (type_.name, *GGML_QUANT_SIZES[type_])

    return sizes


def _tensor(name: str, shape: tuple[int, ...], kind: int, start: int, sizes: _Sizes) -> GgufTensor:
    try:
        type_name, block, block_bytes = sizes(kind)
    except (ValueError, KeyError):
        raise _MalformedError(f"'{name}' has elements of unknown type {kind}") from None
    if shape and shape[0] % block:
        raise _MalformedError(f"a row of '{name}' has {shape[0]} elements, no multiple of {block}")
    size = prod(shape) // block * block_bytes
    return GgufTensor(tuple(reversed(shape)), type_name, start, start + size)
