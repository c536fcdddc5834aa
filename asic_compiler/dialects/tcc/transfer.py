"""Instructions that move data: over the NoC, and from a tile's weight or cache memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from xdsl.dialects.builtin import ArrayAttr, IntegerAttr, StringAttr, SymbolRefAttr, UnitAttr, i64
from xdsl.ir import Attribute, Operation, OpResult, SSAValue
from xdsl.irdl import (
    irdl_op_definition,
    operand_def,
    opt_prop_def,
    prop_def,
    result_def,
    traits_def,
    var_operand_def,
    var_result_def,
)
from xdsl.traits import HasParent
from xdsl.utils.exceptions import VerifyException

from asic_compiler.dialects.tcc.attrs import TOKEN, BufferType, CutAttr, TokenType
from asic_compiler.dialects.tcc.base import (
    SCHEDULE,
    Instruction,
    Sizes,
    buffer_type,
    int_attr,
    int_list,
    require_buffer_of,
    require_piece,
    require_positive_bytes,
    resolve,
)
from asic_compiler.dialects.tcc.symbols import CacheOp, ChannelOp, ProgramOp, WeightOp


@irdl_op_definition
class ReceiveOp(Instruction):
    """Starts to receive from a channel what this tile needs of its tensor.

    The tile receives those elements that its instructions of operator ``op`` read through the
    buffer; with ``piece = [c, p]`` those that piece c of their p reads. Starting to receive grants
    the senders their credit: nothing arrives before. The buffer may be read once the token was
    waited for. ``bytes`` is the most that one tile receives.

    Verified, besides the shared rules:
        3. bytes is positive, and piece an index and a count.
    Checked by the program: the channel exists and carries the buffer's tensor.
    """

    name = "tcc.receive"

    channel = prop_def(SymbolRefAttr)
    piece = opt_prop_def(Sizes)
    bytes = prop_def(IntegerAttr[i64])
    token = result_def(TokenType)
    buffer = result_def(BufferType)

    traits = traits_def(HasParent(ProgramOp))
    assembly_format = f"$channel (`piece` $piece^)? `bytes` `=` $bytes {SCHEDULE} `:` type($buffer)"

    def __init__(
        self,
        channel: str,
        bytes_: int,
        op: int,
        buffer: Attribute,
        piece: tuple[int, int] | None = None,
    ) -> None:
        super().__init__(
            properties={
                "piece": int_list(piece),
                "channel": SymbolRefAttr(channel),
                "bytes": int_attr(bytes_),
                "op": int_attr(op),
            },
            result_types=[TOKEN, buffer],
        )

    def verify_instruction(self) -> None:
        """Checks the numbered rules."""
        require_positive_bytes(self.bytes.value.data)
        if self.piece is not None:
            require_piece(tuple(self.piece.get_values()))

    def verify_symbols(self, symbols: Mapping[str, Operation]) -> None:
        """Checks that the channel exists and carries the buffer's tensor."""
        channel = resolve(symbols, self.channel, ChannelOp)
        require_buffer_of(self.channel.root_reference.data, channel.tensor, self.buffer)


class _Emission(Instruction):
    """What send and multicast share."""

    piece = opt_prop_def(Sizes)
    channel = prop_def(SymbolRefAttr)
    bytes = prop_def(IntegerAttr[i64])
    buffer = operand_def(BufferType)
    token = result_def(TokenType)

    def __init__(
        self,
        channel: str,
        buffer: SSAValue,
        bytes_: int,
        op: int,
        piece: tuple[int, int] | None = None,
    ) -> None:
        super().__init__(
            operands=[buffer],
            properties={
                "piece": int_list(piece),
                "channel": SymbolRefAttr(channel),
                "bytes": int_attr(bytes_),
                "op": int_attr(op),
            },
            result_types=[TOKEN],
        )

    def verify_instruction(self) -> None:
        """Checks the numbered rules."""
        require_positive_bytes(self.bytes.value.data)
        if self.piece is not None:
            require_piece(tuple(self.piece.get_values()))

    def verify_symbols(self, symbols: Mapping[str, Operation]) -> None:
        """Checks that the channel exists and carries the buffer's tensor."""
        channel = resolve(symbols, self.channel, ChannelOp)
        require_buffer_of(self.channel.root_reference.data, channel.tensor, self.buffer)


_EMISSION_FORMAT = (
    f"$channel `,` $buffer (`piece` $piece^)? `bytes` `=` $bytes {SCHEDULE} `:` type($buffer)"
)


@irdl_op_definition
class SendOp(_Emission):
    """Starts to send what tiles of the target receive of this tile's part, each element to one.

    A tile that needs an element it holds itself copies it within its DMEM. ``bytes`` is the most
    that one tile sends. The buffer may be written again once the token was waited for. On the
    way, packets follow x first, then y.

    Verified, besides the shared rules:
        3. bytes is positive, and piece an index and a count.
    """

    name = "tcc.send"

    traits = traits_def(HasParent(ProgramOp))
    assembly_format = _EMISSION_FORMAT


