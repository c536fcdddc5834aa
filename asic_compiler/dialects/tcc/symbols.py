"""What a module of programs declares: programs, channels, weights, caches and kernels."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any, cast

from xdsl.dialects.builtin import (
    ArrayAttr,
    DenseArrayBase,
    IndexType,
    IntegerAttr,
    ModuleOp,
    StringAttr,
    SymbolNameConstraint,
    TensorType,
    i64,
)
from xdsl.dialects.utils import AbstractYieldOperation
from xdsl.ir import Attribute, Block, Operation, Region
from xdsl.irdl import (
    IRDLOperation,
    ParsePropInAttrDict,
    irdl_op_definition,
    opt_prop_def,
    prop_def,
    region_def,
    result_def,
    traits_def,
)
from xdsl.traits import (
    HasParent,
    IsolatedFromAbove,
    IsTerminator,
    NoTerminator,
    Pure,
    SymbolOpInterface,
)
from xdsl.utils.exceptions import VerifyException

from asic_compiler.dialects.asic.attrs import RegionAttr
from asic_compiler.dialects.asic.base import chip_of
from asic_compiler.dialects.asic.fields import require_within
from asic_compiler.dialects.asic.maps import map_error
from asic_compiler.dialects.asic.vector import Maps
from asic_compiler.dialects.tcc.attrs import CutAttr
from asic_compiler.dialects.tcc.base import Instruction, int_attr, optional_int
from asic_compiler.machine.limits import (
    LARGEST_BITS,
    LARGEST_CYCLES,
    LARGEST_PIECES,
    LARGEST_SIDE,
    shape_fault,
)


def symbols_of(module: ModuleOp) -> dict[str, Operation]:
    """Every symbol that a module defines at its top, by name."""
    found: dict[str, Operation] = {}
    for op in module.body.block.ops:
        name = op.properties.get("sym_name")
        if isinstance(name, StringAttr):
            found[name.data] = op
    return found


@irdl_op_definition
class ProgramOp(IRDLOperation):
    """What every tile of one class executes, once a period, in this order.

    Instructions issue in order. A receive, send, multicast or reduce only starts a transfer;
    ``tcc.wait`` is where a tile stops for it; the others complete before the next one starts. All
    tiles of the class run the same text; what differs is the part of each cut that falls to them.

    Verified:
        1. the body is at most one block, without arguments, that holds instructions alone.
        2. tile_class and stage are not negative, and period is positive.
        3. when the module has a chip, the class is one of its, and places are its rectangles.
        4. the symbols that instructions name exist and fit them (each instruction says how).
        5. when the module has a chip, cuts lie inside its mesh.
    """

    name = "tcc.program"

    sym_name = prop_def(SymbolNameConstraint())
    tile_class = prop_def(IntegerAttr[i64])
    """Index of the class in the chip's ``tiles``."""
    stage = prop_def(IntegerAttr[i64])
    period = prop_def(IntegerAttr[i64])
    """Cycles between two executions."""
    places = prop_def(ArrayAttr[RegionAttr])
    """Where the tiles of the class stand."""
    body = region_def()
    """One block, or none for tiles that idle: both print as ``{}``."""

    irdl_options: Any = (ParsePropInAttrDict(),)
    traits = traits_def(
        IsolatedFromAbove(), NoTerminator(), SymbolOpInterface(), HasParent(ModuleOp)
    )
    assembly_format = (
        "$sym_name `class` `=` $tile_class `stage` `=` $stage `period` `=` $period"
        " `on` $places attr-dict-with-keyword $body"
    )

    def __init__(
        self, name: str, tile_class: int, stage: int, period: int, places: Sequence[RegionAttr]
    ) -> None:
        super().__init__(
            properties={
                "sym_name": StringAttr(name),
                "tile_class": int_attr(tile_class),
                "stage": int_attr(stage),
                "period": int_attr(period),
                "places": ArrayAttr(places),
            },
            regions=[Region(Block())],
        )

    @property
    def instructions(self) -> tuple[Instruction, ...]:
        """In program order."""
        blocks = self.body.blocks
        return tuple(op for block in blocks for op in block.ops if isinstance(op, Instruction))

    def verify_(self) -> None:
        """Checks the numbered rules."""
        if len(self.body.blocks) > 1 or any(block.args for block in self.body.blocks):
            raise VerifyException("the body of a program is one block without arguments")
        for block in self.body.blocks:
            for op in block.ops:
                if not isinstance(op, Instruction):
                    raise VerifyException(f"{op.name} is not an instruction of a tile")
        if self.tile_class.value.data < 0 or self.stage.value.data < 0:
            raise VerifyException("tile_class and stage must not be negative")
        if self.period.value.data < 1:
            raise VerifyException(f"period must be positive, got {self.period.value.data}")
        require_within(self.name, "period", self.period.value.data, 1, LARGEST_CYCLES)
        require_within(self.name, "stage", self.stage.value.data, 0, LARGEST_SIDE**2)
        self._verify_class()
        self._verify_cuts()
        module = self.parent_op()
        symbols = symbols_of(module) if isinstance(module, ModuleOp) else {}
        for instruction in self.instructions:
            try:
                instruction.verify_symbols(symbols)
            except VerifyException as error:
                raise VerifyException(f"{instruction.name}: {error}") from error

    def _verify_cuts(self) -> None:
        chip = chip_of(self)
        for instruction in self.instructions:
            cut = instruction.properties.get("cut")
            if chip is not None and isinstance(cut, CutAttr) and not chip.contains(cut.region):
                raise VerifyException(
                    f"{instruction.name}: its cut lies on {list(cut.region.rectangle)} "
                    f"(x, y, w, h), not inside the chip's mesh {list(chip.mesh_size)}"
                )

    def _verify_class(self) -> None:
        chip = chip_of(self)
        if chip is None:
            return
        index = self.tile_class.value.data
        if index >= len(chip.tiles):
            raise VerifyException(f"the chip has no tile class {index}")
        places = [place.rectangle for place in self.places]
        expected = [entry[1:] for entry in chip.rectangles if entry[0] == index]
        if sorted(places) != sorted(expected):
            raise VerifyException(
                f"class {index} stands on {[list(place) for place in expected]}, "
                f"not on {[list(place) for place in places]}"
            )


