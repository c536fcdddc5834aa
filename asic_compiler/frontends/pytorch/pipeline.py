"""torch-mlir's pass pipelines, run without its report of the whole module."""

from __future__ import annotations

import importlib
from typing import Any

_ir: Any = importlib.import_module("torch_mlir.ir")
_passmanager: Any = importlib.import_module("torch_mlir.passmanager")

BACKEND_PIPELINE = (
    "builtin.module(func.func(torch-match-quantized-custom-ops),"
    "torchdynamo-export-to-torch-backend-pipeline{extra-library=})"
)
LINALG_PIPELINE = (
    "builtin.module(torch-backend-to-linalg-on-tensors-backend-pipeline{allow-non-finites=true})"
)


class PipelineError(Exception):
    """A pipeline failed or emitted an error; the argument is the first line of each."""

    def __init__(self, messages: list[str]) -> None:
        super().__init__("; ".join(messages))
        self.messages = messages


def run(module: Any, *pipelines: str) -> None:
    """Runs the pipelines in place.

    Raises:
        PipelineError: A pass failed, or reported an error and went on.
    """
    context = module.context
    messages: list[str] = []

    def note(diagnostic: Any) -> bool:
        if diagnostic.severity == _ir.DiagnosticSeverity.ERROR:
            messages.append(str(diagnostic.message).splitlines()[0])
        return True

    context.emit_error_diagnostics = True
    handler = context.attach_diagnostic_handler(note)
    try:
        for pipeline in pipelines:
            manager = _passmanager.PassManager.parse(pipeline, context=context)
            # The IR comes from torch-mlir's own builders and is verified once, when printed.
            manager.enable_verifier(False)
            try:
                manager.run(module.operation)
            except _ir.MLIRError as error:
                raise PipelineError(messages or [str(error).splitlines()[0]]) from None
            if messages:
                raise PipelineError(messages)
    finally:
        handler.detach()
