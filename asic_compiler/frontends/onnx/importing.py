"""An ONNX file in, linalg-on-tensors MLIR out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from asic_compiler.diagnostics import UserError
from asic_compiler.frontends.onnx import bundle
from asic_compiler.frontends.onnx.file import parse_sizes, read, set_sizes, set_values, upgraded
from asic_compiler.frontends.onnx.fold import make_static
from asic_compiler.frontends.onnx.lower import Lowered, UnloweredError, lower
from asic_compiler.frontends.onnx.package import copy, part
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
    original = copy(model)
    lowered = _lowered(upgraded(model), path.stem, stages, spec.locations)
    if tensors is None:
        return lowered.imported
    return bundle.write(tensors, original, lowered, stages)


def _lowered(model: Any, name: str, stages: Stages, locations: bool) -> Lowered:
    """Lowers a model; operators that torch-mlir lacks as the functions that define them."""
    expanded: set[str] = set()
    while True:
        with stages.run("fold"):
            static = make_static(copy(model))
        try:
            return lower(static, name, stages, locations)
        except UnloweredError as error:
            kinds = [kind for kind in error.kinds if kind not in expanded and _is_function(kind)]
            if not kinds:
                raise
            expanded.update(kinds)
            names = [(domain, kind) for kind in kinds for domain in ("", "ai.onnx")]
            try:
                model = part("inliner").inline_selected_functions(
                    model, names, inline_schema_functions=True
                )
            except Exception:  # the inliner does not know every type
                raise error from None


def _is_function(kind: str) -> bool:
    """Whether the standard defines an operator by others."""
    try:
        schema = part("defs").get_schema(kind)
    except Exception:  # it is of another version than the newest
        return False
    return bool(schema.has_function or schema.has_context_dependent_function)
