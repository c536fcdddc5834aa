"""What plain ``xdsl-opt`` learns from us: names of dialects and passes, each loaded on use."""

from __future__ import annotations

from xdsl.universe import Universe

from asic_compiler.registry import DIALECTS, PASSES

ASIC_UNIVERSE = Universe(
    all_dialects={name: entry.load for name, entry in DIALECTS.items()},
    all_passes={name: entry.load for name, entry in PASSES.items()},
)
"""Found by xDSL through the ``xdsl.universe`` entry point of this distribution."""
