"""Images of weight memories: laid out per tile, written, read back, and refused when not sound."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from hand_written import Array, cut, given, module_text, parse, random, receive, send, taken
from xdsl.dialects.builtin import ModuleOp

from asic_compiler.diagnostics import UserError
from asic_compiler.program.elaborate import elaborate
from asic_compiler.program.wmem_need import wmem_bytes
from asic_compiler.simulate import run_program
from asic_compiler.simulate.images import INDEX, ImageFolder, _image, write_images
from asic_compiler.simulate.packed import Rows, keep_rows, pack, unpack
from asic_compiler.simulate.wmem import Constants, Slices, build_image
from asic_compiler.tensors.files import TensorFile, write_arrays

WEIGHTS = {"w": random(2, 10, 12), "table": random(3, 20, 12), "bias": random(4, 10)}
INPUTS = {"ids": np.array([4, 11, 0])}
ADD = """tcc.kernel @add over [3, 10] reduced = 0 maps [affine_map<(d0, d1) -> (d0, d1)>,
    affine_map<(d0, d1) -> (d1)>] {
  ^bb0(%a: f16, %b: f16):
    %c = arith.addf %a, %b : f16
    tcc.yield %c : f16
  }"""


def program(bits: int = 16, n: int = 4, name: str = "w", table: str = cut(m=3)) -> ModuleOp:
    """``table[ids] @ w.T + bias``; the bias is written into the module if there is none."""
    inner = "from <offset = [0, 0], size = [2, 2]> to <offset = [0, 0], size = [2, 2]>"
    symbols = "\n".join(
        (
            ADD,
            f"tcc.weight @w bits = {bits} value = dense_resource<{name}> : tensor<10x12xf16>",
            "tcc.weight @table bits = 16 value = dense_resource<table> : tensor<20x12xf16>",
            "tcc.weight @bias bits = 16 value = dense_resource<bias> : tensor<10xf16>",
            "tcc.weight @one bits = 16 value = dense<1.0> : tensor<10xf16>",
            given("ids", "3xi64"),
            f"tcc.channel @c {inner} : tensor<3x12xf16>",
            taken("3x10xf16"),
        )
    )
    x, y = "!tcc.buffer<3x12xf16>", "!tcc.buffer<3x10xf16>"
    body = f"""{receive("ids", "3xi64")}
    %x = tcc.gather %ids of @table over [1, 3, 12] cut {table} op = 0 : !tcc.buffer<3xi64> -> {x}
    %t1, %r = tcc.receive @c bytes = 72 op = 1 : {x}
    %t2 = tcc.multicast @c, %x bytes = 24 op = 1 : {x}
    tcc.wait %t1, %t2 op = 1
    %v = tcc.mma %r, @w sizes [1, 3, 10, 12] cut {cut(n=n)} op = 1 : {x} -> {y}
    %b = tcc.load @bias op = 2 : !tcc.buffer<10xf16>
    %s = tcc.vector @add(%v, %b) over [1, 3, 10] cut {cut(n=n)} op = 2
      : ({y}, !tcc.buffer<10xf16>) -> ({y})
    %o = tcc.load @one op = 3 : !tcc.buffer<10xf16>
    %u = tcc.vector @add(%s, %o) over [1, 3, 10] cut {cut(n=n)} op = 3
      : ({y}, !tcc.buffer<10xf16>) -> ({y})
    {send("u", "3x10xf16", 3)}"""
    return parse(module_text(symbols, body))


def images(module: ModuleOp) -> dict[tuple[int, int], Array]:
    elaboration = elaborate(module)
    slices = Slices(elaboration)
    (only,) = elaboration.programs
    constants = Constants(WEIGHTS)
    return {place: build_image(slices.offsets(only, place), constants) for place in only.tiles}


def test_an_image_has_the_parts_in_order_each_aligned():
    found = images(program())
    # Tile (1, 0) has row 1 of the indices (all columns of the table), columns 3 to 5 of w.
    image = found[1, 0].view(np.float16)
    np.testing.assert_array_equal(image[:240].reshape(20, 12), WEIGHTS["table"])
    np.testing.assert_array_equal(image[240:276].reshape(3, 12), WEIGHTS["w"][3:6])
    np.testing.assert_array_equal(image[288:291], WEIGHTS["bias"][3:6])
    np.testing.assert_array_equal(image[304:307], np.ones(3, np.float16))
    assert len(found[1, 0]) == 480 + 96 + 32 + 32
    # Tile (1, 1) has no part of the gather and one column.
    last = found[1, 1].view(np.float16)
    np.testing.assert_array_equal(last[:12], WEIGHTS["w"][9])
    np.testing.assert_array_equal(last[16:17], WEIGHTS["bias"][9:])
    assert len(found[1, 1]) == 32 + 32 + 32


@pytest.mark.parametrize("bits", [16, 8, 4])
@pytest.mark.parametrize("n", [1, 3, 4])
def test_the_check_counts_the_bytes_that_images_have(bits: int, n: int):
    module = program(bits, n)
    elaboration = elaborate(module)
    (only,) = elaboration.programs
    needed = wmem_bytes(elaboration, only)
    assert {place: len(image) for place, image in images(module).items()} == needed


def test_an_equal_part_is_stored_once():
    module = program()
    twice = module_text_twice()
    once, two = (
        {p: len(i) for p, i in images(m).items()} for m in (module, parse(twice, allocated=True))
    )
    assert two == once


def module_text_twice() -> str:
    """The product is computed a second time."""
    text = str(program())
    line = next(line for line in text.splitlines() if "tcc.mma" in line)
    name = line.split("=")[0].strip()
    return text.replace(line, line + "\n" + line.replace(name, "%again", 1))


@pytest.mark.parametrize("bits", [16, 8])
def test_images_run_like_the_weights_they_were_made_from(tmp_path: Path, bits: int):
    module = program(bits)
    write_images(module, WEIGHTS, tmp_path / "images", "a model")
    expected = run_program(module, INPUTS, WEIGHTS)["y"]
    found = run_program(module, INPUTS, ImageFolder(tmp_path / "images"))["y"]
    np.testing.assert_array_equal(found, expected)
    exact = WEIGHTS["table"][INPUTS["ids"]].astype(np.float32) @ WEIGHTS["w"].T.astype(np.float32)
    tolerance = 4e-3 if bits == 16 else 0.05
    np.testing.assert_allclose(found, exact + WEIGHTS["bias"] + 1, rtol=tolerance, atol=tolerance)


def test_weights_come_from_a_file(tmp_path: Path):
    write_arrays(tmp_path / "w.safetensors", WEIGHTS, {})
    found = run_program(program(), INPUTS, TensorFile(tmp_path / "w.safetensors"))["y"]
    np.testing.assert_array_equal(found, run_program(program(), INPUTS, WEIGHTS)["y"])


def test_the_index_says_what_the_images_are(tmp_path: Path):
    write_images(program(), WEIGHTS, tmp_path, "a model")
    index = json.loads((tmp_path / INDEX).read_text())
    assert index["model"] == "a model"
    assert sorted(index["tiles"]) == ["0,0", "0,1", "1,0", "1,1"]
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(
        [INDEX, *(entry["file"] for entry in index["tiles"].values())]
    )
    for entry in index["tiles"].values():
        assert (tmp_path / entry["file"]).stat().st_size == entry["bytes"]


def test_writing_twice_gives_the_same_bytes(tmp_path: Path):
    for name in ("a", "b"):
        write_images(program(), WEIGHTS, tmp_path / name)
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()


def damaged(folder: Path, how: str) -> None:
    tile = folder / "x1y0.bin"
    data = tile.read_bytes()
    index = json.loads((folder / INDEX).read_text())
    match how:
        case "missing":
            tile.unlink()
        case "truncated":
            tile.write_bytes(data[:-1])
        case "altered":
            tile.write_bytes(bytes([data[0] ^ 1]) + data[1:])
        case "no index":
            (folder / INDEX).unlink()
        case "no JSON":
            (folder / INDEX).write_text("{")
        case "a list":
            (folder / INDEX).write_text("[]")
        case "another version":
            (folder / INDEX).write_text(json.dumps({**index, "schema_version": "9"}))
        case "no entry":
            del index["tiles"]["1,0"]
            (folder / INDEX).write_text(json.dumps(index))
        case _:
            raise AssertionError(how)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("missing", r"no image for the weight memory of tile \(1, 0\): cannot read '.*x1y0\.bin'"),
        ("truncated", r"x1y0\.bin', .* tile \(1, 0\), has 639 bytes and should have 640"),
        ("altered", r"x1y0\.bin', .* tile \(1, 0\), does not have the checksum"),
        ("no index", r"cannot read '.*index\.json'"),
        ("no JSON", r"index\.json' is not JSON"),
        ("a list", r"is not an index of images"),
        ("another version", r"has schema version 9, not"),
        ("no entry", r"no image for the weight memory of tile \(1, 0\)"),
    ],
)
def test_what_is_not_sound_is_refused(tmp_path: Path, how: str, message: str):
    module = program()
    write_images(module, WEIGHTS, tmp_path)
    damaged(tmp_path, how)
    with pytest.raises(UserError, match=message):
        run_program(module, INPUTS, ImageFolder(tmp_path))


@pytest.mark.parametrize("other", [{"bits": 8}, {"n": 2}, {"name": "v"}, {"table": cut(n=4)}])
def test_images_of_another_program_are_refused(tmp_path: Path, other: dict[str, object]):
    write_images(program(), WEIGHTS, tmp_path, "a model")
    with pytest.raises(UserError, match="are of another program") as caught:
        run_program(program(**other), INPUTS, ImageFolder(tmp_path))  # type: ignore[arg-type]
    assert "'a model'" in caught.value.notes[0]


def test_a_schedule_does_not_change_what_images_are_for(tmp_path: Path):
    module = program()
    write_images(module, WEIGHTS, tmp_path)
    for op in module.walk():
        if op.name == "tcc.mma":
            op.set_schedule(3, 7)  # type: ignore[attr-defined]
    run_program(module, INPUTS, ImageFolder(tmp_path))


def test_an_interrupted_write_leaves_no_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write_images(program(), WEIGHTS, tmp_path)
    import asic_compiler.simulate.images as room

    written = room.write_atomic
    calls: list[Path] = []

    def fails_late(path: Path, data: bytes) -> None:
        calls.append(path)
        if len(calls) == 3:
            raise OSError(28, "No space left on device")
        written(path, data)

    monkeypatch.setattr(room, "write_atomic", fails_late)
    with pytest.raises(UserError, match=r"cannot write images: .*: No space"):
        write_images(program(), WEIGHTS, tmp_path)
    with pytest.raises(UserError, match="cannot read"):
        run_program(program(), INPUTS, ImageFolder(tmp_path))


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({k: v for k, v in WEIGHTS.items() if k != "w"}, "no weight 'w'"),
        (WEIGHTS | {"w": random(1, 12, 10)}, r"weight 'w' is float16\[12, 10\], the model has"),
        (WEIGHTS | {"w": WEIGHTS["w"].astype(np.float32)}, r"weight 'w' is float32\[10, 12\]"),
    ],
)
def test_weights_that_are_not_the_models(weights: dict[str, Array], message: str):
    with pytest.raises(UserError, match=message):
        run_program(program(), INPUTS, weights)


@pytest.mark.parametrize("bits", [4, 8])
def test_rows_that_are_kept_are_the_same_bits(bits: int):
    from xdsl.dialects.builtin import f16

    rows = Rows(np.array([0, 0, 0, 1, 1, 2, 2, 2, 2]))
    old, new = random(1, 9), random(2, 9)
    before, after = (pack(v, rows, bits, f16) for v in (old, new))
    mixed = keep_rows(before, after, rows, bits, np.array([True, False, True]))
    found = unpack(mixed, rows, bits, f16)
    where = np.array([True] * 3 + [False] * 2 + [True] * 4)
    expected = np.where(where, unpack(before, rows, bits, f16), unpack(after, rows, bits, f16))
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("name", ["a\0", "missing", "pipe", ""])
def test_an_image_that_is_no_file_is_refused_at_once(tmp_path, name):
    """A pipe was waited for; a NUL in the index ended in a trace."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UserError, match=r"tile \(0, 0\)"):
        _image(tmp_path, {"0,0": {"file": name, "sha256": ""}}, (0, 0), 4)
