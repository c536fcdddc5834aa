"""Transfers of a batch of designs, as the model works them out."""

from __future__ import annotations

from asic_compiler.hardware.derive import Bands, TileSizes
from asic_compiler.hardware.design import DesignBatch
from asic_compiler.ppa.mapping import VectorSplit, split_vectors
from asic_compiler.ppa.partition import Split, split_streams
from asic_compiler.ppa.profile import Profile
from asic_compiler.ppa.timing import Fabric, Incoming
from asic_compiler.ppa.transfer import incoming, lay_out, time_transfers


def brought(
    profile: Profile,
    design: DesignBatch,
    bands: Bands,
    sizes: TileSizes,
    split: Split,
    fabric: Fabric,
) -> tuple[VectorSplit, Incoming]:
    """How vector operators are cut, and what all classes wait for."""
    vectors = split_vectors(profile.vectors, bands, sizes)
    values = lay_out(profile, design, split, vectors)
    moved = time_transfers(profile, design, bands, sizes, split, vectors, values, fabric)
    streams = split_streams(profile.contractions, split, design)
    return vectors, incoming(profile, moved, streams)
