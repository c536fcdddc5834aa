"""Cycles of each operator class on its region of a stage. Arrays are [N, C] unless said.

An operator is split evenly over the tiles of its region, so the largest part sets the pace. What
it reads is where it lies, or is brought (``flow``, ``transfer``): then the operator waits for the
way across the stage, and its port works while the operator computes, piece by piece. Its time is

    max(setup, hops) + max(compute, port) + min(compute, port) / pieces + messages + reduction

and setup + compute + reduction when nothing is brought. Compute is the largest of what the
tensor (or vector) unit, the DMEM port and instruction issue need.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from asic_compiler.hardware.columns import columns
from asic_compiler.hardware.derive import TileSizes
from asic_compiler.hardware.design import DesignBatch
from asic_compiler.hardware.space import FloatArray, IntArray
from asic_compiler.machine.pipeline import (
    CONTROL_PARALLELISM,
    LOOP_INSTRUCTIONS,
    MESSAGE_INSTRUCTIONS,
    ROWS_PER_INSTRUCTION,
    SETUP_INSTRUCTIONS,
    VECTORS_PER_INSTRUCTION,
)
from asic_compiler.machine.regions import GENERAL
from asic_compiler.mapping.contractions import Split, Streams
from asic_compiler.mapping.mapping import Mapping
from asic_compiler.mapping.vectors import VectorSplit
from asic_compiler.ppa.reduction import (
    Adder,
    Combination,
    ReductionGroup,
    Ways,
    combine,
)
from asic_compiler.technology.node import TimingConstants


@dataclass(frozen=True, slots=True)
class Fabric:
    """What the NoC offers each design. Arrays are [N]."""

    hop_cycles: FloatArray
    """Router and wire of one hop."""
    diameter: FloatArray
    """Router hops across a stage."""
    columns: FloatArray
    """Tiles in a row of a stage."""
    crossing_cycles: FloatArray
    """Die-to-die crossings on the way across a stage."""
    border_cycles: FloatArray
    """Cycles of one crossing."""
    border_flit_cycles: FloatArray
    """Cycles that a flit takes over a link between dies: the columns share the lanes."""
    borders: FloatArray
    """Borders between dies inside a stage."""

    @property
    def slowest_flit(self) -> FloatArray:
        """[N] cycles of a flit on the slowest link of a column inside a stage."""
        return np.where(self.borders > 0.0, self.border_flit_cycles, 1.0)


@dataclass(frozen=True, slots=True)
class Issue:
    """Front-end limits of each design and region."""

    scalar_ipc: FloatArray
    """[N] scalar instructions a cycle in control code."""
    tensor_interval: FloatArray
    """[N, 3] least cycles between tensor instructions."""
    vector_interval: FloatArray
    """[N, 3] least cycles between vector instructions."""
    vector_pipes: FloatArray
    """[N] vector instructions in execution at once."""
    stations: FloatArray
    """[N]"""


@dataclass(frozen=True, slots=True)
class Incoming:
    """What the operators of each class wait for, on average. Arrays are [N, C]."""

    share: FloatArray
    """Share of the operators that wait for anything."""
    cycles: FloatArray
    """Cycles of a port, for one operator that waits."""
    messages: FloatArray
    """Transfers that one operator waits for."""
    size_bytes: FloatArray
    """Bytes that come into one tile, averaged over all."""
    copied_bytes: FloatArray
    """Bytes copied within one tile: what it has and reads in another order."""
    sent_bytes: FloatArray
    """Out of all tiles together, a multicast once."""
    hop_bytes: FloatArray
    """The same over every link that carries it."""
    border_bytes: FloatArray
    """The same over a border between dies in the middle of a stage."""

    def take(self, classes: IntArray) -> Incoming:
        """The columns of some classes."""
        return Incoming(*(getattr(self, f.name)[:, classes] for f in fields(Incoming)))


@dataclass(frozen=True, slots=True)
class ContractionTime:
    """How each contraction is split and what it costs."""

    cycles: FloatArray
    busy: FloatArray
    """Cycles of compute on the tile with the largest part."""
    active: FloatArray
    """Cycles that keep a tile's clock on, averaged over its region."""
    tensor: FloatArray
    split: Split
    row_blocks: FloatArray
    """ceil(m of a tile / R): times each weight row is read."""
    instructions: FloatArray
    """Instructions of one tile."""
    dmem_bits: FloatArray
    """Bits through one tile's DMEM port."""
    occupied: FloatArray
    """Average part over the largest, tiles without one included."""
    arriving: Incoming
    """The transfers that it waits for."""
    combination: Combination
    """Cost of combining in a group of tiles that share a range of n."""
    lost_issue: FloatArray
    """Cycles lost to issue and DMEM port beyond the tensor unit's."""
    streams: Streams


