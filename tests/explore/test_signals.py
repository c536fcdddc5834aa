"""What a strategy notes of itself on the way, beside the evaluations."""

import numpy as np
from toy_problems import WalkAndTune

from asic_compiler.explore.recorder import Recorder
from asic_compiler.explore.search import search
from asic_compiler.explore.strategy import conclude


def test_signals_stand_beside_the_evaluation_they_were_noted_at():
    problem = WalkAndTune()
    recorder = Recorder(problem, budget=4)
    discrete, continuous = problem.start(2, np.random.default_rng(0))
    recorder.signal({"epsilon": 0.5})
    recorder.evaluate(discrete, continuous)
    recorder.signal({"epsilon": 0.25, "gate.0": 1})
    recorder.evaluate(discrete, continuous)
    signals = conclude("mine", 0, recorder).signals
    assert list(signals) == ["evaluation", "epsilon", "gate.0"]
    assert signals["evaluation"].tolist() == [0, 2]
    assert signals["epsilon"].tolist() == [0.5, 0.25]
    assert np.isnan(signals["gate.0"][0])
    assert signals["gate.0"][1] == 1.0


def test_a_strategy_that_notes_nothing_has_no_signals():
    assert search(WalkAndTune(), "random", evaluations=3).signals == {}
