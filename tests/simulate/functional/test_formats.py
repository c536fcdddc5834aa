"""Programs of every number format against a quantiser that shares nothing with the compiler."""

from __future__ import annotations

from functools import cache

import format_reference as ref
import numpy as np
import pytest
from hand_written import Array, cut, given, receive, run_text, send, taken
from program_models import parse

from asic_compiler.diagnostics import UserError
from asic_compiler.explore.problem import ChipProblem, Conditions
from asic_compiler.hardware.design import Freedom
from asic_compiler.mapping.profile import Profile
from asic_compiler.plan.make import make_plan
from asic_compiler.plan.plan import Plan
from asic_compiler.program.check import check
from asic_compiler.program.emit import program_text
from asic_compiler.program.generate import generate
from asic_compiler.simulate import run_program
from asic_compiler.technology.library import load_node
from asic_compiler.workload.extract import extract

M, K, HIDDEN, N = 4, 300, 160, 24
MLP = f"""
builtin.module attributes {{asic.workload = {{name = "mlp", phase = "inference", batch = {M} : i64,
    context = 0 : i64, tokens = {M} : i64}}}} {{
  func.func @main(%x: tensor<{M}x{K}xf16>) -> tensor<{M}x{N}xf16> {{
    %a = asic.weight dense_resource<up> : tensor<{HIDDEN}x{K}xf16>
    %b = asic.weight dense_resource<down> : tensor<{HIDDEN}x{N}xf16>
    %h = asic.matmul %x, %a transpose_rhs
      : tensor<{M}x{K}xf16>, tensor<{HIDDEN}x{K}xf16> -> tensor<{M}x{HIDDEN}xf16>
    %r = asic.elementwise(%h) {{indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>]}}
      : (tensor<{M}x{HIDDEN}xf16>) -> tensor<{M}x{HIDDEN}xf16> {{
    ^bb0(%e: f16):
      %zero = arith.constant 0.0 : f16
      %m = arith.maximumf %e, %zero : f16
      asic.yield %m : f16
    }}
    %y = asic.matmul %r, %b
      : tensor<{M}x{HIDDEN}xf16>, tensor<{HIDDEN}x{N}xf16> -> tensor<{M}x{N}xf16>
    func.return %y : tensor<{M}x{N}xf16>
  }}
}}
"""

B, HEADS, SLOTS, SIZE, AT = 1, 2, 12, 16, 7
CACHE = f"tensor<{B}x{HEADS}x{SLOTS}x{SIZE}xf16>"
NEW = f"tensor<{B}x{HEADS}x1x{SIZE}xf16>"
QUERY = f"tensor<{B}x{HEADS}x2x{SIZE}xf16>"
SCORES = f"tensor<{B}x{HEADS}x2x{SLOTS}xf16>"
ATTENTION = f"""
builtin.module attributes {{asic.workload = {{name = "attention", phase = "decode",
    batch = {B} : i64, context = {SLOTS} : i64, tokens = {B} : i64}}}} {{
  func.func @main(%q: {QUERY}, %k: {NEW}, %v: {NEW},
      %keys: {CACHE} {{asic.name = "keys", asic.role = "kv_key", asic.layer = 0 : i64}},
      %vals: {CACHE} {{asic.name = "vals", asic.role = "kv_value", asic.layer = 0 : i64}})
      -> ({QUERY}, {CACHE} {{asic.name = "keys"}}, {CACHE} {{asic.name = "vals"}}) {{
    %kc = asic.kv_append %k into %keys {{axis = 2 : i64, position = {AT} : i64}}
      : {NEW} into {CACHE} -> {CACHE}
    %vc = asic.kv_append %v into %vals {{axis = 2 : i64, position = {AT} : i64}}
      : {NEW} into {CACHE} -> {CACHE}
    %s = asic.matmul %q, %kc transpose_rhs : {QUERY}, {CACHE} -> {SCORES}
    %c = asic.matmul %s, %vc : {SCORES}, {CACHE} -> {QUERY}
    func.return %c, %kc, %vc : {QUERY}, {CACHE}, {CACHE}
  }}
}}
"""
TEXTS = {"mlp": MLP, "attention": ATTENTION}
MESHES = ((1, 1), (3, 2))


@cache
def problem(name: str, precision: str, kv: int, stages: int) -> ChipProblem:
    freedom = Freedom(precision=(precision,), kv_bits=(kv,), max_stages=stages)
    profile = Profile(extract(parse(TEXTS[name])))
    return ChipProblem(profile, load_node("7nm"), Conditions(), freedom, (0.4, 0.4, 0.2))


