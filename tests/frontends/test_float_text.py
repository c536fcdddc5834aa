"""Floats in MLIR text: read as upstream MLIR reads them, printed so that every reader agrees."""

from __future__ import annotations

import struct
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from xdsl.context import Context
from xdsl.dialects.builtin import Builtin, DenseIntOrFPElementsAttr, FloatAttr
from xdsl.ir import Attribute
from xdsl.parser import Parser

from asic_compiler.diagnostics import UserError
from asic_compiler.dialects.text import attribute_text, is_repeated
from asic_compiler.frontends.context import make_context
from asic_compiler.frontends.float_text import LARGEST_SPREAD
from asic_compiler.frontends.mlir_text import parse_mlir
from asic_compiler.interpret.scalars import constant

BITS = {"f16": 16, "bf16": 16, "f32": 32, "f64": 64}


def read(text: str) -> Attribute:
    module = parse_mlir(
        make_context(allow_unregistered=True), f'"test.op"() {{a = {text}}} : () -> ()', "m.mlir"
    )
    (op,) = module.ops
    return op.attributes["a"]


def raw(attribute: Attribute) -> str:
    """The bits of each number, in hexadecimal."""
    if isinstance(attribute, FloatAttr):
        scalar = cast("FloatAttr[Any]", attribute)
        return scalar.type.pack((scalar.value.data,))[::-1].hex()
    assert isinstance(attribute, DenseIntOrFPElementsAttr)
    dense = cast("DenseIntOrFPElementsAttr[Any]", attribute)
    size = dense.get_element_type().compile_time_size
    data = dense.data.data
    return " ".join(data[i : i + size][::-1].hex() for i in range(0, len(data), size))


# What torch-mlir-opt (LLVM 22) makes of each, asked once. The first is what every causal mask,
# clamp and maximum starts with; it was 4286578688.0.
@pytest.mark.parametrize(
    ("text", "bits"),
    [
        ("dense<0xFF800000> : tensor<2xf32>", "ff800000 ff800000"),
        ("dense<[0xFF800000, 1.0]> : tensor<2xf32>", "ff800000 3f800000"),
        ("dense<[[0x7F800000, -1.5]]> : tensor<1x2xf32>", "7f800000 bfc00000"),
        ("dense<[0x7FC00000, 0xFFC00000]> : tensor<2xf32>", "7fc00000 ffc00000"),
        ("dense<0x0000000000FF800000> : tensor<1xf32>", "ff800000"),
        ("dense<0x7F> : tensor<1xf32>", "0000007f"),
        ("dense<[0xFC00, 0x8000]> : tensor<2xf16>", "fc00 8000"),
        ("dense<[0xFF80, 0x3F80]> : tensor<2xbf16>", "ff80 3f80"),
        ("dense<0xFFF0000000000000> : tensor<1xf64>", "fff0000000000000"),
        ("dense<0x7F800000> : vector<1xf32>", "7f800000"),
        ('dense<"0x000080FF"> : tensor<2xf32>', "ff800000 ff800000"),
        ('dense<"0x000080ff0000803F"> : tensor<2x1xf32>', "ff800000 3f800000"),
        ("dense<(0x3F800000, 0x80000000)> : tensor<1xcomplex<f32>>", "800000003f800000"),
        ("0xFF800000 : f32", "ff800000"),
        ("0xFC00 : f16", "fc00"),
        ("0x1 : f32", "00000001"),
        ("-0.0 : f32", "80000000"),
        ("1. : f32", "3f800000"),
        # Beyond the type: infinite. Half way to the first number beyond f16 is beyond it.
        ("1.0e39 : f32", "7f800000"),
        ("-1.0e400 : f64", "fff0000000000000"),
        ("1.0e400", "7ff0000000000000"),
        ("dense<[65519.9, -65520.0]> : tensor<2xf16>", "7bff fc00"),
        ("dense<0.0> : tensor<1xf32>", "00000000"),
    ],
)
def test_a_float_is_read_as_upstream_reads_it(text: str, bits: str) -> None:
    assert raw(read(text)) == bits


def test_floats_inside_other_attributes() -> None:
    text = "{b = 0x7F800000 : f32, c = [array<f32: 1.0, 0xFF800000>]}"
    assert attribute_text(read(text)) == (
        "{b = 0x7f800000 : f32, c = [array<f32: 1.000000e+00, 0xff800000>]}"
    )


# Upstream refuses all of them.
@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("dense<0x1FF800000> : tensor<2xf32>", 24, "33 bits is too wide for f32"),
        ("dense<[1.0, 0x1FC00]> : tensor<2xf16>", 30, "17 bits is too wide for f16"),
        ("dense<-0x7F800000> : tensor<2xf32>", 24, "has no sign"),
        ("-0x0 : f32", 18, "has no sign"),
        ("0x1FC00 : f16", 18, "17 bits is too wide for f16"),
        ("dense<1> : tensor<2xf32>", 24, "needs a point"),
        ("dense<[2.0, 1]> : tensor<2xf32>", 30, "needs a point"),
        ("dense<true> : tensor<2xf32>", 24, "needs a point"),
        ("1 : f32", 18, "needs a point"),
        ("array<f32: 1.0, 1>", 34, "needs a point"),
        ("array<bf16: -0x1>", 30, "has no sign"),
        ("dense<(1, 2)> : tensor<1xcomplex<f32>>", 25, "needs a point"),
        ("1.0 : f80", 18, "f80 are not supported"),
        # Its first two characters were dropped, whatever they were.
        ('dense<"FF000080FF"> : tensor<4xf32>', 24, "starts with 0x"),
        ('dense<"0x00 00 80 FF"> : tensor<4xf32>', 24, "starts with 0x"),
        ('dense<"0x00008"> : tensor<4xf32>', 24, "starts with 0x"),
    ],
)
def test_what_is_no_float_of_the_type_is_refused(text: str, column: int, message: str) -> None:
    with pytest.raises(UserError) as caught:
        read(text)
    assert message in caught.value.message
    assert caught.value.location is not None
    assert (caught.value.location.line, caught.value.location.column) == (1, column)