@irdl_op_definition
class MulticastOp(_Emission):
    """Like ``tcc.send``, but an element goes to every tile of the target that needs it.

    It enters the NoC once (``bytes`` counts it once) and follows a tree: along the sender's row,
    and from there up and down the columns that have a target; routers copy it.

    Verified, besides the shared rules:
        3. bytes is positive, and piece an index and a count.
    """

    name = "tcc.multicast"

    traits = traits_def(HasParent(ProgramOp))
    assembly_format = _EMISSION_FORMAT


@irdl_op_definition
class WaitOp(Instruction):
    """Stops the program until every transfer of the tokens is complete on this tile.

    Verified, besides the shared rules:
        3. there is a token.
    """

    name = "tcc.wait"

    tokens = var_operand_def(TokenType)

    traits = traits_def(HasParent(ProgramOp))
    assembly_format = f"$tokens {SCHEDULE}"

    def __init__(self, tokens: Sequence[SSAValue], op: int) -> None:
        super().__init__(operands=[tokens], properties={"op": int_attr(op)})

    def verify_instruction(self) -> None:
        """Checks the numbered rules."""
        if not self.tokens:
            raise VerifyException("tcc.wait needs a token")


@irdl_op_definition
class ReduceOp(Instruction):
    """Starts to combine what the tiles of a group hold of the same elements.

    Along k the group is a k group of ``cut`` and what it holds are partial sums of a contraction,
    which are rounded to the result's element type. Along n it is the tiles of a reduction that
    differ in n alone. ``combine`` names one scalar operation a buffer. The tile whose index along
    the group is 0 gets the result, combined in pairs at distances 1, 2, 4, ...: at each, a tile at
    a multiple of twice the distance takes in the one at the distance after it. With ``scatter``
    (along k alone) tile i gets the i-th of equal column ranges of the group's part instead, added
    up in order of k. ``bytes`` is the most that one tile contributes.

    Verified, besides the shared rules:
        3. bytes is positive.
        4. there are as many results as partials, of their shapes.
        5. combine names one operation a partial.
        6. along is "k" or "n", and scatter is along k.
    """

    name = "tcc.reduce"

    partials = var_operand_def(BufferType)
    combine = prop_def(ArrayAttr[StringAttr])
    along = prop_def(StringAttr)
    scatter = opt_prop_def(UnitAttr)
    cut = prop_def(CutAttr)
    bytes = prop_def(IntegerAttr[i64])
    token = result_def(TokenType)
    res = var_result_def(BufferType)

    traits = traits_def(HasParent(ProgramOp))
    assembly_format = (
        "$partials `with` $combine `along` $along (`scatter` $scatter^)?"
        " `bytes` `=` $bytes `cut` $cut " + SCHEDULE + " `:` type($partials) `->` type($res)"
    )

    def __init__(
        self,
        partials: Sequence[SSAValue],
        combine: Sequence[str],
        cut: CutAttr,
        bytes_: int,
        op: int,
        results: Sequence[Attribute],
        *,
        along: str,
        scatter: bool = False,
    ) -> None:
        super().__init__(
            operands=[partials],
            properties={
                "combine": ArrayAttr([StringAttr(name) for name in combine]),
                "along": StringAttr(along),
                "scatter": UnitAttr() if scatter else None,
                "cut": cut,
                "bytes": int_attr(bytes_),
                "op": int_attr(op),
            },
            result_types=[TOKEN, results],
        )

    def verify_instruction(self) -> None:
        """Checks the numbered rules."""
        require_positive_bytes(self.bytes.value.data)
        given = [buffer_type(value).sizes for value in self.partials]
        if not given or given != [buffer_type(value).sizes for value in self.res]:
            raise VerifyException("partials and results differ in number or shape")
        if len(self.combine) != len(given):
            raise VerifyException(f"combine names {len(self.combine)} operations for {len(given)}")
        if self.along.data not in ("k", "n") or (self.scatter and self.along.data == "n"):
            raise VerifyException("a reduction goes along k or n, and scatters along k alone")


@irdl_op_definition
class LoadOp(Instruction):
    """Reads a weight from WMEM, or a cache from DMEM, into a buffer.

    The tile reads those elements that the instructions of operator ``op`` read on it.

    Checked by the program: the symbol is a weight or a cache with the buffer's tensor.
    """

    name = "tcc.load"

    source = prop_def(SymbolRefAttr)
    buffer = result_def(BufferType)

    traits = traits_def(HasParent(ProgramOp))
    assembly_format = f"$source {SCHEDULE} `:` type($buffer)"

    def __init__(self, source: str, op: int, buffer: Attribute) -> None:
        super().__init__(
            properties={"source": SymbolRefAttr(source), "op": int_attr(op)},
            result_types=[buffer],
        )

    @property
    def buffers(self) -> tuple[OpResult, ...]:
        """None: weights and caches have places of their own."""
        return ()

    def verify_symbols(self, symbols: Mapping[str, Operation]) -> None:
        """Checks that the source exists and is what the buffer says."""
        source = resolve(symbols, self.source, WeightOp, CacheOp)
        require_buffer_of(self.source.root_reference.data, source.tensor, self.buffer)


TRANSFERS = (ReceiveOp, SendOp, MulticastOp, WaitOp, ReduceOp, LoadOp)
"""Instructions that move data."""
