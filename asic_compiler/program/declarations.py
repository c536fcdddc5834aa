"""What programs share: weights, caches, kernels and channels, each declared once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias, cast

from xdsl.dialects.arith import ConstantOp
from xdsl.dialects.builtin import AnyFloat, IntegerAttr, StringAttr, TensorType, i64
from xdsl.dialects.func import FuncOp
from xdsl.ir import Attribute, BlockArgument, Operation, SSAValue

from asic_compiler.diagnostics import UserError
from asic_compiler.dialects import asic, tcc
from asic_compiler.dialects.location import location_of
from asic_compiler.plan.plan import Plan
from asic_compiler.program.allocate import cache_bytes
from asic_compiler.program.formats import multiplied_as
from asic_compiler.program.kernels import Kernels
from asic_compiler.program.parts import Parts, Place
from asic_compiler.workload.function import signature_names
from asic_compiler.workload.table import OperatorClass, OperatorKind
from asic_compiler.workload.values import bits, root_of

CONTRACTION_OPS = (asic.MatmulOp, asic.ConvOp)
Constant: TypeAlias = asic.WeightOp | ConstantOp


class Declarations:
    """The symbols of a module of programs."""

    def __init__(self, function: FuncOp, plan: Plan) -> None:
        self.kernels = Kernels()
        self._plan = plan
        self._names: set[str] = set()
        self._weights: dict[SSAValue, tcc.WeightOp] = {}
        self._channels: list[tcc.ChannelOp] = []
        self._arguments = signature_names(function.arg_attrs, len(function.args), "arg")
        self._results = signature_names(
            function.res_attrs, len(function.function_type.outputs), "result"
        )
        self._caches: dict[SSAValue, tcc.CacheOp] = {}
        self._in_tensor_unit: set[SSAValue] = set()
        for op in function.body.block.ops:
            if isinstance(op, asic.KvAppendOp):
                self._declare_cache(op)
            elif isinstance(op, CONTRACTION_OPS):
                self._in_tensor_unit |= {root_of(operand) for operand in op.operands}

    @property
    def ops(self) -> tuple[Operation, ...]:
        """Every declaration, in printed order."""
        caches = list(dict.fromkeys(self._caches.values()))
        return (*self.kernels.ops, *self._weights.values(), *caches, *self._channels)

    def unique(self, wanted: str) -> str:
        """``wanted``, or with a number behind it when another symbol has that name."""
        name, number = wanted, 1
        while name in self._names:
            name, number = f"{wanted}.{number}", number + 1
        self._names.add(name)
        return name

    def weight(self, op: Constant) -> str:
        """The symbol of a constant.

        What the tensor unit reads is stored in the chip's weight bits where the model has 16.
        """
        value = op.result
        if value not in self._weights:
            stored = bits(value)
            if value in self._in_tensor_unit and stored == 16:
                stored = self._plan.chip.weight_bits
                _require_float(value, stored, op)
            name = op.parameter if isinstance(op, asic.WeightOp) else "constant"
            self._weights[value] = tcc.WeightOp(self.unique(name), stored, op.value)
        return self._weights[value].sym_name.data

    def numbers(self, op: asic.MatmulOp | asic.ConvOp, cost: OperatorClass) -> str | None:
        """What the multipliers of a contraction take; None for its operands as they are."""
        chip = self._plan.chip
        elements = [cast("TensorType[Attribute]", v.type).element_type for v in op.operands]
        return multiplied_as(chip, elements, attention=cost.kind is OperatorKind.ATTENTION)

    def cache(self, root: SSAValue) -> str | None:
        """The symbol of a cache, of its state before or after an append; None for other values."""
        found = self._caches.get(root)
        return None if found is None else found.sym_name.data

    def cache_areas(self, parts: Mapping[str, Parts]) -> dict[Place, int]:
        """Bytes of caches on each tile, all copies, each part aligned."""
        found: dict[Place, int] = {}
        for cache in dict.fromkeys(self._caches.values()):
            held = parts.get(cache.sym_name.data)
            if held is None:
                continue
            for place, size in cache_bytes(cache, held).items():
                found[place] = found.get(place, 0) + size
        return found

    def set_cache_result(self, root: SSAValue, index: int) -> None:
        """Notes that the model returns the cache."""
        cache = self._caches[root]
        cache.properties["result"] = IntegerAttr(index, i64)
        cache.properties["host"] = StringAttr(self._results[index])

    def channel(
        self,
        name: str,
        tensor: Attribute,
        source: asic.RegionAttr | None,
        target: asic.RegionAttr | None,
        host: str | None = None,
        slots: int = 1,
    ) -> str:
        """Declares a channel and returns its symbol."""
        op = tcc.ChannelOp(
            self.unique(name), tensor, source=source, target=target, host=host, slots=slots
        )
        self._channels.append(op)
        return op.sym_name.data

    def argument_name(self, argument: BlockArgument) -> str:
        """What the host calls an argument."""
        return self._arguments[argument.index]

    def result_name(self, index: int) -> str:
        """What the host calls a result."""
        return self._results[index]

    def _declare_cache(self, op: asic.KvAppendOp) -> None:
        root = root_of(op.cache)
        if root not in self._caches:
            chip, table = self._plan.chip, self._plan.table
            stored = chip.kv_bits if bits(root) == 16 else bits(root)
            _require_float(root, stored, op)
            self._caches[root] = tcc.CacheOp(
                self.unique(self._arguments[cast(BlockArgument, root).index]),
                root.type,
                bits=stored,
                copies=chip.stages if table.phase == "decode" else 1,
                argument=cast(BlockArgument, root).index,
            )
        self._caches[op.result] = self._caches[root]


def _require_float(value: SSAValue, stored: int, op: Operation) -> None:
    """Refuses integers that would be stored with fewer bits than they have."""
    element = cast("TensorType[Attribute]", value.type).element_type
    if stored < bits(value) and not isinstance(element, AnyFloat):
        raise UserError(
            f"integers of {element} cannot be stored with {stored} bits and a scale",
            location_of(op),
            ["allow weight_bits=16 and kv_bits=16 alone for this model"],
        )
