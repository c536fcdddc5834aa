"""The package as a library."""

from pathlib import Path

import pytest

import asic_compiler as ac
from asic_compiler.diagnostics import UserError

MODEL = Path(__file__).parent / "lit" / "rl-explore" / "mlp.mlir"


def test_explore_returns_the_plan_and_annotates_the_module():
    module = ac.parse_file(str(MODEL))
    exploration = ac.design_chip(module, node="5nm", strategy="random", evaluations=32)
    assert exploration.plan.chip.node == "5nm"
    assert exploration.result.evaluations == 32
    assert "#asic.chip<" in str(module)


def test_a_search_goes_on_from_its_checkpoint(tmp_path: Path):
    state = str(tmp_path / "state.safetensors")
    asked = {"strategy": "sac-moe", "evaluations": 40}

    def score(**options: str) -> float:
        found = ac.design_chip(ac.parse_file(str(MODEL)), **asked, **options)
        return float(found.result.history["score"].max())

    assert score(checkpoint=state) == score(resume=state) == score()
    with pytest.raises(UserError, match="seed"):
        ac.design_chip(ac.parse_file(str(MODEL)), resume=state, seed=1, **asked)


def test_an_unknown_option_lists_the_known():
    with pytest.raises(UserError, match="unknown option 'nodes'") as error:
        ac.design_chip(ac.parse_file(str(MODEL)), nodes="5nm")
    assert "node" in error.value.notes[0]


def test_a_missing_file_is_a_user_error():
    with pytest.raises(UserError, match="cannot read"):
        ac.parse_file("no_such_file.mlir")
