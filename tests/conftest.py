"""What holds for every test: which of them run, and on how many threads."""

import os

import pytest

# Arrays here are small: a second thread only waits, on a busy machine for minutes. Before numpy and
# torch are imported, and for the processes that tests start.
os.environ["OMP_NUM_THREADS"] = "1"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves out the tests marked slow, unless -m or the name of a test asks for them."""
    named = config.option.markexpr or any("::" in one for one in config.args)
    if not named:
        items[:] = [item for item in items if item.get_closest_marker("slow") is None]
