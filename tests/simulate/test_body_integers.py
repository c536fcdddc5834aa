"""Operations on integers, against Python's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from body_texts import binary, body, no_index, run, unary
from hypothesis import given
from hypothesis import strategies as st

from asic_compiler.simulate.bodies import run_body

SIGNED_BITS = 32


def signed(value: int) -> int:
    return (value + 2 ** (SIGNED_BITS - 1)) % 2**SIGNED_BITS - 2 ** (SIGNED_BITS - 1)


def truncating(a: int, b: int) -> int:
    return abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)


def plain(value: int) -> int:
    return value % 2**SIGNED_BITS


INTEGERS = {
    "arith.addi": lambda a, b: a + b,
    "arith.subi": lambda a, b: a - b,
    "arith.muli": lambda a, b: a * b,
    "arith.andi": lambda a, b: a & b,
    "arith.ori": lambda a, b: a | b,
    "arith.xori": lambda a, b: a ^ b,
    "arith.divsi": lambda a, b: truncating(a, b) if b else -1,
    "arith.remsi": lambda a, b: a - truncating(a, b) * b if b else a,
    "arith.floordivsi": lambda a, b: a // b if b else -1,
    "arith.ceildivsi": lambda a, b: -(-a // b) if b else -1,
    "arith.divui": lambda a, b: plain(a) // plain(b) if b else -1,
    "arith.remui": lambda a, b: plain(a) % plain(b) if b else a,
    "arith.ceildivui": lambda a, b: -(-plain(a) // plain(b)) if b else -1,
    "arith.maxsi": max,
    "arith.minsi": min,
    "arith.maxui": lambda a, b: max(plain(a), plain(b)),
    "arith.minui": lambda a, b: min(plain(a), plain(b)),
    "arith.shli": lambda a, b: a << (b % SIGNED_BITS),
    "arith.shrsi": lambda a, b: a >> (b % SIGNED_BITS),
    "arith.shrui": lambda a, b: plain(a) >> (b % SIGNED_BITS),
}


EDGES = (0, 1, -1, 2, -2, 7, -7, 31, 32, 33, 2**31 - 1, -(2**31), 2**30, -12345)


BLOCKS = {
    name: body("%a: i32, %b: i32", f"%r = {name} %a, %b : i32", "%r : i32") for name in INTEGERS
}


@pytest.mark.parametrize("name", INTEGERS)
def test_integers_are_those_of_python_wrapped(name: str):
    pairs = [(a, b) for a in EDGES for b in EDGES]
    a, b = (np.array(side, np.int32) for side in zip(*pairs, strict=True))
    (got,) = run_body(BLOCKS[name], (a, b), no_index)
    assert got.dtype == np.int32
    assert list(got) == [signed(INTEGERS[name](*pair)) for pair in pairs]


@given(st.sampled_from(sorted(INTEGERS)), st.data())
def test_any_integers(name: str, data: st.DataObject):
    number = st.integers(-(2**31), 2**31 - 1)
    a, b = data.draw(number), data.draw(number)
    (got,) = run_body(BLOCKS[name], (np.array([a], np.int32), np.array([b], np.int32)), no_index)
    assert got[0] == signed(INTEGERS[name](a, b))


@pytest.mark.parametrize(
    ("predicate", "function"),
    [
        ("eq", lambda a, b: a == b),
        ("ne", lambda a, b: a != b),
        ("slt", lambda a, b: a < b),
        ("sle", lambda a, b: a <= b),
        ("sgt", lambda a, b: a > b),
        ("sge", lambda a, b: a >= b),
        ("ult", lambda a, b: plain(a) < plain(b)),
        ("ule", lambda a, b: plain(a) <= plain(b)),
        ("ugt", lambda a, b: plain(a) > plain(b)),
        ("uge", lambda a, b: plain(a) >= plain(b)),
    ],
)
def test_integer_comparisons(predicate: str, function: Any):
    pairs = [(a, b) for a in EDGES for b in EDGES]
    a, b = (np.array(side, np.int32) for side in zip(*pairs, strict=True))
    line = f"%r = arith.cmpi {predicate}, %a, %b : i32"
    (got,) = run("%a: i32, %b: i32", line, "%r : i1", a, b)
    assert list(got) == [function(*pair) for pair in pairs]


def test_booleans_are_integers_of_one_bit():
    a, b = np.array([0, 0, 1, 1], np.bool_), np.array([0, 1, 0, 1], np.bool_)
    wanted = {
        "arith.addi": [0, 1, 1, 0],
        "arith.muli": [0, 0, 0, 1],
        "arith.andi": [0, 0, 0, 1],
        "arith.ori": [0, 1, 1, 1],
        "arith.xori": [0, 1, 1, 0],
        # True is -1 where signs are read.
        "arith.maxsi": [0, 0, 0, 1],
        "arith.maxui": [0, 1, 1, 1],
    }
    for name, result in wanted.items():
        got = binary(name, a, b, "i1")
        assert got.dtype == np.bool_
        assert list(got.astype(int)) == result, name
    (less,) = run("%a: i1, %b: i1", "%r = arith.cmpi slt, %a, %b : i1", "%r : i1", a, b)
    assert list(less) == [False, False, True, False]


@pytest.mark.parametrize(
    ("op", "value", "result"),
    [
        ("math.ctlz", 1, 31),
        ("math.ctlz", 0, 32),
        ("math.ctlz", -1, 0),
        ("math.cttz", 8, 3),
        ("math.cttz", 0, 32),
        ("math.ctpop", -1, 32),
        ("math.absi", -7, 7),
    ],
)
def test_bit_counts(op: str, value: int, result: int):
    assert unary(op, np.array([value], np.int32), "i32")[0] == result


def test_integer_powers():
    base = np.array([2, -1, -1, 3, 0, 1, 5], np.int32)
    exponent = np.array([10, -3, -2, -1, 0, -9, 20], np.int32)
    got = binary("math.ipowi", base, exponent, "i32")
    assert list(got) == [1024, -1, 1, 0, 1, 1, signed(5**20)]
