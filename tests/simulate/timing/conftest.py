"""The event loop is compiled before the first test, not in it: some seconds in a fresh clone."""

import pytest
from timing_builder import build, compute, mesh

from asic_compiler.simulate.timing.engine import simulate


@pytest.fixture(scope="session", autouse=True)
def compiled_loop() -> None:
    assert simulate(build(mesh(1, 1), [], {0: [compute(1)]})).cycles == 1
