"""The numbered rules of the tcc dialect, each broken once."""

from __future__ import annotations

import re
from math import prod

import pytest
from tcc_texts import (
    CHIP,
    CONV,
    CUT,
    CUT3,
    GATHER,
    ID2,
    IMAGE,
    IMAGES,
    K_CUT,
    REGION,
    SYMBOLS,
    P,
    X,
    Y,
    module_text,
    parse,
)
from xdsl.utils.exceptions import ParseError, VerifyException

MMA = f'%y = tcc.mma %x, @"a.w" sizes [1, 3, 16, 8] cut {CUT} op = 0 : {X} -> {Y}'
NUMBERED = f'%y = tcc.mma %x, @"a.w" sizes [1, 3, 16, 8] as "bf16" cut {CUT} op = 0 : {X} -> {Y}'
FIRST_PIECE = (
    f'%y0 = tcc.mma %x, @"a.w" sizes [1, 3, 16, 8] piece [0, 2] cut {CUT} op = 0 : {X} -> {P}'
)
LAST_PIECE = (
    f'{FIRST_PIECE}\n%y1 = tcc.mma %x, @"a.w" acc %y0 : {P} sizes [1, 3, 16, 8] piece [1, 2] '
    f"cut {CUT} op = 0 : {X} -> {Y}"
)
FIRST_ROWS = (
    f'%y0 = tcc.mma %x, @"a.w" sizes [1, 3, 16, 8] piece [0, 2] rows cut {CUT} op = 0 : {X} -> {Y}'
)
LAST_ROWS = (
    f'{FIRST_ROWS}\n%y1 = tcc.mma %x, @"a.w" acc %y0 : {Y} sizes [1, 3, 16, 8] piece [1, 2] rows '
    f"cut {CUT} op = 0 : {X} -> {Y}"
)
# acc has the elements of the result, or comes from a vector instruction of 24.
OTHER_ACC = (
    f"%v = tcc.vector @square(%x) over [1, 3, 8] cut {CUT} op = 0 : ({X}) -> ({X})\n"
    f'%p = tcc.mma %x, @"a.w" sizes [1, 3, 16, 8] cut {CUT} op = 0 : {X} -> {P}\n'
    f'%y1 = tcc.mma %x, @"a.w" acc %p : {P} sizes [1, 3, 16, 8] piece [1, 2] cut {CUT} op = 0 '
    f": {X} -> {Y}"
)
DMEM = (
    f"%s = tcc.mma_dmem %x, %x sizes [1, 3, 3, 8] cut {CUT3} op = 0 "
    f": {X}, {X} -> !tcc.buffer<3x3xf16>"
)
VECTOR = f"%v = tcc.vector @square(%x) over [1, 3, 8] cut {CUT} op = 3 : ({X}) -> ({X})"
FOLD = f"%v = tcc.vector @sum(%x) over [1, 3, 8] cut {CUT} op = 3 : ({X}) -> (!tcc.buffer<3xf16>)"
SEND = f"%s = tcc.send @c, %x bytes = 12 op = 3 : {X}"
MULTICAST = SEND.replace("send", "multicast")
REDUCE = (
    f'%u, %r = tcc.reduce %x with ["arith.addf"] along "k" bytes = 9 cut {K_CUT} op = 1 '
    f": {X} -> {X}"
)
SCATTER = REDUCE.replace('"k"', '"k" scatter')
APPEND = (
    "%n = tcc.view %x affine_map<(d0, d1, d2) -> (d0, d2)> op = 5 : "
    f"{X} -> !tcc.buffer<3x1x8xf16>\n%k = tcc.kv_append %n into @keys axis = 1 slot = 3 cut {CUT}"
    " op = 5 : !tcc.buffer<3x1x8xf16> -> !tcc.buffer<3x4x8xf16>"
)
FLAT = "affine_map<(d0) -> (d0 floordiv 8, d0 mod 8)>"
VIEW = f"%n = tcc.view %x {FLAT} op = 5 : {X} -> !tcc.buffer<24xf16>"
COPY = (
    f"%n = tcc.copy %x affine_map<(d0) -> (0, d0)> over [1, 1, 8] cut {CUT} op = 5 "
    f": {X} -> !tcc.buffer<8xf16>"
)
CONCAT = (
    f"%n = tcc.concat(%x, %x) dim = 1 sizes [8, 8] maps [{ID2}, {ID2}] over [1, 3, 16] cut {CUT} "
    f"op = 7 : ({X}, {X}) -> {Y}"
)
PAD = (
    "%n = tcc.pad %x low [0, 1] high [0, 7] value = 0.0 : f16 over [1, 3, 16] "
    f"cut {CUT} op = 8 : {X} -> {Y}"
)
LOAD = "%n = tcc.load @constant op = 5 : !tcc.buffer<8xf16>"
RECEIVE = f"%n, %b = tcc.receive @c bytes = 8 op = 9 : {X}"
WAIT = "tcc.wait %t op = 1"

