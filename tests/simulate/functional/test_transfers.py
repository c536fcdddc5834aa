"""What must not go unnoticed: forgotten waits, overlapping buffers, wrong tiles, deadlocks."""

from __future__ import annotations

import numpy as np
import pytest
from hand_written import REGION, Array, cut, given, module_text, parse, random, taken

from asic_compiler.diagnostics import UserError
from asic_compiler.program.elaborate import elaborate
from asic_compiler.simulate import run_program
from asic_compiler.simulate.functional.errors import (
    DeadlockError,
    ExecutionError,
    MissingElementsError,
    OutsideMemoryError,
    UndefinedReadError,
)
from asic_compiler.simulate.functional.tile import make_tiles
from asic_compiler.simulate.wmem import Slices

INNER = f"from {REGION} to {REGION}"
BUFFER = "!tcc.buffer<4x4xf16>"
TURN = "affine_map<(d0, d1) -> (d1, d0)>"
SAME = "affine_map<(d0, d1) -> (d0, d1)>"
ROWS = cut(m=4)
SYMBOLS = "\n".join(
    (given("x", "4x4xf16"), f"tcc.channel @c {INNER} : tensor<4x4xf16>", taken("4x4xf16"))
)

# Rows on tiles, then columns on tiles: every tile gives an element to every other.
LINES = {
    "begin": f"%t0, %x = tcc.receive @x bytes = 8 op = 0 addr {{x}} : {BUFFER}",
    "begun": "tcc.wait %t0 op = 0",
    "first": f"%a = tcc.copy %x {SAME} over [1, 4, 4] cut {ROWS} op = 0 addr {{a}}"
    f" : {BUFFER} -> {BUFFER}",
    "ask": f"%t1, %b = tcc.receive @c bytes = 8 op = 1 addr {{b}} : {BUFFER}",
    "give": f"%t2 = tcc.{{send}} @c, %a bytes = 8 op = 1 : {BUFFER}",
    "given": "tcc.wait %t2 op = 1",
    "got": "tcc.wait %t1 op = 1",
    "second": f"%d = tcc.copy %b {TURN} over [1, 4, 4] cut {ROWS} op = 1 addr {{d}}"
    f" : {BUFFER} -> {BUFFER}",
    "out": f"%t3 = tcc.send @y, %d bytes = 8 op = 1 : {BUFFER}",
    "gone": "tcc.wait %t3 op = 1",
}
ADDRESSES = {"x": "[0]", "a": "[32]", "b": "[64]", "d": "[96]"}


def transpose(lines: list[str] | None = None, send: str = "send", **addresses: str) -> Array:
    chosen = "\n".join(LINES[name] for name in lines or list(LINES))
    body = chosen.format(send=send, **(ADDRESSES | addresses))
    module = parse(module_text(SYMBOLS, body), allocated=False)
    return run_program(module, {"x": X}, {})["y"]


X = random(5, 4, 4)
ALL = list(LINES)


def without(*names: str) -> list[str]:
    return [name for name in ALL if name not in names]


def moved(name: str, before: str) -> list[str]:
    rest = without(name)
    rest.insert(rest.index(before), name)
    return rest


@pytest.mark.parametrize("send", ["send", "multicast"])
def test_every_tile_gives_to_every_other(send: str):
    np.testing.assert_array_equal(transpose(send=send), X.T)


def test_the_order_of_waits_does_not_matter():
    np.testing.assert_array_equal(transpose(moved("got", "given")), X.T)


def test_what_was_received_may_not_be_read_before_it_was_waited_for():
    with pytest.raises(UndefinedReadError, match=r"tile \(., .\), tcc\.copy of operator 1"):
        transpose(moved("second", "got"))


@pytest.mark.parametrize("name", ["begun", "given", "got", "gone"])
def test_a_forgotten_wait(name: str):
    with pytest.raises(ExecutionError):
        transpose(without(name))


def test_a_send_whose_wait_is_forgotten_is_named():
    with pytest.raises(ExecutionError, match=r"tcc\.send @c of operator 1: nothing waits"):
        transpose(without("given"))


