"""A thousand kills at random moments: is anything lost, half written, or different afterwards?

    python benchmarks/kills.py [--kills 1000] [--results build/kills.json]

Four works, each in a process forked from this one: a search that writes checkpoints, emits its
run and prints its module (`run`); a search that learns, with a checkpoint after every batch
(`learner`); what `asic-import --with-weights` writes (`weights`); `asic-run --images` (`images`).
Each is killed (SIGKILL), every second time at a moment drawn over its whole length, else at one
drawn within a phase that is short. What is there then must be whole, or not there. The work is
done again (a search resumes from its checkpoint), and everything must have the bytes of one that
nobody killed, with nothing left beside it. Goes on where it stopped. Linux and macOS: it forks.
"""

from __future__ import annotations

import argparse
import gc
import json
import mmap
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/support"))

from faulty_disk import contents, hidden  # noqa: E402
from fuzzing.modules import MODEL, arrays, programs, read  # noqa: E402
from resume_kill import digest  # noqa: E402
from safetensors.numpy import save_file  # noqa: E402
from tiny_models import TINY_LLAMA  # noqa: E402
from toy_problems import WalkAndTune  # noqa: E402

from asic_compiler.explore.checkpoint import container  # noqa: E402
from asic_compiler.explore.checkpoint.keeper import KIND, Keeper  # noqa: E402
from asic_compiler.explore.strategies.sac_moe.config import SacMoeConfig  # noqa: E402
from asic_compiler.explore.strategies.sac_moe.strategy import SacMoe  # noqa: E402
from asic_compiler.files import write_atomic  # noqa: E402
from asic_compiler.frontends import ImportedModel, ImportSpec, TensorRequest  # noqa: E402
from asic_compiler.frontends.models.config import find_recipe  # noqa: E402
from asic_compiler.frontends.pytorch import bundle, language, lowering  # noqa: E402
from asic_compiler.frontends.pytorch.prepared import Prepared, fake_mode  # noqa: E402
from asic_compiler.frontends.stages import Stages  # noqa: E402
from asic_compiler.passes import explore  # noqa: E402
from asic_compiler.simulate import images  # noqa: E402
from asic_compiler.simulate.tensors import inputs_of, weights_of  # noqa: E402
from asic_compiler.tools import asic_opt, asic_run, driver  # noqa: E402

Moment = tuple[Any, str, str]
"""A function by owner and name, and what a process does while it is in it."""


@dataclass(frozen=True)
class Work:
    """What is killed.

    ``partial`` says of what a kill may leave that is neither nothing nor all: no reader takes it
    for a result.
    """

    run: Callable[[Path], object]
    moments: Sequence[Moment]
    share: int
    """Of a thousand kills."""
    partial: Callable[[dict[str, bytes]], bool] = lambda there: False


def run(folder: Path) -> None:
    """A search with checkpoints, whose run is emitted and whose module is written."""
    kept = folder / "run.ckpt"
    resume = f"resume={kept} " if kept.exists() else ""
    options = f"strategy=random evaluations=1024 quiet=true checkpoint={kept} {resume}"
    options += f"emit={folder / 'out'}"
    code = asic_opt.main([str(MODEL), f"--rl-explore={options}", "-o", str(folder / "out.mlir")])
    assert code == 0, code


LEARNER = SacMoe(
    SacMoeConfig(
        hidden=16, batch=16, environments=8, experts=1, mpc=False, surrogate=False,
        priority_exponent=0.0,
    )
)  # fmt: skip


def learner(folder: Path) -> None:
    """A search that learns; what it found goes to a file."""
    kept = folder / "run.ckpt"
    keeper = Keeper(kept, kept if kept.exists() else None, 1)
    found = LEARNER.run_kept(WalkAndTune(), 96, 3, None, keeper)
    write_atomic(folder / "digest", digest(found))


