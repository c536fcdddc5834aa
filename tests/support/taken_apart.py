"""Functions of PyTorch as the operators that torch-mlir is given, without torch-mlir."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from asic_compiler.frontends.pytorch import lowering
from asic_compiler.frontends.pytorch.prepared import Prepared
from asic_compiler.frontends.spec import Workload


class Of(torch.nn.Module):
    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, *inputs: torch.Tensor) -> Any:
        return self.function(*inputs)


def decomposed(function: Callable[..., Any], *inputs: torch.Tensor) -> tuple[set[str], Any]:
    """Names of the operators that torch-mlir gets, and what they compute."""
    prepared = Prepared(Of(function), inputs, Workload("x", "inference", 1, 0))
    program = lowering.decompose(lowering.export(prepared, None))
    names = {str(node.target) for node in program.graph.nodes if node.op == "call_function"}
    for node in program.graph.nodes:
        if str(node.target) == "aten.constant_pad_nd.default":
            assert min(node.args[1]) >= 0
    return names, program.module()(*inputs)
