"""Weights, inputs and PyTorch's results as safetensors files, for a program to be run against."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch.utils import _pytree as pytree

from asic_compiler.diagnostics import UserError
from asic_compiler.frontends.pytorch import inputs as example_inputs
from asic_compiler.frontends.pytorch import weights
from asic_compiler.frontends.pytorch.checkpoint import open_checkpoint
from asic_compiler.frontends.pytorch.graph import ELEMENT_TYPES, Names
from asic_compiler.frontends.pytorch.prepared import Prepared
from asic_compiler.frontends.pytorch.warm_cache import cache_contents
from asic_compiler.frontends.spec import ImportedModel, TensorRequest
from asic_compiler.frontends.stages import Stages
from asic_compiler.frontends.tensor_set import FILES, facts_of, header, tensor_set
from asic_compiler.tensors.comparison import OWN_ERRORS, OWN_TYPE, relative_error
from asic_compiler.tensors.files import TensorFacts, write_tensors

__all__ = ["Names", "check_request", "write"]

_F16_MAX = torch.finfo(torch.float16).max


def check_request(request: TensorRequest, prepared: Prepared) -> None:
    """Makes the folder, and refuses what this machine has no memory for.

    The reference holds all weights and inputs as f32; half of the machine's memory is for others.

    Raises:
        UserError: The folder cannot be made or written, or memory would be short.
    """
    try:
        request.folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot make '{request.folder}': {error.strerror}") from None
    if not os.access(request.folder, os.W_OK):
        raise UserError(f"cannot write into '{request.folder}': permission denied")
    tensors = [*prepared.module.parameters(), *pytree.tree_leaves(prepared.inputs)]
    elements = sum(t.numel() for t in tensors if isinstance(t, torch.Tensor))
    needed_bytes = elements * torch.float32.itemsize
    memory_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if needed_bytes > memory_bytes / 2 and not request.force:
        raise UserError(
            f"--with-weights: {elements:,} weights and inputs take {needed_bytes / 1e9:.1f} GB as "
            f"f32 for the reference, more than half of this machine's {memory_bytes / 1e9:.1f} GB",
            notes=["fewer --layers or a smaller --context need less", "--force tries it anyway"],
        )


def write(
    request: TensorRequest,
    prepared: Prepared,
    imported: ImportedModel,
    names: Names,
    checkpoint: Path | None,
    stages: Stages,
) -> ImportedModel:
    """Writes the three files.

    All three appear, or none; each says which others it belongs to.

    Args:
        request: Folder and seed.
        prepared: The model: without weights, but for a factory.
        imported: What was made of it.
        names: What the program reads.
        checkpoint: Folder or GGUF file with the weights' values; None to draw them.
        stages: Told of each stage.

    Returns:
        ``imported`` with the files' paths.

    Raises:
        UserError: A weight does not fit its element type, PyTorch cannot evaluate the model in
            f32, the model leaves the range of f16, or a file cannot be written.
    """
    facts = facts_of(imported.parameters)
    for name in names.buffer_data:
        info = imported.buffers[name]
        facts[name] = TensorFacts(info.shape, info.element_type)
    metadata = header(imported, request.seed, facts)
    with tensor_set(request.folder) as paths:
        with stages.run("weights"):
            writer = _Weights(request, prepared, names, checkpoint)
            metadata["weights"] = write_tensors(paths[0], facts, writer.data, metadata)
            values = writer.values()
        with stages.run("inputs"):
            drawn = example_inputs.draw(prepared, imported.arguments, request.seed)
            if checkpoint is not None:
                drawn = _with_caches(drawn, prepared, imported, values, request.seed)
            given = dict(zip((a.name for a in imported.arguments), drawn, strict=True))
            metadata["inputs"] = _write(paths[1], given, metadata)
        names_of_results = [result.name for result in imported.results]
        with stages.run("reference"):
            own = _own_results(prepared, values, drawn)
            for key, value in values.items():
                values[key] = weights.at_least_f32(value)
            with weights.holding(prepared.module, values, weights.at_least_f32):
                results = _evaluate(request, prepared, imported, drawn)
            named = dict(zip(names_of_results, results, strict=True))
            metadata |= _own_errors(own, named)
            _write(paths[2], named, metadata)
    return replace(imported, tensor_files=tuple(request.folder / file for file in FILES))


def _with_caches(
    drawn: list[torch.Tensor],
    prepared: Prepared,
    imported: ImportedModel,
    values: dict[int, torch.Tensor],
    seed: int,
) -> list[torch.Tensor]:
    """Inputs with caches that the checkpoint's own layers filled."""
    with weights.holding(prepared.module, values, weights.unchanged):
        contents = cache_contents(prepared, seed)
    if contents is None:
        return drawn
    made = iter(contents)
    return [
        next(made).to(value.dtype) if info.role in ("kv_key", "kv_value") else value
        for info, value in zip(imported.arguments, drawn, strict=True)
    ]