@irdl_op_definition
class ChannelOp(IRDLOperation):
    """A tensor's way from tiles to tiles, or between tiles and the host; once a period.

    ``source`` is absent when the host sends, ``target`` when it receives; ``host`` names the
    argument or result of the model then. A receiver has ``slots`` buffers, one behind the other,
    and takes period p in slot p mod slots: a stage that lies several behind the sender's is not
    done with one micro-batch when the next ones come. Without, it has one.

    Verified:
        1. source or target is given.
        2. host is given exactly when one of them is absent.
        3. the tensor has a static shape.
        4. slots is more than one.
        5. when the module has a chip, source and target lie inside its mesh.
    """

    name = "tcc.channel"

    sym_name = prop_def(SymbolNameConstraint())
    source = opt_prop_def(RegionAttr)
    target = opt_prop_def(RegionAttr)
    host = opt_prop_def(StringAttr)
    slots = opt_prop_def(IntegerAttr[i64])
    tensor = prop_def(TensorType)

    irdl_options: Any = (ParsePropInAttrDict(),)
    traits = traits_def(SymbolOpInterface(), HasParent(ModuleOp))
    assembly_format = (
        "$sym_name (`from` $source^)? (`to` $target^)? (`host` $host^)? (`slots` `=` $slots^)?"
        " `:` $tensor attr-dict"
    )

    def __init__(
        self,
        name: str,
        tensor: Attribute,
        *,
        source: RegionAttr | None = None,
        target: RegionAttr | None = None,
        host: str | None = None,
        slots: int = 1,
    ) -> None:
        super().__init__(
            properties={
                "sym_name": StringAttr(name),
                "slots": int_attr(slots) if slots > 1 else None,
                "source": source,
                "target": target,
                "host": None if host is None else StringAttr(host),
                "tensor": tensor,
            }
        )

    def verify_(self) -> None:
        """Checks the numbered rules."""
        if self.source is None and self.target is None:
            raise VerifyException("a channel needs a source or a target")
        if (self.host is None) == (self.source is None or self.target is None):
            raise VerifyException("host must be named exactly when an end of the channel is absent")
        if not self.tensor.has_static_shape():
            raise VerifyException(f"expected a tensor of static shape, got {self.tensor}")
        if self.slots is not None and self.slots.value.data < 2:
            raise VerifyException(f"slots must be more than one, got {self.slots.value.data}")
        require_within(self.name, "slots", self.depth, 1, LARGEST_PIECES)
        chip = chip_of(self)
        for end in (self.source, self.target):
            if chip is not None and end is not None and not chip.contains(end):
                raise VerifyException(
                    f"an end of the channel lies on {list(end.rectangle)} (x, y, w, h), not "
                    f"inside the chip's mesh {list(chip.mesh_size)}"
                )

    @property
    def depth(self) -> int:
        """Buffers that a receiver has."""
        return 1 if self.slots is None else self.slots.value.data


