"""An ONNX file in, linalg-on-tensors MLIR out."""

from __future__ import annotations

from pathlib import Path

from asic_compiler.diagnostics import UserError
from asic_compiler.frontends.onnx import bundle
from asic_compiler.frontends.onnx.file import parse_sizes, read, set_sizes, set_values
from asic_compiler.frontends.onnx.fold import make_static
from asic_compiler.frontends.onnx.lower import lower
from asic_compiler.frontends.onnx.package import copy
from asic_compiler.frontends.spec import ImportedModel, ImportSpec, TensorRequest
from asic_compiler.frontends.stages import Stages


def import_onnx(spec: ImportSpec, stages: Stages, tensors: TensorRequest | None) -> ImportedModel:
    """Imports an ONNX file; as `import_model` otherwise.

    Raises:
        UserError: The file cannot be read, sizes are missing, or operators cannot be lowered.
    """
    for option, given in (
        ("phase", spec.phase), ("context", spec.context), ("layers", spec.layers),
        ("part", spec.part), ("dtype", spec.dtype),
    ):  # fmt: skip
        if given is not None:
            raise UserError(
                f"--{option} has no meaning for an ONNX file",
                notes=["a file has its own structure and types; --shape and --batch set sizes"],
            )
    path = Path(spec.model)
    with stages.run("read"):
        model = read(path)
        set_sizes(model, parse_sizes(spec.shapes, spec.batch))
        set_values(model, spec.values)
    original = copy(model) if tensors is not None else None
    with stages.run("fold"):
        model = make_static(model)
    lowered = lower(model, path.stem, stages, spec.locations)
    if tensors is None or original is None:
        return lowered.imported
    return bundle.write(tensors, original, lowered, stages)
