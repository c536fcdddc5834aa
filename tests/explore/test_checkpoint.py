"""Searches that are interrupted, and checkpoints that are not what they claim to be."""

import hashlib
import json
import os
import struct
from dataclasses import replace

import numpy as np
import pytest
from killing import WRITING, killed, on_the_way_to
from safetensors.numpy import load, save
from toy_problems import NothingFits, WalkAndTune

from asic_compiler.diagnostics import UserError
from asic_compiler.explore.archive import ParetoArchive
from asic_compiler.explore.checkpoint import container
from asic_compiler.explore.checkpoint.keeper import KIND, Keeper
from asic_compiler.explore.checkpoint.state import StateError, StateReader, generator_state
from asic_compiler.explore.recorder import Recorder
from asic_compiler.explore.search import search
from asic_compiler.explore.strategies.random_search import RandomSearch
from asic_compiler.explore.strategies.sac_moe.config import SacMoeConfig
from asic_compiler.explore.strategies.sac_moe.strategy import SacMoe

BUDGET = 240
SMALL = SacMoe(
    SacMoeConfig(
        hidden=16, batch=16, environments=8, episode_length=4, experts=2, surrogate_hidden=16,
        proposals=4, mpc_candidates=4, mpc_horizon=2, mpc_epsilon=0.4, patient_budget=0,
    )
)  # fmt: skip
PLAIN = SacMoe(
    SacMoeConfig(
        hidden=16, batch=16, environments=8, experts=1, mpc=False, surrogate=False,
        priority_exponent=0.0,
    )
)  # fmt: skip
STRATEGIES = {"random": RandomSearch(batch=16), "full": SMALL, "plain": PLAIN}


class Interrupted(Exception):  # noqa: N818
    """Stands for SIGKILL: the process ends between two evaluations."""


class Breaks(WalkAndTune):
    """Is interrupted at the first evaluation after so many designs."""

    def __init__(self, after, **options):
        self.after = None
        super().__init__(**options)
        self.after = after

    def evaluate(self, discrete, continuous):
        if self.after is not None and sum(self.calls) >= self.after:
            raise Interrupted
        return super().evaluate(discrete, continuous)


def digest(result):
    """Of everything that a result holds."""
    told = hashlib.sha256()
    for name in sorted(result.history):
        told.update(name.encode() + result.history[name].tobytes())
    for name, column in result.signals.items():
        told.update(name.encode() + column.tobytes())
    for design in (result.archive.members, result.best, result.nearest):
        if design is not None:
            for field in ("discrete", "continuous", "features", "performance", "feasible"):
                told.update(getattr(design, field).tobytes())
    return told.hexdigest()


@pytest.fixture(scope="module", params=STRATEGIES)
def strategy(request):
    return STRATEGIES[request.param]


@pytest.fixture(scope="module")
def whole(strategy):
    return digest(search(WalkAndTune(), strategy, BUDGET, seed=3))


def interrupted(strategy, path, after, interval=16):
    with pytest.raises(Interrupted):
        strategy.run_kept(Breaks(after + 16), BUDGET, 3, None, Keeper(path, None, interval))


@pytest.mark.parametrize("after", [1, 70, 131, 200, 220])
def test_an_interrupted_search_goes_on_to_the_same_bytes(strategy, whole, tmp_path, after):
    path = tmp_path / "run.ckpt"
    # The fingerprint has cost 16 evaluations of its own.
    interrupted(strategy, path, after)
    problem = WalkAndTune()
    result = search(problem, strategy, BUDGET, seed=3, resume=path)
    assert digest(result) == whole
    # What was done is not done again: 16 are the fingerprint's.
    assert sum(problem.calls) <= BUDGET - after + 16 + 32


def test_starts_that_were_looked_at_first_are_not_looked_at_again(tmp_path):
    strategy = SacMoe(replace(SMALL.config, start_share=0.5))
    whole = digest(search(WalkAndTune(), strategy, BUDGET, seed=3))
    interrupted(strategy, tmp_path / "run.ckpt", 70)
    problem = WalkAndTune()
    again = search(problem, strategy, BUDGET, seed=3, resume=tmp_path / "run.ckpt")
    assert digest(again) == whole
    assert sum(problem.calls) <= BUDGET - 70 + 16 + 32


def test_a_search_may_be_interrupted_again_and_again(strategy, whole, tmp_path):
    path = tmp_path / "run.ckpt"
    interrupted(strategy, path, 40)
    for _ in range(3):
        with pytest.raises(Interrupted):
            strategy.run_kept(Breaks(60), BUDGET, 3, None, Keeper(path, path, 8))
    assert digest(search(WalkAndTune(), strategy, BUDGET, seed=3, resume=path)) == whole


