"""Makes the benchmark scripts importable, and a model that their tests can search in a moment."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
sys.path.append(str(Path(__file__).parents[1] / "ppa"))


@pytest.fixture
def small(monkeypatch):
    """A model of one layer takes the place of both workloads of the evidence."""
    from search_evidence import exact, runs, workloads  # on the path since this file was read
    from workloads import transformer

    table = transformer(batch=1, context=128, layers=1)
    monkeypatch.setattr(workloads, "table_of", lambda workload: table)
    cached = (workloads.problem_of, runs.model_digest, exact.reduced)
    for one in cached:
        one.cache_clear()
    yield
    for one in cached:
        one.cache_clear()