# xDSL's parser, with none of our rules, reads them the same: it takes a hexadecimal number in a
# list for an integer, and its printer writes [0.0, -0.0] as one zero.
@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("dense<[0.0, -0.0]> : tensor<2xf32>", 'dense<"0x0000000000000080">'),
        ("dense<[-0.0, 1.0]> : tensor<2xf32>", "dense<[-0.000000e+00, 1.000000e+00]>"),
        ("dense<-0.0> : tensor<2xf32>", "dense<-0.000000e+00>"),
        ("dense<0xFF800000> : tensor<4xf32>", 'dense<"0x000080FF">'),
        ("dense<[0xFC00, 1.0]> : tensor<2xf16>", 'dense<"0x00FC003C">'),
        ("dense<123456789.0> : tensor<2xf32>", "dense<1.23456792e+08>"),
        ("dense<[1.0e17, 0.1]> : tensor<2xf64>", "dense<[1.000000e+17, 1.000000e-01]>"),
        ("dense<> : tensor<0xf32>", "dense<>"),
    ],
)
def test_a_dense_constant_is_printed_so_that_all_agree(text: str, printed: str) -> None:
    attribute = read(text)
    shown = attribute_text(attribute)
    assert shown.partition(" : ")[0] == printed
    assert read(shown) == attribute
    assert plain(shown) == attribute


def plain(text: str) -> Attribute:
    """What xDSL's own parser reads."""
    context = Context()
    context.load_dialect(Builtin)
    return Parser(context, text).parse_attribute()


def patterns(bits: int) -> st.SearchStrategy[int]:
    """Any bits, often those of a zero, an infinity or a NaN."""
    top = 1 << (bits - 1)
    exponent = {16: 0x7C00, 32: 0x7F800000, 64: 0x7FF << 52}[bits]
    special = [0, top, exponent, exponent | top, exponent | exponent >> 1 | 1, 1, exponent - 1]
    return st.one_of(st.sampled_from(special), st.integers(0, 2 * top - 1))


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_print_and_read_keep_every_bit(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(list(BITS)))
    size = BITS[name] // 8
    values = data.draw(st.lists(patterns(BITS[name]), min_size=1, max_size=120))
    blob = b"".join(value.to_bytes(size, "little") for value in values)
    attribute = read(f'dense<"0x{blob.hex()}"> : tensor<{len(values)}x{name}>')
    shown = attribute_text(attribute)
    assert read(shown) == attribute
    assert plain(shown) == attribute
    dense = cast("DenseIntOrFPElementsAttr[Any]", attribute)
    assert is_repeated(dense) == (len(set(values)) == 1)


@given(st.sampled_from(list(BITS)), st.data())
@settings(max_examples=40, deadline=None)
def test_scalars_keep_every_bit_but_a_nan_its_payload(name: str, data: st.DataObject) -> None:
    bits = data.draw(patterns(BITS[name]))
    attribute = cast("FloatAttr[Any]", read(f"0x{bits:X} : {name}"))
    again = cast("FloatAttr[Any]", read(attribute_text(attribute)))
    assert again == attribute == plain(attribute_text(attribute))
    value = attribute.value.data
    sign = bits >> (BITS[name] - 1)
    assert struct.pack(">d", value)[0] >> 7 == sign
    if value == value:
        assert raw(attribute) == f"{bits:0{BITS[name] // 4}x}"


@pytest.mark.parametrize(
    "text",
    [
        "dense<0.000000e+00> : tensor<1000000000xf16>",
        "dense<-7> : tensor<1000000000xi64>",
        'dense<"0x007C"> : tensor<1024x1024x1024xf16>',
        "dense<true> : tensor<1000000000xi1>",
        "dense<1.500000e+00> : vector<1000000000xf32>",
    ],
)
def test_one_number_for_a_thousand_million_elements_is_held_once(text: str) -> None:
    # They were spread over gigabytes when they were read, and once more when they were printed.
    dense = cast("DenseIntOrFPElementsAttr[Any]", read(text))
    assert len(dense.data.data) <= 8
    assert attribute_text(dense) == text
    assert is_repeated(dense)


def test_equal_elements_are_one_number_however_they_are_written() -> None:
    count = LARGEST_SPREAD + 1
    listed = ", ".join(["2.0"] * count)
    for text in ("2.0", f"[{listed}]", f'"0x{"0040" * count}"'):
        dense = cast("DenseIntOrFPElementsAttr[Any]", read(f"dense<{text}> : tensor<{count}xf16>"))
        assert dense.data.data == b"\x00\x40"


def test_few_equal_elements_are_held_each() -> None:
    # xDSL's readers of strides and permutations want all of them.
    dense = cast("DenseIntOrFPElementsAttr[Any]", read(f"dense<3> : tensor<{LARGEST_SPREAD}xi64>"))
    assert dense.get_values() == (3,) * LARGEST_SPREAD


def test_a_large_constant_is_evaluated_without_its_elements() -> None:
    array = constant(read("dense<2.0> : tensor<1000000000xf16>"))
    assert array.shape == (1_000_000_000,)
    assert array[-1] == 2.0
    assert array.strides == (0,)
