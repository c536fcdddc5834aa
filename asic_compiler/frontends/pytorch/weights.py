"""Values for the parameters of a model: drawn, read from a checkpoint, or as a factory set them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator
from contextlib import contextmanager
from math import prod
from typing import Any, TypeAlias, cast

import numpy as np
import torch
from numpy.typing import NDArray

from asic_compiler.diagnostics import UserError
from asic_compiler.frontends.pytorch.checkpoint import Checkpoint

# Typed by hand: PyTorch leaves the array's type open, which pyright (strict) refuses.
from_numpy: Callable[[NDArray[Any]], torch.Tensor] = cast(Any, torch).from_numpy

Source: TypeAlias = Callable[[str, torch.nn.Module, torch.nn.Parameter], torch.Tensor]
"""Published name, owning module and the parameter as it is, to its value in any type."""


def generator(seed: int, name: str) -> np.random.Generator:
    """Numbers that depend on the seed and the name alone, not on what was drawn before."""
    digest = hashlib.sha256(name.encode()).digest()
    return np.random.default_rng([seed, int.from_bytes(digest[:8], "little")])


def drawn(seed: int, tied: frozenset[int]) -> Source:
    """Random weights with which signals neither fade nor grow, so that every weight matters.

    Matrices and filters are normal with variance 1 / fan-in (LeCun et al., Efficient BackProp,
    1998), embeddings normal with variance 1 unless they are ``tied`` to a head (ids of such
    parameters), other vectors normal with deviation 0.1 around 1 (scales of norms) or 0 (biases).
    """

    def value(name: str, owner: torch.nn.Module, parameter: torch.nn.Parameter) -> torch.Tensor:
        shape = tuple(parameter.shape)
        numbers = generator(seed, name).standard_normal(shape, np.float32)
        if len(shape) > 1:
            alone = isinstance(owner, torch.nn.Embedding) and id(parameter) not in tied
            numbers *= 1.0 if alone else prod(shape[1:]) ** -0.5
        else:
            numbers = 0.1 * numbers + (1.0 if name.endswith("weight") else 0.0)
        return from_numpy(np.asarray(numbers, np.float32))

    return value


def stored(checkpoint: Checkpoint) -> Source:
    """The weights of a checkpoint, read one at a time."""

    def value(name: str, owner: torch.nn.Module, parameter: torch.nn.Parameter) -> torch.Tensor:
        del owner, parameter
        return from_numpy(checkpoint.tensor(name))

    return value


def as_built(name: str, owner: torch.nn.Module, parameter: torch.nn.Parameter) -> torch.Tensor:
    """The values that a factory gave its module."""
    del name, owner
    return parameter.detach()


def fitting(name: str, value: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """A value in the element type of the program.

    Raises:
        UserError: A number is not finite in it.
    """
    fitted = value.to(dtype)
    if dtype.is_floating_point and not bool(torch.isfinite(fitted).all()):
        shown = str(dtype).removeprefix("torch.")
        largest = float(value.abs().max())
        raise UserError(
            f"weight '{name}' does not fit {shown}: its largest magnitude is {largest:.4g}",
            notes=["import the model with --dtype bf16 or --dtype f32"],
        )
    return fitted


def owners(module: torch.nn.Module) -> dict[int, tuple[str, torch.nn.Module, torch.nn.Parameter]]:
    """Each parameter once, by id: its first name in the module, who owns it, and itself."""
    found: dict[int, tuple[str, torch.nn.Module, torch.nn.Parameter]] = {}
    for name, parameter in module.named_parameters():
        owner = module.get_submodule(name.rpartition(".")[0])
        found[id(parameter)] = (name, owner, parameter)
    return found


def tied(module: torch.nn.Module) -> frozenset[int]:
    """Parameters that have more than one name."""
    seen: set[int] = set()
    twice: set[int] = set()
    for _, parameter in module.named_parameters(remove_duplicate=False):
        (twice if id(parameter) in seen else seen).add(id(parameter))
    return frozenset(twice)


@contextmanager
def holding(
    module: torch.nn.Module, values: dict[int, torch.Tensor], convert: Callable[[Any], Any]
) -> Generator[None]:
    """The module with values in place of the parameters of these ids, and converted buffers.

    What was there returns on exit: a module may be the user's own.

    Args:
        module: It and its parts.
        values: By id of the parameter.
        convert: Gives what stands for a buffer: `at_least_f32`, or `unchanged`.
    """
    before: list[tuple[torch.nn.Module, str, torch.Tensor]] = []
    made = {key: torch.nn.Parameter(value, requires_grad=False) for key, value in values.items()}
    for part in module.modules():
        for name, parameter in part.named_parameters(recurse=False, remove_duplicate=False):
            before.append((part, name, parameter))
        for name, buffer in part.named_buffers(recurse=False, remove_duplicate=False):
            before.append((part, name, buffer))
    try:
        for part, name, tensor in before:
            setattr(part, name, made.get(id(tensor), convert(tensor)))
        yield
    finally:
        for part, name, tensor in before:
            setattr(part, name, tensor)


def unchanged(tensor: Any) -> Any:
    """A tensor as it is."""
    return tensor


def at_least_f32(tensor: Any) -> Any:
    """Narrower floats as f32; anything else as it is."""
    is_narrow = (
        isinstance(tensor, torch.Tensor)
        and tensor.is_floating_point()
        and tensor.element_size() < torch.float32.itemsize
    )
    return tensor.float() if is_narrow else tensor
