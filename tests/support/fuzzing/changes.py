"""Inputs changed at random: texts, documents and bytes."""

from __future__ import annotations

import copy
import json
import random
import re
import struct
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

_TOKEN = re.compile(
    r'"(?:[^"\\\n]|\\.)*+"|(?<=[\d?])x(?=[\d?a-z!])|[%#@!^]?[A-Za-z_][\w.$]*|-?\d+(?:\.\d+)?|\s+|.',
    re.DOTALL,
)
_NUMBERS = (  # noqa: SIM905
    "0 -1 1 2 3 7 16 2147483648 9223372036854775807 -9223372036854775809 1e308 1e400 nan inf -0.0 "
    "0x7FC0 65536 1000000 4294967297 99999999999999999999999 ? 0.5 1.5e-45 1e-308 0.0"
).split()
_SCALARS = ["f16", "f32", "f64", "bf16", "i1", "i8", "i32", "i64", "index"]
_TYPES = (  # noqa: SIM905
    "i0 i128 none si8 complex<f32> tensor<f16> tensor<*xf32> "
    "tensor<0xf16> memref<2xf32> !asic.foo vector<4xf32> tensor<?x4xf16> tuple<>"
).split()
_STRINGS = ['""', '"a"', '"<script>"', '"\\0a"', '"' + "x" * 300 + '"', '"é\\FF"', '"\\1b[31m"']
_LETTERS = "\0\x01\x1b\t\n\"'\\%#@!^(){}[]<>,:;=é\u202e-+.0x9az"
_CLOSING = {"(": ")", "[": "]", "{": "}", "<": ">"}


def changed(text: str, pool: Sequence[str], draw: random.Random) -> str:
    """A text with one to four changes: tokens, lines, letters, or another text's pieces."""
    for _ in range(1 if draw.random() < 0.65 else draw.randint(2, 4)):
        text = draw.choices([_tokens, _lines, _letters], [80, 14, 6])[0](text, pool, draw)
    return text


@lru_cache(2048)
def _split(text: str) -> tuple[str, ...]:
    return tuple(_TOKEN.findall(text))


@lru_cache(2048)
def _places(text: str) -> dict[str, list[int]]:
    """Indices of tokens by what they are."""
    tokens = _split(text)
    places = [i for i, token in enumerate(tokens) if not token.isspace()]
    return {
        "any": places,
        "number": [i for i in places if tokens[i].lstrip("-")[:1].isdigit()],
        "type": [i for i in places if re.fullmatch(r"b?f\d+|i\d+|index", tokens[i])],
        "value": [i for i in places if tokens[i][0] == "%"],
        "string": [i for i in places if tokens[i][0] == '"'],
        "open": [i for i in places if tokens[i] in _CLOSING],
    }


def _tokens(text: str, pool: Sequence[str], draw: random.Random) -> str:
    kinds = _places(text)
    tokens = list(_split(text))
    if not kinds["any"]:
        return text
    at, other = draw.choice(kinds["any"]), draw.choice(kinds["any"])
    match draw.choices(
        ["all", "number", "type", "value", "string", "open", "cut", "twice", "swap", "foreign"],
        [30, 32, 10, 13, 5, 5, 12, 8, 10, 10],
    )[0]:
        case "all" if kinds["number"] + kinds["type"]:
            # What is consistent comes further than what contradicts itself.
            old = tokens[draw.choice(kinds["number"] + kinds["type"])]
            new = _number(old, tokens[draw.choice(kinds["number"] or kinds["any"])], draw)
            new = _type(draw) if old[0].isalpha() else new
            tokens = [new if token == old else token for token in tokens]
        case "number" if kinds["number"]:
            at = draw.choice(kinds["number"])
            tokens[at] = _number(tokens[at], tokens[draw.choice(kinds["number"])], draw)
        case "type" if kinds["type"]:
            of_text = tokens[draw.choice(kinds["type"])]
            other_type = of_text if draw.random() < 0.4 else _type(draw)
            tokens[draw.choice(kinds["type"])] = other_type
        case "value" if kinds["value"]:
            tokens[draw.choice(kinds["value"])] = tokens[draw.choice(kinds["value"])]
        case "string" if kinds["string"]:
            tokens[draw.choice(kinds["string"])] = draw.choice(_STRINGS)
        case "open" if kinds["open"]:
            start = draw.choice(kinds["open"])
            del tokens[start + draw.randint(0, 1) : _end_of_group(tokens, start) + 1]
        case "twice":
            tokens.insert(at, tokens[at])
        case "swap":
            tokens[at], tokens[other] = tokens[other], tokens[at]
        case "foreign":
            tokens[at] = draw.choice(_split(draw.choice(pool)) or ("",))
        case _:
            del tokens[at : at + draw.choice([1, 1, 1, 2, 3, 6])]
    return "".join(tokens)


def _type(draw: random.Random) -> str:
    return draw.choice(_SCALARS if draw.random() < 0.8 else _TYPES)


