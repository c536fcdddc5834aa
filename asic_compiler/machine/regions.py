"""Regions of a pipeline stage: where operators of each kind run."""

from __future__ import annotations

MATMUL, CONV, GENERAL = 0, 1, 2
"""Positions in ``REGION_NAMES``."""
REGION_NAMES: tuple[str, ...] = ("matmul", "conv", "general")
"""Matmuls run in the first region, convolutions in the second, everything else in the third."""
