"""Short forms of what ``benchmarks/soak.py`` and ``benchmarks/kills.py`` do a thousand times."""

import random

import kills
import pytest
import soak
from faulty_disk import contents


def test_growth_is_seen_and_noise_is_not():
    draw = random.Random(0)
    flat = [soak.Sample(90 + draw.random(), 6, 100_000 + draw.randrange(50)) for _ in range(60)]
    assert soak.grown(flat) == []
    leak = [soak.Sample(90 + n, 6, 100_000) for n in range(60)]
    assert soak.grown(leak)[0].startswith("megabytes grow by")
    left = [soak.Sample(90.0, 6 + n // 10, 100_000) for n in range(60)]
    assert soak.grown(left) == ["descriptors grow from 8 to 11"]
    held = [soak.Sample(90.0, 6, 100_000 + 200 * n) for n in range(60)]
    assert soak.grown(held)[0].startswith("objects grow by")


@pytest.mark.slow
def test_explorations_leave_nothing_in_the_process(tmp_path):
    samples, codes = soak.soak(31, tmp_path)
    assert set(codes) == {0, 1}
    # Of few explorations, the first ones weigh more.
    assert soak.grown(samples, most=0.1) == []


@pytest.fixture
def things(tmp_path):
    folder = tmp_path / "things"
    folder.mkdir()
    return folder


def some_kills(name, count, things, tmp_path):
    work = kills.works(things)[name]
    work.run(kills.fresh(tmp_path / "warm"))
    whole = kills.fresh(tmp_path / "whole")
    took = kills.done(work, whole)
    state = {"tried": 0, "kills": 0, "phases": {}, "wrong": []}
    while state["kills"] < count:
        kills.one(name, work, kills.fresh(tmp_path / "x"), contents(whole), took, state)
    return state


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # fork beside torch's idle threads
def test_a_learner_that_is_killed_ends_in_the_same_bytes(things, tmp_path):
    assert some_kills("learner", 3, things, tmp_path)["wrong"] == []


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("name", ["run", "weights", "images"])
def test_what_is_killed_ends_in_the_same_bytes(name, things, tmp_path):
    assert some_kills(name, 5, things, tmp_path)["wrong"] == []


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_work_that_writes_in_place_is_seen(tmp_path):
    """The harness itself: what a kill leaves half written is told."""

    def halves(folder):
        for number in range(800):
            (folder / f"{number % 7}").write_bytes(b"a")
            (folder / f"{number % 7}").write_bytes(b"ab")

    work = kills.Work(halves, [], 1)
    whole = kills.fresh(tmp_path / "whole")
    took = kills.done(work, whole)
    found = set()
    for number in range(12):
        folder = kills.fresh(tmp_path / "x")
        if kills.killed(work, folder, took, random.Random(number)) is not None:
            found.add(kills.wrong(work, folder, contents(whole)))
    assert found - {""}
