"""What to import, and what an import returns. No PyTorch here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Literal

Phase = Literal["decode", "prefill"]
Part = Literal["text", "vision"]
ElementType = Literal["f16", "bf16", "f32"]
Role = Literal["token_ids", "position", "mask", "kv_key", "kv_value", "activation", "logits"]

DEFAULT_BATCH = 1
DEFAULT_CONTEXT = 2048

# Bytes of one element, by MLIR element type; i1 is stored in a byte.
ELEMENT_BYTES = {
    "f64": 8,
    "f32": 4,
    "f16": 2,
    "bf16": 2,
    "f8E4M3FN": 1,
    "f8E5M2": 1,
    "i64": 8,
    "si64": 8,
    "i32": 4,
    "si32": 4,
    "i16": 2,
    "si16": 2,
    "i8": 1,
    "si8": 1,
    "ui8": 1,
    "i1": 1,
}


@dataclass(frozen=True, slots=True)
class ImportSpec:
    """Which model to import and at which sizes.

    ``None`` means "not asked for": language models then take decode, batch 1 and 2,048 tokens of
    context, and a factory keeps whatever it builds. An option that has no meaning for the kind of
    model is an error, never ignored.
    """

    model: str
    """A named model, ``package.module:factory[:inputs]``, a ``config.json`` or its folder, a GGUF
    or an ONNX file."""
    phase: Phase | None = None
    """Decode one token against a KV cache, or prefill ``context`` tokens."""
    batch: int | None = None
    """Sequences (or images) in one execution."""
    context: int | None = None
    """Slots of the KV cache in decode; tokens in prefill."""
    layers: int | None = None
    """Keep only the first so many layers of the imported part."""
    dtype: ElementType | None = None
    """Element type of parameters and activations; by default the configuration's, else f16."""
    part: Part | None = None
    """Which part of a vision-language model; text by default."""
    locations: bool = False
    """Print ``loc("file":line:0)`` of the model's source on every operation."""
    shapes: tuple[str, ...] = ()
    """``NAME=SIZES`` of what an ONNX file leaves open: inputs, or single sizes by their names."""
    values: tuple[str, ...] = ()
    """``NAME=NUMBER`` of inputs of an ONNX file that are constants of the program."""
    reproducer: str = "asic-import-reproducer.mlir"
    """Where the torch-dialect module is kept when it cannot be lowered."""


@dataclass(frozen=True, slots=True)
class TensorRequest:
    """Ask for weights, inputs and what PyTorch computes from them, beside the IR."""

    folder: Path
    """Where ``weights``, ``inputs`` and ``reference.safetensors`` go; made if it is missing."""
    seed: int = 0
    """Of everything that is drawn at random."""
    force: bool = False
    """Go on where memory may not suffice, or where the model leaves the range of f16."""


@dataclass(frozen=True, slots=True)
class ParameterInfo:
    """Shape and MLIR element type of a weight; the data stays outside the IR."""

    shape: tuple[int, ...]
    element_type: str

    @property
    def elements(self) -> int:
        """Number of elements."""
        return prod(self.shape)

    @property
    def size_bytes(self) -> int:
        """Storage in byte, unpacked."""
        return self.elements * ELEMENT_BYTES[self.element_type]


@dataclass(frozen=True, slots=True)
class ArgumentInfo:
    """One argument or result of ``@main``: its name, its role, and the layer of a KV cache."""

    name: str
    role: Role
    layer: int | None = None


@dataclass(frozen=True, slots=True)
class Workload:
    """What one execution of ``@main`` does; printed as ``asic.workload`` on the module."""

    name: str
    phase: Literal["decode", "prefill", "inference"]
    batch: int
    context: int
    """Tokens of context attended over; 0 for ``inference``."""

    @property
    def tokens(self) -> int:
        """Tokens (``inference``: samples) that one execution produces."""
        return self.batch * self.context if self.phase == "prefill" else self.batch


@dataclass(frozen=True, slots=True)
class ImportedModel:
    """The result of an import.

    ``text`` is a whole MLIR module in generic form. Everything a later step needs to attach real
    weights is in ``parameters``: the keys are both the resource names in the text and the names
    in the published checkpoint.
    """

    text: str
    workload: Workload
    parameters: dict[str, ParameterInfo]
    buffers: dict[str, ParameterInfo]
    """Tensors whose data is in the text (inverse RoPE frequencies and the like)."""
    arguments: tuple[ArgumentInfo, ...]
    argument_types: tuple[str, ...]
    """MLIR type of each argument, e.g. ``tensor<3x1xi64>``."""
    results: tuple[ArgumentInfo, ...]
    result_types: tuple[str, ...]
    layers: int | None
    """Layers of the imported part; None for a factory, whose structure is its own affair."""
    stage_seconds: dict[str, float]
    """Wall time of each stage, in the order they ran."""
    tensor_files: tuple[Path, ...] = ()
    """Weights, inputs and reference, where a `TensorRequest` asked for them."""
    notes: tuple[str, ...] = ()
    """What the user should know of how the model was read, a line each."""
    located: Callable[[], str] | None = None
    """Gives the text with the model's source line on every operation, for messages."""

    @property
    def parameter_count(self) -> int:
        """Number of weights the program reads; a tied weight counts once."""
        return sum(parameter.elements for parameter in self.parameters.values())

    @property
    def parameter_bytes(self) -> int:
        """Bytes of those weights."""
        return sum(parameter.size_bytes for parameter in self.parameters.values())
