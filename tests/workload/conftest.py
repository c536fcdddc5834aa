from __future__ import annotations

from collections.abc import Callable

import pytest
from xdsl.context import Context
from xdsl.dialect_interfaces.op_asm import OpAsmDialectInterface
from xdsl.dialects.arith import Arith
from xdsl.dialects.builtin import Builtin, ModuleOp
from xdsl.dialects.cf import Cf
from xdsl.dialects.func import Func
from xdsl.dialects.math import Math
from xdsl.dialects.tensor import Tensor
from xdsl.ir import Dialect
from xdsl.parser import Parser

from asic_compiler.dialects.asic import ASIC
from asic_compiler.dialects.linalg_extra import LINALG
from asic_compiler.passes.convert_linalg_to_asic import ConvertLinalgToAsic


@pytest.fixture
def convert() -> Callable[[str], ModuleOp]:
    """Parses linalg or asic text and converts it; each time in a context of its own."""

    def convert(text: str) -> ModuleOp:
        # xDSL keeps resource names in the builtin dialect: a fresh one keeps weights' names.
        builtin = Dialect(
            "builtin", list(Builtin.operations), list(Builtin.attributes), [OpAsmDialectInterface()]
        )
        ctx = Context(allow_unregistered=True)
        for dialect in (builtin, Func, Arith, Math, Cf, Tensor, LINALG, ASIC):
            ctx.load_dialect(dialect)
        module = Parser(ctx, text).parse_module()
        ConvertLinalgToAsic().apply(ctx, module)
        module.verify()
        return module

    return convert