BAD_INSTRUCTIONS = {
    # rules 1 and 2, of every instruction
    "op_1": (MMA, "op = 0", "op = -1", "op must not be negative"),
    "op_2": (MMA, "op = 0", "op = 0 at = 4 cycles = 0", "cycles must be positive"),
    "op_2_addr": (MMA, "op = 0", "op = 0 addr [0, 8]", "1 buffers need an address each"),
    "op_2_addr_none": (MMA, "op = 0", "op = 0 addr []", "1 buffers need an address each"),
    "op_2_addr_sign": (MMA, "op = 0", "op = 0 addr [-2]", "need an address each, got [-2]"),
    "op_2_addr_wait": (WAIT, "op = 1", "op = 1 addr [0]", "0 buffers need an address"),
    "op_2_addr_send": (SEND, "op = 3", "op = 3 addr [0]", "0 buffers need an address"),
    "op_2_addr_load": (LOAD, "op = 5", "op = 5 addr [0]", "0 buffers need an address"),
    "op_2_addr_view": (VIEW, "op = 5", "op = 5 addr [0]", "0 buffers need an address"),
    "op_2_addr_append": (
        APPEND, f"{CUT} op = 5", f"{CUT} op = 5 addr [0]", "0 buffers need an address",
    ),
    "receive_3": (RECEIVE, "bytes = 8", "bytes = 0", "bytes must be positive"),
    "receive_3_piece": (RECEIVE, "bytes", "piece [2, 2] bytes", "index and a count, got [2, 2]"),
    "receive_symbol": (RECEIVE, "@c", "@none", "@none is not a tcc.channel"),
    "receive_tensor": (RECEIVE, X, Y, "@c holds tensor<3x8xf16>"),
    "send_3": (SEND, "bytes = 12", "bytes = 0", "bytes must be positive"),
    "send_3_piece": (SEND, "bytes", "piece [-1, 2] bytes", "index and a count, got [-1, 2]"),
    "send_symbol": (SEND, "@c", "@sum", "@sum is not a tcc.channel"),
    "send_tensor": (SEND, "@c", "@image", "@image holds tensor<1x3x6x6xf16>"),
    "multicast_3": (MULTICAST, "bytes = 12", "bytes = 0", "bytes must be positive"),
    "multicast_3_piece": (MULTICAST, "bytes", "piece [1] bytes", "an index and a count, got [1]"),
    "multicast_symbol": (MULTICAST, "@c", "@none", "@none is not a tcc.channel"),
    "multicast_tensor": (MULTICAST, "@c", "@image", "@image holds tensor<1x3x6x6xf16>"),
    "wait_3": (WAIT, "%t ", "", "needs a token"),
    "reduce_3": (REDUCE, "bytes = 9", "bytes = 0", "bytes must be positive"),
    "reduce_4": (REDUCE, f"-> {X}", f"-> {Y}", "differ in number or shape"),
    "reduce_4_number": (
        REDUCE, REDUCE, REDUCE.replace("%x", "%x, %x").replace(f": {X}", f": {X}, {X}"),
        "differ in number or shape",
    ),
    "reduce_5": (REDUCE, '"arith.addf"', '"a", "b"', "combine names 2"),
    "reduce_5_none": (REDUCE, '"arith.addf"', "", "combine names 0"),
    "reduce_6": (REDUCE, '"k"', '"m"', "goes along k or n"),
    "reduce_6_scatter": (SCATTER, '"k"', '"n"', "scatters along k alone"),
    "load_symbol": (LOAD, "@constant", "@c", "@c is not a tcc.weight or tcc.cache"),
    "load_tensor": (LOAD, "buffer<8xf16>", "buffer<9xf16>", "@constant holds tensor<8xf16>"),
    "mma_3": (MMA, "[1, 3, 16, 8]", "[1, 3, 16]", "sizes must be 4 positive integers"),
    "mma_4_m": (MMA, "m = 1, n = 4", "m = 4, n = 1", "m of size 3 cannot be cut in 4"),
    "mma_4_b": (MMA, "b = 1, m = 1, n = 4", "b = 4, m = 1, n = 1", "b of size 1"),
    "mma_5": (MMA, "n = 4, k = 1", "n = 1, k = 4", "partial sums are f32 or f64, not f16"),
    "mma_6": (MMA, "[1, 3, 16, 8]", "[1, 2, 16, 8]", "input has 24 elements, expected 16"),
    "mma_6_result": (MMA, "[1, 3, 16, 8]", "[1, 3, 8, 8]", "result has 48 elements"),
    "mma_6_acc": (OTHER_ACC, f"acc %p : {P}", f"acc %v : {X}", "acc has 24 elements, expected 48"),
    "mma_7_piece": (FIRST_PIECE, "[0, 2]", "[0, 2, 2]", "index and a count, got [0, 2, 2]"),
    "mma_7_index": (LAST_PIECE, "[1, 2]", "[2, 2]", "index and a count, got [2, 2]"),
    "mma_7_no_acc": (LAST_PIECE, f"acc %y0 : {P} ", "", "acc is what the piece before left"),
    "mma_7_first_acc": (LAST_PIECE, "[1, 2]", "[0, 2]", "the first has none"),
    "mma_7_result": (FIRST_PIECE, f"-> {P}", f"-> {Y}", "partial sums are f32 or f64, not f16"),
    "mma_7_acc": (
        OTHER_ACC.replace(f"-> {P}", f"-> {P}\n{MMA}"), f"acc %p : {P}", f"acc %y : {Y}",
        "partial sums are f32 or f64, not f16",
    ),
    "mma_7_rows_acc": (
        LAST_ROWS, f"[1, 2] rows cut {CUT} op = 0 : {X} -> {Y}",
        f"[1, 2] rows cut {CUT} op = 0 : {X} -> {P}", f"acc is {Y}, the result {P}",
    ),
    "op_2_addr_rows": (
        LAST_ROWS, f"[1, 2] rows cut {CUT} op = 0", f"[1, 2] rows cut {CUT} op = 0 addr [0]",
        "0 buffers need an address",
    ),
    "mma_8": (FIRST_ROWS, "piece [0, 2] rows", "rows", "rows is said of a piece"),
    "mma_9": (NUMBERED, '"bf16"', '"fp8"', 'the multipliers take "bf16" or "int8", not "fp8"'),
    "mma_9_weight": (NUMBERED, '"bf16"', '"int8"', "weights of 4 or 8 bits, not of 16"),
    "mma_symbol": (MMA, '@"a.w"', "@keys", "@keys is not a tcc.weight"),
    "mma_weight": (MMA, '@"a.w"', "@table", "has not the 128 elements"),
    "dmem_3": (DMEM, "[1, 3, 3, 8]", "[1, 3, 3, 0]", "sizes must be 4 positive integers"),
    "dmem_4": (DMEM, "n = 3", "n = 4", "n of size 3 cannot be cut in 4"),
    "dmem_4_b": (DMEM, "b = 1, m = 1, n = 3", "b = 2, m = 1, n = 1", "b of size 1"),
    "dmem_5": (DMEM, "n = 3, k = 1", "n = 1, k = 2", "partial sums are f32"),
    "dmem_6_lhs": (DMEM, "[1, 3, 3, 8]", "[1, 4, 3, 8]", "lhs has 24 elements, expected 32"),
    "dmem_6": (DMEM, "[1, 3, 3, 8]", "[1, 3, 4, 8]", "rhs has 24 elements, expected 32"),
    "dmem_7": (
        DMEM.replace(" cut", ' as "int8" cut'), '"int8"', '"int4"', 'take "bf16" or "int8", not',
    ),
    "dmem_6_result": (DMEM, "-> !tcc.buffer<3x3", "-> !tcc.buffer<3x4", "result has 12 elements"),
    "vector_symbol": (VECTOR, "@square", "@none", "@none is not a tcc.kernel"),
    "vector_over": (VECTOR, "over [1, 3, 8]", "over [1, 2, 8]", "has not the points of [3, 8]"),
    "vector_fold": (FOLD, "over [1, 3, 8]", "over [1, 6, 4]", "not the 3 rows that the kernel"),
    "vector_results": (VECTOR, f"-> ({X})", f"-> ({X.replace('f16', 'f32')})", "results differ"),
    "vector_shape": (VECTOR, f"-> ({X})", f"-> ({Y})", "must have the kernel's shape"),
    "append_3": (APPEND, "axis = 1", "axis = 3", "axis must be a dimension"),
    "append_3_slot": (APPEND, "slot = 3", "slot = -1", "slot not negative"),
    "append_symbol": (APPEND, "@keys", "@table", "@table is not a tcc.cache"),
    "append_result": (APPEND, "-> !tcc.buffer<3x4x", "-> !tcc.buffer<3x5x", "@keys holds"),
    "append_fit": (APPEND, "slot = 3", "slot = 4", "do not fit into cache"),
    "view_3": (VIEW, "op = 5", "op = 5 at = 1 cycles = 1", "takes no time"),
    "view_4": (VIEW, "d0 mod 8", "d0 mod 9", "map reaches 0..8 in dimension 1"),
    "view_5": (VIEW, "buffer<24xf16>", "buffer<24xf32>", "differ in element type"),
    "view_6": (VIEW, "(d0 floordiv 8, d0 mod 8)", "(d0 mod 3, d0 floordiv 3)", "row-major order"),
    "view_6_count": (VIEW, "buffer<24xf16>", "buffer<16xf16>", "row-major order"),
    "copy_4": (COPY, "(0, d0)", "(3, d0)", "map reaches 3..3"),
    "copy_5": (COPY, "buffer<8xf16>", "buffer<8xf32>", "differ in element type"),
    "concat_4": (CONCAT, "[8, 8]", "[8, 7]", "do not make up the result"),
    "concat_5": (CONCAT, "sizes [8, 8]", "sizes [4, 12]", "map reaches 0..11 in dimension 1"),
    "concat_5_type": (CONCAT, f"-> {Y}", f"-> {P}", "inputs and result differ in element type"),
    "pad_4": (PAD, "[0, 7]", "[0, 6]", "must be of shape"),
    "pad_4_negative": (PAD, "[0, 1]", "[0, -1]", "none negative"),
    "pad_5": (PAD, "0.0 : f16", "0.0 : f32", "differ in element type"),
    "conv_3": (CONV, "[1, 16, 4, 27]", "[1, 16, 4, 0]", "sizes must be 4 positive integers"),
    "conv_4_b": (CONV, "b = 1, m = 1, n = 4", "b = 2, m = 1, n = 2", "b of size 1"),
    "conv_5": (CONV, "n = 4, k = 1", "n = 1, k = 4", "partial sums are f32"),
    "conv_6": (CONV, "[1, 16, 4, 27]", "[1, 9, 4, 27]", "result has 64 elements"),
    "conv_7": (CONV, "strides [1, 1]", "strides [1]", "one entry a dimension"),
    "conv_7_window": (CONV, "window [3, 3]", "window [9]", "one entry a dimension"),
    "conv_8": (CONV, "window [3, 3]", "window [3, 2]", "a field of 27 is not 3 channels"),
    "conv_symbol": (CONV, "@filters", "@none", "@none is not a tcc.weight"),
    "conv_weight": (CONV, "@filters", "@table", "has not the 108 elements"),
    "gather_4": (GATHER, "of @table ", "", "a weight or a table"),
    "gather_4_both": (GATHER, "of @table", f"of @table in %x : {X}", "and not both"),
    "gather_symbol": (GATHER, "@table", "@keys", "@keys is not a tcc.weight"),
    "gather_size": (GATHER, "@table", "@filters", "result has 24 elements, expected 81"),
}  # fmt: skip

