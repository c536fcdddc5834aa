"""Tests of floats that xDSL 0.74's ``math`` lacks.

``MATH`` is a ``math`` dialect with xDSL's operations and these, as `linalg_extra` has one of
``linalg``. Their meaning: https://mlir.llvm.org/docs/Dialects/MathOps/.
"""

from __future__ import annotations

from abc import ABC

from xdsl.dialects.arith import FastMathFlagsAttr
from xdsl.dialects.builtin import AnyFloatConstr, i1
from xdsl.dialects.math import Math
from xdsl.ir import Dialect
from xdsl.irdl import (
    IRDLOperation,
    irdl_op_definition,
    operand_def,
    opt_prop_def,
    result_def,
    traits_def,
)
from xdsl.traits import Pure


class FloatTest(IRDLOperation, ABC):
    """Whether a float is of a kind."""

    operand = operand_def(AnyFloatConstr)
    result = result_def(i1)
    fastmath = opt_prop_def(FastMathFlagsAttr)
    traits = traits_def(Pure())
    assembly_format = "$operand (`fastmath` `` $fastmath^)? attr-dict `:` type($operand)"


@irdl_op_definition
class IsNaNOp(FloatTest):
    """Whether a float is no number."""

    name = "math.isnan"


@irdl_op_definition
class IsInfOp(FloatTest):
    """Whether a float is an infinity of either sign."""

    name = "math.isinf"


@irdl_op_definition
class IsFiniteOp(FloatTest):
    """Whether a float is neither an infinity nor a NaN."""

    name = "math.isfinite"


MATH = Dialect("math", [*Math.operations, IsNaNOp, IsInfOp, IsFiniteOp], [*Math.attributes])
"""The ``math`` dialect with xDSL's operations and ours."""
