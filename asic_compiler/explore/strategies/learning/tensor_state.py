"""Networks and torch's generators as state, and back."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from asic_compiler.explore.checkpoint.state import Array, State, StateError, StateReader


def module_state(module: nn.Module) -> State:
    """Every parameter by name."""
    return {name: to_array(p) for name, p in module.named_parameters()}


def restore_module(module: nn.Module, reader: StateReader) -> None:
    """Takes what :func:`module_state` told; raises StateError."""
    for name, parameter in module.named_parameters():
        fill(parameter, reader, name)


def torch_generator_state(generator: torch.Generator) -> State:
    """The state of a generator of the CPU."""
    return {"bytes": generator.get_state().numpy().copy()}


def restore_torch_generator(generator: torch.Generator, reader: StateReader) -> None:
    """Takes what :func:`torch_generator_state` told; raises StateError."""
    length = len(generator.get_state())
    try:
        generator.set_state(torch.as_tensor(reader.array("bytes", np.uint8, (length,))))
    except RuntimeError as error:  # torch checks that the bytes are a state it could be in
        raise StateError("the state of torch's generator is not one") from error


def to_array(tensor: Tensor) -> Array:
    """A copy of a tensor's values."""
    return tensor.detach().numpy().copy()


def fill(tensor: Tensor, reader: StateReader, name: str, low: float = -np.inf) -> None:
    """Takes the values of an entry, none of them below ``low``; raises StateError."""
    values = reader.array(name, np.float32, tuple(tensor.shape), low)
    with torch.no_grad():
        tensor.copy_(torch.as_tensor(values))
