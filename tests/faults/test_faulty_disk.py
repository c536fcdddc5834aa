"""Killed before each write, or with the disk full from there on: all is old, or all is new.

A work is done once to count its events; then once for each event and each way to fail, in a process
forked from this one. The quick form takes some of the events, the slow one all.
"""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from faulty_disk import contents, ended, hidden
from fuzzing.modules import MODEL, arrays, read, text_of
from fuzzing.states import _policy_state, _search_state
from safetensors.numpy import save_file
from tiny_models import TINY_LLAMA

from asic_compiler.explore.checkpoint import container
from asic_compiler.explore.checkpoint.keeper import KIND
from asic_compiler.explore.request import Request
from asic_compiler.explore.run import explore
from asic_compiler.frontends import ImportSpec, TensorRequest, import_model
from asic_compiler.passes.convert_linalg_to_asic import ConvertLinalgToAsic
from asic_compiler.plan.attributes import annotate
from asic_compiler.program.generate import generate
from asic_compiler.report.run.folder import HARDWARE, RUN_FILES, open_run, replace_run
from asic_compiler.report.run.write import write_run
from asic_compiler.simulate.tensors import inputs_of, weights_of
from asic_compiler.tools import asic_opt, asic_run, asic_translate
from asic_compiler.tools.console import guarded
from asic_compiler.workload.extract import extract

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # fork beside idle threads
QUICK = 4
"""Events of a work that the quick form takes."""


@dataclass(frozen=True)
class Work:
    """What is written.

    ``run`` writes into a folder and gives an exit code. ``partial`` says of what a kill may leave
    that is neither old nor new: nothing takes it for a result.
    """

    run: Callable[[Path], int]
    old: dict[str, bytes] = field(default_factory=dict)
    partial: Callable[[dict[str, bytes]], bool] = lambda there: False


@pytest.fixture(scope="module")
def things(tmp_path_factory):
    """The files of a run in memory, and files that tools read."""
    folder = tmp_path_factory.mktemp("things")
    module = read(MODEL.read_bytes())
    ConvertLinalgToAsic().apply(None, module)
    request = Request(strategy="random", evaluations=16)
    exploration = explore(extract(module), request)
    annotate(module, exploration.plan)
    program = generate(module, exploration.plan)
    (folder / "program.mlir").write_text(text_of(program), encoding="utf-8")
    read(text_of(program))
    save_file(arrays(inputs_of(program)), folder / "inputs.safetensors")
    save_file(arrays(weights_of(program)), folder / "weights.safetensors")
    (folder / "run").mkdir()
    write_run(folder / "run", exploration, program, {})
    return folder, {path.name: path.read_bytes() for path in (folder / "run").iterdir()}


def emitted(things):
    _, files = things

    def run(folder: Path) -> int:
        def body():
            with open_run(folder / "out") as out:
                replace_run(out, files)
            return 0

        return guarded("asic-opt", body)

    return run


def kept(kind, state):
    def run(folder: Path) -> int:
        def body():
            container.write(folder / "file.safetensors", kind, state)
            return 0

        return guarded("asic-opt", body)

    return run


def ran(things, *flags: str):
    """``asic-run`` on the program, with weights."""
    folder, _ = things
    given = ["--inputs", f"{folder}/inputs.safetensors"]
    given += ["--weights", f"{folder}/weights.safetensors"]

    def run(target: Path) -> int:
        own = [flag.replace("DIR", str(target)) for flag in flags]
        return asic_run.main([f"{folder}/program.mlir", *given, *own])

    return run


def works(things) -> dict[str, Work]:
    folder, _ = things
    own = {f"out/{name}": b"old" for name in RUN_FILES}
    mine = {"out/mine.txt": b"mine"}

    def no_run(there):
        return f"out/{HARDWARE}" not in there

    def no_images(there):
        return "images/index.json" not in there

    emit = emitted(things)
    return {
        "emit, a new folder": Work(emit),
        "emit, a run's folder": Work(emit, own),
        "emit, a folder with other files": Work(emit, own | mine, no_run),
        "checkpoint": Work(kept(KIND, _search_state()), {"file.safetensors": b"old"}),
        "policy": Work(kept("policy", _policy_state()), {"file.safetensors": b"old"}),
        "output of asic-opt": Work(
            lambda target: asic_opt.main(
                [str(MODEL), "--convert-linalg-to-asic", "-o", f"{target}/a.mlir"]
            ),
            {"a.mlir": b"old"},
        ),
        "output of asic-translate": Work(
            lambda target: asic_translate.main(
                [f"{folder}/program.mlir", "--to-trace", "-o", f"{target}/trace.json"]
            )
        ),
        "images": Work(ran(things, "--images", "DIR/images"), {}, no_images),
        "images again": Work(
            ran(things, "--images", "DIR/images"), {"images/index.json": b"{}"}, no_images
        ),
        "outputs": Work(ran(things, "--outputs", "DIR/out.safetensors")),
    }


