"""A model that the tests of the benchmark scripts can search in a moment."""

import pytest
from search_evidence import exact, runs, workloads
from workloads import transformer


@pytest.fixture
def small(monkeypatch):
    """A model of one layer takes the place of both workloads of the evidence."""
    table = transformer(batch=1, context=128, layers=1)
    monkeypatch.setattr(workloads, "table_of", lambda workload: table)
    cached = (workloads.problem_of, runs.model_digest, exact.reduced)
    for one in cached:
        one.cache_clear()
    yield
    for one in cached:
        one.cache_clear()
