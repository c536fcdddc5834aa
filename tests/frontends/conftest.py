from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")


@pytest.fixture
def write_config(tmp_path: Path):
    """Writes a configuration and returns its path."""

    def write(config: object, name: str = "tiny") -> str:
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        file = folder / "config.json"
        file.write_text(config if isinstance(config, str) else json.dumps(config))
        return str(file)

    return write
