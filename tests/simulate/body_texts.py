"""Scalar bodies from text."""

from __future__ import annotations

from typing import Any, cast

from xdsl.dialects.func import FuncOp
from xdsl.ir import Block

from asic_compiler.frontends.context import make_context
from asic_compiler.frontends.mlir_text import parse_mlir


def body(arguments: str, lines: str, yields: str) -> Block:
    """``body("%a: f16", "%0 = arith.negf %a : f16", "%0 : f16")``; not verified."""
    names = ", ".join(part.split(":")[0].strip() for part in yields.split(","))
    types = ", ".join(part.split(":")[1].strip() for part in yields.split(","))
    text = f'func.func @body({arguments}) {{\n{lines}\n"tcc.yield"({names}) : ({types}) -> ()\n}}\n'
    module = parse_mlir(make_context(allow_unregistered=True), text, "body.mlir")
    return cast("Any", next(op for op in module.ops if isinstance(op, FuncOp))).body.block
