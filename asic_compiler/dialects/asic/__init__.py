"""The ``asic`` dialect: the operators of a model as a chip of tensor tiles executes them.

Written down in ``docs/asic-dialect.md``.
"""

from xdsl.ir import Dialect

from asic_compiler.dialects.asic.attrs import ChipAttr, RegionAttr, SplitAttr, TileAttr
from asic_compiler.dialects.asic.base import CHIP, PLAN, AsicOp, chip_of
from asic_compiler.dialects.asic.cache import KvAppendOp, readers_of, root_of
from asic_compiler.dialects.asic.contraction import ConvOp, MatmulOp
from asic_compiler.dialects.asic.data import (
    ConcatOp,
    GatherOp,
    LayoutOp,
    PadOp,
    WeightOp,
)
from asic_compiler.dialects.asic.plan_attrs import PlacementAttr, PlanAttr, SlotAttr
from asic_compiler.dialects.asic.vector import ElementwiseOp, IndexOp, ReduceOp, YieldOp

ASIC = Dialect(
    "asic",
    [
        WeightOp,
        MatmulOp,
        ConvOp,
        ElementwiseOp,
        ReduceOp,
        GatherOp,
        LayoutOp,
        ConcatOp,
        PadOp,
        KvAppendOp,
        IndexOp,
        YieldOp,
    ],
    [ChipAttr, TileAttr, RegionAttr, SplitAttr, PlanAttr, PlacementAttr, SlotAttr],
)


def get_dialect() -> Dialect:
    """The dialect, for registration."""
    return ASIC


__all__ = [
    "ASIC",
    "CHIP",
    "PLAN",
    "AsicOp",
    "ChipAttr",
    "ConcatOp",
    "ConvOp",
    "ElementwiseOp",
    "GatherOp",
    "IndexOp",
    "KvAppendOp",
    "LayoutOp",
    "MatmulOp",
    "PadOp",
    "PlacementAttr",
    "PlanAttr",
    "ReduceOp",
    "RegionAttr",
    "SlotAttr",
    "SplitAttr",
    "TileAttr",
    "WeightOp",
    "YieldOp",
    "chip_of",
    "get_dialect",
    "readers_of",
    "root_of",
]