def test_writing_checkpoints_does_not_change_the_result(strategy, whole, tmp_path):
    path = tmp_path / "run.ckpt"
    result = search(WalkAndTune(), strategy, BUDGET, seed=3, checkpoint=path)
    assert digest(result) == whole
    assert path.stat().st_size > 1000
    # A finished search resumes to its own result, without evaluating anything.
    problem = WalkAndTune()
    done = strategy.run_kept(problem, BUDGET, 3, None, Keeper(path, None, 1))
    again = search(problem, strategy, BUDGET, seed=3, resume=path)
    assert digest(done) == digest(again) == whole


def test_the_observer_of_a_resumed_search_hears_of_all_that_was_done(tmp_path):
    class Watcher:
        def __init__(self):
            self.seen = []

        def on_batch(self, progress):
            self.seen.append(progress)

        def on_end(self):
            pass

    path = tmp_path / "run.ckpt"
    interrupted(SMALL, path, 150)
    watcher = Watcher()
    result = search(WalkAndTune(), SMALL, BUDGET, seed=3, resume=path, observer=watcher)
    assert watcher.seen[-1].evaluations == BUDGET
    assert watcher.seen[-1].feasible == result.history["feasible"].sum()
    for progress in watcher.seen:
        best = result.history["best_score"][progress.evaluations - 1]
        assert progress.incumbent.score == best


def test_what_was_infeasible_so_far_resumes_too(tmp_path):
    path = tmp_path / "run.ckpt"
    whole = search(NothingFits(), SMALL, 100)
    SMALL.run_kept(NothingFits(), 100, 0, None, Keeper(path, None, 60))
    resumed = search(NothingFits(), SMALL, 100, resume=path)
    assert resumed.best is None
    assert digest(resumed) == digest(whole)


MOMENTS = {
    "evaluating": (WalkAndTune, "evaluate", on_the_way_to),
    "before the file": (container, "encode", on_the_way_to),
    **WRITING,
}
"""Where a search can be when it is killed: a call that it makes, and which side of it."""


def works_on(path):
    """Goes on where it can, and writes a checkpoint after every batch."""
    SMALL.run_kept(WalkAndTune(), BUDGET, 3, None, Keeper(path, resumable(path), 1))


def resumable(path):
    return path if path.exists() else None


def evaluations_in(path):
    """How many a checkpoint holds; it must be whole."""
    if not path.exists():
        return 0
    designs = (
        StateReader(container.read(path, KIND)).part("search").part("recorder").part("designs")
    )
    return len(designs.array("power_w", np.float64, (None,)))


# An evaluation is the fingerprint's, or a search's. The first process leaves no file; each of the
# others goes on from what the one before it left.
KILLS = [
    ("before the file", 1), ("half of the file", 1), ("before the renaming", 2),
    ("evaluating", 4), ("half of the file", 3), ("after the renaming", 4), ("evaluating", 1),
    ("after the renaming", 1), ("before the file", 3),
]  # fmt: skip


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # fork beside torch's idle threads
def test_a_search_killed_at_any_moment_goes_on_to_the_same_bytes(tmp_path):
    whole = digest(search(WalkAndTune(), SMALL, BUDGET, seed=3))
    path = tmp_path / "run.ckpt"
    done = []
    for moment, count in KILLS:
        assert killed(lambda: works_on(path), MOMENTS[moment], count)
        done.append(evaluations_in(path))
        left = [p.name for p in tmp_path.glob(".*.tmp")]
        assert len(left) == (moment in ("half of the file", "before the renaming"))
    # What was renamed is whole and is gone on from: nothing, nothing, and then ever more.
    assert done[:2] == [0, 0] < done[2:4]
    assert done == sorted(done)
    assert len(set(done)) > 4
    last = SMALL.run_kept(WalkAndTune(), BUDGET, 3, None, Keeper(path, resumable(path), 1))
    assert digest(last) == whole
    assert [p.name for p in tmp_path.iterdir()] == ["run.ckpt"]


# What is refused.


@pytest.fixture(scope="module")
def genuine(tmp_path_factory):
    path = tmp_path_factory.mktemp("genuine") / "run.ckpt"
    interrupted(SMALL, path, 150)
    return path.read_bytes()


