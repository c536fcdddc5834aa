"""Searches that are interrupted, and checkpoints that are not what they claim to be."""

from dataclasses import replace

import numpy as np
import pytest
from interrupted_searches import BUDGET, SMALL, STRATEGIES, Breaks, Interrupted, digest, interrupted
from killing import WRITING, killed, on_the_way_to
from toy_problems import NothingFits, WalkAndTune

from asic_compiler.diagnostics import UserError
from asic_compiler.explore.archive import ParetoArchive
from asic_compiler.explore.checkpoint import container
from asic_compiler.explore.checkpoint.keeper import KIND, Keeper
from asic_compiler.explore.checkpoint.state import StateError, StateReader, generator_state
from asic_compiler.explore.recorder import Recorder
from asic_compiler.explore.search import search
from asic_compiler.explore.strategies.sac_moe.strategy import SacMoe


@pytest.fixture(scope="module", params=STRATEGIES)
def strategy(request):
    return STRATEGIES[request.param]


@pytest.fixture(scope="module")
def whole(strategy):
    return digest(search(WalkAndTune(), strategy, BUDGET, seed=3))


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
