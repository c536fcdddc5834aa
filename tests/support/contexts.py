"""Contexts with the dialects a model uses, with our ``linalg`` or with xDSL's own."""

from __future__ import annotations

from xdsl.context import Context
from xdsl.dialect_interfaces.op_asm import OpAsmDialectInterface
from xdsl.dialects.arith import Arith
from xdsl.dialects.builtin import Builtin, ModuleOp
from xdsl.dialects.cf import Cf
from xdsl.dialects.func import Func
from xdsl.dialects.linalg import Linalg
from xdsl.dialects.math import Math
from xdsl.dialects.tensor import Tensor
from xdsl.ir import Dialect
from xdsl.parser import Parser

from asic_compiler.dialects.asic import ASIC
from asic_compiler.dialects.linalg_extra import LINALG
from asic_compiler.passes.convert_linalg_to_asic import ConvertLinalgToAsic


def context(*, extended_linalg: bool = True) -> Context:
    """A fresh context.

    Its builtin dialect is a new object: xDSL keeps resource names in the dialect, and renames
    weights that an earlier parse in the same process has already named.
    """
    builtin = Dialect(
        "builtin",
        list(Builtin.operations),
        list(Builtin.attributes),
        [OpAsmDialectInterface()],
    )
    ctx = Context(allow_unregistered=True)
    for dialect in (builtin, Func, Arith, Math, Cf, Tensor, ASIC):
        ctx.load_dialect(dialect)
    ctx.load_dialect(LINALG if extended_linalg else Linalg)
    return ctx


def parse(text: str, ctx: Context | None = None) -> ModuleOp:
    """A verified module."""
    module = Parser(ctx or context(), text).parse_module()
    module.verify()
    return module


def converted(text: str, ctx: Context | None = None) -> ModuleOp:
    """The module after ``convert-linalg-to-asic``, verified."""
    ctx = ctx or context()
    module = parse(text, ctx)
    ConvertLinalgToAsic().apply(ctx, module)
    module.verify()
    return module