BEFORE = f"%t, %x = tcc.receive @in bytes = 12 op = 0 : {X}\n" + IMAGES
SPACED = {"vector": VECTOR, "copy": COPY, "concat": CONCAT, "pad": PAD, "gather": GATHER}


@pytest.mark.parametrize("case", BAD_INSTRUCTIONS.values(), ids=BAD_INSTRUCTIONS)
def test_rules_of_instructions(case: tuple[str, str, str, str]):
    text, good, bad, message = case
    parse(module_text(BEFORE + text, SYMBOLS + IMAGE)).verify()
    assert good in text
    module = parse(module_text(BEFORE + text.replace(good, bad, 1), SYMBOLS + IMAGE))
    with pytest.raises(VerifyException) as error:
        module.verify()
    assert message in str(error.value)


# rule 3 of instructions that have a space; `points` of it
SPACES = {
    "sizes": ("[{points}]", CUT, "over must be three sizes"),
    "sign": ("[-1, -1, {points}]", CUT, "over must be three sizes"),
    "b": ("[1, 1, {points}]", CUT.replace("b = 1, m = 1, n = 4", "b = 4, m = 1, n = 1"),
          "b of size 1 cannot be cut in 4"),
    "m": ("[1, 1, {points}]", CUT.replace("m = 1, n = 4", "m = 2, n = 2"),
          "m of size 1 cannot be cut in 2"),
    "n": ("[1, {points}, 1]", CUT, "n of size 1 cannot be cut in 4"),
    "k": ("[1, 1, {points}]", CUT.replace("n = 4, k = 1", "n = 2, k = 2"), "not cut along k"),
}  # fmt: skip