class _Weights:
    """Gives the bytes of one weight after the other, and keeps each in its own type."""

    def __init__(
        self, request: TensorRequest, prepared: Prepared, names: Names, checkpoint: Path | None
    ) -> None:
        self._buffers = names.buffer_data
        self._source: weights.Source
        if prepared.examples is not None:
            self._source = weights.as_built
        elif checkpoint is not None:
            self._source = weights.stored(open_checkpoint(checkpoint))
        else:
            self._source = weights.drawn(request.seed, weights.tied(prepared.module))
        self._parameters = {
            names.published(name): (owner, parameter)
            for name, owner, parameter in weights.owners(prepared.module).values()
        }
        self._values: dict[int, torch.Tensor] = {}

    def data(self, name: str) -> memoryview:
        """The bytes of a weight or buffer by its published name."""
        if name in self._buffers:
            return _bytes(self._buffers[name])
        owner, parameter = self._parameters[name]
        value = self._source(name, owner, parameter)
        fitted = weights.fitting(name, value, parameter.dtype)
        self._values[id(parameter)] = fitted
        return _bytes(fitted)

    def values(self) -> dict[int, torch.Tensor]:
        """Each parameter's value by the parameter's id, also of those nobody reads."""
        for name, (_, parameter) in self._parameters.items():
            if id(parameter) not in self._values:
                self.data(name)
        return self._values


def _bytes(tensor: torch.Tensor) -> memoryview:
    # Cloned: a tensor of one element may have a stride of 0, which no view of bytes can.
    flat = tensor.detach().flatten().clone(memory_format=torch.contiguous_format)
    return flat.view(torch.uint8).numpy().data


def _write(path: Path, tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, str]) -> str:
    facts = {
        name: TensorFacts(tuple(tensor.shape), ELEMENT_TYPES[tensor.dtype])
        for name, tensor in tensors.items()
    }
    return write_tensors(path, facts, lambda name: _bytes(tensors[name]), metadata)


def _results(prepared: Prepared, drawn: list[torch.Tensor]) -> list[torch.Tensor]:
    """The tensors that the module gives for these inputs."""
    leaves, tree = pytree.tree_flatten(prepared.inputs)
    # Cloned: what a module does to its inputs must not reach the next evaluation.
    values = iter([value.clone() for value in drawn])
    leaves = [next(values) if isinstance(leaf, torch.Tensor) else leaf for leaf in leaves]
    with torch.no_grad():
        outputs = prepared.module(*pytree.tree_unflatten(leaves, tree))
    return [leaf for leaf in pytree.tree_leaves(outputs) if isinstance(leaf, torch.Tensor)]


def _own_results(
    prepared: Prepared, values: dict[int, torch.Tensor], drawn: list[torch.Tensor]
) -> list[torch.Tensor] | None:
    """What the module computes in the program's own element types; None where PyTorch cannot."""
    try:
        with weights.holding(prepared.module, values, weights.unchanged):
            return _results(prepared, drawn)
    except Exception:  # not every operator of PyTorch exists for every type
        return None


def _own_errors(
    own: list[torch.Tensor] | None, reference: Mapping[str, torch.Tensor]
) -> dict[str, str]:
    """Metadata: how far each own result is from the reference, for a check to be measured by."""
    if own is None:
        return {}
    errors: dict[str, float] = {}
    narrowest = min((o.dtype for o in own if o.is_floating_point()), key=_bits, default=None)
    for result, (name, wide) in zip(own, reference.items(), strict=True):
        errors[name] = relative_error(weights.at_least_f32(result).numpy(), wide.numpy())
    shown = "integers" if narrowest is None else ELEMENT_TYPES[narrowest]
    return {OWN_TYPE: shown, OWN_ERRORS: json.dumps(errors)}


def _bits(dtype: torch.dtype) -> int:
    return torch.finfo(dtype).bits


def _evaluate(
    request: TensorRequest,
    prepared: Prepared,
    imported: ImportedModel,
    drawn: list[torch.Tensor],
) -> list[torch.Tensor]:
    """What the module computes in f32 from inputs of the program's own element types."""
    watch = _RangeWatch(prepared.module)
    try:
        results = _results(prepared, [weights.at_least_f32(value) for value in drawn])
    except Exception as error:
        summary = " ".join(str(error).split())
        notes = ["the model must follow the type of its inputs, without .half() and the like"]
        raise UserError(f"PyTorch cannot evaluate the model in f32: {summary}", notes=notes) from (
            None
        )
    finally:
        watch.remove()
    types = (
        *imported.argument_types,
        *(f"x{p.element_type}>" for p in imported.parameters.values()),
    )
    if any(type_.endswith("xf16>") for type_ in types) and not request.force:
        watch.check()
    return [weights.at_least_f32(result).contiguous() for result in results]


class _RangeWatch:
    """Looks at what every part of a module gives, for numbers that f16 has not."""

    def __init__(self, module: torch.nn.Module) -> None:
        self._found: tuple[str, float] | None = None
        untyped: Any = module
        self._hooks: list[Any] = [
            part.register_forward_hook(self._hook(name or type(module).__name__))
            for name, part in untyped.named_modules()
        ]

    def _hook(self, name: str) -> Any:
        def look(_module: Any, _inputs: Any, outputs: Any) -> None:
            for leaf in pytree.tree_leaves(outputs):
                if self._found is None and isinstance(leaf, torch.Tensor) and leaf.numel():
                    largest = float(leaf.abs().max()) if leaf.is_floating_point() else 0.0
                    if not largest <= _F16_MAX:
                        self._found = (name, largest)

        return look

    def remove(self) -> None:
        """Takes the hooks off again."""
        for hook in self._hooks:
            hook.remove()

    def check(self) -> None:
        """Raises a UserError that names the first part whose output leaves the range."""
        if self._found is None:
            return
        name, largest = self._found
        raise UserError(
            f"the output of '{name}' reaches {largest:.4g} in f32, f16 ends at {_F16_MAX:g}",
            notes=[
                "import the model with --dtype bf16 or --dtype f32",
                "--force writes the files all the same",
            ],
        )
