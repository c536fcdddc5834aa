"""Models in, linalg-on-tensors MLIR out. Importing this package loads no PyTorch."""

from asic_compiler.frontends.importer import import_model
from asic_compiler.frontends.spec import (
    ArgumentInfo,
    ImportedModel,
    ImportSpec,
    ParameterInfo,
    TensorRequest,
    Workload,
)

__all__ = [
    "ArgumentInfo",
    "ImportSpec",
    "ImportedModel",
    "ParameterInfo",
    "TensorRequest",
    "Workload",
    "import_model",
]