def test_a_send_without_its_data():
    """What is sent must be there when the send starts, not only when it leaves."""
    lines = f"""
    %t0, %x = tcc.receive @x bytes = 8 op = 0 addr [0] : {BUFFER}
    %t3 = tcc.send @y, %x bytes = 8 op = 0 : {BUFFER}
    tcc.wait %t0 op = 0
    %a = tcc.copy %x {SAME} over [1, 4, 4] cut {ROWS} op = 0 addr [32] : {BUFFER} -> {BUFFER}
    tcc.wait %t3 op = 0"""
    module = parse(module_text(SYMBOLS, lines), allocated=False)
    with pytest.raises(UndefinedReadError, match="send @y"):
        run_program(module, {"x": X}, {})


def test_a_buffer_that_is_sent_late_was_written_over():
    """The receive of %b poisons the bytes that the send still needs."""
    with pytest.raises(UndefinedReadError, match="send @c"):
        transpose(b="[32]")


def test_the_sender_writes_over_what_it_has_not_sent():
    again = LINES["second"].replace("%d = ", "%e = ")
    body = _body().replace(LINES["gone"], again.format(**ADDRESSES) + "\n" + LINES["gone"])
    module = parse(module_text(SYMBOLS, body), allocated=False)
    with pytest.raises(UndefinedReadError, match="send @y"):
        run_program(module, {"x": X}, {})


def test_a_buffer_partly_over_another():
    with pytest.raises(UndefinedReadError):
        transpose(a="[6]", b="[0]")


def test_an_address_outside_of_memory():
    with pytest.raises(OutsideMemoryError, match="of DMEM"):
        transpose(d=f"[{1 << 24}]")


def test_a_buffer_without_an_address():
    module = parse(module_text(SYMBOLS, _body()), allocated=False)
    for op in module.walk():
        op.properties.pop("addr", None)
    with pytest.raises(ExecutionError, match="no address"):
        run_program(module, {"x": X}, {})


def _body() -> str:
    return "\n".join(LINES.values()).format(send="send", **ADDRESSES)


def test_elements_that_a_tile_does_not_hold():
    """The second copy has columns where rows were computed, and nothing brings them."""
    body = _body().replace(f"%d = tcc.copy %b {TURN}", f"%d = tcc.copy %a {TURN}")
    module = parse(module_text(SYMBOLS, body), allocated=False)
    with pytest.raises(MissingElementsError, match=r"tile \(0, 0\), tcc\.copy of operator 1: 3 el"):
        run_program(module, {"x": X}, {})


FIRST_ROW = f"%a = tcc.copy %x affine_map<(d0, d1) -> (0, d1)> over [1, 4, 4] cut {ROWS}"


def test_a_receive_of_what_nobody_sends():
    """All tiles read the first row of %x alone, so that is all that they have and can send."""
    body = _body().replace(f"%a = tcc.copy %x {SAME} over [1, 4, 4] cut {ROWS}", FIRST_ROW)
    module = parse(
        module_text(SYMBOLS, body.replace("tcc.send @c, %a", "tcc.send @c, %x")), allocated=False
    )
    with pytest.raises(ExecutionError, match=r"receive @c of operator 1: nobody sends 3 of its"):
        run_program(module, {"x": X}, {})


def test_a_deadlock_names_tiles_instructions_and_what_they_wait_for():
    """Every tile waits to have sent before it lets anyone send."""
    with pytest.raises(DeadlockError, match="the program deadlocks: 4 tiles wait") as caught:
        transpose(moved("ask", "got"))
    blocked = caught.value.blocked
    assert [entry.place for entry in blocked] == [(0, 0), (1, 0), (0, 1), (1, 1)]
    assert {entry.program for entry in blocked} == {"p"}
    assert all(entry.instruction == "tcc.wait of operator 1" for entry in blocked)
    assert "tcc.send @c of operator 1 (tile (0, 0) has not started" in blocked[0].waits_for[0]
    assert blocked[0].location is None
    assert "waits for tcc.send @c" in caught.value.notes[0]