def plans(name: str, precision: str, kv: int = 16, stages: int = 1) -> list[Plan]:
    """Legal or not: designs on one tile and on six, each with some in which k is cut."""
    chips = problem(name, precision, kv, stages)
    found: list[Plan] = []
    for mesh in MESHES:
        kinds: set[tuple[object, ...]] = set()
        for seed in range(40):
            if len(kinds) == 3:
                break
            rng = np.random.default_rng(seed)
            continuous = rng.uniform(-1.0, 1.0, (1, len(chips.continuous_names)))
            design = chips.decode(np.array([[*mesh, 1, 1]]), continuous)
            plan = make_plan(chips.model, design, 85.0)
            cuts = tuple(
                (a.split_k > 1, a.split_n > 1 < a.split_b, a.scatter, a.pieces > 1)
                for a in plan.assignments
            )
            if (plan.chip.stages, cuts) not in kinds:
                kinds.add((plan.chip.stages, cuts))
                found.append(plan)
    return found


def run(name: str, plan: Plan, inputs: dict[str, Array], weights: dict[str, Array]):
    """The outputs of a program, as it reads back from its text."""
    text = program_text(generate(parse(TEXTS[name]), plan))
    return run_program(parse(text), inputs, weights), text


@cache
def mlp_data(seed: int = 0) -> tuple[Array, dict[str, Array]]:
    rng = np.random.default_rng(seed)
    x = rng.normal(0, 1, (M, K)).astype(np.float16)
    weights = {
        "up": rng.normal(0, 0.1, (HIDDEN, K)).astype(np.float16),
        "down": rng.normal(0, 0.1, (HIDDEN, N)).astype(np.float16),
    }
    return x, weights


@cache
def mlp_codes(bits: int) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    _, weights = mlp_data()
    return ref.stored_rows(weights["up"], bits), ref.stored_rows(weights["down"].T, bits)


def of(plan: Plan, position: int) -> dict[str, int | bool]:
    own = plan.assignments[position]
    pieces = 1 if own.by_rows else own.pieces
    return {"k": own.split_k, "pieces": pieces, "scatter": own.scatter}


@pytest.mark.parametrize("bits", [8, 4])
@pytest.mark.parametrize("stages", [1, 3])
def test_eight_bit_products_are_the_references_bit_for_bit(bits: int, stages: int):
    x, weights = mlp_data()
    up, down = mlp_codes(bits)
    along_k: set[bool] = set()
    deep: set[int] = set()
    for plan in plans("mlp", f"w{bits}a8", stages=stages):
        found, text = run("mlp", plan, {"arg0": x}, weights)
        assert text.count('as "int8"') >= 2
        hidden = ref.matmul8(x, *up, ref.GROUP[bits], **of(plan, 0))
        hidden = np.maximum(hidden, np.float16(0))
        expected = ref.matmul8(hidden, *down, ref.GROUP[bits], **of(plan, 2))
        np.testing.assert_array_equal(found["result0"], expected)
        along_k.add(plan.assignments[0].split_k > 1)
        deep.add(plan.chip.stages)
    assert max(deep) >= min(stages, 2)
    assert stages > 1 or along_k == {False, True}


@pytest.mark.parametrize("bits", [8, 4])
def test_stored_weights_are_the_references_bit_for_bit(bits: int):
    """Rows with two numbers that are not zero: the order of a sum of two does not matter."""
    x, weights = mlp_data()
    up, down = mlp_codes(bits)
    rng = np.random.default_rng(1)
    sparse = np.zeros((M, K), np.float16)
    for row in sparse:
        row[rng.choice(K, 2, replace=False)] = rng.normal(0, 1, 2)
    for plan in plans("mlp", f"w{bits}a16")[::2]:
        found, text = run("mlp", plan, {"arg0": sparse}, {**weights, "down": EYE})
        assert text.count(f"bits = {bits} value") == 2
        hidden = product16(sparse, ref.read_back(*up))
        hidden = np.maximum(hidden, np.float16(0))
        eye = ref.read_back(*ref.stored_rows(EYE.T, bits))
        np.testing.assert_array_equal(found["result0"], product16(hidden, eye))
        # Dense rows, in another order of additions.
        found, _ = run("mlp", plan, {"arg0": x}, weights)
        hidden = np.maximum(product16(x, ref.read_back(*up)), np.float16(0))
        expected = product16(hidden, ref.read_back(*down))
        limit = 2e-3 * np.abs(expected).max()
        np.testing.assert_allclose(found["result0"], expected, rtol=0, atol=limit)


EYE = np.eye(HIDDEN, N).astype(np.float16)
"""Hands on the first columns of the hidden layer, one by one."""


def product16(x: Array, near: Array) -> Array:
    """[m, n] f16 of f16 operands, summed exactly."""
    wide = x.astype(np.float64) @ near.astype(np.float64).T
    return wide.astype(np.float32).astype(np.float16)


