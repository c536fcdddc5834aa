"""The data memory of a tile: bytes, and whose they are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from asic_compiler.simulate.packed import Bytes

POISON = 0xFF
"""Every byte of it makes a NaN of any float, and -1 of any integer."""
NOBODY = 0


class Dmem:
    """DMEM with a shadow: which buffer each byte was last written for.

    Args:
        size_bytes: Of the part that the program uses.
    """

    def __init__(self, size_bytes: int) -> None:
        self.data: Bytes = np.full(size_bytes, POISON, dtype=np.uint8)
        self.owner: NDArray[np.int32] = np.zeros(size_bytes, dtype=np.int32)

    def poison(self, start: int, stop: int) -> None:
        """Makes bytes nobody's."""
        self.data[start:stop] = POISON
        self.owner[start:stop] = NOBODY

    def write(self, start: int, data: Bytes, owner: int) -> None:
        """Writes bytes for a buffer."""
        stop = start + len(data)
        self.data[start:stop] = data
        self.owner[start:stop] = owner

    def write_elements(
        self, start: int, positions: NDArray[np.int64], width: int, data: Bytes, owner: int
    ) -> None:
        """Writes elements of ``width`` bytes that lie behind ``start``."""
        at = (start + positions[:, None] * width + np.arange(width)).reshape(-1)
        self.data[at] = data
        self.owner[at] = owner

    def read(self, start: int, stop: int) -> Bytes:
        """The bytes as they are; they share memory."""
        return self.data[start:stop]

    def is_whole(self, start: int, stop: int, owner: int) -> bool:
        """Whether all bytes are a buffer's."""
        return bool((self.owner[start:stop] == owner).all())

    def are_whole(
        self, start: int, positions: NDArray[np.int64], width: int, owner: int
    ) -> NDArray[np.bool_]:
        """Of each element whether all its bytes are a buffer's."""
        first = start + positions * width
        whole = self.owner[first] == owner
        for offset in range(1, width):
            whole &= self.owner[first + offset] == owner
        return whole