def test_a_deadlock_of_a_receive_says_who_has_not_sent():
    """Every tile waits for the others before it sends; it cannot have sent to itself either."""
    order = [*ALL[: ALL.index("give")], "got", "give", "given", *ALL[ALL.index("second") :]]
    with pytest.raises(DeadlockError) as caught:
        transpose(order)
    (waits,) = caught.value.blocked[0].waits_for
    assert waits.startswith("tcc.receive @c of operator 1 (tile (0, 0) has not sent, tile (1, 0)")


def test_an_input_that_is_missing_or_of_another_kind():
    module = parse(module_text(SYMBOLS, _body()), allocated=False)
    with pytest.raises(UserError, match="no input 'x'"):
        run_program(module, {}, {})
    with pytest.raises(UserError, match=r"input 'x' is float32\[4, 4\], the model takes"):
        run_program(module, {"x": X.astype(np.float32)}, {})


def test_results_that_no_tile_gives():
    body = _body().replace("tcc.send @y, %d", "tcc.send @y, %x")
    body = body.replace(f"%a = tcc.copy %x {SAME} over [1, 4, 4] cut {ROWS}", FIRST_ROW)
    with pytest.raises(UserError, match="no tile gives 12 elements of the result 'y'"):
        run_program(parse(module_text(SYMBOLS, body), allocated=False), {"x": X}, {})


K_GROUP = cut(k=4)


def reduce_body(order: tuple[str, ...], res: str = "[96]", partial: str = "[32]") -> str:
    lines = {
        "in": f"""%t0, %x = tcc.receive @x bytes = 8 op = 0 addr [0] : {BUFFER}
    tcc.wait %t0 op = 0""",
        "mma": f"""%p = tcc.mma_dmem %x, %x sizes [1, 4, 4, 4] cut {K_GROUP} op = 0 addr {partial}
      : {BUFFER}, {BUFFER} -> !tcc.buffer<4x4xf32>""",
        "reduce": f"""%t1, %r = tcc.reduce %p with ["arith.addf"] along "k" bytes = 64
      cut {K_GROUP} op = 0 addr {res} : !tcc.buffer<4x4xf32> -> {BUFFER}""",
        "reduced": "tcc.wait %t1 op = 0",
        "over": f"""%o = tcc.mma_dmem %x, %x sizes [1, 4, 4, 4] cut {K_GROUP} op = 0 addr [32]
      : {BUFFER}, {BUFFER} -> !tcc.buffer<4x4xf32>""",
        "out": f"%t3 = tcc.send @y, %r bytes = 8 op = 0 : {BUFFER}",
        "gone": "tcc.wait %t3 op = 0",
    }
    return "\n".join(lines[name] for name in order)


REDUCE = ("in", "mma", "reduce", "reduced", "out", "gone")


def run_reduce(order: tuple[str, ...] = REDUCE, **addresses: str) -> Array:
    text = module_text(SYMBOLS, reduce_body(order, **addresses))
    return run_program(parse(text, allocated=False), {"x": X}, {})["y"]


def test_a_reduction_over_four_tiles():
    wide = X.astype(np.float64)
    np.testing.assert_allclose(run_reduce(), wide @ wide.T, rtol=2e-3, atol=2e-3)


@pytest.mark.parametrize(
    "order",
    [
        ("in", "mma", "reduce", "out", "reduced", "gone"),
        ("in", "mma", "reduce", "out", "gone"),
        ("in", "mma", "reduce", "over", "reduced", "out", "gone"),
    ],
)
def test_a_reduction_that_is_not_waited_for_or_written_over(order: tuple[str, ...]):
    with pytest.raises(UndefinedReadError):
        run_reduce(order)


def test_a_result_that_is_reduced_onto_its_partial_sums():
    with pytest.raises(UndefinedReadError, match="reduce"):
        run_reduce(res="[32]")


