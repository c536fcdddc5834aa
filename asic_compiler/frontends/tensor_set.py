"""Weights, inputs and reference of a model: three files that appear together, or not at all."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from asic_compiler.diagnostics import UserError
from asic_compiler.files import staged

WEIGHTS, INPUTS, REFERENCE = "weights.safetensors", "inputs.safetensors", "reference.safetensors"
FILES = (WEIGHTS, INPUTS, REFERENCE)


@contextmanager
def tensor_set(folder: Path) -> Generator[list[Path], None, None]:
    """Where to write the three files; they take their places in ``folder`` when this ends well.

    Raises:
        UserError: One cannot be written; the old files stay.
    """
    try:
        # Beside the old files, which stay until all three new ones are there.
        with staged(folder, "tensors") as kept:
            paths = [kept / file for file in FILES]
            yield paths
            # What belongs to the old weights goes first: a kill in between leaves no mixture.
            for file in (REFERENCE, INPUTS):
                (folder / file).unlink(missing_ok=True)
            for path in paths:
                path.replace(folder / path.name)
    except OSError as error:
        name = Path(str(error.filename)).name
        what = folder / name if name in FILES else folder
        raise UserError(f"cannot write '{what}': {error.strerror}") from None