def test_bf16_multipliers_round_their_operands():
    _, weights = mlp_data()
    rng = np.random.default_rng(2)
    x = np.zeros((M, K), np.float16)
    for row in x:
        row[rng.choice(K, 2, replace=False)] = rng.normal(0, 1, 2)

    def bf16(values: Array) -> Array:
        """To 8 significant bits: f16 has 11, and no number of these is below bf16's range."""
        mantissa, exponent = np.frexp(values.astype(np.float64))
        return np.ldexp(np.round(mantissa * 256), exponent - 8)

    for plan in plans("mlp", "bf16")[::2]:
        found, text = run("mlp", plan, {"arg0": x}, {**weights, "down": EYE})
        assert text.count('as "bf16"') >= 2
        hidden = np.maximum(product16(bf16(x), bf16(weights["up"])), np.float16(0))
        assert not np.array_equal(bf16(hidden), hidden)
        expected = product16(bf16(hidden), EYE.T)
        np.testing.assert_array_equal(found["result0"], expected)


@cache
def attention_data() -> dict[str, Array]:
    rng = np.random.default_rng(3)
    shapes = {"arg0": (B, HEADS, 2, SIZE), "arg1": (B, HEADS, 1, SIZE), "arg2": (B, HEADS, 1, SIZE)}
    shapes |= dict.fromkeys(("keys", "vals"), (B, HEADS, SLOTS, SIZE))
    return {name: rng.normal(0, 1, shape).astype(np.float16) for name, shape in shapes.items()}


def in_parts(heads: Array, bits: int, columns: list[ref.Range]) -> tuple[Array, Array]:
    """Codes and scales of [items, slots, size]: a tile has a range of each row, with its scale."""
    rows = heads.reshape(-1, SIZE)
    pairs = [ref.stored_rows(rows[:, a:b], bits, SIZE) for a, b in columns if b > a]
    return tuple(
        np.concatenate(kind, axis=1).reshape(*heads.shape[:-1], SIZE)
        for kind in zip(*pairs, strict=True)
    )  # type: ignore[return-value]


@pytest.mark.parametrize("kv", [8, 4])
@pytest.mark.parametrize("precision", ["fp16", "w8a8"])
def test_attention_over_a_narrow_cache_is_the_references_bit_for_bit(kv: int, precision: str):
    data = attention_data()
    items = B * HEADS
    caches = {}
    for name, new in (("keys", "arg1"), ("vals", "arg2")):
        whole = data[name].reshape(items, SLOTS, SIZE).copy()
        whole[:, AT] = data[new].reshape(items, SIZE)
        caches[name] = whole
    tried: set[tuple[int, int, int]] = set()
    for plan in plans("attention", precision, kv):
        scores, context = plan.assignments[-2:]
        flat = [own.split_b == 1 and own.split_n > 1 for own in (scores, context)]
        if any(flat):
            continue  # its columns are those of all items: rows fall apart otherwise
        found, text = run("attention", plan, data, {})
        assert text.count(f"bits = {kv} copies") == 2
        assert ('as "int8"' in text) == (precision == "w8a8")
        tried.add((scores.split_k, context.split_k, context.split_n))
        k_codes, k_scales = in_parts(caches["keys"], kv, ref.parts(SIZE, scores.split_k))
        v_codes, v_scales = in_parts(caches["vals"], kv, ref.parts(SIZE, context.split_n))
        for name, codes, scales in (("keys", k_codes, k_scales), ("vals", v_codes, v_scales)):
            stored = ref.read_back(codes, scales).reshape(data[name].shape)
            np.testing.assert_array_equal(found[name], stored)
        queries = data["arg0"].reshape(items, 2, SIZE)
        if precision == "fp16":
            keys, vals = ref.read_back(k_codes, k_scales), ref.read_back(v_codes, v_scales)
            for item in range(items):
                got = found["result0"].reshape(items, 2, SIZE)[item]
                expected = product16(product16(queries[item], keys[item]), vals[item].T)
                limit = 4e-3 * np.abs(expected).max()
                np.testing.assert_allclose(got, expected, rtol=0, atol=limit)
            continue
        expected = np.stack(
            [
                attended8(queries[i], (k_codes[i], k_scales[i]), (v_codes[i], v_scales[i]), plan)
                for i in range(items)
            ]
        )
        np.testing.assert_array_equal(found["result0"].reshape(items, 2, SIZE), expected)
    assert (1, 1, 1) in tried
    assert len(tried) > 1


