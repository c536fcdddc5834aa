"""Rules of upstream, xDSL's own and those it leaves out: each refused with its place."""

import pytest

from asic_compiler.diagnostics import UserError
from asic_compiler.frontends.mlir_text import parse_module


def function(body, arguments="", results=""):
    arrow = f" -> ({results})" if results else ""
    return f"func.func @main({arguments}){arrow} {{\n{body}\n}}"


def nest(maps, ins, outs, body, loops=2, result=""):
    """A ``linalg.generic`` of parallel loops."""
    iterators = ", ".join(['"parallel"'] * loops)
    listed = ", ".join(f"affine_map<{m}>" for m in maps)
    reads = f"ins({ins})" if ins else ""
    return (
        f"%r = linalg.generic {{indexing_maps = [{listed}], iterator_types = [{iterators}]}} "
        f"{reads} outs({outs}) {{\n{body}\n}} -> {result or outs.partition(':')[2]}"
    )


IDENTITY = "(i, j) -> (i, j)"
ARGUMENTS = "%x: tensor<2x5xf16>, %y: tensor<3x5xf16>, %s: tensor<5xf16>, %i: index"
COPY = "^bb0(%a: f16, %o: f16):\nlinalg.yield %a : f16"


def op(text):
    return function(text + "\nfunc.return", ARGUMENTS)


def copy_through(one, other, loops=2, ins="%x : tensor<2x5xf16>", body=COPY, result=""):
    return op(nest([one, other], ins, "%x : tensor<2x5xf16>", body, loops, result))


def slice_of(sizes, offsets="0, 0", strides="1, 1", result="2x5"):
    return op(
        f"%r = tensor.extract_slice %x[{offsets}] [{sizes}] [{strides}] "
        f": tensor<2x5xf16> to tensor<{result}xf16>"
    )


def insert_of(part, sizes, offsets="0, 0"):
    whole = "%y[" + offsets + "] [" + sizes + "] [1, 1]"
    return op(
        f"%r = tensor.insert_slice {part} into {whole} : tensor<2x5xf16> into tensor<3x5xf16>"
    )


def pad(low, result):
    return op(
        "%z = arith.constant 0.0 : f16\n"
        f"%r = tensor.pad %x low[{low}] high[0, 0] {{\n^bb0(%a: index, %b: index):\n"
        f"tensor.yield %z : f16\n}} : tensor<2x5xf16> to tensor<{result}xf16>"
    )


def reshaped(kind, groups, result, more=""):
    return op(f"%r = tensor.{kind} %x {groups} {more} : tensor<2x5xf16> into tensor<{result}xf16>")


ACCEPTED = {
    "copy": copy_through(IDENTITY, IDENTITY),
    "broadcast": copy_through("(i, j) -> (j)", IDENTITY, ins="%s : tensor<5xf16>"),
    "window": op(
        nest(
            ["(i, j) -> (i + 1, j)", IDENTITY], "%y : tensor<3x5xf16>", "%x : tensor<2x5xf16>", COPY
        )
    ),
    "slice": slice_of("1, 3", "1, 2", result="1x3"),
    "rank is reduced": slice_of("1, 5", "1, 0", result="5"),
    "last stride": slice_of("2, 3", "0, 0", "1, 2", "2x3"),
    "empty": slice_of("0, 5", result="0x5"),
    "insert": insert_of("%x", "2, 5", "1, 0"),
    "pad": pad("1, 0", "3x5"),
    "collapse": reshaped("collapse_shape", "[[0, 1]]", "10"),
    "concat": op(
        "%r = tensor.concat dim(0) %x, %y : (tensor<2x5xf16>, tensor<3x5xf16>) -> tensor<5x5xf16>"
    ),
    "transpose": op(
        "%e = tensor.empty() : tensor<5x2xf16>\n%r = linalg.transpose ins(%x : tensor<2x5xf16>) "
        "outs(%e : tensor<5x2xf16>) permutation = [1, 0]"
    ),
}

