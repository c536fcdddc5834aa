"""Tensors as NumPy arrays: their element types, their files, and how two of them are compared."""
