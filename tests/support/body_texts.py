"""Scalar bodies from text, and what they give."""

from __future__ import annotations

from typing import Any, cast

from numpy.typing import NDArray
from xdsl.dialects.func import FuncOp
from xdsl.ir import Block

from asic_compiler.frontends.context import make_context
from asic_compiler.frontends.mlir_text import parse_mlir
from asic_compiler.simulate.bodies import run_body

Array = NDArray[Any]


def body(arguments: str, lines: str, yields: str) -> Block:
    """``body("%a: f16", "%0 = arith.negf %a : f16", "%0 : f16")``; not verified."""
    names = ", ".join(part.split(":")[0].strip() for part in yields.split(","))
    types = ", ".join(part.split(":")[1].strip() for part in yields.split(","))
    text = f'func.func @body({arguments}) {{\n{lines}\n"tcc.yield"({names}) : ({types}) -> ()\n}}\n'
    module = parse_mlir(make_context(allow_unregistered=True), text, "body.mlir")
    return cast("Any", next(op for op in module.ops if isinstance(op, FuncOp))).body.block


def no_index(dim: int) -> Array:
    raise AssertionError(f"nobody asked for index {dim}")


def run(arguments: str, lines: str, yields: str, *operands: Array) -> list[Array]:
    return run_body(body(arguments, lines, yields), operands, no_index)


def unary(op: str, x: Array, type_: str = "f32") -> Array:
    return run(f"%x: {type_}", f"%r = {op} %x : {type_}", f"%r : {type_}", x)[0]


def binary(op: str, a: Array, b: Array, type_: str = "f32") -> Array:
    return run(f"%a: {type_}, %b: {type_}", f"%r = {op} %a, %b : {type_}", f"%r : {type_}", a, b)[0]
