"""The package ``onnx``, which is an extra: the edge where its missing types end."""

from __future__ import annotations

import importlib
from typing import Any

from asic_compiler.diagnostics import UserError


def part(name: str) -> Any:
    """A module of the package: ``part("checker")``.

    Raises:
        UserError: It is not installed.
    """
    try:
        return importlib.import_module(f"onnx.{name}" if name else "onnx")
    except ImportError as error:
        if error.name is not None and error.name.split(".")[0] not in ("onnx", "google"):
            raise
        raise UserError(
            "an ONNX file needs the package onnx",
            notes=["pip install 'asic-compiler[onnx]' installs it"],
        ) from None


def copy(message: Any) -> Any:
    """A protobuf message of its own."""
    kind: Any = message.__class__
    return kind.FromString(message.SerializeToString())
