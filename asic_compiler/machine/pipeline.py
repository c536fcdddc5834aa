"""The tile's pipeline: how much one instruction does, and what control code costs."""

from __future__ import annotations

ROWS_PER_INSTRUCTION = 8.0
"""WMEM rows one tensor instruction consumes (vector length multiplier 8)."""
VECTORS_PER_INSTRUCTION = 4.0
"""Registers one vector instruction works on (vector length multiplier 4)."""
LOOP_INSTRUCTIONS = 3.0
"""Scalar instructions around each tensor instruction: address, count, branch."""
SETUP_INSTRUCTIONS = 24.0
"""Scalar instructions that start an operator: descriptor, addresses, first wait."""
MESSAGE_INSTRUCTIONS = 8.0
"""Scalar instructions that send or receive one chunk."""
CONTROL_PARALLELISM = 2.5
"""Independent instructions in scalar control code, on average (assumed)."""
DIVIDE_CYCLES = 4.0
"""Cycles that a division keeps a vector pipe busy, for a register of elements (assumed)."""
TRANSCENDENTAL_CYCLES = 8.0
"""Cycles that an exponential, a logarithm and the like keep it busy (assumed)."""
