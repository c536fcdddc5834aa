"""Small models in ``asic`` IR whose operators read the same weights, drawn at random.

Two streams of rows, ``x`` and ``y``, go through steps that read few weights in many ways: as it is,
transposed, in slices, as the first operand, beside a vector operator, as a table and as a head.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
from program_models import parse

from asic_compiler.explore.problem import ChipProblem, Conditions
from asic_compiler.hardware.design import DesignBatch, Freedom
from asic_compiler.mapping.profile import Profile
from asic_compiler.technology.library import load_node
from asic_compiler.workload.extract import extract

D = 32
"""Columns of a stream, and of most weights."""
WORDS = 48
_SAME = "affine_map<(d0, d1) -> (d0, d1)>"
_TURN = "affine_map<(d0, d1) -> (d1, d0)>"


class Text:
    """A function that is being written: lines, and a fresh name for each value."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.count = 0

    def add(self, line: str) -> str:
        """Writes ``line`` as the definition of a new value."""
        self.count += 1
        name = f"%v{self.count}"
        self.lines.append(f"    {name} = {line}")
        return name


def rows(m: int) -> str:
    """The type of a stream."""
    return f"tensor<{m}x{D}xf16>"


def _product(text: Text, x: str, m: int, weight: str, turned: bool) -> str:
    way = "transpose_rhs " if turned else ""
    return text.add(f"asic.matmul {x}, {weight} {way}: {rows(m)}, {rows(D)} -> {rows(m)}")


def plain(text: Text, x: str, m: int) -> str:
    """The weight of a linear layer, used again and again."""
    return _product(text, x, m, "%w", turned=True)


def turned(text: Text, x: str, m: int) -> str:
    """The same weight the other way round."""
    return _product(text, x, m, "%w", turned=False)


def again(text: Text, x: str, m: int) -> str:
    """Three equal products in a row, as of an unrolled recurrence."""
    for _ in range(3):
        x = _product(text, x, m, "%u", turned=True)
    return x


def sliced(text: Text, x: str, m: int) -> str:
    """Rows of a longer weight."""
    start = D * (text.count % 3)
    part = text.add(
        f"asic.layout %long affine_map<(d0, d1) -> (d0 + {start}, d1)> : {rows(3 * D)} -> {rows(D)}"
    )
    return _product(text, x, m, part, turned=True)


def first(text: Text, x: str, m: int) -> str:
    """The weight is the first operand."""
    turn = text.add(f"asic.layout {x} {_TURN} : {rows(m)} -> tensor<{D}x{m}xf16>")
    y = text.add(f"asic.matmul %w, {turn} : {rows(D)}, tensor<{D}x{m}xf16> -> tensor<{D}x{m}xf16>")
    return text.add(f"asic.layout {y} {_TURN} : tensor<{D}x{m}xf16> -> {rows(m)}")


def beside(text: Text, x: str, m: int) -> str:
    """A vector operator scales by a row of the weight and adds another."""
    maps = [_SAME, "affine_map<(d0, d1) -> (0, d1)>", "affine_map<(d0, d1) -> (5, d1)>"]
    return text.add(
        f"asic.elementwise({x}, %w, %u) {{indexing_maps = [{', '.join(maps)}]}} "
        f": ({rows(m)}, {rows(D)}, {rows(D)}) -> {rows(m)} {{\n"
        "    ^bb0(%a: f16, %b: f16, %c: f16):\n"
        "      %p = arith.mulf %a, %b : f16\n      %s = arith.addf %p, %c : f16\n"
        "      asic.yield %s : f16\n    }"
    )


def batched(text: Text, x: str, m: int) -> str:
    """A batch of rows shares the weight."""
    split = f"tensor<{m}x1x{D}xf16>"
    wide = text.add(
        f"asic.layout {x} view affine_map<(d0, d1, d2) -> (d0, d2)> : {rows(m)} -> {split}"
    )
    y = text.add(f"asic.matmul {wide}, %w transpose_rhs : {split}, {rows(D)} -> {split}")
    return text.add(
        f"asic.layout {y} view affine_map<(d0, d1) -> (d0, 0, d1)> : {split} -> {rows(m)}"
    )


STEPS: tuple[Callable[[Text, str, int], str], ...] = (
    plain, turned, again, sliced, first, beside, batched,
)  # fmt: skip
BY_COLUMNS = (plain, turned, again, sliced, batched)
"""Those whose part of a weight is cut alike for any rows."""


def shared_text(
    seed: int,
    steps: int = 5,
    kinds: tuple[Callable[..., str], ...] = STEPS,
    *,
    equal: bool = False,
) -> str:
    """A model of so many steps of the kinds given, between a look-up and a head of one tensor.

    Both streams have as many rows if they are to be ``equal``.
    """
    rng = np.random.default_rng(seed)
    text = Text()
    streams = [("%ids", int(rng.integers(1, 9))), ("%others", int(rng.integers(1, 9)))]
    if equal:
        streams[1] = ("%others", streams[0][1])
    names: list[str] = []
    for ids, m in streams:
        looked = f"asic.gather %table[{ids}] : {rows(WORDS)}, tensor<{m}xi64> -> {rows(m)}"
        names.append(text.add(looked))
    for _ in range(steps):
        which = int(rng.integers(2))
        names[which] = kinds[int(rng.integers(len(kinds)))](text, names[which], streams[which][1])
    heads = [f"tensor<{m}x{WORDS}xf16>" for _, m in streams]
    results = [
        text.add(f"asic.matmul {x}, %table transpose_rhs : {rows(m)}, {rows(WORDS)} -> {head}")
        for x, (_, m), head in zip(names, streams, heads, strict=True)
    ]
    arguments = ", ".join(f"{ids}: tensor<{m}xi64>" for ids, m in streams)
    weights = {"w": D, "u": D, "long": 3 * D, "table": WORDS}
    declared = "\n".join(
        f"    %{name} = asic.weight dense_resource<{name}> : {rows(size)}"
        for name, size in weights.items()
    )
    body = "\n".join(text.lines)
    return (
        "builtin.module {\n"
        f"  func.func @main({arguments}) -> ({', '.join(heads)}) {{\n{declared}\n{body}\n"
        f"    func.return {', '.join(results)} : {', '.join(heads)}\n  }}\n}}\n"
    )


@cache
def problem_of(text: str) -> ChipProblem:
    """The chips for a model."""
    return ChipProblem(
        Profile(extract(parse(text))),
        load_node("7nm"),
        Conditions(),
        Freedom(weight_bits=(4, 8, 16)),
        (0.4, 0.4, 0.2),
    )


def random_design(text: str, seed: int, **fixed: float) -> DesignBatch:
    """On a mesh of up to 8 x 8 tiles, in any format, but for what is fixed; legal or not."""
    chips, rng = problem_of(text), np.random.default_rng(seed)
    discrete = np.concatenate([rng.integers(1, 9, (1, 2)), rng.integers(1, 3, (1, 2))], axis=1)
    design = chips.decode(discrete, rng.uniform(-1.0, 1.0, (1, len(chips.continuous_names))))
    return design.with_(**{name: np.array([value]) for name, value in fixed.items()})
