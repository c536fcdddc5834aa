"""What every ``asic`` operation shares: the explorer's decisions, and checks on types."""

from __future__ import annotations

from abc import ABC
from typing import Any, cast

from xdsl.dialects.builtin import IntegerAttr, ModuleOp, TensorType, i64
from xdsl.ir import Attribute, Operation, SSAValue
from xdsl.irdl import IRDLOperation, ParsePropInAttrDict, opt_prop_def
from xdsl.utils.exceptions import VerifyException

from asic_compiler.dialects.asic.attrs import ChipAttr, RegionAttr, SplitAttr
from asic_compiler.dialects.asic.fields import require_within
from asic_compiler.dialects.asic.plan_attrs import PlacementAttr, SlotAttr
from asic_compiler.machine.limits import LARGEST_SIDE

CHIP = "asic.chip"
"""Name of the module attribute that holds the chip."""
PLAN = "asic.plan"
"""Name of the module attribute that holds what programs depend on besides."""
DECISIONS = ("region", "split", "stage", "placement", "slot")
"""Properties that hold what was decided about an operator."""


def chip_of(op: Operation) -> ChipAttr | None:
    """The chip of the module an operation is in, or None before one was chosen."""
    ancestor: Operation | None = op
    while ancestor is not None:
        if isinstance(ancestor, ModuleOp):
            chip = ancestor.attributes.get(CHIP)
            if isinstance(chip, ChipAttr):
                return chip
        ancestor = ancestor.parent_op()
    return None


class AsicOp(IRDLOperation, ABC):
    """An operator of the model, with what the explorer decided about it.

    Verified for all (rules 1 to 3 of every operation):
        1. operands and results are tensors of static shape (indices may be scalars in bodies).
        2. stage is not negative.
        3. region lies inside the mesh of the module's chip, when the module has one.
    """

    region = opt_prop_def(RegionAttr)
    """The rectangle of tiles it runs on."""
    split = opt_prop_def(SplitAttr)
    """How it is cut over those tiles."""
    stage = opt_prop_def(IntegerAttr[i64])
    """The pipeline stage it belongs to."""
    placement = opt_prop_def(PlacementAttr)
    """How it lies on its region."""
    slot = opt_prop_def(SlotAttr)
    """When it runs."""

    irdl_options: Any = (ParsePropInAttrDict(),)

    def verify_(self) -> None:
        """Checks the shared rules, then the operation's own."""
        for value in (*self.operands, *self.results):
            shape_of(value)
        if self.stage is not None and self.stage.value.data < 0:
            raise VerifyException(f"stage must not be negative, got {self.stage.value.data}")
        if self.stage is not None:
            require_within("decision", "stage", self.stage.value.data, 0, LARGEST_SIDE**2)
        if self.region is not None:
            chip = chip_of(self)
            if chip is not None and not chip.contains(self.region):
                raise VerifyException(
                    f"region {list(self.region.rectangle)} (x, y, w, h) is not inside the chip's "
                    f"mesh {list(chip.mesh_size)}"
                )
        self.verify_operator()

    def verify_operator(self) -> None:
        """Checks the operation's own rules."""


def tensor_type(value: SSAValue) -> TensorType[Attribute]:
    """The tensor type of a value.

    Raises:
        VerifyException: It is not a tensor of static shape.
    """
    type_ = value.type
    if not isinstance(type_, TensorType):
        raise VerifyException(f"expected a tensor, got {type_}")
    tensor = cast("TensorType[Attribute]", type_)
    if not tensor.has_static_shape():
        raise VerifyException(f"expected a tensor of static shape, got {tensor}")
    return tensor


def shape_of(value: SSAValue) -> tuple[int, ...]:
    """The static shape of a tensor value."""
    return tensor_type(value).get_shape()


def element_of(value: SSAValue) -> Attribute:
    """The element type of a tensor value."""
    return tensor_type(value).element_type
