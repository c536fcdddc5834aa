"""Networks, optimisers and torch's generators as state, and back."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from asic_compiler.explore.checkpoint.state import State, StateError, StateReader


def module_state(module: nn.Module) -> State:
    """Every parameter by name."""
    return {name: _array(p) for name, p in module.named_parameters()}


def restore_module(module: nn.Module, reader: StateReader) -> None:
    """Takes what :func:`module_state` told; raises StateError."""
    for name, parameter in module.named_parameters():
        _fill(parameter, reader, name)


def adam_state(optimiser: torch.optim.Adam) -> State:
    """Both moments and the step count of every parameter, in order."""
    state: State = {}
    for index, parameter in enumerate(_parameters(optimiser)):
        moments = _moments(optimiser, parameter)
        state[str(index)] = {name: _array(tensor) for name, tensor in moments.items()}
    return state


def restore_adam(optimiser: torch.optim.Adam, reader: StateReader) -> None:
    """Takes what :func:`adam_state` told; raises StateError."""
    for index, parameter in enumerate(_parameters(optimiser)):
        part = reader.part(str(index))
        moments = _moments(optimiser, parameter)
        for name, tensor in moments.items():
            _fill(tensor, part, name, -np.inf if name == "exp_avg" else 0.0)
        optimiser.state[parameter] = moments


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


def _moments(optimiser: torch.optim.Adam, parameter: Tensor) -> dict[str, Tensor]:
    """Adam's state of one parameter; before its first step, what it begins with."""
    if parameter in optimiser.state:
        return {name: optimiser.state[parameter][name] for name in _MOMENTS}
    zeros = torch.zeros_like(parameter, requires_grad=False)
    return {"step": torch.tensor(0.0), "exp_avg": zeros, "exp_avg_sq": zeros.clone()}


_MOMENTS = ("step", "exp_avg", "exp_avg_sq")


def _parameters(optimiser: torch.optim.Adam) -> list[Tensor]:
    return [parameter for group in optimiser.param_groups for parameter in group["params"]]


def _array(tensor: Tensor) -> np.ndarray:
    return tensor.detach().numpy().copy()


def _fill(tensor: Tensor, reader: StateReader, name: str, low: float = -np.inf) -> None:
    values = reader.array(name, np.float32, tuple(tensor.shape), low)
    with torch.no_grad():
        tensor.copy_(torch.as_tensor(values))
