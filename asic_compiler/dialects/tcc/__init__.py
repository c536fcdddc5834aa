"""The ``tcc`` dialect: what one tensor compute core executes.

Written down in ``docs/tcc-dialect.md``.
"""

from xdsl.ir import Dialect

from asic_compiler.dialects.tcc.attrs import TOKEN, BufferType, CutAttr, TokenType
from asic_compiler.dialects.tcc.base import Instruction
from asic_compiler.dialects.tcc.contraction import CONTRACTIONS, ConvOp, MmaDmemOp, MmaOp
from asic_compiler.dialects.tcc.layout import LAYOUT, ConcatOp, CopyOp, PadOp, ViewOp
from asic_compiler.dialects.tcc.symbols import (
    CacheOp,
    ChannelOp,
    IndexOp,
    KernelOp,
    ProgramOp,
    WeightOp,
    YieldOp,
    symbols_of,
)
from asic_compiler.dialects.tcc.transfer import (
    TRANSFERS,
    LoadOp,
    MulticastOp,
    ReceiveOp,
    ReduceOp,
    SendOp,
    WaitOp,
)
from asic_compiler.dialects.tcc.vector import VECTORS, GatherOp, KvAppendOp, VectorOp

Tcc = Dialect(
    "tcc",
    [
        ProgramOp,
        ChannelOp,
        WeightOp,
        CacheOp,
        KernelOp,
        YieldOp,
        IndexOp,
        *TRANSFERS,
        *CONTRACTIONS,
        *VECTORS,
        *LAYOUT,
    ],
    [TokenType, BufferType, CutAttr],
)

__all__ = [
    "TOKEN",
    "BufferType",
    "CacheOp",
    "ChannelOp",
    "ConcatOp",
    "ConvOp",
    "CopyOp",
    "CutAttr",
    "GatherOp",
    "IndexOp",
    "Instruction",
    "KernelOp",
    "KvAppendOp",
    "LoadOp",
    "MmaDmemOp",
    "MmaOp",
    "MulticastOp",
    "PadOp",
    "ProgramOp",
    "ReceiveOp",
    "ReduceOp",
    "SendOp",
    "Tcc",
    "TokenType",
    "VectorOp",
    "ViewOp",
    "WaitOp",
    "WeightOp",
    "YieldOp",
    "symbols_of",
]
