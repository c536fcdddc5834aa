"""Cycles of each operator class on its region of a stage. Arrays are [N, C] unless said.

An operator is split evenly over the tiles of its region, so the largest part sets the pace. What
it reads is where it lies, or is brought (``flow``, ``transfer``): then the operator waits for the
way across the stage, and its port works while the operator computes, piece by piece. Its time is

    max(setup, hops) + max(compute, port) + min(compute, port) / pieces + messages + reduction

and setup + compute + reduction when nothing is brought. Compute is the largest of what the
tensor (or vector) unit, the DMEM port and instruction issue need.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asic_compiler.hardware.derive import Bands, TileSizes
from asic_compiler.hardware.design import DesignBatch
from asic_compiler.hardware.space import FloatArray, IntArray
from asic_compiler.ppa.mapping import VectorSplit
from asic_compiler.ppa.profile import GENERAL, MATMUL, Contractions, Vectors
from asic_compiler.technology.node import TimingConstants

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


@dataclass(frozen=True, slots=True)
class Fabric:
    """What the NoC offers each design. Arrays are [N]."""

    hop_cycles: FloatArray
    """Router and wire of one hop."""
    diameter: FloatArray
    """Router hops across a stage."""
    row_hops: FloatArray
    """Router hops across the rows of a stage."""
    crossing_cycles: FloatArray
    """Die-to-die crossings on the way across a stage."""
    border_cycles: FloatArray
    """Of one crossing."""


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


@dataclass(frozen=True, slots=True)
class Incoming:
    """What the operators of each class wait for, on average. Arrays are [N, C]."""

    share: FloatArray
    """Of the operators, how many wait for anything."""
    cycles: FloatArray
    """Of a port, for those that do."""
    messages: FloatArray
    """Transfers that one operator waits for."""
    size_bytes: FloatArray
    """Into one tile, averaged over all."""

    def take(self, classes: IntArray) -> Incoming:
        """The columns of some classes."""
        return Incoming(
            self.share[:, classes],
            self.cycles[:, classes],
            self.messages[:, classes],
            self.size_bytes[:, classes],
        )


@dataclass(frozen=True, slots=True)
class Split:
    """How each contraction is divided over its region. Arrays are [N, C]."""

    m: FloatArray
    n: FloatArray
    k: FloatArray
    used_tiles: FloatArray
    groups: FloatArray
    """Batch items one tile works through (attention; 1 otherwise)."""
    m_tile: FloatArray
    """Largest slice of one tile, in m, n and k."""
    n_tile: FloatArray
    k_tile: FloatArray


@dataclass(frozen=True, slots=True)
class ContractionTime:
    """How each contraction is split and what it costs."""

    cycles: FloatArray
    busy: FloatArray
    """Cycles of compute: what keeps a tile's clock on."""
    tensor: FloatArray
    split: Split
    row_blocks: FloatArray
    """ceil(m of a tile / R): times each weight row is read."""
    instructions: FloatArray
    """Of one tile."""
    dmem_bits: FloatArray
    """Through one tile's DMEM port."""
    input_bytes: FloatArray
    """Into one tile."""
    lost_issue: FloatArray
    """Cycles lost to issue and DMEM port beyond the tensor unit's."""
    pieces: FloatArray
    """Ranges of a tile's part of k that its input arrives in."""
    buffers: FloatArray
    """Of these, how many are held at once."""
    brought: FloatArray
    """Of the operators of a class, the share whose inputs are brought."""


@dataclass(frozen=True, slots=True)
class VectorTime:
    """What each vector or memory operator costs."""

    cycles: FloatArray
    busy: FloatArray
    instructions: FloatArray
    dmem_bits: FloatArray
    input_bytes: FloatArray
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
    vector_flight = VECTORS_PER_INSTRUCTION + constants.vector_latency
    vector = np.maximum(
        2.0 / sizes.region_fetch,
        np.maximum(vector_flight / stations, 1.0 / scalar[:, None]),
    )
    return Issue(scalar, tensor, vector, pipes)


