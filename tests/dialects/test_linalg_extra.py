"""The linalg operations we add: text forms, and the maps and bodies of their names."""

from __future__ import annotations

from io import StringIO
from typing import Any, cast

import pytest
from xdsl.context import Context
from xdsl.dialects.arith import Arith
from xdsl.dialects.builtin import Builtin, ModuleOp
from xdsl.dialects.func import Func
from xdsl.dialects.linalg import Linalg
from xdsl.dialects.math import Math
from xdsl.ir import Operation
from xdsl.parser import Parser
from xdsl.utils.exceptions import ParseError, VerifyException

from asic_compiler.dialects.linalg_extra import EXTRA_OPERATIONS, LINALG
from asic_compiler.dialects.linalg_forms import FORMS, QUANTIZED
from asic_compiler.dialects.text import ExactPrinter

SIZES = dict(zip("nbgcfmkdhwDHW", (1, 2, 2, 3, 5, 3, 4, 2, 2, 3, 3, 4, 5), strict=True))
POINTWISE = {"add": 2, "sub": 2, "mul": 2, "max": 2, "min": 2, "exp": 1, "copy": 1}
UNSIGNED = "{cast = #linalg.type_fn<cast_unsigned>}"


def context() -> Context:
    ctx = Context()
    for dialect in (Builtin, Func, Arith, Math, LINALG):
        ctx.load_dialect(dialect)
    return ctx


def parse(text: str) -> ModuleOp:
    module = Parser(context(), text).parse_module()
    module.verify()
    return module


def tensor(letters: str, element: str, *, data: bool = False) -> str:
    def size(letter: str) -> int:
        window = SIZES[letter.lower()] - 1 if data and letter.isupper() else 0
        return SIZES[letter] + window

    return "tensor<" + "".join(f"{size(letter)}x" for letter in letters) + f"{element}>"


def types_of(name: str, element: str, result: str) -> tuple[list[str], str]:
    """Types of an operation's inputs and result."""
    if f"linalg.{name}" not in FORMS:
        return [tensor("mk", element)] * POINTWISE[name], tensor("mk", result)
    form = FORMS[f"linalg.{name}"]
    ins = [
        tensor(letters, element, data=number == 0)
        if letters or f"linalg.{name}" not in QUANTIZED
        else element
        for number, letters in enumerate(form.operands[:-1])
    ]
    return ins, tensor(form.operands[-1], result)


def source(name: str, element: str = "f16", result: str = "f32", attributes: str = "") -> str:
    ins, out = types_of(name, element, result)
    names = [f"%a{i}" for i in range(len(ins))]
    arguments = ", ".join(f"{n}: {t}" for n, t in zip(names, ins, strict=True))
    return (
        f"func.func @f({arguments}, %c: {out}) -> {out} {{\n"
        f"  %r = linalg.{name} {attributes} ins({', '.join(names)} : {', '.join(ins)}) "
        f"outs(%c : {out}) -> {out}\n  func.return %r : {out}\n}}"
    )


def operation(module: ModuleOp) -> Any:
    return next(op for op in module.walk() if isinstance(op, EXTRA_OPERATIONS))


def body(op: Any) -> list[str]:
    return [inner.name.partition(".")[2] for inner in op.body.block.ops][:-1]


def printed(module: ModuleOp, *, generic: bool = False) -> str:
    stream = StringIO()
    ExactPrinter(stream, print_generic_format=generic).print_op(module)
    return stream.getvalue()


def elements(name: str) -> tuple[str, str]:
    integers = "unsigned" in name or "quantized" in name
    return ("i8", "i32") if integers else ("f16", "f32")


@pytest.mark.parametrize("name", [name.partition(".")[2] for name in FORMS])
def test_round_trip(name: str) -> None:
    module = parse(source(name, *elements(name)))
    pretty, generic = printed(module), printed(module, generic=True)
    assert f" linalg.{name} ins(" in pretty
    for text in (pretty, generic):
        assert parse(text).is_structurally_equivalent(module)


