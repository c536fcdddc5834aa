"""How N designs run a workload: everything that follows from both, before any cost."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from asic_compiler.hardware.derive import Bands, TileSizes, make_bands, size_tiles
from asic_compiler.hardware.design import DesignBatch
from asic_compiler.mapping.contractions import Split, Streams, split_contractions, split_streams
from asic_compiler.mapping.profile import Contractions, Profile
from asic_compiler.mapping.stages import StageRows, stage_rows
from asic_compiler.mapping.values import Values, lay_out
from asic_compiler.mapping.vectors import VectorSplit, split_vectors


@dataclass(frozen=True, slots=True)
class Mapping:
    """A batch of designs, and where each puts what of the workload."""

    profile: Profile
    design: DesignBatch
    work: Contractions
    """The contractions as the designs compute them: ``bits`` is [C] or [N, C]."""
    bands: Bands
    """Rows of a stage by what runs on them."""
    sizes: TileSizes
    split: Split
    """How contractions are cut."""
    vectors: VectorSplit
    """How vector operators are cut."""
    streams: Streams
    """The pieces that the inputs of contractions come in."""
    values: Values
    """Where results lie, and what is read of them."""
    stages: StageRows
    """The pipeline."""


def make_tiles(profile: Profile, design: DesignBatch) -> tuple[Bands, TileSizes]:
    """The regions of a stage of N designs, and the sizes of their tiles."""
    bands = make_bands(design, profile.has_conv)
    lane_cycles = np.take(profile.lane_cycles.T, design.rows.astype(np.int64) - 1, axis=1).T
    return bands, size_tiles(design, bands, lane_cycles)


def map_designs(profile: Profile, design: DesignBatch, work: Contractions | None = None) -> Mapping:
    """Maps the workload onto every design of a batch.

    Args:
        profile: The workload.
        design: N designs.
        work: The contractions in the formats of the designs; the workload's own if not given.
    """
    bands, sizes = make_tiles(profile, design)
    own = profile.contractions if work is None else work
    split = split_contractions(own, design, bands)
    vectors = split_vectors(profile.vectors, bands, sizes)
    return Mapping(
        profile=profile,
        design=design,
        work=own,
        bands=bands,
        sizes=sizes,
        split=split,
        vectors=vectors,
        streams=split_streams(own, split, design),
        values=lay_out(profile, split, vectors),
        stages=stage_rows(profile, design),
    )