def with_weights(config: Path) -> Callable[[Path], object]:
    """What ``asic-import --with-weights`` writes of a small llama, which is lowered once."""
    stages = Stages()

    @cache
    def lowered() -> tuple[Prepared, ImportedModel, bundle.Names]:
        spec, mode = ImportSpec(str(config), context=16), fake_mode()
        prepared = language.prepare(find_recipe(spec), spec, mode)
        names = bundle.Names(prepared.module, prepared.prefix)
        return prepared, lowering.lower(prepared, spec, mode, stages, names), names

    def work(folder: Path) -> None:
        (folder / "run").mkdir(exist_ok=True)
        prepared, imported, names = lowered()
        bundle.write(TensorRequest(folder / "run", 1), prepared, imported, names, None, stages)

    return work


def with_images(things: Path) -> Callable[[Path], object]:
    """``asic-run --images`` with weights: one image a tile, and an index."""

    def work(folder: Path) -> None:
        flags = [f"--{name}={things / name}.safetensors" for name in ("inputs", "weights")]
        code = asic_run.main(
            [str(things / "program.mlir"), *flags, "--images", str(folder / "images")]
        )
        assert code == 0, code

    return work


def works(things: Path) -> dict[str, Work]:
    """The four, with what they read made beside."""
    config = things / "config.json"
    config.write_text(json.dumps({**TINY_LLAMA, "num_hidden_layers": 1}))
    (things / "program.mlir").write_text(programs()[0])
    program = read(programs()[0])
    save_file(arrays(inputs_of(program)), things / "inputs.safetensors")
    save_file(arrays(weights_of(program)), things / "weights.safetensors")
    return {
        "run": Work(
            run,
            [
                (explore, "explore", "searching"),
                (container, "write", "writing a checkpoint"),
                (explore, "emit_exploration", "generating the program"),
                (sys.modules["asic_compiler.report.run.write"], "replace_run", "emitting"),
                (driver, "write_output", "writing the output"),
            ],
            100,
        ),
        "learner": Work(
            learner,
            [
                (SacMoe, "run_kept", "learning"),
                (container, "write", "writing a checkpoint"),
            ],
            500,
        ),
        "weights": Work(
            with_weights(config),
            [
                (bundle, "write_tensors", "writing tensors"),
                (bundle, "replace", "after the renaming"),
            ],
            250,
            partial=lambda there: "run/reference.safetensors" not in there,
        ),
        "images": Work(
            with_images(things),
            [(images, "build_image", "making an image"), (images, "write_atomic", "writing")],
            150,
            partial=lambda there: "images/index.json" not in there,
        ),
    }


class Child:
    """A process that does a work, and says in shared memory where it is."""

    def __init__(self, work: Work, folder: Path) -> None:
        self._place = mmap.mmap(-1, 16)
        self.process = os.fork()
        if self.process == 0:
            code = 1
            try:
                null = os.open(os.devnull, os.O_WRONLY)
                os.dup2(null, 1)
                os.dup2(null, 2)
                for number, (owner, name, _) in enumerate(work.moments, 1):
                    setattr(owner, name, self._told(getattr(owner, name), number))
                work.run(folder)
                code = 0
            finally:
                os._exit(code)

    def _told(self, call: Callable[..., Any], number: int) -> Callable[..., Any]:
        def told(*arguments: Any, **named: Any) -> Any:
            before, self._place[0] = self._place[0], number
            try:
                return call(*arguments, **named)
            finally:
                self._place[0] = before

        return told

    @property
    def phase(self) -> int:
        """Number of the moment that it is in, 0 for none."""
        return self._place[0]

    def ended(self) -> bool:
        """Whether it is; it stays to be waited for."""
        options = os.WEXITED | os.WNOHANG | os.WNOWAIT
        return os.waitid(os.P_PID, self.process, options) is not None

    def wait(self) -> int:
        """Its exit code."""
        return os.waitstatus_to_exitcode(os.waitpid(self.process, 0)[1])


def done(work: Work, folder: Path) -> float:
    """Does the work; seconds that it took."""
    began = time.perf_counter()
    child = Child(work, folder)
    if child.wait():
        raise SystemExit(f"the work fails unkilled in {folder}")
    return time.perf_counter() - began


