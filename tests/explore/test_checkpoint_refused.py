"""Checkpoints that are not what they claim to be."""

import hashlib
import json
import os
import struct

import numpy as np
import pytest
from interrupted_searches import (
    BUDGET,
    SMALL,
    digest,
    interrupted,
)
from safetensors.numpy import load, save
from toy_problems import WalkAndTune

from asic_compiler.diagnostics import UserError
from asic_compiler.explore.checkpoint import container
from asic_compiler.explore.checkpoint.keeper import KIND
from asic_compiler.explore.checkpoint.state import StateError
from asic_compiler.explore.search import search
from asic_compiler.explore.strategies.random_search import RandomSearch
from asic_compiler.explore.strategies.sac_moe.config import SacMoeConfig
from asic_compiler.explore.strategies.sac_moe.strategy import SacMoe


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
