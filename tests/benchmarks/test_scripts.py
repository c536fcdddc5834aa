"""Every benchmark starts: those that take hours are seldom run, and the package goes on."""

import os
import runpy
import sys
from pathlib import Path

import pytest
import simulator_speed

from asic_compiler.simulate.timing.engine import simulate
from asic_compiler.simulate.timing.validation import validate

SCRIPTS = sorted((Path(__file__).parents[2] / "benchmarks").glob("*.py"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_a_script_says_how_it_is_used(script, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [str(script), "--help"])
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(os, "environ", os.environ.copy())
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(script), run_name="__main__")
    assert ended.value.code == 0
    assert f"usage: {script.name}" in capsys.readouterr().out


def test_the_simulator_s_own_program_is_one():
    program = simulator_speed.program(4, 2, 2, 3, sc=2)
    validate(program)
    result = simulate(program)
    assert result.failure is None
    # An all-gather reaches all other tiles, a step of a ring one.
    assert result.deliveries == 8 * (2 * 7 + 3)
