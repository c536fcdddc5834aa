"""The tile's memories: how parts of tensors and code lie in them."""

from __future__ import annotations

ALIGNMENT_BYTES = 32
"""A part of a weight or a cache begins at a multiple of it."""
SCALE_BYTES = 2
"""Bytes of the f16 scale that is stored with a row of a quantised cache or a group of weights."""
WEIGHT_GROUP = 128
"""Consecutive weights of a row that share a scale at 4 bits."""
DESCRIPTOR_BYTES = 16
"""IMEM bytes of one operator: addresses, sizes and route of its entry in the loop's table."""
ROUTINE_BYTES = 192
"""IMEM bytes of one operator class: its loop, 48 instructions."""
