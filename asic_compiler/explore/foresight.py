"""What is known of a design before it is evaluated: what was asked for, as hardware has it, and how
the operators fall on its tiles.

None of it is a time, a power or an area. It follows from projection and from the rules by which
operators are divided (:mod:`asic_compiler.mapping.contractions`): a surrogate need not learn it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from asic_compiler.explore.protocol import FloatArray
from asic_compiler.hardware.derive import Bands, TileSizes
from asic_compiler.hardware.design import DesignBatch
from asic_compiler.hardware.precision import FORMATS
from asic_compiler.hardware.space import CONTINUOUS, DISCRETE, INDEX, STAGE_GRIDS
from asic_compiler.mapping.contractions import split_contractions
from asic_compiler.mapping.mapping import make_tiles
from asic_compiler.mapping.profile import Profile
from asic_compiler.technology.node import Technology

_OCTAVES = 6.0
"""Of a share of the tiles: one of 4,096 lies as far below 0 as the whole lies above."""

_STEPPED = tuple((i, variable) for i, variable in enumerate(CONTINUOUS) if variable.step)
"""Variables whose values are rounded."""

_SHARES = ("matmul_ratio", "conv_ratio", "general_ratio")


def foresight(
    profile: Profile, technology: Technology, design: DesignBatch, continuous: FloatArray
) -> FloatArray:
    """[N, F] numbers of about [-1, 1].

    Args:
        profile: The workload.
        technology: The node.
        design: N designs, quantised.
        continuous: [N, 30] what they were decoded from.
    """
    bands, sizes = make_tiles(profile, design)
    columns = [
        _mesh(design),
        _variables(profile, technology, design, bands, continuous),
        _regions(design, bands),
        _sizes(design, bands, sizes),
        _slices(profile, design, bands, sizes),
    ]
    return np.concatenate(columns, axis=1)


def _mesh(design: DesignBatch) -> FloatArray:
    """[N, 4] mesh and super-cluster, their logarithms between smallest and largest."""
    sizes = (design.mesh_width, design.mesh_height, design.sc_x, design.sc_y)
    return np.stack(
        [
            2.0 * np.log(size / v.low) / np.log(v.high / v.low) - 1.0
            for size, v in zip(sizes, DISCRETE, strict=True)
        ],
        axis=1,
    )


def _variables(
    profile: Profile,
    technology: Technology,
    design: DesignBatch,
    bands: Bands,
    continuous: FloatArray,
) -> FloatArray:
    """[N, 30] the variables on the grid that they are rounded to.

    The split over k is rounded by the rows of the matmuls' region; where convolutions have other
    rows, theirs may differ between designs that look equal here.
    """
    out = np.clip(continuous, -1.0, 1.0)
    for i, variable in _STEPPED:
        out[:, i] = variable.encode(getattr(design, variable.name))
    supply = technology.voltage
    span = max(supply.maximum - supply.minimum, 1e-9)
    out[:, INDEX["vdd"]] = 2.0 * (design.vdd - supply.minimum) / span - 1.0
    out[:, INDEX["stages"]] = 2.0 * design.stage_grid / (len(STAGE_GRIDS) - 1) - 1.0
    formats = design.precision / (len(FORMATS) - 1)
    out[:, INDEX["weight_precision"]] = formats - design.weight_store
    out[:, INDEX["kv_precision"]] = np.log2(design.kv_bits / 4.0) - 1.0
    for region, name in enumerate(_SHARES):
        rows = bands.region_rows[:, region] / bands.height
        out[:, INDEX[name]] = 2.0 * rows - 1.0
    if not profile.has_conv:
        out[:, INDEX["conv_ratio"]] = 0.0
    most = np.floor(np.log2(bands.region_rows[:, 0]))
    out[:, INDEX["k_split"]] = np.rint(design.k_split * most) / 3.0 - 1.0
    return out


def _regions(design: DesignBatch, bands: Bands) -> FloatArray:
    """[N, 9] tiles of the mesh, tiles and rows of each region, whether matmuls share tiles with
    what is general, and the lanes of the mesh. Counts by their logarithm.
    """
    tiles = design.mesh_width * design.mesh_height
    overlap = bands.region_rows[:, 0] + bands.region_rows[:, 2] > bands.height
    return np.stack(
        [
            np.log2(tiles) / _OCTAVES - 1.0,
            *(np.log2(bands.region_tiles.T) / _OCTAVES - 1.0),
            *(np.log2(bands.region_rows.T) / 3.0 - 1.0),
            np.where(overlap, 1.0, -1.0),
            np.log2(design.vlen * tiles) / _OCTAVES - 2.5,
        ],
        axis=1,
    )


def _sizes(design: DesignBatch, bands: Bands, sizes: TileSizes) -> FloatArray:
    """[N, 9] what each tile's own sizes make of the average's: vectors, then instructions a cycle,
    of the smallest tile of each region; the longest vectors; lanes and instructions of all tiles.

    Other averages with another heterogeneity may make the same tiles. By their logarithm.
    """
    tiles = np.where(bands.member.any(axis=2), bands.tiles, 0.0) * design.stages[:, None]
    return np.stack(
        [
            *(np.log2(sizes.region_vlen.T) / 2.0 - 4.5),
            *(np.log2(sizes.region_fetch.T) / 2.0 - 1.0),
            np.log2(np.where(tiles > 0.0, sizes.vlen, 1.0).max(axis=1)) / 2.0 - 4.5,
            np.log2((sizes.vlen * tiles).sum(axis=1)) / _OCTAVES - 2.5,
            np.log2((sizes.fetch * tiles).sum(axis=1)) / _OCTAVES - 1.5,
        ],
        axis=1,
    )


def _slices(profile: Profile, design: DesignBatch, bands: Bands, sizes: TileSizes) -> FloatArray:
    """[N, 12] what the busiest tile has of the contractions, and of attention, each as a share.

    Of each of the two: multiplications; the same with k, and with n, filled up to whole vectors (of
    the region's smallest tile; 16 bits an element, whatever the format: formats are variables);
    what is held for them (weights, or the cache). Then inputs, results and tiles that are used,
    and by how much the multiplications of the busiest tile are more than the average one's.
    """
    work = profile.contractions
    count = profile.counts[work.index]
    split = split_contractions(work, design, bands)
    lanes = sizes.region_vlen[:, work.region] / 16.0
    blocks = np.ceil(split.m_tile / design.rows[:, None])
    often = split.groups * count
    macs = split.m_tile * split.n_tile * split.k_tile * often
    whole_k = split.m_tile * split.n_tile * np.ceil(split.k_tile / lanes) * lanes * often
    whole_n = blocks * np.ceil(split.n_tile / lanes) * lanes * split.k_tile * often
    held = split.n_tile * split.k_tile * often
    total, kept = work.macs * count, work.batch * work.n * work.k * count
    columns: list[FloatArray] = []
    for mine in (~work.attention, work.attention):
        for part in (macs, whole_k, whole_n):
            columns.append(_share(part, total, mine))
        columns.append(_share(held, kept, mine))
    everything = np.ones(len(count), dtype=np.bool_)
    columns.append(_share(split.m_tile * split.k_tile, work.m * work.k, everything))
    columns.append(_share(split.m_tile * split.n_tile, work.m * work.n, everything))
    tiles = design.mesh_width * design.mesh_height
    used = split.used_tiles
    # The mean of them, and 0 for a model without a contraction.
    columns.append(used.sum(axis=1, dtype=np.float64) / max(used.shape[1], 1) / tiles)
    average = np.log2(tiles) / _OCTAVES
    columns.append(np.minimum(_OCTAVES * (columns[0] - 1.0 + average), 3.0) - 1.0)
    return np.stack(columns, axis=1)


def _share(part: FloatArray, whole: FloatArray, mine: NDArray[np.bool_]) -> FloatArray:
    """[N] the sum of ``part`` [N, C] over that of ``whole`` [C], on a logarithmic scale.

    Only of contractions that are ``mine`` [C]; 0 where there are none.
    """
    if not mine.any():
        return np.zeros(len(part))
    share = part @ mine.astype(np.float64) / max(float(whole[mine].sum()), 1.0)
    return np.log2(np.maximum(share, 2.0 ** (-3.0 * _OCTAVES))) / _OCTAVES + 1.0
