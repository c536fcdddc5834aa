"""Weights, inputs and reference of a model: three files that appear together, or not at all."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

from asic_compiler.diagnostics import UserError
from asic_compiler.files import staged
from asic_compiler.frontends.spec import ImportedModel, ParameterInfo
from asic_compiler.tensors.files import TensorFacts, structure

WEIGHTS, INPUTS, REFERENCE = "weights.safetensors", "inputs.safetensors", "reference.safetensors"
FILES = (WEIGHTS, INPUTS, REFERENCE)


def header(imported: ImportedModel, seed: int, facts: Mapping[str, TensorFacts]) -> dict[str, str]:
    """What every file of a set says of the model that it belongs to.

    Args:
        imported: The model.
        seed: Of what was drawn.
        facts: Of all weights.
    """
    workload = imported.workload
    return {
        "model": workload.name,
        "phase": workload.phase,
        "batch": str(workload.batch),
        "context": str(workload.context),
        "seed": str(seed),
        "structure": structure(facts),
    }


def facts_of(weights: Mapping[str, ParameterInfo]) -> dict[str, TensorFacts]:
    """Shapes and types of weights as files have them."""
    return {name: TensorFacts(info.shape, info.element_type) for name, info in weights.items()}


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
