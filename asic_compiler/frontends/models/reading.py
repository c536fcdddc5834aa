"""A configuration as it is read, and errors that point at its keys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from asic_compiler.diagnostics import SourceLocation, UserError
from asic_compiler.frontends.models.json_places import KeyPath


@dataclass(frozen=True, slots=True)
class Reading:
    """What is read, and where its keys stand."""

    shown: str
    """File or name, for messages."""
    context: int
    """Tokens that the program attends over."""
    places: Mapping[KeyPath, SourceLocation] = field(default_factory=dict[KeyPath, SourceLocation])

    def refuse(self, path: KeyPath, why: str, *notes: str) -> UserError:
        """An error at a key, or one that names it where there is no text to point into."""
        place = self.places.get(path)
        where = "" if place is not None else f"'{self.shown}': "
        return UserError(f"{where}'{'.'.join(path)}' {why}", place, notes)


def not_supported(reading: Reading, path: KeyPath, value: Any) -> UserError:
    """An error at a key whose value is another than the model's."""
    if path[-1] == "quantization_config":
        return reading.refuse(
            path,
            "is not supported: the weights would be read as if they were not quantised",
            "save the checkpoint in f16 or bf16, or give a GGUF file, which is de-quantised",
        )
    return reading.refuse(
        path,
        f"is {short(value)}, which is not supported",
        "the model can be given as package.module:factory",
    )


def short(value: Any) -> str:
    """A value for a message."""
    text = str(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
