"""A program whose operators lie where a search of placements puts them."""

from __future__ import annotations

from dataclasses import dataclass, replace

from xdsl.dialects.builtin import ModuleOp

from asic_compiler.plan.plan import Plan
from asic_compiler.program.check import Finding, check
from asic_compiler.program.elaborate import elaborate
from asic_compiler.program.footprints import Footprints
from asic_compiler.program.generate import generate
from asic_compiler.program.placement.search import Placement, check_strategy, place
from asic_compiler.program.traffic import traffic_of


@dataclass(frozen=True)
class PlacedProgram:
    """A program, where its operators lie, and what that moves in a period."""

    program: ModuleOp
    plan: Plan
    """As the program was generated from it."""
    placement: Placement
    """As it was searched, on the packets of the rule's program."""
    hop_bytes: float
    """Bytes times links of the program. Less than was searched where arrivals came to lie on the
    same tiles: they are received once."""
    least_hop_bytes: float
    """No placement of the program's packets has fewer."""
    moved: bool = False
    """Whether it is not the rule's program: it has passed the checks then."""
    refused: tuple[Finding, ...] = ()
    """What does not fit where the search put it: the program is the rule's then."""


def generate_placed(
    module: ModuleOp, plan: Plan, strategy: str, seed: int = 0, footprints: Footprints | None = None
) -> PlacedProgram:
    """Generates a program, looks where its packets would go shorter, and generates it there.

    Args:
        module: The model, in ``asic``.
        plan: Its plan, with the rule's placement.
        strategy: One of ``program.placement.search.STRATEGIES``.
        seed: Of the search.
        footprints: Parts that are known already; what is worked out is added to it.

    Raises:
        ValueError: There is no such strategy.
    """
    check_strategy(strategy)
    footprints = Footprints() if footprints is None else footprints
    program = generate(module, plan, footprints)
    traffic = traffic_of(plan, elaborate(program, footprints))
    placement = place(traffic, strategy, seed)
    rule = PlacedProgram(
        program, plan, placement, placement.rule_hop_bytes, placement.least_hop_bytes
    )
    if placement.turns == traffic.unturned:
        return rule
    turned = traffic.turned(plan, placement.turns)
    moved = generate(module, turned, footprints)
    refused = check(moved, footprints)
    if refused:
        return replace(rule, refused=refused)
    own = traffic_of(turned, elaborate(moved, footprints))
    return PlacedProgram(
        moved, turned, placement, own.hop_bytes(own.unturned), own.least_hop_bytes(), moved=True
    )