@pytest.mark.parametrize("name", SPACED)
@pytest.mark.parametrize("case", SPACES.values(), ids=SPACES)
def test_rule_3_of_spaces(name: str, case: tuple[str, str, str]):
    over, cut, message = case
    text = SPACED[name]
    found = re.search(r"over (\[(\d+), (\d+), (\d+)\]) cut <.*?>", text)
    assert found is not None
    points = prod(int(size) for size in found.groups()[1:])
    for new, error in ((found[0], None), (f"over {over.format(points=points)} cut {cut}", message)):
        module = parse(module_text(BEFORE + text.replace(found[0], new), SYMBOLS + IMAGE))
        if error is None:
            module.verify()
            continue
        with pytest.raises(VerifyException) as raised:
            module.verify()
        assert error in str(raised.value)


@pytest.mark.parametrize("name", [name for name in SPACED if name != "vector"])
def test_a_space_is_the_results(name: str):
    body = BEFORE + re.sub(r"over \[1, (\d+), (\d+)\]", r"over [2, \1, \2]", SPACED[name])
    with pytest.raises(VerifyException, match="over must be three sizes of"):
        parse(module_text(body, SYMBOLS + IMAGE)).verify()


def test_at_without_cycles():
    module = parse(module_text(f"%t, %x = tcc.receive @in bytes = 12 op = 0 : {X}"))
    receive = next(op for op in module.walk() if op.name == "tcc.receive")
    receive.properties["at"] = receive.properties["op"]
    with pytest.raises(VerifyException, match="given together"):
        module.verify()