@dataclass(frozen=True, slots=True)
class VectorTime:
    """What each vector or memory operator costs."""

    cycles: FloatArray
    busy: FloatArray
    """Cycles of compute on the tile with the largest part."""
    active: FloatArray
    """Cycles that keep a tile's clock on, averaged over its region."""
    instructions: FloatArray
    dmem_bits: FloatArray
    """Bits through the DMEM port of the tile with the largest part."""
    occupied: FloatArray
    """Average part over the largest, tiles without one included."""
    arriving: Incoming
    combination: Combination
    """Cost of combining in a group of tiles that share rows."""
    lost_issue: FloatArray
    split: VectorSplit


def issue_limits(design: DesignBatch, sizes: TileSizes, constants: TimingConstants) -> Issue:
    """Sustained issue from front end, stations, ports and latencies (Little's law)."""
    stations = design.stanum[:, None]
    scalar = np.minimum.reduce(
        [
            sizes.region_fetch.min(axis=1),
            design.xdpnum,
            design.xr_wp,
            design.stanum / constants.scalar_latency * CONTROL_PARALLELISM,
            np.full(len(design), CONTROL_PARALLELISM),
        ]
    )
    tensor_flight = ROWS_PER_INSTRUCTION + constants.tensor_latency
    tensor = np.maximum(
        (1.0 + LOOP_INSTRUCTIONS) / sizes.region_fetch,
        np.maximum(tensor_flight / stations, LOOP_INSTRUCTIONS / scalar[:, None]),
    )
    pipes = np.minimum(design.vdpnum, design.vr_wp)
    vector = vector_interval(sizes.region_fetch, stations, scalar[:, None], constants)
    return Issue(scalar, tensor, vector, pipes, design.stanum)


def vector_interval(
    fetch: FloatArray, stations: FloatArray, scalar_ipc: FloatArray, constants: TimingConstants
) -> FloatArray:
    """Least cycles between vector instructions."""
    flight = VECTORS_PER_INSTRUCTION + constants.vector_latency
    return np.maximum(2.0 / fetch, np.maximum(flight / stations, 1.0 / scalar_ipc))


