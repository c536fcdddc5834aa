"""``explore`` and ``rl-explore`` are one pass under two names."""

import dataclasses
from pathlib import Path

from asic_compiler.explore.strategies import strategy_names
from asic_compiler.frontends.context import make_context
from asic_compiler.frontends.mlir_text import parse_mlir
from asic_compiler.passes.explore import ExplorePass
from asic_compiler.passes.rl_explore import RLExplorePass
from asic_compiler.registry import PASSES
from asic_compiler.tools.pass_help import describe

MODEL = Path(__file__).parents[1] / "lit" / "rl-explore" / "mlp.mlir"


def chosen(kind, **options):
    module = parse_mlir(make_context(), MODEL.read_text(), "mlp.mlir")
    kind(evaluations=48, quiet=True, **options).apply(make_context(), module)
    return str(module)


def test_both_choose_the_same_chip_with_the_same_strategy():
    ours = chosen(ExplorePass, strategy="annealing", seed=2)
    assert ours == chosen(RLExplorePass, strategy="annealing", seed=2)
    assert ours != chosen(ExplorePass, strategy="starts", seed=2)


def test_both_have_the_same_options_with_the_same_defaults():
    def options(kind):
        return [(field.name, field.type, field.default) for field in dataclasses.fields(kind)]

    assert options(ExplorePass) == options(RLExplorePass)


def test_help_names_every_strategy_and_every_option():
    info = describe("explore", PASSES["explore"])
    text = {option.name: option.help for option in info.options}
    listed = text["strategy"].removesuffix(" (docs/explorer.md)")
    assert tuple(listed.split(", ")) == strategy_names()
    assert list(text) == [field.name for field in dataclasses.fields(ExplorePass)]
