"""Every size of the text has a limit: the largest value is taken, one more refused at its place."""

import pytest

from asic_compiler.diagnostics import UserError
from asic_compiler.frontends.context import make_context
from asic_compiler.frontends.mlir_text import parse_mlir, parse_module
from asic_compiler.machine import limits
from asic_compiler.machine.limits import (
    LARGEST,
    LARGEST_BLOCKS,
    LARGEST_BYTES,
    LARGEST_CYCLES,
    LARGEST_ELEMENTS,
    LARGEST_PIECES,
    LARGEST_RANK,
    LARGEST_SIDE,
    LARGEST_UNITS,
)

TILE = (
    '#asic.tile<name = "t", fetch = 1, stations = 5, vlen = 256, rows = 2, dmem_bytes = 36864, '
    "wmem_bytes = 16384, imem_bytes = 3072, xr_wp = 11, vr_wp = 5, xdpnum = 1, vdpnum = 2>"
)
PLACEMENT = (
    '#asic.placement<kind = "matmul", first = 0, batch = 1, stride = 1, pieces = 1, by_rows = 0, '
    "buffers = 1, scatter = 0, cycles = 61.0>"
)
PLAN = (
    "#asic.plan<dies = 1, weight_bits = 16, kv_bits = 16, hop_cycles = 3, crossing_cycles = 10, "
    "crossing_rate = 16, period = 219.625, tiles = [[0, 65536, 1, 0, 1]]>"
)
CHIP = (
    '#asic.chip<node = "3nm", mesh = [4, 6], super_cluster = [2, 1], clock_hz = 3.0e8, '
    f"supply_v = 0.62, temperature_c = 85.0, flit_bits = 256, tiles = [{TILE}], map = "
    "[[0, 0, 0, 4, 6]]>"
)
SLOT = "#asic.slot<start = 0, cycles = 51>"
REGION = "#asic.region<offset = [0, 0], size = [3, 1]>"
SPLIT = "#asic.split<m = 1, n = 3, k = 1>"

FIELDS = [
    *((TILE, f"{key} = {old}", f"{key} = {{}}", LARGEST_UNITS) for key, old in
      (("fetch", 1), ("stations", 5), ("rows", 2), ("xr_wp", 11), ("vr_wp", 5), ("xdpnum", 1))),
    *((TILE, f"{key}_bytes = {old}", f"{key}_bytes = {{}}", LARGEST_BYTES) for key, old in
      (("dmem", 36864), ("wmem", 16384), ("imem", 3072))),
    *((PLACEMENT, f"{key} = 1", f"{key} = {{}}", LARGEST_PIECES) for key in ("pieces", "buffers")),
    *((PLACEMENT, f"{key} = 1", f"{key} = {{}}", LARGEST) for key in ("batch", "stride")),
    (PLACEMENT, "first = 0", "first = {}", LARGEST),
    *((PLAN, old, new, LARGEST) for old, new in
      (("dies = 1", "dies = {}"), ("hop_cycles = 3", "hop_cycles = {}"),
       ("[[0, ", "[[{}, "))),
    (PLAN, "65536", "{}", LARGEST_BYTES),
    (SLOT, "start = 0", "start = {}", LARGEST_CYCLES),
    (SLOT, "cycles = 51", "cycles = {}", LARGEST_CYCLES),
    (REGION, "[0, 0]", "[{}, 0]", LARGEST_SIDE),
    (REGION, "[3, 1]", "[3, {}]", LARGEST_SIDE),
    (SPLIT, "n = 3", "n = {}", LARGEST),
    (CHIP, "flit_bits = 256", "flit_bits = {}", LARGEST),
]  # fmt: skip


def attribute(text):
    context = make_context(allow_unregistered=True)
    return parse_mlir(context, f'"test.op"() {{\na = {text}}} : () -> ()', "m.mlir")


@pytest.mark.parametrize(("text", "old", "new", "largest"), FIELDS)
def test_a_number_of_an_attribute_has_a_limit(text, old, new, largest):
    assert old in text
    attribute(text.replace(old, new.format(largest), 1))
    with pytest.raises(UserError) as caught:
        attribute(text.replace(old, new.format(largest + 1), 1))
    assert str(largest) in caught.value.message
    assert caught.value.location is not None
    assert (caught.value.location.file, caught.value.location.line) == ("m.mlir", 2)


@pytest.mark.parametrize("text", [PLACEMENT.replace("61.0", "{}"), PLAN.replace("219.625", "{}")])
def test_cycles_that_are_a_float_have_a_limit(text):
    attribute(text.format(float(LARGEST_CYCLES)))
    for beyond in ("9.1e15", "1.0e308"):
        with pytest.raises(UserError, match="must be positive"):
            attribute(text.format(beyond))


def function(type_):
    return f"func.func private @f({type_})\nfunc.func @g(%x: {type_}) {{\nfunc.return\n}}"


@pytest.mark.parametrize(
    ("largest", "beyond", "message"),
    [
        (f"{LARGEST_ELEMENTS}", f"{LARGEST_ELEMENTS + 1}", "has more than"),
        (f"{2**20}x{2**20}", f"{2**20}x{2**20 + 1}", "has more than"),
        ("x".join("1" * LARGEST_RANK), "x".join("1" * (LARGEST_RANK + 1)), "dimensions"),
    ],
)
@pytest.mark.parametrize("kind", ["tensor", "memref"])
def test_a_shape_has_a_limit(largest, beyond, message, kind):
    parse_module(function(f"{kind}<{largest}xi8>"), "m.mlir")
    with pytest.raises(UserError, match=message) as caught:
        parse_module(function(f"{kind}<{beyond}xi8>"), "m.mlir")
    assert caught.value.location is not None
    assert caught.value.location.line == 2


def test_a_region_has_a_limit_of_blocks():
    """xDSL's verifier took a time that grew with their square."""

    def chain(count):
        blocks = "".join(f"cf.br ^b{i}\n^b{i}:\n" for i in range(1, count))
        return f"func.func @f() {{\n{blocks}func.return\n}}"

    parse_module(chain(LARGEST_BLOCKS), "m.mlir")
    with pytest.raises(UserError, match=f"more than {LARGEST_BLOCKS} blocks"):
        parse_module(chain(LARGEST_BLOCKS + 1), "m.mlir")


def test_the_search_stays_far_inside():
    """What the compiler can write must be read again: the ends of its own ranges."""
    from asic_compiler.hardware.space import CONTINUOUS, DISCRETE

    most = {v.name: v.high for v in (*DISCRETE, *CONTINUOUS)}
    assert 4 * max(most["mesh_width"], most["mesh_height"]) <= limits.LARGEST_SIDE
    for name in ("fetch", "stanum", "rows", "xr_wp", "vr_wp", "xdpnum", "vdpnum"):
        assert 16 * most[name] <= limits.LARGEST_UNITS
    assert 16 * most["stream_chunks"] <= limits.LARGEST_PIECES
    assert 16 * most["stream_buffers"] <= limits.LARGEST_PIECES