REFUSED = {
    "loop sizes differ": (
        copy_through(IDENTITY, IDENTITY, ins="%y : tensor<3x5xf16>"),
        "dimension #0 to be 3, but found 2",
    ),
    "rank of a map": (copy_through("(i, j) -> (i)", IDENTITY), "operand #0 of rank 2"),
    "loops of a map": (copy_through("(i) -> (i, i)", IDENTITY), "to have 2 dim(s)"),
    "a map is missing": (
        op(nest([IDENTITY], "%x : tensor<2x5xf16>", "%x : tensor<2x5xf16>", COPY)),
        "the number of indexing_map (1)",
    ),
    "a window reaches too far": (
        copy_through("(i, j) -> (i + 1, j)", IDENTITY),
        "greater than or equal to 3, but found 2",
    ),
    "a window reaches below": (
        copy_through("(i, j) -> (i - 1, j)", IDENTITY),
        "unexpected result less than 0",
    ),
    "the body takes another type": (
        copy_through(IDENTITY, IDENTITY, body="^bb0(%a: f32, %o: f16):\nlinalg.yield %o : f16"),
        "expected type of bb argument #0",
    ),
    "the body yields nothing": (
        copy_through(IDENTITY, IDENTITY, body="^bb0(%a: f16, %o: f16):\nlinalg.yield"),
        "does not yield one scalar an output",
    ),
    "the result is of another type": (
        copy_through(IDENTITY, IDENTITY, result="tensor<5x2xf16>"),
        "results are not of the types of its outputs",
    ),
    "no such loop": (
        copy_through(
            IDENTITY,
            IDENTITY,
            body="^bb0(%a: f16, %o: f16):\n%n = linalg.index 2 : index\nlinalg.yield %a : f16",
        ),
        "dim is 2, in a nest of 2 loops",
    ),
    "operands of a named one differ": (
        op(
            "%r = linalg.exp ins(%y : tensor<3x5xf16>) outs(%x : tensor<2x5xf16>) "
            "-> tensor<2x5xf16>"
        ),
        "dimension #0 to be 3, but found 2",
    ),
    "no permutation": (
        ACCEPTED["transpose"].replace("[1, 0]", "[1, 7]"),
        "[1, 7] is not a permutation of 2 dimensions",
    ),
    "another permutation": (
        ACCEPTED["transpose"].replace("[1, 0]", "[0, 1]"),
        "dim(result, 0) = 5",
    ),
    "a slice too long": (slice_of("2, 30", result="2x30"), "reaches 0..29 of a dimension"),
    "a slice from before": (slice_of("1, 5", "-1, 0", result="1x5"), "is negative: -1, 1"),
    "a stride too long": (slice_of("2, 3", "0, 0", "1, 3", "2x3"), "reaches 0..6 of a dimension"),
    "a slice of another shape": (slice_of("1, 5"), "of sizes [1, 5] is not of shape [2, 5]"),
    "an insert outside": (insert_of("%x", "2, 5", "2, 0"), "reaches 2..3 of a dimension of size 3"),
    "an insert of another shape": (insert_of("%x", "1, 5"), "is not of shape [2, 5]"),
    "a border of another size": (pad("2147483648, 0", "3x5"), "with its borders is not [3, 5]"),
    "a concat of another size": (
        ACCEPTED["concat"].replace("tensor<5x5", "tensor<6x5"),
        "does not match inferred shape",
    ),
    "a group of another size": (
        reshaped("collapse_shape", "[[0, 1]]", "11"),
        "dimensions of sizes [2, 5] are not one of size 11",
    ),
    "an index too few": (
        op("%r = tensor.extract %x[%i] : tensor<2x5xf16>"),
        "1 indices for a tensor of rank 2",
    ),
    "elements too few": (
        op("%r = tensor.from_elements %i, %i : tensor<3xindex>"),
        "2 elements for a tensor of shape [3]",
    ),
    "a cast of another count": (
        op("%r = tensor.cast %s : tensor<5xf16> to tensor<6xf16>"),
        "",
    ),
}


@pytest.mark.parametrize("text", ACCEPTED.values(), ids=ACCEPTED)
def test_what_upstream_takes_is_taken(text):
    parse_module(text, "m.mlir")


@pytest.mark.parametrize(("text", "message"), REFUSED.values(), ids=REFUSED)
def test_what_upstream_refuses_is_refused_at_its_place(text, message):
    with pytest.raises(UserError) as caught:
        parse_module(text, "m.mlir")
    assert message in caught.value.message
    assert "\n" not in caught.value.message
    assert caught.value.location is not None
    assert caught.value.location.line > 1
