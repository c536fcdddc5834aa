"""A module with its example inputs, ready to be exported, and how parameters stay weightless."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeAlias

import torch
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode

from asic_compiler.frontends.models.description import Description
from asic_compiler.frontends.spec import ArgumentInfo, ElementType, Workload

TORCH_DTYPES: dict[ElementType, torch.dtype] = {
    "f16": torch.float16,
    "bf16": torch.bfloat16,
    "f32": torch.float32,
}


Spelling: TypeAlias = tuple[tuple[str, str], ...]
"""Beginnings of a module's names, and what the published checkpoint has there; the first fits."""


def published_name(name: str, spelling: Spelling) -> str:
    """A name of the module as the published checkpoint spells it."""
    for ours, theirs in spelling:
        if name.startswith(ours):
            return theirs + name.removeprefix(ours)
    return name


@dataclass(frozen=True, slots=True)
class Prepared:
    """What the lowering needs to know of a model.

    ``prefix`` says how wrapping has changed the beginnings of the parameters' published names.
    ``arguments`` and ``results`` are None for a factory: its names then come from the exported
    program.
    """

    module: torch.nn.Module
    inputs: tuple[object, ...]
    workload: Workload
    prefix: Spelling = ()
    other_spellings: tuple[Spelling, ...] = ()
    """What checkpoints of this model may have in place of ``prefix``."""
    arguments: tuple[ArgumentInfo, ...] | None = None
    results: tuple[ArgumentInfo, ...] | None = None
    layers: int | None = None
    vocabulary: int = 0
    """Token ids are below it; 0 where there are none."""
    described: Description | None = None
    """What a factory told of its program."""
    windows: Mapping[str, int] = field(default_factory=dict[str, int])
    """Tokens that a mask of a prefill shows, by the argument's name; all of them if not told."""
    examples: tuple[object, ...] | None = None
    """The inputs as the factory gave them, values and all; None where inputs are ours to draw."""
    left_out: dict[str, None] = field(default_factory=dict[str, None])
    """What was said of results that are left out, once the module has run."""


def fake_mode() -> FakeTensorMode:
    """A mode in which parameters have shapes and no storage, while buffers stay real."""
    return FakeTensorMode(allow_non_fake_inputs=True)


@contextmanager
def weightless(mode: FakeTensorMode) -> Generator[None]:
    """Every parameter registered inside becomes a fake tensor of ``mode``.

    ``torch.empty`` reserves pages that nobody touches before the parameter is registered, so no
    more than one parameter is ever reserved, and none is filled. Not thread-safe: it replaces
    ``torch.nn.Module.register_parameter`` until it exits.
    """
    original = torch.nn.Module.register_parameter

    def register(self: torch.nn.Module, name: str, param: torch.nn.Parameter | None) -> None:
        if param is not None and not isinstance(param.data, FakeTensor):
            param = torch.nn.Parameter(mode.from_tensor(param.data), requires_grad=False)
        original(self, name, param)

    torch.nn.Module.register_parameter = register
    try:
        yield
    finally:
        torch.nn.Module.register_parameter = original


@contextmanager
def default_dtype(dtype: torch.dtype) -> Generator[None]:
    """New floating-point tensors get ``dtype`` inside; the old default returns on exit."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)