@irdl_op_definition
class WeightOp(IRDLOperation):
    """A constant of the model in WMEM, stored with ``bits`` bits an element.

    The value is a dense_resource (its data, where the module has any, is the blob of that name) or
    a dense constant.

    Verified:
        1. bits is positive.
        2. the value is a tensor constant.
    """

    name = "tcc.weight"

    sym_name = prop_def(SymbolNameConstraint())
    bits = prop_def(IntegerAttr[i64])
    value = prop_def(Attribute)

    irdl_options: Any = (ParsePropInAttrDict(),)
    traits = traits_def(SymbolOpInterface(), HasParent(ModuleOp))
    assembly_format = "$sym_name `bits` `=` $bits `value` `=` $value attr-dict"

    def __init__(self, name: str, bits: int, value: Attribute) -> None:
        super().__init__(
            properties={"sym_name": StringAttr(name), "bits": int_attr(bits), "value": value}
        )

    @property
    def tensor(self) -> TensorType[Attribute]:
        """Its type in the model."""
        return cast("TensorType[Attribute]", getattr(self.value, "type", None))

    @property
    def stored_bytes(self) -> int:
        """Bytes of one copy of the whole constant."""
        return -(-prod(self.tensor.get_shape()) * self.bits.value.data // 8)

    def verify_(self) -> None:
        """Checks the numbered rules."""
        if self.bits.value.data < 1:
            raise VerifyException(f"bits must be positive, got {self.bits.value.data}")
        require_within(self.name, "bits", self.bits.value.data, 1, LARGEST_BITS)
        if not isinstance(getattr(self.value, "type", None), TensorType):
            raise VerifyException(f"{self.value} is not a tensor constant")


@irdl_op_definition
class CacheOp(IRDLOperation):
    """State in DMEM that outlives a period: the keys or values of one layer.

    ``copies`` micro-batches are in flight, each with a cache of its own; an element is stored with
    ``bits`` bits. ``argument`` and ``result`` are its positions in the model's signature, for a
    host that sets or reads it; the symbol is what the host calls the argument, ``host`` what it
    calls the result.

    Verified:
        1. bits and copies are positive.
        2. the tensor has a static shape.
    """

    name = "tcc.cache"

    sym_name = prop_def(SymbolNameConstraint())
    bits = prop_def(IntegerAttr[i64])
    copies = prop_def(IntegerAttr[i64])
    argument = opt_prop_def(IntegerAttr[i64])
    result = opt_prop_def(IntegerAttr[i64])
    host = opt_prop_def(StringAttr)
    tensor = prop_def(TensorType)

    irdl_options: Any = (ParsePropInAttrDict(),)
    traits = traits_def(SymbolOpInterface(), HasParent(ModuleOp))
    assembly_format = (
        "$sym_name `bits` `=` $bits `copies` `=` $copies (`argument` `=` $argument^)?"
        " (`result` `=` $result^)? (`host` $host^)? `:` $tensor attr-dict"
    )

    def __init__(
        self,
        name: str,
        tensor: Attribute,
        *,
        bits: int,
        copies: int,
        argument: int | None = None,
        result: int | None = None,
    ) -> None:
        super().__init__(
            properties={
                "sym_name": StringAttr(name),
                "bits": int_attr(bits),
                "copies": int_attr(copies),
                "argument": optional_int(argument),
                "result": optional_int(result),
                "tensor": tensor,
            }
        )

    @property
    def stored_bytes(self) -> int:
        """Bytes of all copies, over all tiles."""
        count = prod(self.tensor.get_shape()) * self.copies.value.data
        return -(-count * self.bits.value.data // 8)

    def verify_(self) -> None:
        """Checks the numbered rules."""
        if self.bits.value.data < 1 or self.copies.value.data < 1:
            raise VerifyException("bits and copies must be positive")
        require_within(self.name, "bits", self.bits.value.data, 1, LARGEST_BITS)
        require_within(self.name, "copies", self.copies.value.data, 1, LARGEST_SIDE**2)
        for key, place in (("argument", self.argument), ("result", self.result)):
            if place is not None:
                require_within(self.name, key, place.value.data, 0)
        if not self.tensor.has_static_shape():
            raise VerifyException(f"expected a tensor of static shape, got {self.tensor}")


@irdl_op_definition
class KernelOp(IRDLOperation):
    """The loop nest of vector instructions: written once, used by every equal operator.

    With ``reduced = 0`` it computes ``result[d] = body(inputs[0][map0(d)], ...)`` for every point
    d of ``iteration``. Otherwise it folds the last ``reduced`` dimensions,
    ``acc[p] = body(inputs.., acc[p])``, in any order; accumulators start at ``init``, or at the
    values of trailing operands when there is no init. The body is scalar and self-contained.

    Verified:
        1. sizes of the iteration space are positive and reduced is in 0..rank.
        2. the body is one block that ends in ``tcc.yield``.
        3. the body takes one scalar an input (an indexing map), then one a yielded accumulator.
        4. init is absent without a reduction, and otherwise has one scalar an accumulator.
        5. every map leads out of the iteration space.
    """

    name = "tcc.kernel"

    sym_name = prop_def(SymbolNameConstraint())
    iteration = prop_def(DenseArrayBase.constr(i64))
    reduced = prop_def(IntegerAttr[i64])
    indexing_maps = prop_def(Maps)
    init = opt_prop_def(ArrayAttr[Attribute])
    body = region_def("single_block")

    irdl_options: Any = (ParsePropInAttrDict(),)
    traits = traits_def(IsolatedFromAbove(), SymbolOpInterface(), HasParent(ModuleOp))
    assembly_format = (
        "$sym_name `over` $iteration `reduced` `=` $reduced `maps` $indexing_maps"
        " (`init` $init^)? attr-dict-with-keyword $body"
    )

    def __init__(
        self,
        name: str,
        iteration: Sequence[int],
        reduced: int,
        maps: Maps,
        init: ArrayAttr[Attribute] | None,
        body: Region,
    ) -> None:
        super().__init__(
            properties={
                "sym_name": StringAttr(name),
                "iteration": DenseArrayBase.from_list(i64, list(iteration)),
                "reduced": int_attr(reduced),
                "indexing_maps": maps,
                "init": init,
            },
            regions=[body],
        )

    @property
    def sizes(self) -> tuple[int, ...]:
        """Of the iteration space, kept dimensions first."""
        return tuple(self.iteration.get_values())

    @property
    def kept(self) -> tuple[int, ...]:
        """Shape of the results."""
        return self.sizes[: len(self.sizes) - self.reduced.value.data]

    @property
    def yielded(self) -> tuple[Attribute, ...]:
        """Element types of the results."""
        last = self.body.block.last_op
        return tuple(value.type for value in last.operands) if last is not None else ()

    @property
    def operand_elements(self) -> tuple[Attribute, ...]:
        """Element type of each operand of an instruction that runs it."""
        arguments = tuple(argument.type for argument in self.body.block.args)
        return arguments[: len(self.indexing_maps)] if self.init is not None else arguments

    def verify_(self) -> None:
        """Checks the numbered rules."""
        reduced = self.reduced.value.data
        if not 0 <= reduced <= len(self.sizes) or min(self.sizes, default=1) < 1:
            raise VerifyException(
                f"cannot fold the last {reduced} dimensions of iteration space {list(self.sizes)}"
            )
        if (fault := shape_fault(self.sizes)) is not None:
            raise VerifyException(f"the iteration space {fault}")
        if not isinstance(self.body.block.last_op, YieldOp):
            raise VerifyException("the body of a kernel must end in tcc.yield")
        arguments = [argument.type for argument in self.body.block.args]
        accumulators = list(self.yielded) if reduced else []
        inputs = len(self.indexing_maps)
        if len(arguments) != inputs + len(accumulators) or arguments[inputs:] != accumulators:
            raise VerifyException("the body must take a scalar a map, then one an accumulator")
        given = None if self.init is None else [getattr(v, "type", None) for v in self.init]
        if given is not None and (not reduced or given != accumulators):
            raise VerifyException("init must hold one scalar an accumulator of a reduction")
        for map_ in self.indexing_maps:
            if map_.data.num_dims != len(self.sizes) or map_.data.num_symbols:
                raise VerifyException(
                    f"map {map_.data} does not lead out of a space of rank {len(self.sizes)}"
                )

    def map_error(self, position: int, shape: Sequence[int]) -> str | None:
        """Why a map does not index an operand of ``shape``; None if it does."""
        return map_error(self.indexing_maps.data[position].data, self.sizes, shape)


@irdl_op_definition
class YieldOp(AbstractYieldOperation[Attribute]):
    """Ends the body of a kernel with the values of the point."""

    name = "tcc.yield"

    traits = traits_def(IsTerminator(), HasParent(KernelOp))


@irdl_op_definition
class IndexOp(IRDLOperation):
    """The position, along one dimension of the iteration space, of the point a kernel computes."""

    name = "tcc.index"

    dim = prop_def(IntegerAttr[i64])
    result = result_def(IndexType())

    traits = traits_def(Pure(), HasParent(KernelOp))
    assembly_format = "$dim attr-dict `:` type($result)"

    def __init__(self, dim: int) -> None:
        super().__init__(properties={"dim": int_attr(dim)}, result_types=[IndexType()])
