"""What every reader does with paths that are no files, and with files that are no documents.

A row a reader, a column a kind of file: each is accepted, or refused in a line, at once.
"""

import os
import signal

import pytest
from fuzzing import judged
from fuzzing.target import shown
from toy_problems import WalkAndTune

from asic_compiler.embedding import parse_file
from asic_compiler.explore.checkpoint.keeper import Keeper
from asic_compiler.explore.search import search
from asic_compiler.explore.strategies.random_search import RandomSearch
from asic_compiler.explore.strategies.sac_moe.config import SacMoeConfig
from asic_compiler.explore.strategies.sac_moe.policy_file import choose_policy
from asic_compiler.frontends.gguf.file import read as read_gguf
from asic_compiler.frontends.models.config import find_recipe
from asic_compiler.frontends.pytorch.checkpoint import _shapes
from asic_compiler.frontends.spec import ImportSpec
from asic_compiler.ppa.chips.description import read_file as read_chips
from asic_compiler.report.html.run_report import run_report
from asic_compiler.report.run.folder import open_run
from asic_compiler.simulate.images import _image, _index
from asic_compiler.simulate.tensors import load
from asic_compiler.technology.liberty.calibrate import calibrate
from asic_compiler.technology.library import load_constants
from asic_compiler.tools.console import check_output, read_input

SECONDS = 5

READERS = {
    "module": ("in.mlir", lambda path: parse_file(str(path))),
    "tech": ("tech.toml", lambda path: load_constants("5nm", str(path))),
    "chips": ("chips.toml", read_chips),
    "liberty": (
        "cells.lib",
        lambda path: calibrate(shown(read_input(str(path))[0]), str(path), "5nm", None),
    ),
    "config": ("config.json", lambda path: find_recipe(ImportSpec(str(path)))),
    "config of a folder": ("config.json", lambda path: find_recipe(ImportSpec(str(path.parent)))),
    "gguf": ("m.gguf", read_gguf),
    "gguf by name": ("m.gguf", lambda path: find_recipe(ImportSpec(str(path)))),
    "inputs": ("inputs.safetensors", lambda path: load(str(path))),
    "weights of a folder": ("m.safetensors", lambda path: _shapes(path.parent)),
    "report": ("hardware.json", lambda path: run_report(path.parent)),
    "index of images": ("index.json", lambda path: _index(path.parent)),
    "image": (
        "x0y0.bin",
        lambda path: _image(path.parent, {"0,0": {"file": "x0y0.bin"}}, (0, 0), 64),
    ),
    "checkpoint": (
        "run.ckpt",
        lambda path: search(WalkAndTune(), RandomSearch(16), 32, resume=path),
    ),
    "policy": (
        "policy.safetensors",
        lambda path: choose_policy(str(path), WalkAndTune(), SacMoeConfig()),
    ),
}


def device(path):
    path.symlink_to("/dev/zero")


def circle(path):
    path.symlink_to(path.name)


def huge(path):
    with path.open("wb") as stream:
        stream.truncate(2**42)  # a hole


def unreadable(path):
    path.write_text("{}")
    path.chmod(0)


FILES = {
    "pipe": os.mkfifo,
    "device": device,
    "terminal": lambda path: path.symlink_to("/dev/tty"),
    "circle of links": circle,
    "link to nothing": lambda path: path.symlink_to("nothing"),
    "folder": lambda path: path.mkdir(),
    "nothing": lambda path: None,
    "empty": lambda path: path.touch(),
    "huge": huge,
    "unreadable": unreadable,
    "NUL bytes": lambda path: path.write_bytes(b"\0" * 4096),
    "no UTF-8": lambda path: path.write_bytes(b"a = \xff\xfe\n"),
    "byte order mark": lambda path: path.write_bytes(b"\xef\xbb\xbfa = 1\n"),
    "deep": lambda path: path.write_text('{"a":' * 50_000),
    "no end": lambda path: path.write_text('"' + "a" * 100_000),
    "control characters": lambda path: path.write_text('\x1b[2J\r\n"\x07\x85\u2028'),
}
ACCEPTED = {("tech", "empty")}
"""Everything else is refused."""


@pytest.fixture(autouse=True)
def at_once():
    """A reader that waits takes no processor time: the clock of the wall ends it."""

    def stop(number, frame):
        pytest.fail("it waits")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(SECONDS)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("reader", READERS)
def test_it_is_accepted_or_refused_in_a_line(reader, kind, tmp_path):
    if kind == "unreadable" and os.geteuid() == 0:
        pytest.skip("root reads everything")
    name, read = READERS[reader]
    FILES[kind](tmp_path / name)
    outcome = judged(lambda data, folder: read(folder / name), b"", tmp_path)
    expected = "accepted" if (reader, kind) in ACCEPTED else "refused"
    assert outcome.kind == expected, outcome


@pytest.mark.parametrize("name", ["a\0b", "a" * 300, "\x1b[31m", "\udcff", "a\nb"])
@pytest.mark.parametrize("reader", READERS)
def test_a_name_of_a_file_may_be_anything(reader, name, tmp_path):
    _, read = READERS[reader]
    outcome = judged(lambda data, folder: read(folder / name), b"", tmp_path)
    assert outcome.kind == "refused", outcome


def made_folder(path):
    with open_run(path):
        pass


WRITERS = {
    "output": lambda path: check_output(str(path)),
    "folder of a run": made_folder,
    "checkpoint": lambda path: RandomSearch(16).run_kept(WalkAndTune(), 16, 0, None, Keeper(path)),
}
TARGETS = {
    "circle of links": circle,
    "a folder that is a file": lambda path: path.parent.rmdir() or path.parent.touch(),
    "a folder that is not there": lambda path: path.parent.rmdir(),
    "a folder that is read-only": lambda path: path.parent.chmod(0o500),
}


@pytest.mark.parametrize("kind", TARGETS)
@pytest.mark.parametrize("writer", WRITERS)
def test_what_cannot_be_written_is_refused_before_the_work(writer, kind, tmp_path):
    if kind == "a folder that is read-only" and os.geteuid() == 0:
        pytest.skip("root writes everything")
    if (writer, kind) == ("folder of a run", "a folder that is not there"):
        pytest.skip("it is made")
    if (writer, kind) == ("checkpoint", "circle of links"):
        pytest.skip("it takes the place of the link")
    path = tmp_path / "there" / "name"
    path.parent.mkdir()
    TARGETS[kind](path)
    outcome = judged(lambda data, folder: WRITERS[writer](path), b"", tmp_path)
    assert outcome.kind == "refused", outcome


@pytest.mark.parametrize("name", ["/proc/asic-compiler", "/dev/full/x", "a\0b", "a" * 300])
@pytest.mark.parametrize("writer", WRITERS)
def test_names_that_cannot_be_are_refused_before_the_work(writer, name, tmp_path):
    outcome = judged(lambda data, folder: WRITERS[writer](folder / name), b"", tmp_path)
    assert outcome.kind == "refused", outcome
