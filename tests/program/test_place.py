"""Placements of generated programs: what is predicted is what the linked program moves."""

from __future__ import annotations

import pytest
from program_models import model, plan

from asic_compiler.program import place as place_module
from asic_compiler.program.check import check
from asic_compiler.program.elaborate import elaborate
from asic_compiler.program.generate import generate
from asic_compiler.program.place import generate_placed
from asic_compiler.program.traffic import traffic_of
from asic_compiler.simulate.timing.link.events import Event
from asic_compiler.simulate.timing.link.linker import link

CASES = [(name, seed) for name in ("decoder", "vision") for seed in (0, 2, 4, 5)]


def moved(module: object) -> float:
    """Bytes times links, as the timing simulator's linker counts them."""
    return float(link(module).events[:, :, Event.HOP_BITS].sum()) / 8  # type: ignore[arg-type]


@pytest.mark.parametrize(("name", "seed"), CASES)
def test_the_traffic_of_the_rule_is_what_the_program_moves(name: str, seed: int):
    chosen = plan(name, seed)
    module = generate(model(name), chosen)
    traffic = traffic_of(chosen, elaborate(module))
    assert traffic.hop_bytes(traffic.unturned) == moved(module)


@pytest.mark.parametrize(("name", "seed"), CASES)
def test_a_placed_program_fits_and_moves_no_more_than_predicted(name: str, seed: int):
    placed = generate_placed(model(name), plan(name, seed), "descent")
    assert check(placed.program) == ()
    # Arrivals that come to lie on the same tiles are received once: fewer, never more.
    assert moved(placed.program) == placed.hop_bytes <= placed.placement.hop_bytes
    assert placed.least_hop_bytes <= placed.hop_bytes


def test_most_random_designs_can_be_placed_shorter():
    found = [generate_placed(model(name), plan(name, seed), "descent") for name, seed in CASES]
    shorter = [f for f in found if f.placement.hop_bytes < f.placement.rule_hop_bytes]
    assert len(shorter) > len(found) // 2
    assert not any(f.refused for f in found)


def test_operators_turn_with_their_group_and_nothing_else_changes():
    chosen = plan("decoder", 4)
    traffic = traffic_of(chosen, elaborate(generate(model("decoder"), chosen)))
    turns = tuple(min(1, group.places - 1) for group in traffic.groups)
    turned = traffic.turned(chosen, turns)
    assert sorted(p for group in traffic.groups for p in group.positions) == list(
        range(len(chosen.assignments))
    )
    for before, after in zip(chosen.assignments, turned.assignments, strict=True):
        assert (after.first - before.first) % before.region.tiles in (0, 1)
        assert (after.region, after.split_m, after.cycles) == (
            before.region, before.split_m, before.cycles,
        )  # fmt: skip


def test_in_place_operators_share_a_group():
    """An append, and the product that reads the cache, work on the same bytes."""
    chosen = plan("decoder", 4)
    traffic = traffic_of(chosen, elaborate(generate(model("decoder"), chosen)))
    of = {p: i for i, group in enumerate(traffic.groups) for p in group.positions}
    kinds = [chosen.table.classes[int(c)].kind.name for c in chosen.table.sequence]
    appends = [p for p, kind in enumerate(kinds) if kind == "KV_APPEND"]
    products = [p for p, kind in enumerate(kinds) if kind == "ATTENTION"]
    assert appends
    assert {of[p] for p in appends} == {of[p] for p in products}


def test_what_does_not_fit_leaves_the_rules_program(monkeypatch: pytest.MonkeyPatch):
    chosen = plan("decoder", 4)
    finding = object()
    monkeypatch.setattr(place_module, "check", lambda module, access: (finding,))
    placed = generate_placed(model("decoder"), chosen, "descent")
    assert placed.refused == (finding,)
    assert placed.plan is chosen
    assert placed.hop_bytes == placed.placement.rule_hop_bytes
    assert str(placed.program) == str(generate(model("decoder"), chosen))


def test_an_unknown_strategy_is_told_before_anything_is_made():
    with pytest.raises(ValueError, match="unknown placement"):
        generate_placed(model("decoder"), plan("decoder", 4), "best")