def refused(path, message, **options):
    """Nothing is written, and the file stays what it was."""
    folder = sorted(path.parent.iterdir())
    before = path.read_bytes() if path.is_file() else None
    arguments = {"problem": WalkAndTune(), "strategy": SMALL, "evaluations": BUDGET, "seed": 3}
    with pytest.raises(UserError, match=message):
        search(**{**arguments, "resume": path, **options})
    assert sorted(path.parent.iterdir()) == folder
    assert (path.read_bytes() if path.is_file() else None) == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seed": 4}, "seed=3, not 4"),
        ({"evaluations": 241}, "evaluations=240, not 241"),
        ({"strategy": RandomSearch()}, "strategy=sac-moe, not random"),
        ({"strategy": SacMoe(SacMoeConfig(hidden=17))}, "another configuration: batch=16"),
        ({"problem": WalkAndTune(seed=8)}, "another problem"),
        ({"problem": WalkAndTune(power_budget_w=401.0)}, "another problem"),
        ({"problem": WalkAndTune(weights=(0.7, 0.2, 0.1))}, "another problem"),
    ],
)
def test_the_checkpoint_of_another_run_is_refused(genuine, tmp_path, options, message):
    path = tmp_path / "run.ckpt"
    path.write_bytes(genuine)
    refused(path, message, **options)


@pytest.mark.parametrize("share", [0.0, 0.0001, 0.001, 0.1, 0.5, 0.999999])
def test_a_truncated_checkpoint_is_refused(genuine, tmp_path, share):
    path = tmp_path / "run.ckpt"
    path.write_bytes(genuine[: int(share * len(genuine))])
    refused(path, "cannot resume from")


def test_a_flipped_bit_anywhere_is_refused(genuine, tmp_path):
    path = tmp_path / "run.ckpt"
    for at in np.random.default_rng(0).integers(0, len(genuine), 20):
        damaged = bytearray(genuine)
        damaged[at] ^= 1 << int(at) % 8
        with pytest.raises(StateError):
            container.decode(KIND, bytes(damaged))
    damaged[len(genuine) // 2] ^= 4
    path.write_bytes(damaged)
    refused(path, "digest")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"module {}\n" * 100, "cannot resume"),
        (b"\xff" * 64, "cut short, or not a safetensors file"),
        (struct.pack("<Q", 2**63) + b"{}", "cut short"),
        (struct.pack("<Q", 8) + b"[" * 8, "not JSON"),
        (struct.pack("<Q", 200_000) + b"[" * 200_000, "not JSON"),
        (struct.pack("<Q", 2) + b"{}", "not a checkpoint"),
        (save({"weight": np.zeros(3)}), "not a checkpoint"),
        (save({"weight": np.zeros(3)}, {"checkpoint": "{}"}), "not a checkpoint"),
        (b"cposix\nsystem\n(S'true'\ntR.", "cannot resume"),
    ],
)
def test_a_file_that_is_something_else_is_refused_and_not_overwritten(tmp_path, content, message):
    path = tmp_path / "run.ckpt"
    path.write_bytes(content)
    refused(path, message)
    refused(path, "exists and is not replaced", resume=None, checkpoint=path)


def test_a_path_that_is_no_file_is_refused(tmp_path):
    refused(tmp_path / "absent", "there is no such file")
    refused(tmp_path, "it is not a file")
    os.mkfifo(tmp_path / "pipe")
    refused(tmp_path / "pipe", "it is not a file")


def forged(data, change, **document):
    """The checkpoint with ``change`` applied to its tensors and values, and digests that are right.

    A digest guards against damage, not against malice: whoever writes a file writes its digest.
    """
    (length,) = struct.unpack("<Q", data[:8])
    told = json.loads(json.loads(data[8 : 8 + length])["__metadata__"]["checkpoint"])
    arrays, values = load(data), json.loads(told["values"])
    change(arrays, values)
    told["values"] = json.dumps(values)
    told["values_sha256"] = hashlib.sha256(told["values"].encode()).hexdigest()
    told["tensors_sha256"] = container._digest(arrays)
    return save(arrays, {"checkpoint": json.dumps({**told, **document})})


def put(name, value):
    def change(arrays, values):
        arrays[name] = value(arrays[name]) if callable(value) else value

    return change


def set_value(*path, value):
    def change(arrays, values):
        *above, name = path
        for step in above:
            values = values[step]
        values[name] = value

    return change


def remove(name):
    return lambda arrays, values: arrays.pop(name)


def spoilt(number):
    def change(array):
        array = array.copy()
        array.flat[0] = number
        return array

    return change