def attended8(
    query: Array, keys: tuple[Array, Array], values: tuple[Array, Array], plan: Plan
) -> Array:
    """[2, SIZE] of one head: keys' scales are those of columns, values' go to the scores."""
    scores, context = plan.assignments[-2:]
    partial = []
    for low, high in ref.parts(SIZE, scores.split_k):
        own, scale = ref.rows8(query[:, low:high])
        sums = (own @ keys[0][:, low:high].T).astype(np.float32)
        partial.append(sums * scale * keys[1][:, low].astype(np.float32)[None, :])
    weights = ref.combined(partial, scores.scatter and scores.split_k > 1).astype(np.float16)
    out = np.zeros((2, SIZE), np.float16)
    for left, right in ref.parts(SIZE, context.split_n):
        if left == right:
            continue
        partial = []
        for low, high in ref.parts(SLOTS, context.split_k):
            if low == high:
                partial.append(np.zeros((2, right - left), np.float32))
                continue
            scales = values[1][low:high, left].astype(np.float32)
            codes = values[0][low:high, left:right]
            if high - low == 1:  # one slot: its scale is that of every column
                own, scale = ref.rows8(weights[:, low:high])
                partial.append((own @ codes).astype(np.float32) * scale * scales)
                continue
            own, scale = ref.rows8(weights[:, low:high].astype(np.float32) * scales)
            partial.append((own @ codes).astype(np.float32) * scale)
        scatter = context.scatter and context.split_k > 1
        out[:, left:right] = ref.combined(partial, scatter).astype(np.float16)
    return out


@pytest.mark.parametrize("split", [cut(n=2), cut(m=2, n=2), cut(n=3)])
def test_windows_of_integers_are_the_references_bit_for_bit(split: str):
    rng = np.random.default_rng(4)
    x = rng.normal(0, 1, (2, 4, 5, 5)).astype(np.float16)
    w = rng.normal(0, 1, (8, 4, 3, 3)).astype(np.float16)
    body = f"""{receive("x", "2x4x5x5xf16")}
    %v = tcc.conv %x, @w sizes [1, 50, 8, 36] window [3, 3] strides [1, 1] dilations [1, 1]
      padding [1, 1] [1, 1] as "int8" cut {split} op = 0
      : !tcc.buffer<2x4x5x5xf16> -> !tcc.buffer<2x8x5x5xf16>
    {send("v", "2x8x5x5xf16")}"""
    symbols = "\n".join(
        (
            "tcc.weight @w bits = 8 value = dense_resource<w> : tensor<8x4x3x3xf16>",
            given("x", "2x4x5x5xf16"),
            taken("2x8x5x5xf16"),
        )
    )
    found = run_text(symbols, body, {"x": x}, {"w": w})["y"]
    bordered = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    windows = np.stack(
        [bordered[b, :, i : i + 3, j : j + 3].reshape(-1)
         for b in range(2) for i in range(5) for j in range(5)]
    )  # fmt: skip
    codes, scales = ref.stored_rows(w.reshape(8, 36), 8)
    sums = ref.product8(windows, codes, scales, (0, 36), ref.GROUP[8]).astype(np.float16)
    expected = sums.reshape(2, 5, 5, 8).transpose(0, 3, 1, 2)
    np.testing.assert_array_equal(found, expected)


def test_products_of_activations_are_quantised_on_both_sides():
    rng = np.random.default_rng(5)
    x = (rng.normal(0, 1, (3, 40)) * 2.0 ** rng.integers(-9, 9, (3, 1))).astype(np.float16)
    y = rng.normal(0, 1, (6, 40)).astype(np.float16)
    x[1] = 0
    body = f"""{receive("x", "3x40xf16")}
    {receive("z", "6x40xf16")}
    %v = tcc.mma_dmem %x, %z sizes [1, 3, 6, 40] as "int8" cut {cut(n=3)} op = 0
      : !tcc.buffer<3x40xf16>, !tcc.buffer<6x40xf16> -> !tcc.buffer<3x6xf16>
    {send("v", "3x6xf16")}"""
    symbols = "\n".join((given("x", "3x40xf16"), given("z", "6x40xf16"), taken("3x6xf16")))
    (own, scale), (other, column) = ref.rows8(x), ref.rows8(y)
    expected = ((own @ other.T).astype(np.float32) * scale * column.T).astype(np.float16)
    found = run_text(symbols, body, {"x": x, "z": y})["y"]
    np.testing.assert_array_equal(found, expected)
    x[2, 3] = np.inf
    with pytest.raises(UserError, match="8-bit multipliers is infinite or no number"):
        run_text(symbols, body, {"x": x, "z": y})


@pytest.mark.parametrize("precision", ["w8a8", "w4a8", "w4a16", "w8a16", "bf16"])
def test_programs_of_legal_designs_pass_the_check(precision: str):
    chips = problem("mlp", precision, 16, 2)
    legal = 0
    for seed in range(12):
        discrete, continuous = chips.start(4, np.random.default_rng(seed))
        design = chips.decode(discrete[:1], continuous[:1])
        if not bool(chips.evaluate(discrete[:1], continuous[:1]).feasible[0]):
            continue
        plan = make_plan(chips.model, design, 85.0)
        assert check(generate(parse(MLP), plan)) == ()
        legal += 1
    assert legal
