"""The stages of an evaluation, each on what the stage before gave."""

from dataclasses import fields, replace

import numpy as np
import pytest

from asic_compiler.ppa import precision
from asic_compiler.ppa.conditions import Conditions
from asic_compiler.ppa.evaluation.operate import operate
from asic_compiler.ppa.evaluation.place import place
from asic_compiler.ppa.evaluation.provision import provision
from asic_compiler.ppa.evaluation.spend import spend
from asic_compiler.ppa.evaluation.time import time
from asic_compiler.technology.library import load_node

NODE = load_node("5nm")


@pytest.fixture(scope="module")
def work(small, draw, make_model):
    """Every stage of forty random designs."""
    return make_model(small, "5nm").stages(draw(40, 9, "5nm"))


def test_the_stages_one_by_one_are_the_model(small, draw, work):
    design, conditions = draw(40, 9, "5nm"), Conditions()
    placed = place(small, design, precision.needs(small), NODE)
    provisioned = provision(placed, conditions, NODE)
    timed = time(placed, provisioned, NODE)
    spent = spend(placed, provisioned, timed, conditions, NODE)
    metrics = operate(placed, provisioned, timed, spent, conditions, NODE)
    for field in fields(metrics):
        ours, model = (getattr(m, field.name) for m in (metrics, work.metrics))
        np.testing.assert_array_equal(ours, model)


def test_every_tile_gets_what_it_needs(work):
    need, memories = work.placed.need, work.provisioned.memories
    there = memories.tiles > 0
    legal = need.dmem <= memories.dmem + 1e-6
    assert legal[there].all()
    assert (memories.wmem >= need.wmem)[there].all()
    assert (memories.imem >= need.imem - 1e-6)[there].all()


def test_a_slower_network_lengthens_no_computation(work):
    """Time is counted on the chip that was provisioned: longer hops cost cycles, never joules."""
    placed, provisioned = work.placed, work.provisioned
    far = replace(
        provisioned, space=replace(provisioned.space, hop_mm=provisioned.space.hop_mm * 9)
    )
    slow = time(placed, far, NODE)
    np.testing.assert_array_equal(slow.contractions.busy, work.timed.contractions.busy)
    assert (slow.fabric.hop_cycles >= work.timed.fabric.hop_cycles).all()
    assert (slow.period >= work.timed.period).all()


def test_energy_follows_from_the_events_and_not_from_the_clock(small, work):
    conditions = Conditions()
    fixed = replace(conditions, clock_hz=1e8)
    asleep = spend(work.placed, work.provisioned, work.timed, fixed, NODE)
    own = spend(work.placed, work.provisioned, work.timed, conditions, NODE)
    np.testing.assert_array_equal(asleep.parts, own.parts)
    half = replace(own, parts=own.parts / 2.0)
    metrics = operate(work.placed, work.provisioned, work.timed, half, conditions, NODE)
    faster = metrics.steps_per_s / work.metrics.steps_per_s
    assert (faster >= 1.0 - 1e-12).all()