NAMES = (
    "emit, a new folder", "emit, a run's folder", "emit, a folder with other files", "checkpoint",
    "policy", "output of asic-opt", "output of asic-translate", "images", "images again",
    "outputs",
)  # fmt: skip


def begin(folder: Path, old: dict[str, bytes]) -> Path:
    folder.mkdir(parents=True)
    for name, data in old.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def check_every(work: Work, tmp_path: Path, most: int) -> int:
    """Fails at up to ``most`` events in each way; returns how often that was."""
    work.run(begin(tmp_path / "warm", work.old))  # what is loaded once is loaded here
    whole = begin(tmp_path / "whole", work.old)
    counted = ended(lambda: work.run(whole), whole)
    assert counted.code == 0, counted
    new, events = contents(whole), counted.events
    assert hidden(whole) == []
    assert new != work.old
    step = max(1, len(events) // most)
    # The last event is taken always: what is renamed last makes the new.
    numbers = sorted({*range(0, len(events), step), len(events) - 1})
    for number in numbers:
        for how in ("killed", "full"):
            folder = begin(tmp_path / f"{how}{number}", work.old)
            left = ended(lambda folder=folder: work.run(folder), folder, number, how)
            there = contents(folder)
            where = f"{how} at {number}, {events[number]}: {sorted(there)} {left}"
            if how == "killed":
                assert left.killed, where
                assert there in (work.old, new) or work.partial(there), where
            elif left.code == 0:  # from there on nothing needed space
                assert there == new, where
            else:
                assert left.code == 1, where
                assert ": error: " in left.told, where
                assert str(folder) in left.told, where
                assert "o space left" in left.told, where
                assert there == work.old or work.partial(there), where
                assert hidden(folder) == [], where
            again = ended(lambda folder=folder: work.run(folder), folder)
            assert (again.code, contents(folder)) == (0, new), where
            assert hidden(folder) == [], where
    return 2 * len(numbers)


@pytest.mark.parametrize("name", NAMES)
def test_some_writes(name, things, tmp_path):
    assert check_every(works(things)[name], tmp_path, QUICK) >= 2


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_every_write_of_weights(tmp_path):
    """Three files that belong together, over those of another seed."""
    config = tmp_path / "config.json"
    config.write_text(json.dumps({**TINY_LLAMA, "num_hidden_layers": 1}))

    def run(folder: Path, seed: int = 2) -> int:
        def body():
            spec = ImportSpec(str(config), context=16)
            import_model(spec, tensors=TensorRequest(folder, seed=seed))
            return 0

        return guarded("asic-import", body)

    old = begin(tmp_path / "old", {})
    run(old, 1)
    work = Work(run, contents(old), lambda there: "reference.safetensors" not in there)
    assert check_every(work, tmp_path, 10**6) >= 10


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_every_write(name, things, tmp_path):
    # Images are alike, one a tile: some stand for all of them.
    most = 30 if name.startswith("images") else 10**6
    assert check_every(works(things)[name], tmp_path, most) >= 2


def test_a_work_that_writes_in_place_is_found(things, tmp_path):
    """The harness itself: a file that is written where it stands is half there."""

    def run(folder: Path) -> int:
        with (folder / "a").open("wb") as stream:
            stream.write(b"new")
            stream.flush()
            os.fsync(stream.fileno())
        return 0

    with pytest.raises(AssertionError):
        check_every(Work(run, {"a": b"old"}), tmp_path, QUICK)


def test_a_work_that_leaves_something_is_found(things, tmp_path):
    def run(folder: Path) -> int:
        (folder / f".{os.getpid()}.tmp").write_bytes(b"new")
        (folder / f".{os.getpid()}.tmp").replace(folder / "a")
        return 0

    with pytest.raises(AssertionError):
        check_every(Work(run, {"a": b"old"}), tmp_path, 10)