def time_contractions(
    mapping: Mapping, issue: Issue, fabric: Fabric, arriving: Incoming, constants: TimingConstants
) -> ContractionTime:
    """Times every contraction class.

    Args:
        mapping: N designs and how they run the workload.
        issue: Their front ends.
        fabric: Their NoC.
        arriving: What each class waits for, its columns those of the contractions.
        constants: Latencies.
    """
    work, split, streams = mapping.work, mapping.split, mapping.streams
    design, bands, sizes = mapping.design, mapping.bands, mapping.sizes
    region = work.region
    vlen = sizes.region_vlen[:, region]
    tensor_rows = design.rows[:, None]
    attention = work.attention
    k_split, groups = split.k, split.groups
    m_tile, n_tile, k_tile = split.m_tile, split.n_tile, split.k_tile
    lanes = vlen / work.bits
    row_pieces = np.where(streams.by_rows, streams.pieces, 1.0)
    piece_rows = np.ceil(m_tile / row_pieces)
    whole = np.floor(m_tile / piece_rows)
    rest = np.ceil((m_tile - whole * piece_rows) / tensor_rows)
    row_blocks = whole * np.ceil(piece_rows / tensor_rows) + rest
    tensor = groups * row_blocks * np.ceil(k_tile * n_tile / lanes)

    reduced = k_split > 1.0
    # Half the vector registers, 32 bit each, shared by the rows that hold tokens.
    accumulators = vlen / (2.0 * np.minimum(tensor_rows, m_tile))
    passes = np.ceil(n_tile / accumulators)
    # Columns of several groups of a convolution read an input each.
    items = np.where(attention, groups, np.minimum(np.ceil(n_tile / work.n), work.batch))
    inputs = items * m_tile * k_tile
    operand_rows = np.where(attention, groups * row_blocks * k_tile * n_tile, 0.0)
    kv_bits = columns(design.kv_bits, len(region))
    stored_bits = np.where(work.cached & (work.held_bits == 16.0), kv_bits, work.held_bits)
    result_bits = work.held_bits * work.widening
    # What the multipliers take in fewer bits is read once more before: for its rows' scales.
    looks = np.where(work.bits < work.held_bits, 1.0, 0.0)
    dmem_bits = (
        inputs * work.held_bits * (passes + looks)
        + groups * m_tile * n_tile * np.where(reduced, 32.0, result_bits)
        + operand_rows * stored_bits
        + 16.0 * arriving.copied_bytes
    )
    port = np.minimum(design.dflit[:, None], vlen)
    pieces = streams.pieces
    # Sums that do not fit the accumulators are stored and read again for every piece.
    spilled = np.where(m_tile * n_tile > 16.0 * vlen / 32.0, 2.0 * 32.0 * m_tile * n_tile, 0.0)
    dmem_bits = dmem_bits + np.where(streams.by_rows, 0.0, (pieces - 1.0) * spilled)
    dmem = (dmem_bits + arriving.size_bytes * 8.0) / vlen
    tensor_instructions = np.ceil(tensor / ROWS_PER_INSTRUCTION)
    issued = tensor_instructions * issue.tensor_interval[:, region]
    unit = np.maximum(tensor, issued) + pieces * constants.tensor_latency
    compute = np.maximum(unit, dmem)

    message = MESSAGE_INSTRUCTIONS / issue.scalar_ipc[:, None]
    hop = fabric.hop_cycles[:, None]
    held = groups * m_tile
    combination = combine(
        ReductionGroup(
            size=k_split,
            elements=held * n_tile,
            share=held * np.ceil(n_tile / k_split),
            result_bits=np.broadcast_to(result_bits, k_split.shape),
            stride=np.where(attention, 1.0, split.n * split.m),
        ),
        split.scatter,
        _ways(design, fabric, port),
        Adder(
            vlen,
            issue.vector_pipes[:, None],
            issue.vector_interval[:, region],
            constants.vector_latency,
            message,
        ),
    )
    setup = SETUP_INSTRUCTIONS / issue.scalar_ipc[:, None]
    travel = fabric.diameter[:, None] * hop + fabric.crossing_cycles[:, None] + message
    # Starting the operator and its receives goes on while the first data are on their way.
    begun = np.maximum(setup + pieces * message, travel)
    waited = (
        begun + np.maximum(compute, arriving.cycles) + np.minimum(compute, arriving.cycles) / pieces
    )
    cycles = (
        arriving.share * waited
        + (1.0 - arriving.share) * (setup + compute)
        + arriving.messages * pieces * message
        + combination.cycles
    )
    tiles = bands.region_tiles[:, region]
    largest = groups * m_tile * n_tile * k_tile
    occupied = work.macs / (largest * tiles)
    return ContractionTime(
        cycles=cycles,
        busy=compute,
        active=unit * occupied,
        tensor=tensor,
        split=split,
        row_blocks=row_blocks,
        instructions=tensor_instructions * (1.0 + LOOP_INSTRUCTIONS)
        + SETUP_INSTRUCTIONS
        + 2.0 * arriving.messages * pieces * MESSAGE_INSTRUCTIONS,
        dmem_bits=dmem_bits,
        occupied=occupied,
        arriving=arriving,
        combination=combination,
        lost_issue=np.maximum(np.maximum(dmem, issued) - tensor, 0.0),
        streams=streams,
    )


