"""From an ``nn.Module`` to MLIR: these modules load PyTorch and torch-mlir when imported."""
