"""Prepares what a user's factory returns."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager, nullcontext
from typing import Any, cast

import torch
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.utils import _pytree as pytree

from asic_compiler.diagnostics import UserError
from asic_compiler.frontends.models import description, factory
from asic_compiler.frontends.pytorch.parametrized import settle
from asic_compiler.frontends.pytorch.prepared import (
    TORCH_DTYPES,
    Prepared,
    default_dtype,
    weightless,
)
from asic_compiler.frontends.pytorch.results import leave_out_objects
from asic_compiler.frontends.spec import ImportSpec, Workload


def prepare(spec: ImportSpec, mode: FakeTensorMode, seed: int | None = None) -> Prepared:
    """Builds ``package.module:factory`` without weights if it lets us, else with them.

    The factory runs while parameters are fake; if it needs their values (it reads a checkpoint,
    say, and computes with it) it runs once more with real ones. Either way the weights become
    named resources without data.

    Args:
        spec: Which factory, and the element type to cast to.
        mode: What parameters and inputs are fake in.
        seed: Build with real weights, which are wanted, and draw them from this seed.

    Raises:
        UserError: The factory cannot be found, raises, or returns something else.
    """
    if spec.part is not None:
        raise UserError("--part has no meaning for a factory")
    module, inputs, told = _build(spec, mode, seed)
    described = None if told is None else description.read(told, spec.model)
    with torch.no_grad():
        settle(module.eval())
    dtype = TORCH_DTYPES[spec.dtype] if spec.dtype else None
    if dtype is not None:
        _cast_module(module, dtype)

    def fake(leaf: Any) -> Any:
        return mode.from_tensor(_cast(leaf, dtype)) if isinstance(leaf, torch.Tensor) else leaf

    examples = inputs if seed is not None else None
    inputs = pytree.tree_map(fake, inputs)
    tensors = [leaf for leaf in pytree.tree_leaves(inputs) if isinstance(leaf, torch.Tensor)]
    if not tensors:
        raise UserError(f"'{spec.model}': no tensor among the example inputs", notes=factory.USAGE)
    batch = int(tensors[0].shape[0]) if tensors[0].ndim else 1
    phase, context = ("inference", 0) if described is None else (described.phase, described.context)
    for option, own in (("phase", phase), ("context", context), ("batch", batch)):
        asked = getattr(spec, option)
        if described is not None and asked is not None and asked != own:
            raise UserError(f"--{option} {asked}: the factory '{spec.model}' made {option} {own}")
    return Prepared(
        module=module,
        inputs=inputs,
        workload=Workload(spec.model, phase, batch, context),
        examples=examples,
        described=described,
        left_out=leave_out_objects(module),
    )


@contextmanager
def _seeded(seed: int | None) -> Generator[None]:
    """PyTorch's own generator starts from a seed inside, and goes on as before outside."""
    untyped: Any = torch
    with untyped.random.fork_rng(devices=[], enabled=seed is not None):
        if seed is not None:
            untyped.manual_seed(seed)
        yield


def _build(
    spec: ImportSpec, mode: FakeTensorMode, seed: int | None
) -> tuple[torch.nn.Module, tuple[object, ...], object]:
    # What a Python module draws while it is imported must not shift what its factory draws.
    with _seeded(seed):
        python_module, name, inputs_name = factory.load(spec.model)
    dtype = default_dtype(TORCH_DTYPES[spec.dtype]) if spec.dtype else nullcontext()
    module: Any = None
    inputs: Any = None
    told: Any = None
    options = {
        name: getattr(spec, name)
        for name in ("phase", "batch", "context", "layers")
        if getattr(spec, name) is not None
    }
    with dtype, _seeded(seed):
        needs_weights = seed is not None
        try:
            if not needs_weights:
                with weightless(mode):
                    module, inputs, told = factory.call(python_module, name, inputs_name, options)
                needs_weights = _has_fake_buffers(module)
        except factory.FactoryError:
            needs_weights = True
        try:
            if needs_weights:
                module, inputs, told = factory.call(python_module, name, inputs_name, options)
        except factory.FactoryError as failure:
            raise factory.describe_failure(spec.model, failure) from None
    if not isinstance(module, torch.nn.Module):
        shown = type(module).__name__
        message = f"'{spec.model}' gave a {shown}, not a torch.nn.Module"
        raise UserError(message, notes=factory.USAGE)
    if isinstance(inputs, torch.Tensor):
        inputs = (inputs,)
    if not isinstance(inputs, (tuple, list)):
        message = f"'{spec.model}': the example inputs are no tuple of tensors"
        raise UserError(message, notes=factory.USAGE)
    return module, tuple(cast("tuple[object, ...]", inputs)), told


def _has_fake_buffers(module: Any) -> bool:
    """Whether a buffer was computed from a weight, so that its value got lost."""
    return isinstance(module, torch.nn.Module) and any(
        isinstance(buffer, FakeTensor) for buffer in module.buffers()
    )


def _cast_module(module: torch.nn.Module, dtype: torch.dtype) -> None:
    """``module.to(dtype)``, which cannot swap the storage of fake parameters."""
    done: dict[int, torch.nn.Parameter] = {}
    for part in module.modules():
        for name, parameter in list(part.named_parameters(recurse=False)):
            if parameter.is_floating_point():
                if id(parameter) not in done:
                    done[id(parameter)] = torch.nn.Parameter(
                        parameter.detach().to(dtype), requires_grad=False
                    )
                setattr(part, name, done[id(parameter)])
        for name, buffer in list(part.named_buffers(recurse=False)):
            setattr(part, name, _cast(buffer, dtype))


def _cast(tensor: torch.Tensor, dtype: torch.dtype | None) -> torch.Tensor:
    return tensor if dtype is None or not tensor.is_floating_point() else tensor.to(dtype)