def _ways(design: DesignBatch, fabric: Fabric, port: FloatArray) -> Ways:
    return Ways(
        width=fabric.columns[:, None],
        sc_x=design.sc_x[:, None],
        sc_y=design.sc_y[:, None],
        flit=design.dflit[:, None],
        port=port,
        hop=fabric.hop_cycles[:, None],
        crossing=fabric.crossing_cycles[:, None],
        slowest=fabric.slowest_flit[:, None],
    )


def time_vectors(
    mapping: Mapping, issue: Issue, fabric: Fabric, arriving: Incoming, constants: TimingConstants
) -> VectorTime:
    """Times every vector, gather, layout and append class, all on the general region.

    Args:
        mapping: N designs and how they run the workload.
        issue: Their front ends.
        fabric: Their NoC.
        arriving: What each class waits for, its columns those of the vector operators.
        constants: Latencies.
    """
    work, split = mapping.profile.vectors, mapping.vectors
    design, bands, sizes = mapping.design, mapping.bands, mapping.sizes
    # Rows of the region that nothing reaches do not set the pace; attention begins anywhere.
    rows = np.ceil(split.parts * split.stride / bands.width[:, None])
    rows = np.where(work.anchored, bands.region_rows[:, GENERAL][:, None], rows)
    vlen, fetch = sizes.slowest(bands, rows)
    interval = vector_interval(fetch, issue.stations[:, None], issue.scalar_ipc[:, None], constants)
    registers = np.ceil(split.points * work.bits / vlen)
    pipes = issue.vector_pipes[:, None]
    vector = np.ceil(work.cycles * registers / pipes)
    held = work.input_bytes + work.output_bytes + work.kv_write_bytes
    elements = np.maximum(work.elements, 1.0)
    written = np.minimum(split.parts, np.maximum(elements / work.columns, 1.0))
    share = np.where(
        work.kv_write_bytes > 0.0, 1.0 / written, np.minimum(split.points / elements, 1.0)
    )
    dmem_bits = held * 8.0 * share + 16.0 * arriving.copied_bytes
    dmem = dmem_bits / vlen
    count = work.operations * np.ceil(registers / VECTORS_PER_INSTRUCTION)
    issued = count * interval
    exposed = work.operations * constants.vector_latency  # the body is a chain
    unit = np.maximum(vector, issued) + exposed
    compute = np.maximum(unit, dmem)

    flit = np.minimum(design.dflit[:, None], vlen)
    hop = fabric.hop_cycles[:, None]
    message = MESSAGE_INSTRUCTIONS / issue.scalar_ipc[:, None]
    across = fabric.diameter[:, None] * hop + fabric.crossing_cycles[:, None]
    own = np.flatnonzero(work.reduction)
    rows = (np.ceil(work.batch / split.b) * np.ceil(work.rows / split.m))[:, own]
    combination = combine(
        ReductionGroup(
            size=split.group[:, own],
            elements=rows,
            share=rows,
            result_bits=np.broadcast_to(work.bits[own], rows.shape),
            stride=split.stride[:, own],
        ),
        np.zeros(1, dtype=np.bool_),
        _ways(design, fabric, flit[:, own]),
        Adder(vlen[:, own], pipes, interval[:, own], constants.vector_latency, message),
    ).among(own, len(work.index))
    setup = SETUP_INSTRUCTIONS / issue.scalar_ipc[:, None]
    begun = np.maximum(setup + message, across + message)
    cycles = (
        arriving.share * (begun + arriving.cycles)
        + (1.0 - arriving.share) * setup
        + arriving.messages * message
        + compute
        + combination.cycles
    )
    occupied = elements / (split.points * bands.region_tiles[:, GENERAL][:, None])
    occupied = np.minimum(
        np.where(work.collapsed, split.parts * split.points / elements, 1.0), occupied
    )
    return VectorTime(
        cycles=cycles,
        busy=compute,
        active=unit * occupied,
        instructions=count * 2.0 + SETUP_INSTRUCTIONS,
        dmem_bits=dmem_bits,
        occupied=occupied,
        arriving=arriving,
        combination=combination,
        lost_issue=np.maximum(np.maximum(dmem, issued) - vector, 0.0) + exposed,
        split=split,
    )
