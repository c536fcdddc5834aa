"""What a number format does to lanes, energy, storage and multipliers.

A format changes contractions whose operands are 16 bits wide in the program; wider ones, and all
vector operators, keep their own width. Attention takes the format of the activations where the
cache is stored in 8 bits or fewer, and FP16 otherwise: then the tensor unit has both multipliers.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from asic_compiler.hardware.columns import columns
from asic_compiler.hardware.design import DesignBatch
from asic_compiler.hardware.precision import FORMATS, Arithmetic
from asic_compiler.hardware.space import FloatArray, IntArray
from asic_compiler.mapping.profile import Contractions, Profile
from asic_compiler.technology.node import Technology

_ARITHMETIC: tuple[Arithmetic, ...] = tuple(Arithmetic)
_OF_FORMAT: IntArray = np.array([_ARITHMETIC.index(f.arithmetic) for f in FORMATS], dtype=np.int64)
_UNPACKS: NDArray[np.bool_] = np.array([f.unpacks for f in FORMATS], dtype=np.bool_)


@dataclass(frozen=True, slots=True)
class Needs:
    """What a program asks of multipliers, whatever the format."""

    narrow_contractions: bool = True
    """Some contraction has 16-bit operands."""
    wide_contractions: bool = False
    wide_vectors: bool = False
    """Some vector operator has 32-bit elements."""
    attention: bool = False
    """Some contraction of two run-time tensors has 16-bit operands."""


def needs(profile: Profile) -> Needs:
    """What ``profile`` asks of multipliers."""
    work, vectors = profile.contractions, profile.vectors
    return Needs(
        narrow_contractions=bool((work.bits <= 16.0).any()),
        wide_contractions=bool((work.bits > 16.0).any()),
        wide_vectors=bool((vectors.bits > 16.0).any()),
        attention=bool((work.attention & (work.bits == 16.0)).any()),
    )


@dataclass(frozen=True, slots=True)
class Operands:
    """Contractions as N designs compute them. Arrays are [C] where all designs agree, or [N, C]."""

    work: Contractions
    """``bits`` is the width at the multipliers."""
    weight_bits: FloatArray
    """Stored width of a weight, scales included."""
    multiply_accumulate: FloatArray
    """Joule, with one accumulator access."""
    unpack: FloatArray | None
    """Joule of each weight read; None where no design unpacks."""
    requantise: FloatArray | None
    """Joule of each sum of integers; None where no design computes in 8 bits."""


def stored(design: DesignBatch, head_dim: float, technology: Technology) -> DesignBatch:
    """The designs with the widths that weights and cache really take, scales included.

    A 4-bit weight shares a scale with its group; wider ones share one a channel, which is not
    counted. A narrow key or value has a scale for each head and token.
    """
    f = technology.system.formats
    if (design.weight_bits >= 8.0).all() and (design.kv_bits >= 16.0).all():
        return design
    group = f.scale_bits / f.weight_group
    return design.with_(
        weight_bits=design.weight_bits + np.where(design.weight_bits < 8.0, group, 0.0),
        kv_bits=design.kv_bits + np.where(design.kv_bits < 16.0, f.scale_bits / head_dim, 0.0),
    )


def operands(work: Contractions, design: DesignBatch, technology: Technology) -> Operands:
    """How ``design`` (as ``stored``) computes ``work``.

    A program without 16-bit contractions, and designs in FP16, leave ``work`` as it is.
    """
    e, f = technology.energy, technology.system.formats
    wide = work.bits > 16.0
    narrowed = work.bits == 16.0
    access = 32.0 * e.register_file
    own = np.where(wide, e.fp32_multiply, e.fp16_multiply) + e.fp32_add + access
    count = len(work.index)
    weight_bits = np.where(narrowed, columns(design.weight_bits, count), work.bits)
    if not design.precision.any() or not narrowed.any():
        return Operands(work, weight_bits, own, None, None)

    each = np.array(
        [
            e.fp16_multiply + e.fp32_add,
            f.bf16_multiply * e.fp16_multiply + e.fp32_add,
            f.fp8_multiply * e.fp16_multiply + e.fp32_add,
            f.int8_multiply * e.fp16_multiply + e.int32_add,
        ]
    )
    kind = _OF_FORMAT[design.precision]
    eight = design.activation_bits == 8.0
    # [N, C]: attention stays in FP16 beside 8-bit matmuls unless its cache is narrow as well.
    whole = eight & (design.kv_bits >= 16.0)
    mine = narrowed & ~(columns(whole, count) & work.attention)
    mac = np.where(mine, columns(each[kind] + access, count), own)
    bits = np.where(mine, columns(design.activation_bits, count), work.bits)
    unpacks = _UNPACKS[design.precision]
    unpack = f.unpack * e.fp16_add * (unpacks[:, None] & narrowed & ~work.attention)
    requantise = (e.fp32_multiply + f.unpack * e.fp16_add) * (mine & eight[:, None])
    return Operands(
        replace(work, bits=bits),
        weight_bits,
        mac,
        unpack if unpacks.any() else None,
        requantise if eight.any() else None,
    )


@dataclass(frozen=True, slots=True)
class TensorLane:
    """Hardware of one tensor row for each 16 bits of VLEN. Arrays are [N]."""

    gates: FloatArray
    flip_flops: FloatArray
    """Clocked in each cycle of a contraction."""


def tensor_lane(design: DesignBatch, needs: Needs, technology: Technology) -> TensorLane:
    """Multipliers, adders, accumulators and unpacking that the formats of a design need."""
    a, f = technology.area_constants, technology.system.formats
    accumulator = 32.0 * a.flip_flop
    sixteen = a.fp16_multiply + a.fp32_add
    count = len(design)
    gates, lanes = np.zeros(count), np.zeros(count)
    flips = np.zeros(count)
    if needs.wide_contractions:  # pairs of lanes; they serve 16-bit operands at V/16 as well
        gates += 0.5 * (f.fp32_multiply_area + a.fp32_add)
        lanes += 0.5
        flips += 0.5 * _FLIPS_WIDE
    if needs.narrow_contractions:
        area = np.array(
            [
                sixteen,
                f.bf16_multiply * a.fp16_multiply + a.fp32_add,
                2.0 * (f.fp8_multiply * a.fp16_multiply + a.fp32_add),
                2.0 * (f.int8_multiply_area + f.int32_add_area),
            ]
        )
        eight = design.activation_bits == 8.0
        both = eight & needs.attention & (design.kv_bits >= 16.0)
        gates += area[_OF_FORMAT[design.precision]] + np.where(both, sixteen, 0.0)
        gates += np.where(_UNPACKS[design.precision], f.unpack * a.fp16_add, 0.0)
        lanes = np.maximum(lanes, np.where(eight, 2.0, 1.0))
        flips = np.maximum(flips, np.where(eight, 2.0 * _FLIPS_NARROW, _FLIPS_SIXTEEN))
    return TensorLane(gates + lanes * accumulator, flips)


_FLIPS_WIDE, _FLIPS_SIXTEEN, _FLIPS_NARROW = 112.0, 80.0, 56.0
"""Flip-flops clocked in each active cycle of a multiply-accumulate of 32, 16 and 8 bits: its two
operands, its accumulator and one pipeline cut (assumed)."""