def split_contractions(work: Contractions, design: DesignBatch, bands: Bands) -> Split:
    """Divides every contraction over its region.

    A matmul or convolution is split over k (2^round(x floor(log2 rows)), each k slice on its own
    rows), then over n; tiles left when n is exhausted take row blocks of m and copies of the
    weights. An attention product is split over its batch, then along the longer of n and k, where
    the cache lies.
    """
    region = work.region
    tiles = bands.region_tiles[:, region]
    rows = bands.region_rows[:, region]
    tensor_rows = design.rows[:, None]
    width = bands.width[:, None]
    m, n, k = work.m, work.n, work.k

    wanted = np.exp2(np.rint(design.k_split[:, None] * np.floor(np.log2(rows))))
    k_split = np.minimum(wanted, k)
    columns = width * np.floor(rows / k_split)
    outputs = work.batch * n
    n_split = np.minimum(columns, outputs)
    blocks = np.ceil(m / tensor_rows)
    m_split = np.clip(np.floor(tiles / (k_split * n_split)), 1.0, blocks)

    attention = work.attention
    group_tiles = np.maximum(np.floor(tiles / work.batch), 1.0)
    along_k = k > n
    groups = np.where(attention, np.ceil(work.batch / tiles), 1.0)
    k_split = np.where(attention, np.where(along_k, np.minimum(group_tiles, k), 1.0), k_split)
    n_split = np.where(attention, np.where(along_k, 1.0, np.minimum(group_tiles, n)), n_split)
    m_split = np.where(attention, 1.0, m_split)
    used = np.where(
        attention,
        np.minimum(tiles, work.batch) * k_split * n_split,
        k_split * n_split * m_split,
    )
    return Split(
        m=m_split,
        n=n_split,
        k=k_split,
        used_tiles=used,
        groups=groups,
        m_tile=np.ceil(m / m_split),
        n_tile=np.ceil(np.where(attention, n, outputs) / n_split),
        k_tile=np.ceil(k / k_split),
    )


def time_contractions(
    work: Contractions,
    split: Split,
    design: DesignBatch,
    sizes: TileSizes,
    issue: Issue,
    fabric: Fabric,
    input_buffer: FloatArray,
    arriving: Incoming,
    constants: TimingConstants,
) -> ContractionTime:
    """Times every contraction class.

    Args:
        work: The classes.
        split: How each is divided over its region.
        design: N designs.
        sizes: Their tiles.
        issue: Their front ends.
        fabric: Their NoC.
        input_buffer: [N, C] bytes of one tile's DMEM that hold inputs.
        arriving: What each class waits for, its columns those of ``work``.
        constants: Latencies.
    """
    region = work.region
    vlen = sizes.region_vlen[:, region]
    tensor_rows = design.rows[:, None]
    attention = work.attention
    k_split, groups = split.k, split.groups
    m_tile, n_tile, k_tile = split.m_tile, split.n_tile, split.k_tile
    lanes = vlen / work.bits
    row_blocks = np.ceil(m_tile / tensor_rows)
    tensor = groups * row_blocks * np.ceil(k_tile * n_tile / lanes)

    reduced = k_split > 1.0
    # Half the vector registers, 32 bit each, shared by the rows that hold tokens.
    accumulators = vlen / (2.0 * np.minimum(tensor_rows, m_tile))
    passes = np.ceil(n_tile / accumulators)
    inputs = groups * m_tile * k_tile
    operand_rows = np.where(attention, groups * row_blocks * k_tile * n_tile, 0.0)
    stored_bits = np.where(work.cached & (work.bits == 16.0), design.kv_bits[:, None], work.bits)
    dmem_bits = (
        inputs * work.bits * passes
        + groups * m_tile * n_tile * np.where(reduced, 32.0, work.bits)
        + operand_rows * stored_bits
    )
    input_bytes = inputs * work.bits / 8.0
    port = np.minimum(design.dflit[:, None], vlen)
    overlap = (design.stream_buffers >= 2.0)[:, None]
    buffers = design.stream_buffers[:, None]
    asked = np.maximum(design.stream_chunks[:, None], np.ceil(input_bytes * buffers / input_buffer))
    streams = ~attention & (region == MATMUL)
    pieces = np.where(streams & overlap, np.minimum(asked, k_tile), 1.0)
    kept = np.where(streams & overlap & (input_bytes > input_buffer), buffers, pieces)
    # Sums that do not fit the accumulators are stored and read again for every piece.
    spilled = np.where(m_tile * n_tile > 16.0 * vlen / 32.0, 2.0 * 32.0 * m_tile * n_tile, 0.0)
    dmem_bits = dmem_bits + (pieces - 1.0) * spilled
    dmem = (dmem_bits + arriving.size_bytes * 8.0) / vlen
    tensor_instructions = np.ceil(tensor / ROWS_PER_INSTRUCTION)
    issued = tensor_instructions * issue.tensor_interval[:, region]
    compute = np.maximum(np.maximum(tensor, dmem), issued) + pieces * constants.tensor_latency

    message = MESSAGE_INSTRUCTIONS / issue.scalar_ipc[:, None]
    hop = fabric.hop_cycles[:, None]
    columns = np.ceil(n_tile / np.where(design.allreduce[:, None] >= 0.5, k_split, 1.0))
    reduce = _reduction(
        k_split,
        np.ceil(groups * m_tile * np.stack([n_tile, columns]) * 32.0 / port),
        design.allreduce[:, None] >= 0.5,
        message,
        2.0 * fabric.row_hops[:, None] * hop,
        constants.vector_latency,
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
        + reduce
    )
    return ContractionTime(
        cycles=cycles,
        busy=compute,
        tensor=tensor,
        split=split,
        row_blocks=row_blocks,
        instructions=tensor_instructions * (1.0 + LOOP_INSTRUCTIONS)
        + SETUP_INSTRUCTIONS
        + 2.0 * arriving.messages * pieces * MESSAGE_INSTRUCTIONS,
        dmem_bits=dmem_bits,
        input_bytes=arriving.size_bytes,
        lost_issue=np.maximum(np.maximum(dmem, issued) - tensor, 0.0),
        pieces=pieces,
        buffers=np.minimum(kept, pieces),
        brought=arriving.share,
    )


