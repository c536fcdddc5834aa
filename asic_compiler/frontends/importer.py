"""The one entry point: a specification in, MLIR text out."""

from __future__ import annotations

import warnings
from dataclasses import replace

from asic_compiler.diagnostics import UserError
from asic_compiler.frontends.models.config import find_recipe
from asic_compiler.frontends.models.factory import split
from asic_compiler.frontends.spec import ImportedModel, ImportSpec, TensorRequest
from asic_compiler.frontends.stages import Stages


def import_model(
    spec: ImportSpec, stages: Stages | None = None, tensors: TensorRequest | None = None
) -> ImportedModel:
    """Imports a model as linalg-on-tensors MLIR in generic form.

    Parameters are named resources without data in the text, under the names of the model's
    checkpoint; unless ``tensors`` asks for their values, they never get storage. Nothing is
    downloaded.

    Args:
        spec: What to import.
        stages: Told of each stage as it starts; also keeps the times.
        tensors: Where to write weights, inputs and PyTorch's results; None to write none.

    Returns:
        The text, and what a later step needs to bind weights and inputs.

    Raises:
        UserError: The model is unknown or cannot be imported; see its notes.
    """
    stages = stages or Stages()
    for option, value in (
        ("batch", spec.batch),
        ("context", spec.context),
        ("layers", spec.layers),
    ):
        if value is not None and value < 1:
            raise UserError(f"--{option} {value}: must be at least 1")
    if spec.model.endswith(".onnx"):
        from asic_compiler.frontends.onnx.importing import import_onnx

        return import_onnx(spec, stages, tensors)
    if spec.shapes or spec.values:
        raise UserError(
            "--shape has no meaning here",
            notes=["it sets open sizes of the inputs of an ONNX file"],
        )
    is_factory = ":" in spec.model
    recipe = None
    if is_factory:
        split(spec.model)
    else:
        recipe = find_recipe(spec)
    with warnings.catch_warnings():
        # What PyTorch and transformers deprecate is nothing the user of a model can change.
        warnings.simplefilter("ignore")
        with stages.run("load PyTorch"):
            from asic_compiler.frontends.pytorch import bundle, from_factory, lowering
            from asic_compiler.frontends.pytorch.prepared import fake_mode
        mode = fake_mode()
        with stages.run("build"):
            if recipe is None:
                seed = tensors.seed if tensors is not None else None
                prepared = from_factory.prepare(spec, mode, seed)
            else:
                from asic_compiler.frontends.pytorch import checkpoint, language

                prepared = language.prepare(recipe, spec, mode)
                if recipe.checkpoint is not None:
                    prepared = checkpoint.check(recipe.checkpoint, prepared)
        said = () if recipe is None else recipe.notes
        if tensors is None:
            imported = lowering.lower(prepared, spec, mode, stages)
            return replace(imported, notes=(*said, *imported.notes))
        bundle.check_request(tensors, prepared)
        names = bundle.Names(prepared.module, prepared.prefix)
        imported = lowering.lower(prepared, spec, mode, stages, names)
        imported = replace(imported, notes=(*said, *imported.notes))
        folder = None if recipe is None else recipe.checkpoint
        return bundle.write(tensors, prepared, imported, names, folder, stages)
