"""ONNX files: read, made static, lowered by torch-mlir. The package ``onnx`` is an extra."""