def test_vector_operands_are_the_kernels():
    body = f"%t, %x = tcc.receive @in bytes = 12 op = 0 : {X}\n" + VECTOR.replace(
        "(%x)", "(%x, %x)"
    ).replace(f": ({X})", f": ({X}, {X})")
    with pytest.raises(VerifyException, match="operands differ from the kernel's"):
        parse(module_text(body)).verify()
    reach = SYMBOLS.replace(f"maps [{ID2}] {{", "maps [affine_map<(d0, d1) -> (d0, d1 + 1)>] {")
    body = f"%t, %x = tcc.receive @in bytes = 12 op = 0 : {X}\n{VECTOR}"
    with pytest.raises(VerifyException, match=r"map 0 reaches 1\.\.8 in dimension 1"):
        parse(module_text(body, reach)).verify()


BAD_SYMBOLS = {
    "channel_1": (f"@c from {REGION} to {REGION} :", "@c :", "needs a source or a target"),
    "channel_2": (f"@in to {REGION} host \"x\"", f"@in to {REGION}", "host must be named"),
    "channel_2_both": (
        f"@c from {REGION} to {REGION} :", f"@c from {REGION} to {REGION} host \"a\" :",
        "host must be named",
    ),
    "channel_4": (
        f"@c from {REGION} to {REGION} :", f"@c from {REGION} to {REGION} slots = 1 :",
        "slots must be more than one, got 1",
    ),
    "channel_3": ("host \"y\" : tensor<3x8xf16>", "host \"y\" : tensor<3x?xf16>", "static shape"),
    "weight_1": ("@filters bits = 8", "@filters bits = 0", "bits must be positive"),
    "weight_2": ("value = dense<1.0> : tensor<8xf16>", "value = 1.0 : f16", "not a tensor"),
    "cache_1": ("copies = 2", "copies = 0", "bits and copies must be positive"),
    "cache_2": (": tensor<3x4x8xf16>", ": tensor<?x4x8xf16>", "static shape"),
    "kernel_1": ("@square over [3, 8] reduced = 0", "@square over [3, 0] reduced = 0", "cannot"),
    "kernel_1_reduced": ("@sum over [3, 8] reduced = 1", "@sum over [3, 8] reduced = 3", "cannot"),
    "kernel_2": ("    tcc.yield %b : f16\n  }\n  tcc.kernel @sum", "  }\n  tcc.kernel @sum",
                 "not a terminator"),
    "kernel_3": ("^bb0(%a: f16):", "^bb0(%a: f16, %n: f16):", "a scalar a map"),
    "kernel_4": ("init [0.0 : f16]", "init [0.0 : f32]", "init must hold one scalar"),
    "kernel_5": (f"reduced = 0 maps [{ID2}]",
                 "reduced = 0 maps [affine_map<(d0) -> (d0, d0)>]", "does not lead out"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_SYMBOLS.values(), ids=BAD_SYMBOLS)
def test_rules_of_declarations(case: tuple[str, str, str]):
    good, bad, message = case
    parse(module_text()).verify()
    assert good in SYMBOLS
    with pytest.raises(VerifyException) as error:
        parse(module_text(symbols=SYMBOLS.replace(good, bad, 1))).verify()
    assert message in str(error.value)


ON = f"on [#asic.region{REGION}]"
BAD_PROGRAMS = {
    "program_2_class": (f"@p class = -1 stage = 0 period = 9 {ON}", "must not be negative"),
    "program_2_stage": (f"@p class = 0 stage = -1 period = 9 {ON}", "must not be negative"),
    "program_2_period": (f"@p class = 0 stage = 0 period = 0 {ON}", "period must be positive"),
    "program_3_class": (f"@p class = 1 stage = 0 period = 9 {ON}", "no tile class 1"),
    "program_3_places": (
        "@p class = 0 stage = 0 period = 9 on [#asic.region<offset = [0, 0], size = [1, 2]>]",
        "class 0 stands on",
    ),
}


@pytest.mark.parametrize("case", BAD_PROGRAMS.values(), ids=BAD_PROGRAMS)
def test_rules_of_programs(case: tuple[str, str]):
    head, message = case
    parse(module_text(chip=CHIP)).verify()
    with pytest.raises(VerifyException) as error:
        parse(module_text(chip=CHIP, head=head)).verify()
    assert message in str(error.value)


def test_a_program_holds_instructions_alone():
    with pytest.raises(VerifyException, match="is not an instruction"):
        parse(module_text("%a = arith.constant 1 : i64")).verify()


@pytest.mark.parametrize(
    ("cut", "message"),
    [
        ("<b = 1, m = 1, n = 0, k = 1, at = [0, 0, 2, 2], first = 0>", "n must be at least 1"),
        ("<b = 1, m = 1, n = 5, k = 1, at = [0, 0, 2, 2], first = 0>", "5 parts for 4 tiles"),
        (
            "<b = 1, m = 1, n = 3, k = 1, at = [0, 0, 2, 2], first = 0, stride = 2>",
            "3 parts at a stride of 2 for 4 tiles",
        ),
        (
            "<b = 1, m = 1, n = 4, k = 1, at = [0, 0, 2, 2], first = 0, stride = 0>",
            "stride must be at least 1",
        ),
        (
            "<b = 1, m = 1, n = 4, k = 1, at = [0, 0, 2, 2], first = 0, rows_first = 2>",
            "rows_first is 0 or 1, not 2",
        ),
        ("<b = 1, m = 1, n = 4, k = 1, at = [0, 0, 2, 2], first = 4>", "first = 4 is not one of"),
        ("<b = 1, m = 1, n = 4, k = 1, at = [0, 0, 2, 2], first = -1>", "first = -1 is not one of"),
        ("<b = 1, m = 1, n = 4, k = 1, at = [0, 0, 2], first = 0>", "at needs [x, y, w, h]"),
        ("<b = 1, m = 1, n = 4, at = [0, 0, 2, 2], first = 0>", "lacks k"),
    ],
)
def test_rules_of_cuts(cut: str, message: str):
    body = f"%t, %x = tcc.receive @in bytes = 12 op = 0 : {X}\n" + VECTOR.replace(CUT, cut)
    with pytest.raises((VerifyException, ParseError)) as error:
        parse(module_text(body)).verify()
    assert message in str(error.value)
