"""Targets that read what runs have left: folders of a run, images of weight memories."""

from __future__ import annotations

import json
import random
import struct
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from safetensors.numpy import save
from xdsl.dialects.builtin import ModuleOp

from asic_compiler.report.html.run_report import run_report
from asic_compiler.report.run.folder import HARDWARE, PARETO, TRACE
from asic_compiler.simulate import run_program
from asic_compiler.simulate.images import INDEX, ImageFolder, write_images
from asic_compiler.simulate.tensors import check_whole, inputs_of, load, select, weights_of
from fuzzing.changes import changed, changed_bytes, changed_document
from fuzzing.judging import FaultError
from fuzzing.modules import MODEL, apply, arrays, placed, read
from fuzzing.target import Target

_NAMES = (HARDWARE, PARETO, TRACE)


@cache
def run_files() -> dict[str, bytes]:
    """The files of a run's folder, and those of the images of its program."""
    with TemporaryDirectory() as name:
        folder, images = Path(name) / "run", Path(name) / "images"
        flag = f"rl-explore=evaluations=16 strategy=random seed=1 quiet=true emit={folder}"
        apply(read(MODEL.read_bytes()), flag)
        module = _program()
        write_images(module, arrays(weights_of(module)), images)
        return {path.name: path.read_bytes() for f in (folder, images) for path in f.iterdir()}


@cache
def _program() -> ModuleOp:
    return apply(read(placed()[0]), "asic-schedule", "convert-asic-to-tcc")


def _document(name: str) -> Callable[[random.Random], bytes]:
    """A JSON file, changed as a document or as a text."""

    def make(draw: random.Random) -> bytes:
        text = run_files()[name].decode()
        if draw.random() < 0.25:
            return changed(text, (text,), draw).encode("utf-8", "surrogatepass")
        return json.dumps(changed_document(_parsed(name), draw)).encode()

    return make


@cache
def _parsed(name: str) -> Any:
    return json.loads(run_files()[name])


def _report(draw: random.Random) -> bytes:
    """One of the three files of a report, told by its first byte."""
    number = draw.randrange(len(_NAMES))
    return bytes([number]) + _document(_NAMES[number])(draw)


def _read_report(data: bytes, folder: Path) -> None:
    changed_one = _NAMES[data[0] % len(_NAMES)] if data else HARDWARE
    for name in _NAMES:
        (folder / name).write_bytes(data[1:] if name == changed_one else run_files()[name])
    page = run_report(folder)
    page.encode("utf-8", "surrogatepass")
    if "<script" in page:
        raise FaultError("the page has a script")


def _images(draw: random.Random) -> bytes:
    """The index of images, or with a NUL in front one of the images."""
    if draw.random() < 0.7:
        return _document(INDEX)(draw)
    return b"\0" + changed_bytes(run_files()[_first_image()], draw)


@cache
def _first_image() -> str:
    return min(name for name in run_files() if name.endswith(".bin"))


def _run_images(data: bytes, folder: Path) -> None:
    for name, content in run_files().items():
        if name.endswith(".bin"):
            (folder / name).write_bytes(content)
    (folder / INDEX).write_bytes(run_files()[INDEX] if data[:1] == b"\0" else data)
    if data[:1] == b"\0":
        (folder / _first_image()).write_bytes(data[1:])
    run_program(_program(), arrays(inputs_of(_program())), ImageFolder(folder))


@cache
def _given() -> bytes:
    """The inputs of the program as a file."""
    return save(arrays(inputs_of(_program())), {"model": "mlp"})


def _inputs(draw: random.Random) -> bytes:
    """A file of inputs, changed in its header as a document, or in its bytes."""
    data = _given()
    if draw.random() < 0.4:
        return changed_bytes(data, draw)
    (length,) = struct.unpack("<Q", data[:8])
    header = json.dumps(changed_document(json.loads(data[8 : 8 + length]), draw)).encode()
    return struct.pack("<Q", len(header)) + header + data[8 + length :]


def _read_inputs(data: bytes, folder: Path) -> None:
    # Imported here: it brings PyTorch.
    from asic_compiler.frontends.pytorch.checkpoint import _shapes

    path = folder / "inputs.safetensors"
    path.write_bytes(data)
    file = load(path)
    select(file, inputs_of(_program()), "inputs")
    check_whole(file)
    _shapes(folder)


RUNS = {
    "inputs": Target(_inputs, _read_inputs, 20),
    "report": Target(_report, _read_report, 8),
    "images": Target(_images, _run_images, 3),
}