def killed(work: Work, folder: Path, took: float, draw: random.Random) -> str | None:
    """Kills the work at a moment, and says what it was at; None where it had ended."""
    aim = draw.randint(1, len(work.moments)) if work.moments and draw.random() < 0.5 else 0
    again = draw.choice([1, 1, 2, 3])  # of the times that it is there
    child = Child(work, folder)
    if aim:
        seen = False
        while not child.ended() and again:
            now = child.phase == aim
            again -= now and not seen
            seen = now
        time.sleep(draw.uniform(0.0, 0.004))
    else:
        time.sleep(draw.uniform(0.0, took))
    os.kill(child.process, signal.SIGKILL)
    phase = child.phase
    code = child.wait()
    if code == 0:
        return None
    return work.moments[phase - 1][2] if phase else "between"


def wrong(work: Work, folder: Path, whole: dict[str, bytes]) -> str:
    """What is there of a killed work that should not be; empty if nothing is."""
    there = contents(folder)
    if "run.ckpt" in there:
        container.read(folder / "run.ckpt", KIND)  # raises where it is not whole
    told = {name: data for name, data in there.items() if name != "run.ckpt"}
    for name, data in told.items():
        if data != whole[name]:
            return f"{name} is neither old nor new"
    groups = {name.partition("/")[0] for name in told}
    for group in groups:
        mine = {n for n in told if n.partition("/")[0] == group}
        all_of = {n for n in whole if n.partition("/")[0] == group}
        if mine != all_of and not work.partial(told):
            return f"of {group} there is {sorted(mine)}"
    return ""


def main() -> None:
    """Kills, resumes, compares, and prints a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--results", type=Path, default=ROOT / "build/kills.json")
    args = parser.parse_args()
    args.results.parent.mkdir(parents=True, exist_ok=True)
    held: dict[str, Any] = json.loads(args.results.read_text()) if args.results.exists() else {}
    with tempfile.TemporaryDirectory() as name:
        base = Path(name)
        for kind, work in works(base).items():
            state = held.setdefault(kind, {"tried": 0, "kills": 0, "phases": {}, "wrong": []})
            fresh(base / "warm")
            work.run(base / "warm")  # what is loaded at the first time is no part of it
            gc.freeze()
            fresh(base / "whole")
            done(work, base / "whole")
            whole = contents(base / "whole")
            fresh(base / "timed")
            took = done(work, base / "timed")
            if contents(base / "timed") != whole:
                raise SystemExit(f"{kind}: two runs differ")
            while state["kills"] < work.share * args.kills // 1000:
                one(kind, work, fresh(base / "killed"), whole, took, state)
                write_atomic(args.results, json.dumps(held, indent=1) + "\n")
    report(held)


def one(
    kind: str, work: Work, folder: Path, whole: dict[str, bytes], took: float, state: dict[str, Any]
) -> None:
    """One kill, and what is found after it."""
    number = state["tried"]
    state["tried"] += 1
    phase = killed(work, folder, took, random.Random(f"{kind}.{number}"))
    if phase is None:
        return
    found = wrong(work, folder, whole)
    done(work, folder)
    after = contents(folder)
    if not found and {n: d for n, d in after.items() if n != "run.ckpt"} != {
        n: d for n, d in whole.items() if n != "run.ckpt"
    }:
        found = "another result after it"
    if not found and hidden(folder):
        found = f"left: {hidden(folder)[:3]}"
    if found:
        state["wrong"].append(f"{number}, {phase}: {found}")
    state["phases"][phase] = state["phases"].get(phase, 0) + 1
    state["kills"] += 1


def fresh(folder: Path) -> Path:
    """An empty folder."""
    if folder.exists():
        for path in sorted(folder.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
    folder.mkdir(exist_ok=True)
    return folder


def report(held: dict[str, Any]) -> None:
    """A table of where kills fell, and what was wrong."""
    print("| work | kills | it was | wrong |")
    print("| --- | --- | --- | --- |")
    for kind, state in held.items():
        phases = ", ".join(f"{name} {n}" for name, n in sorted(state["phases"].items()))
        print(f"| {kind} | {state['kills']} | {phases} | {len(state['wrong'])} |")
    total = sum(state["kills"] for state in held.values())
    wrongs = [(k, w) for k, state in held.items() for w in state["wrong"]]
    print(f"{total} kills, {len(wrongs)} wrong")
    for kind, text in wrongs:
        print(f"{kind} {text}")
    sys.exit(1 if wrongs else 0)


if __name__ == "__main__":
    main()
