"""What every reader does with paths that are no files, and with files that are no documents."""

import os

import pytest
from asic_compiler.simulate.tensor_files import TensorFile

from asic_compiler.diagnostics import UserError
from asic_compiler.embedding import parse_file
from asic_compiler.explore.checkpoint import container
from asic_compiler.explore.checkpoint.state import StateError
from asic_compiler.frontends.gguf.file import read as read_gguf
from asic_compiler.frontends.models.config import _read as read_config
from asic_compiler.ppa.chips.description import read_file as read_chips
from asic_compiler.report.html.run_report import _read as read_report
from asic_compiler.simulate.images import _index as read_index
from asic_compiler.technology.library import load_constants
from asic_compiler.tools.console import read_input

READERS = {
    "input": lambda path: read_input(str(path)),
    "module": lambda path: parse_file(str(path)),
    "tech": lambda path: load_constants("5nm", str(path)),
    "chips": read_chips,
    "config": read_config,
    "gguf": read_gguf,
    "safetensors": TensorFile,
    "report": read_report,
    "images": lambda path: read_index(path.parent),
    "checkpoint": lambda path: container.read(path, "search"),
}


def pipe(path):
    os.mkfifo(path)


def device(path):
    path.symlink_to("/dev/zero")


def circle(path):
    path.symlink_to(path)


def huge(path):
    with path.open("wb") as stream:
        stream.truncate(2**42)  # a hole


def nested(path):
    path.write_text('{"a":' * 50_000)


PATHS = [pipe, device, circle, huge, nested, lambda path: path.mkdir(), lambda path: None]
NAMES = ["pipe", "device", "circle", "huge", "nested", "folder", "nothing"]


@pytest.mark.parametrize("make", PATHS, ids=NAMES)
@pytest.mark.parametrize("reader", READERS)
def test_it_is_refused_at_once(reader, make, tmp_path):
    path = tmp_path / "index.json"
    make(path)
    if (reader, make) == ("input", nested):
        return  # it only reads bytes
    with pytest.raises((UserError, StateError, OSError)):
        READERS[reader](path)