# What torch-mlir-opt --mlir-print-op-generic (LLVM 22) writes for the pretty form.
@pytest.mark.parametrize(
    ("name", "element", "result", "attributes", "operations"),
    [
        ("matmul", "f32", "f32", "", "mulf addf"),
        ("matmul", "f16", "f32", "", "extf extf mulf addf"),
        ("matmul", "f32", "f16", "", "truncf truncf mulf addf"),
        ("matmul", "i8", "i32", "", "extsi extsi muli addi"),
        ("matmul", "i8", "i32", UNSIGNED, "extui extui muli addi"),
        ("matmul", "i32", "i8", UNSIGNED, "trunci trunci muli addi"),
        ("matmul", "i8", "f32", "", "sitofp sitofp mulf addf"),
        ("matmul", "i8", "f32", UNSIGNED, "uitofp uitofp mulf addf"),
        ("matmul", "f32", "i32", UNSIGNED, "fptoui fptoui muli addi"),
        ("matmul", "i8", "i8", "", "muli addi"),
        ("matmul", "i1", "i1", "", "andi ori"),
        ("batch_matmul", "i8", "i32", UNSIGNED, "extui extui muli addi"),
        ("matvec", "i8", "i32", "", "extsi extsi muli addi"),
        ("quantized_matmul", "i8", "i32", "", "extsi extsi subi extsi extsi subi muli addi"),
        ("conv_2d_nhwc_hwcf", "bf16", "f32", "", "extf extf mulf addf"),
        ("conv_2d_nchw_fchw", "i1", "i1", "", "andi ori"),
        ("pooling_nchw_sum", "f16", "f32", "", "extf addf"),
        ("pooling_nchw_max", "i8", "i32", "", "extsi maxsi"),
        ("pooling_nhwc_min", "f32", "f32", "", "minimumf"),
        ("pooling_nhwc_max_unsigned", "i8", "i32", "", "extui maxui"),
        ("pooling_nhwc_min_unsigned", "i8", "i8", "", "minui"),
        ("add", "i1", "i1", "", "ori"),
        ("add", "i8", "i8", "", "addi"),
        ("mul", "i1", "i1", "", "andi"),
        ("max", "i8", "i8", "", "maxsi"),
        ("min", "f32", "f32", "", "minimumf"),
        ("exp", "f32", "f32", "", "exp"),
        ("copy", "i8", "f32", "", "sitofp"),
        ("copy", "f32", "f32", "", ""),
    ],
)
def test_the_body_is_upstreams(
    name: str, element: str, result: str, attributes: str, operations: str
) -> None:
    op = operation(parse(source(name, element, result, attributes)))
    assert body(op) == [part for part in operations.split(" ") if part]
    assert op.body.block.last_op.operands[0].type == op.body.block.args[-1].type


# Upstream refuses them too.
@pytest.mark.parametrize(
    ("name", "element", "result", "attributes", "message"),
    [
        ("add", "f16", "f32", "", "gives f16 and not the result's f32"),
        ("sub", "i1", "i1", "", "not defined for elements of type i1"),
        ("exp", "i8", "i8", "", "not defined for elements of type i8"),
        ("matmul", "f16", "bf16", "", "no conversion from f16 to bf16"),
        ("matmul", "index", "index", "", "not defined for elements of type index"),
        ("pooling_nhwc_max_unsigned", "f32", "f32", "", "not defined for elements of type f32"),
        # Upstream takes it for an attribute without a meaning, which is not what its writer wants.
        ("matvec", "i8", "i32", UNSIGNED, "has no attribute 'cast'"),
    ],
)
def test_what_has_no_body_is_refused(
    name: str, element: str, result: str, attributes: str, message: str
) -> None:
    with pytest.raises(ParseError, match=message):
        parse(source(name, element, result, attributes))


# The pretty form has no body: printed pretty, this product would read back as a signed one.
def test_a_body_of_its_own_is_printed() -> None:
    signed = printed(parse(source("matmul", "i8", "i32")), generic=True)
    module = parse(signed.replace("arith.extsi", "arith.extui"))
    text = printed(module)
    assert '"linalg.matmul"(' in text
    assert body(operation(parse(text))) == ["extui", "extui", "muli", "addi"]


def test_a_cast_is_kept() -> None:
    module = parse(source("matmul", "i8", "i32", UNSIGNED))
    text = printed(module)
    assert UNSIGNED in text
    assert parse(text).is_structurally_equivalent(module)


@pytest.mark.parametrize("spelling", ["indexing_maps = {0}", "{{indexing_maps = {0}}}"])
def test_written_maps_win_over_those_of_the_name(spelling: str) -> None:
    maps = (
        "[affine_map<(b, m, n, k) -> (b, m, k)>, affine_map<(b, m, n, k) -> (b, n, k)>, "
        "affine_map<(b, m, n, k) -> (b, m, n)>]"
    )
    a, b, c = "tensor<2x3x4xf32>", "tensor<2x5x4xf32>", "tensor<2x3x5xf32>"
    module = parse(
        f"func.func @f(%a: {a}, %b: {b}, %c: {c}) -> {c} {{\n"
        f"  %r = linalg.batch_matmul {spelling.format(maps)} ins(%a, %b : {a}, {b}) "
        f"outs(%c : {c}) -> {c}\n  func.return %r : {c}\n}}"
    )
    assert operation(module).indexing_maps is not None
    # xDSL's pretty form leaves them out.
    assert parse(printed(module)).is_structurally_equivalent(module)


def test_strides_and_dilations_are_1_where_left_out() -> None:
    plain = operation(parse(source("conv_1d_ncw_fcw")))
    ones = "{strides = dense<1> : tensor<1xi64>, dilations = dense<1> : tensor<1xi64>}"
    written = operation(parse(source("conv_1d_ncw_fcw", attributes=ones)))
    assert plain.get_indexing_maps() == written.get_indexing_maps()


def test_strides_need_one_number_a_dimension() -> None:
    with pytest.raises(VerifyException, match="need 1 numbers each"):
        parse(source("conv_1d_ncw_fcw", attributes="{strides = dense<1> : tensor<2xi64>}"))


def test_sizes_must_agree() -> None:
    with pytest.raises(VerifyException):
        parse(source("batch_matmul").replace("2x4x", "2x7x"))


def test_everything_of_xdsl_is_still_there() -> None:
    ours = [op.name for op in LINALG.operations]
    assert {op.name for op in Linalg.operations} < set(ours)
    assert len(ours) == len(set(ours))
    assert all(issubclass(op, Operation) for op in cast("Any", EXTRA_OPERATIONS))
