"""The network on chip: ports, reductions and links between dies."""

from __future__ import annotations

PORT_CYCLES = 1
"""Cycles between a tile and its router (assumed; the hop's own cycles hold router and wire)."""
REDUCTION_BLOCKS = 8
"""A reduce-scatter adds in at most so many blocks, if they are of at least ``SMALLEST_BLOCK``."""
SMALLEST_BLOCK = 4
"""Peers whose partial results one block of a reduce-scatter adds, at least."""
RATE_STEPS = 16
"""A flit takes a multiple of this part of a cycle over a link between dies, rounded up."""
