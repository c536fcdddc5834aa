"""What costs energy, counted while programs are linked."""

from __future__ import annotations

from enum import IntEnum


class Event(IntEnum):
    """What is counted of an operator on the tiles of a class, once a period."""

    MACS_NARROW = 0
    """Multiply-accumulates of operands of up to 16 bits."""
    MACS_WIDE = 1
    ADDS_NARROW = 2
    """Simple vector operations on an element of up to 16 bits."""
    ADDS_WIDE = 3
    MULTIPLIES_NARROW = 4
    """Multiplications; divisions and transcendental functions as several."""
    MULTIPLIES_WIDE = 5
    REGISTER_BITS = 6
    """Through ports of the vector register file, by vector instructions."""
    PARTIAL_ADDS = 7
    """Of partial results that travelled."""
    WMEM_BITS = 8
    DMEM_BITS = 9
    """Reads and writes of instructions, arrivals, reads of what is sent, copies within a tile."""
    INSTRUCTIONS = 10
    HOP_BITS = 11
    """Payload bits times links."""
    LOCAL_BITS = 12
    """Payload bits between a tile and its router, in and out."""
    CROSSING_BITS = 13
    """Payload bits times borders between dies."""
    MACS_BF16 = 14
    """Multiply-accumulates of multipliers that take bf16."""
    MACS_INT8 = 15
    """Of multipliers that take 8-bit integers."""
    RESCALES = 16
    """Sums of integers that become floats."""
    UNPACKS = 17
    """Stored integers that floating-point multipliers take."""