def test_a_reduction_in_other_groups_than_the_product():
    head, begin, tail = reduce_body(REDUCE).partition("%t1, %r")
    body = head.replace(K_GROUP, cut(n=2, k=2)) + begin + tail
    with pytest.raises(ExecutionError, match=r"reduce of operator 0: tile .* holds other elem"):
        run_program(parse(module_text(SYMBOLS, body), allocated=False), {"x": X}, {})


def group_of_four(*late: str) -> str:
    """A k group of four programs of one tile; tiles of ``late`` do something before or after.

    ``2>3``: tile 3 must hear from tile 2, which speaks after its reduction, before it starts its
    own; likewise ``3>0``.
    """
    tiles = ["[0, 0]", "[1, 0]", "[0, 1]", "[1, 1]"]
    place = "<offset = {}, size = [1, 1]>"
    symbols = [given("x", "4x4xf16"), taken("4x4xf16")]
    before, after = [""] * 4, [""] * 4
    row = "!tcc.buffer<4x4xf16>"
    for pair in late:
        giver, taker = (int(number) for number in pair.split(">"))
        ends = place.format(tiles[giver]), place.format(tiles[taker])
        symbols.append(f"tcc.channel @late from {ends[0]} to {ends[1]} : tensor<4x4xf16>")
        one = f"<b = 1, m = 1, n = 1, k = 1, at = {tiles[taker][:-1]}, 1, 1], first = 0>"
        after[giver] = f"""%t8 = tcc.send @late, %p8 bytes = 8 op = 8 : {row}
    tcc.wait %t8 op = 8"""
        before[giver] = f"""%t7, %x8 = tcc.receive @x bytes = 8 op = 7 addr [256] : {row}
    tcc.wait %t7 op = 7
    %p8 = tcc.copy %x8 {SAME} over [1, 4, 4] cut {one.replace(tiles[taker][:-1], tiles[giver][:-1])}
      op = 7 addr [320] : {row} -> {row}"""
        before[taker] = f"""%t9, %x9 = tcc.receive @late bytes = 8 op = 9 addr [256] : {row}
    tcc.wait %t9 op = 9
    %q9 = tcc.copy %x9 {SAME} over [1, 4, 4] cut {one} op = 9 addr [320] : {row} -> {row}"""
    programs: list[str] = []
    for number, tile in enumerate(tiles):
        body = f"""%t0, %x = tcc.receive @x bytes = 8 op = 0 addr [0] : {BUFFER}
    tcc.wait %t0 op = 0
    %p = tcc.mma_dmem %x, %x sizes [1, 4, 4, 4] cut {K_GROUP} op = 0 addr [32]
      : {BUFFER}, {BUFFER} -> !tcc.buffer<4x4xf32>
    {before[number]}
    %t1, %r = tcc.reduce %p with ["arith.addf"] along "k" bytes = 64
      cut {K_GROUP} op = 0 addr [96] : !tcc.buffer<4x4xf32> -> {BUFFER}
    tcc.wait %t1 op = 0
    %t3 = tcc.send @y, %r bytes = 8 op = 0 : {BUFFER}
    tcc.wait %t3 op = 0
    {after[number]}"""
        # The same input may be received once a program.
        body = body.replace("@x bytes = 8 op = 7", "@z bytes = 8 op = 7")
        programs.append(
            f"tcc.program @p{number} class = {number} stage = 0 period = 1 on"
            f" [#asic.region{place.format(tile)}] {{\n{body}\n  }}"
        )
    symbols.append(given("z", "4x4xf16"))
    return "builtin.module {\n" + "\n".join((*symbols, *programs)) + "\n}\n"


@pytest.mark.parametrize("late", [(), ("3>0",), ("1>2",), ("1>3",)])
def test_a_tile_has_reduced_once_its_parent_has_what_passes_through_it(late: tuple[str, ...]):
    """Tile 3 gives to tile 2, and tiles 1 and 2 to tile 0: nobody waits for more."""
    module = parse(group_of_four(*late), allocated=False)
    found = run_program(module, {"x": X, "z": X}, {})["y"]
    wide = X.astype(np.float64)
    np.testing.assert_allclose(found, wide @ wide.T, rtol=2e-3, atol=2e-3)


