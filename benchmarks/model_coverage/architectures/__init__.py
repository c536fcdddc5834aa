"""Architectures by name, each a factory for asic-import: small, with random weights.

A factory takes nothing and gives a module and its example inputs. Dimensions are the smallest
with which every part of an architecture is there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from model_coverage.architectures import audio, language, layers, tables, vision

FACTORIES: dict[str, Callable[[], Any]] = {
    name: factory
    for room in (language, vision, audio, tables, layers)
    for name, factory in room.FACTORIES.items()
}
globals().update(FACTORIES)
