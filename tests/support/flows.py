"""A fabric of ours, and what operators wait for on it."""

from __future__ import annotations

import numpy as np

from asic_compiler.mapping.mapping import Mapping
from asic_compiler.ppa.timing import Fabric, Incoming
from asic_compiler.ppa.transfer import incoming, time_transfers


def fabric(
    mapping: Mapping,
    hop: float = 3.0,
    diameter: np.ndarray | None = None,
    borders: float = 0.0,
    slow: float = 1.0,
) -> Fabric:
    """Hops of ``hop`` cycles; borders between dies only where they are asked for."""
    bands, one = mapping.bands, np.ones(len(mapping.design))
    return Fabric(
        hop_cycles=hop * one,
        diameter=bands.width + bands.height if diameter is None else diameter,
        columns=bands.width,
        crossing_cycles=0.0 * one,
        border_cycles=0.0 * one,
        border_flit_cycles=slow * one,
        borders=borders * one,
    )


def arriving(mapping: Mapping, network: Fabric) -> Incoming:
    """What all classes wait for."""
    return incoming(mapping, time_transfers(mapping, network))
