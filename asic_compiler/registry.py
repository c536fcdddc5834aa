"""Names of our dialects and passes, and where each lives.

Data alone: nothing is imported until an entry is loaded, so ``asic-opt --help`` and shell
completion need neither xDSL nor torch. ``universe.py`` turns these tables into what xDSL expects.
To add a pass: write its module, then add one line here.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Entry:
    """Something that is imported on first use."""

    module: str
    attribute: str

    def load(self) -> Any:
        """Imports the module and returns the attribute.

        Raises:
            ImportError: The module or the attribute does not exist: a defect of this table.
        """
        module = importlib.import_module(self.module)
        try:
            return getattr(module, self.attribute)
        except AttributeError:
            raise ImportError(f"{self.module} has no {self.attribute}") from None


DIALECTS: dict[str, Entry] = {
    "asic": Entry("asic_compiler.dialects.asic", "ASIC"),
    "tcc": Entry("asic_compiler.dialects.tcc", "Tcc"),
}
"""Dialects of our own, by name."""

DIALECT_REPLACEMENTS: dict[str, Entry] = {
    "linalg": Entry("asic_compiler.dialects.linalg_extra", "LINALG"),
    "math": Entry("asic_compiler.dialects.math_extra", "MATH"),
}
"""Dialects that take the place of xDSL's of the same name, because xDSL's lacks operations.

Only our own tools load these: a plain ``xdsl-opt`` refuses two dialects of one name.
"""

PASSES: dict[str, Entry] = {
    "asic-schedule": Entry("asic_compiler.passes.asic_schedule", "AsicSchedulePass"),
    "convert-asic-to-tcc": Entry("asic_compiler.passes.convert_asic_to_tcc", "ConvertAsicToTcc"),
    "convert-linalg-to-asic": Entry(
        "asic_compiler.passes.convert_linalg_to_asic", "ConvertLinalgToAsic"
    ),
    "explore": Entry("asic_compiler.passes.explore", "ExplorePass"),
    "rl-explore": Entry("asic_compiler.passes.rl_explore", "RLExplorePass"),
}
"""Passes, by the name that ``asic-opt --<name>`` and ``-p`` use."""