@pytest.mark.parametrize("late", [("2>3",), ("0>1",), ("3>2",), ("2>0",)])
def test_a_tile_that_waits_for_whom_it_keeps_waiting(late: tuple[str, ...]):
    with pytest.raises(DeadlockError):
        run_program(parse(group_of_four(*late), allocated=False), {"x": X, "z": X}, {})


def test_where_several_hold_an_element_the_first_sends_it():
    whole = "affine_map<(d0, d1) -> (d0, d1 * 0)>"
    body = _body().replace("tcc.send @c, %a", "tcc.send @c, %x")
    body = body.replace(f"%a = tcc.copy %x {SAME}", f"%a = tcc.copy %x {whole}")
    body = body.replace(f"%d = tcc.copy %b {TURN}", f"%d = tcc.copy %b {whole}")
    body = body.replace(ROWS, cut(n=4))
    module = parse(module_text(SYMBOLS, body), allocated=False)
    (exchange,) = (e for e in elaborate(module).exchanges if e.channel.sym_name.data == "c")
    # All four tiles have the first column.
    assert [held.tolist() for held in exchange.routes.held] == [[0, 4, 8, 12]] * 4
    assert exchange.routes.owner[[0, 4, 8, 12]].tolist() == [0] * 4


def test_every_copy_of_a_cache_has_its_place():
    text = module_text(
        CACHED.replace("copies = 1", "copies = 3")
        + "\ntcc.cache @more bits = 16 copies = 1 argument = 3 : tensor<4x4xf16>",
        f"""%k = tcc.load @past op = 0 : {BUFFER}
    %m = tcc.load @more op = 0 : {BUFFER}
    %v = tcc.concat(%k, %m) dim = 1 sizes [4, 4] maps [{SAME}, {SAME}] over [1, 4, 8] cut {ROWS}
      op = 0 addr [1024] : ({BUFFER}, {BUFFER}) -> !tcc.buffer<4x8xf16>""",
    )
    elaboration = elaborate(parse(text, allocated=False))
    images = {place: np.zeros(0, np.uint8) for place in elaboration.programs[0].tiles}
    for tile in make_tiles(elaboration, Slices(elaboration), images):
        assert {name: area.start for name, area in tile.caches.items()} == {"past": 0, "more": 96}


CACHED = "\n".join(
    (
        "tcc.cache @past bits = 16 copies = 1 argument = 2 result = 1 : tensor<4x4xf16>",
        given("x", "1x4xf16"),
        taken("4x4xf16"),
    )
)


def test_a_buffer_over_a_cache():
    row = "!tcc.buffer<1x4xf16>"
    body = f"""
    %t0, %x = tcc.receive @x bytes = 8 op = 0 addr [{{x}}] : {row}
    tcc.wait %t0 op = 0
    %k = tcc.kv_append %x into @past axis = 0 slot = 1 cut {ROWS} op = 0 : {row} -> {BUFFER}
    %v = tcc.copy %k {SAME} over [1, 4, 4] cut {ROWS} op = 1 addr [64] : {BUFFER} -> {BUFFER}
    %t3 = tcc.send @y, %v bytes = 8 op = 1 : {BUFFER}
    tcc.wait %t3 op = 1"""
    past, new = random(1, 4, 4), random(2, 1, 4)
    inputs = {"past": past, "x": new}
    sound = parse(module_text(CACHED, body.format(x=32)), allocated=False)
    expected = past.copy()
    expected[1] = new
    found = run_program(sound, inputs, {})
    np.testing.assert_array_equal(found["y"], expected)
    np.testing.assert_array_equal(found["past"], expected)
    wrong = parse(module_text(CACHED, body.format(x=4)), allocated=False)
    with pytest.raises(UndefinedReadError, match="over cache @past"):
        run_program(wrong, inputs, {})