NETWORK = "search/agent/actor/w1"
HOSTILE = {
    "NaN": (put(NETWORK, spoilt(np.nan)), "not finite"),
    "infinity": (put("search/replay/reward", spoilt(np.inf)), "not finite"),
    "wrong dtype": (put(NETWORK, lambda a: a.astype(np.float64)), "holds float64, not float32"),
    "wrong shape": (put(NETWORK, lambda a: a.T.copy()), "has shape"),
    "an axis more": (put(NETWORK, lambda a: a[None]), "has shape"),
    "huge": (put(NETWORK, lambda a: np.zeros((1000, 1000), np.float32)), "has shape"),
    "a negative second moment": (
        put("search/agent/actor_optimiser/0/exp_avg_sq", spoilt(-1.0)), "outside"),
    "a choice of 7": (put("search/replay/choices", spoilt(7)), "outside"),
    "a negative choice": (put("search/replay/choices", spoilt(-1)), "outside"),
    "priority 0": (put("search/replay/priority", spoilt(0.0)), "outside"),
    "an action of 2": (put("search/elite/designs/continuous", spoilt(2.0)), "outside"),
    "a mesh beyond its range": (
        put("search/elite/designs/discrete", spoilt(99)), "outside its range"),
    "an evaluated mesh of 0": (
        put("search/recorder/designs/discrete", spoilt(0)), "outside its range"),
    "an infeasible member": (
        put("search/recorder/archive/members/feasible", spoilt(False)), "not feasible"),
    "a state of torch's generator that is none": (
        put("search/agent/generator/bytes", lambda a: np.full_like(a, 255)), "generator"),
    "a longer state": (
        put("search/agent/generator/bytes", lambda a: np.zeros(10**6, np.uint8)), "has shape"),
    "rows that do not match": (
        put("search/replay/continuous", lambda a: a[:-1].copy()), "has shape"),
    "more rows than the budget": (
        put("search/recorder/designs/discrete", lambda a: np.concatenate([a, a, a])), "has shape"),
    "an entry is missing": (remove("search/replay/reward"), "is missing"),
    "an entry too many": (put("search/replay/more", np.zeros(3)), "is not an entry"),
    "a path": (put("search/../../../etc/passwd", np.zeros(3)), "has no place"),
    "an absolute path": (put("/etc/passwd", np.zeros(3)), "has no place"),
    "an empty name": (put("", np.zeros(3)), "is not an entry"),
    "a group where an array was": (
        set_value("search", "replay", "reward", value={}), "is there twice"),
    "a number for a group": (set_value("search", "replay", value=3), "has no place"),
    "a text for a number": (set_value("search", "replay", "next", value="3"), "whole number"),
    "true for a number": (set_value("search", "agent", "updates", value=True), "whole number"),
    "a negative place": (set_value("search", "replay", "next", value=-1), "outside"),
    "a huge number": (set_value("search", "agent", "updates", value=2**70), "outside"),
    "a generator of letters": (
        set_value("search", "rng", "state", value="z" * 32), "128 bits in hexadecimal"),
    "epsilon 3": (set_value("search", "epsilon", "value", value=3), "outside"),
    "names of signals that run": (
        set_value("search", "recorder", "signals", "names", value="__import__('os')"), "signals"),
}  # fmt: skip


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_checkpoint_with_right_digests_is_refused(genuine, tmp_path, case):
    change, message = HOSTILE[case]
    path = tmp_path / "run.ckpt"
    path.write_bytes(forged(genuine, change))
    refused(path, message)


def test_the_forger_changes_nothing_by_itself(genuine, tmp_path):
    path = tmp_path / "run.ckpt"
    path.write_bytes(forged(genuine, lambda arrays, values: None))
    whole = digest(search(WalkAndTune(), SMALL, BUDGET, seed=3))
    assert digest(search(WalkAndTune(), SMALL, BUDGET, seed=3, resume=path)) == whole


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"schema": "something"}, "not a checkpoint of asic-compiler"),
        ({"version": 2}, "version 2, not 1"),
        ({"kind": "policy"}, "'policy', not a 'search'"),
        ({"values": [1]}, "not text"),
    ],
)
def test_another_schema_is_refused(genuine, tmp_path, document, message):
    path = tmp_path / "run.ckpt"
    path.write_bytes(forged(genuine, lambda arrays, values: None, **document))
    refused(path, message)


def test_numbers_that_json_does_not_have_are_refused(genuine, tmp_path):
    path = tmp_path / "run.ckpt"
    nan = set_value("search", "epsilon", "value", value=float("nan"))
    path.write_bytes(forged(genuine, nan))
    refused(path, "not JSON")