def _reduction(
    group: FloatArray,
    flits: FloatArray,
    scatter: NDArray[np.bool_],
    message: FloatArray,
    travel: FloatArray,
    add_latency: float,
) -> FloatArray:
    """Cycles to combine what ``group`` tiles hold of the same elements.

    Args:
        group: Tiles of a group.
        flits: [2, ...] of one tile's whole part, and of the share that a scatter sends each peer.
        scatter: Each tile gets a share; otherwise pairs combine until one tile has it all.
        message: Cycles to start a send or a receive.
        travel: Cycles of the hops of all steps together.
        add_latency: Cycles until a sum is there.
    """
    whole: FloatArray = flits[0]
    part: FloatArray = flits[1]
    levels = np.ceil(np.log2(np.maximum(group, 1.0)))
    peers = np.maximum(group - 1.0, 0.0)
    tree = levels * (whole + 2.0 * message + add_latency)
    scattered = peers * (part + 2.0 * message) + add_latency
    return np.where(group > 1.0, np.where(scatter, scattered, tree) + travel, 0.0)


def time_vectors(
    work: Vectors,
    split: VectorSplit,
    design: DesignBatch,
    bands: Bands,
    sizes: TileSizes,
    issue: Issue,
    fabric: Fabric,
    arriving: Incoming,
    constants: TimingConstants,
) -> VectorTime:
    """Times every vector, gather, layout and append class, all on the general region.

    Args:
        work: The classes.
        split: How each is cut.
        design: N designs.
        bands: Their regions.
        sizes: Their tiles.
        issue: Their front ends.
        fabric: Their NoC.
        arriving: What each class waits for, its columns those of ``work``.
        constants: Latencies.
    """
    vlen = sizes.region_vlen[:, GENERAL][:, None]
    registers = np.ceil(split.points * work.bits / vlen)
    pipes = issue.vector_pipes[:, None]
    vector = np.ceil(work.cycles * registers / pipes)
    held = work.input_bytes + work.output_bytes + work.weight_read_bytes + work.kv_write_bytes
    elements = np.maximum(work.elements, 1.0)
    written = np.minimum(split.parts, np.maximum(elements / work.columns, 1.0))
    share = np.where(
        work.kv_write_bytes > 0.0, 1.0 / written, np.minimum(split.points / elements, 1.0)
    )
    dmem_bits = held * 8.0 * share
    dmem = dmem_bits / vlen
    count = work.operations * np.ceil(registers / VECTORS_PER_INSTRUCTION)
    issued = count * issue.vector_interval[:, GENERAL][:, None]
    exposed = work.operations * constants.vector_latency  # the body is a chain
    compute = np.maximum(np.maximum(vector, dmem), issued) + exposed

    flit = np.minimum(design.dflit[:, None], vlen)
    hop = fabric.hop_cycles[:, None]
    message = MESSAGE_INSTRUCTIONS / issue.scalar_ipc[:, None]
    across = fabric.diameter[:, None] * hop + fabric.crossing_cycles[:, None]
    rows = np.ceil(work.batch / split.b) * np.ceil(work.rows / split.m)
    accumulators = np.ceil(rows * 32.0 / flit)
    reach = np.minimum(
        split.group * split.m * split.stride / bands.region_tiles[:, GENERAL][:, None], 1.0
    )
    combine = _reduction(
        split.group,
        np.stack([accumulators, accumulators]),
        np.zeros(1, dtype=np.bool_),
        message,
        reach * across,
        constants.vector_latency,
    )
    setup = SETUP_INSTRUCTIONS / issue.scalar_ipc[:, None]
    begun = np.maximum(setup + message, across + message)
    cycles = (
        arriving.share * (begun + arriving.cycles)
        + (1.0 - arriving.share) * setup
        + arriving.messages * message
        + compute
        + combine
    )
    return VectorTime(
        cycles=cycles,
        busy=compute,
        instructions=count * 2.0 + SETUP_INSTRUCTIONS,
        dmem_bits=dmem_bits,
        input_bytes=arriving.size_bytes,
        lost_issue=np.maximum(np.maximum(dmem, issued) - vector, 0.0) + exposed,
        split=split,
    )