def _number(token: str, of_text: str, draw: random.Random) -> str:
    """Another number: one near, one that stands elsewhere in the text, or one that is odd."""
    kind = draw.random()
    if kind < 0.4 and token.lstrip("-").isdigit() and len(token) < 100:
        return str(int(token) + draw.choice([-1, 1, 2, 10]))
    return of_text if kind < 0.6 else draw.choice(_NUMBERS)


def _end_of_group(tokens: Sequence[str], start: int) -> int:
    opening, closing, depth = tokens[start], _CLOSING[tokens[start]], 0
    for place in range(start, len(tokens)):
        depth += (tokens[place] == opening) - (tokens[place] == closing)
        if depth == 0:
            return place
    return len(tokens)


def _lines(text: str, pool: Sequence[str], draw: random.Random) -> str:
    lines = text.split("\n")
    at, other = draw.randrange(len(lines)), draw.randrange(len(lines))
    match draw.randrange(5):
        case 0:
            del lines[at]
        case 1:
            lines.insert(at, lines[other])
        case 2:
            lines[at], lines[other] = lines[other], lines[at]
        case 3:
            foreign = draw.choice(pool).split("\n")
            start = draw.randrange(len(foreign))
            lines[at:at] = foreign[start : start + draw.randint(1, 4)]
        case _:
            del lines[at:]
    return "\n".join(lines)


def _letters(text: str, pool: Sequence[str], draw: random.Random) -> str:
    at = draw.randrange(len(text) + 1)
    match draw.randrange(3):
        case 0:
            return text[:at]
        case 1:
            foreign = draw.choice(pool)
            return text[:at] + foreign[draw.randrange(len(foreign) + 1) :]
        case _:
            return text[:at] + "".join(draw.choices(_LETTERS, k=draw.randint(1, 4))) + text[at:]


_INTEGERS = (
    0, 1, 2, 7, 8, 127, 255, 2**15, 2**16, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**63, 2**64 - 1,
)  # fmt: skip


def changed_bytes(data: bytes, draw: random.Random) -> bytes:
    """Bytes with one to four changes: integers of the usual widths, slices, ends."""
    out = bytearray(data)
    for _ in range(1 if draw.random() < 0.55 else draw.randint(2, 4)):
        if not out:
            return bytes(out)
        # Headers stand in front, and say what follows.
        at = min(int(len(out) * draw.random() ** draw.choice([1, 3])), len(out) - 1)
        length = draw.choice([1, 2, 4, 8, 16, 64])
        match draw.randrange(7):
            case 0:
                out[at] ^= 1 << draw.randrange(8)
            case 1:
                width, code = draw.choice([(4, "<I"), (8, "<Q")])
                value = draw.choice(_INTEGERS) & (2 ** (8 * width) - 1)
                out[at : at + width] = struct.pack(code, value)
            case 2:
                del out[at : at + length]
            case 3:
                out[at:at] = out[at : at + length]
            case 4:
                out[at:at] = draw.randbytes(length)
            case 5:
                out[at] = draw.choice([0, 1, 2, 8, 9, 12, 34, 92, 123, 127, 128, 255])
            case _:
                del out[at:]
    return bytes(out)


_VALUES: tuple[Any, ...] = (
    0, -1, 1, 0.0, -0.0, 1e308, -1e308, 5e-324, float("nan"), float("inf"), 2**31, 2**63, 2**64,
    10**30, True, False, None, "", "a", "\x1b[31m\n", "é\u202e", "x" * 300, [], {}, [[]], [0],
    {"a": 0},
)  # fmt: skip


def changed_document(document: Any, draw: random.Random) -> Any:
    """A copy of a JSON document with one to three changes of its values, keys or entries."""
    out = json.loads(json.dumps(document))
    for _ in range(1 if draw.random() < 0.6 else draw.randint(2, 3)):
        holder, key = _somewhere(out, draw)
        if holder is None:
            return copy.deepcopy(draw.choice(_VALUES))
        _change(holder, key, draw)
    return out


def _somewhere(document: Any, draw: random.Random) -> tuple[Any, Any]:
    """A container inside of the document and one of its keys; None of what holds nothing."""
    holder: Any = None
    key: Any = None
    while isinstance(document, dict | list) and document:
        keys = list(document) if isinstance(document, dict) else range(len(document))
        holder, key = document, draw.choice(keys)
        document = holder[key]
        if draw.random() < 0.1:
            break
    return holder, key


def _change(holder: Any, key: Any, draw: random.Random) -> None:
    value = holder[key]
    match draw.choices(["value", "near", "without", "again", "deep"], [60, 15, 12, 8, 2])[0]:
        case "near" if isinstance(value, int | float):
            holder[key] = value * draw.choice([-1, 2, 1000, 1e-9, 0.5]) + draw.choice([0, 1, -1])
        case "without":
            del holder[key]
        case "again" if isinstance(holder, list):
            holder.insert(key, copy.deepcopy(value))
        case "again":
            holder[draw.choice(["a", "", "__metadata__", key + "x"])] = copy.deepcopy(value)
        case "deep":
            for _ in range(draw.choice([20, 400])):
                value = [value]
            holder[key] = value
        case _:
            holder[key] = copy.deepcopy(draw.choice(_VALUES))