def test_a_claim_of_more_bytes_than_there_are_is_refused_without_allocating_them(genuine):
    (length,) = struct.unpack("<Q", genuine[:8])
    header = json.loads(genuine[8 : 8 + length])
    for shape in ([2**40, 2**20], [2**62, 8], [-1, 4]):
        header[NETWORK]["shape"] = shape
        text = json.dumps(header).encode()
        with pytest.raises(StateError):
            container.decode(KIND, struct.pack("<Q", len(text)) + text + genuine[8 + length :])


def test_a_file_beyond_all_measure_is_refused_unread(tmp_path):
    path = tmp_path / "run.ckpt"
    with path.open("wb") as stream:
        stream.truncate(container.LARGEST_BYTES + 1)  # sparse: takes no disk
    with pytest.raises(UserError, match="more than"):
        search(WalkAndTune(), SMALL, BUDGET, seed=3, resume=path)


def test_a_strategy_without_checkpoints_says_so(tmp_path):
    class Plain:
        name = "plain"

        def run(self, problem, budget, seed, observer=None):
            raise AssertionError

    with pytest.raises(UserError, match="'plain' writes no checkpoints"):
        search(WalkAndTune(), Plain(), 10, checkpoint=tmp_path / "x")


def test_a_folder_that_cannot_be_written_is_told_before_the_search(tmp_path):
    problem = WalkAndTune()
    with pytest.raises(UserError, match=r"cannot write the checkpoint '.*': there is no folder"):
        search(problem, SMALL, BUDGET, checkpoint=tmp_path / "absent" / "run.ckpt")
    with pytest.raises(UserError, match="it is a folder"):
        search(problem, SMALL, BUDGET, checkpoint=tmp_path)
    begun = tmp_path / "run.ckpt"
    interrupted(SMALL, begun, 150)
    with pytest.raises(UserError, match="there is no folder"):
        search(problem, SMALL, BUDGET, seed=3, resume=begun, checkpoint=tmp_path / "a" / "b")
    assert problem.calls == [16] * 3  # the fingerprint of each


def test_what_a_killed_writer_left_is_swept_away(tmp_path):
    path = tmp_path / "run[1].ckpt"
    (tmp_path / ".run[1].ckpt.123.tmp").write_bytes(b"half")
    (tmp_path / ".other.ckpt.123.tmp").write_bytes(b"half")
    container.write(path, KIND, {"a": 1})
    assert sorted(p.name for p in tmp_path.iterdir()) == [".other.ckpt.123.tmp", "run[1].ckpt"]


def test_a_state_comes_back_as_it_was():
    rng = np.random.default_rng(1)
    rng.integers(0, 5, 3, dtype=np.int32)  # leaves half a word behind
    state = {
        "n": 3, "x": 0.1, "yes": True, "name": "\u00e9", "rng": generator_state(rng),
        "empty": np.zeros((0, 3)), "scalar": np.array(2.5), "deep": {"a": np.arange(4)},
    }  # fmt: skip
    read = container.decode(KIND, container.encode(KIND, state))
    reader = StateReader(read)
    assert (reader.integer("n"), reader.number("x"), reader.flag("yes")) == (3, 0.1, True)
    assert reader.text("name") == "\u00e9"
    assert reader.array("empty", np.float64, (None, 3)).shape == (0, 3)
    assert reader.array("scalar", np.float64, ()) == 2.5
    assert reader.part("deep").array("a", np.int64, (4,)).tolist() == [0, 1, 2, 3]
    again = reader.generator("rng")
    assert (
        again.integers(0, 2**31, 9, dtype=np.int32).tolist()
        == rng.integers(0, 2**31, 9, dtype=np.int32).tolist()
    )
    reader.finish()
    assert container.encode(KIND, state) == container.encode(KIND, state)


def test_a_recorder_whose_archive_lacks_its_designs_is_refused():
    """The digests are right and the parts contradict each other: it ended in an assertion."""
    problem = WalkAndTune()
    recorder = Recorder(problem, budget=64)
    rng = np.random.default_rng(0)
    while recorder.remaining:
        recorder.evaluate(*problem.start(16, rng))
    state = recorder.state()
    Recorder(problem, budget=64).restore(StateReader(state))
    assert recorder.feasible
    state["archive"] = ParetoArchive().state()
    with pytest.raises(StateError, match="the archive has none"):
        Recorder(problem, budget=64).restore(StateReader(state))
