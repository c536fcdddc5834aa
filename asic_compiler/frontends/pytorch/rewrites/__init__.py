"""What is changed in an exported program before torch-mlir sees it."""

from __future__ import annotations

import importlib
from typing import Any

from torch.export import ExportedProgram

from asic_compiler.frontends.pytorch.rewrites.bags import open_bags
from asic_compiler.frontends.pytorch.rewrites.editor import Editor
from asic_compiler.frontends.pytorch.rewrites.folding import fold
from asic_compiler.frontends.pytorch.rewrites.selection import select_constants

_strides: Any = importlib.import_module("torch_mlir.extras.fx_as_strided")


def rewrite(program: ExportedProgram) -> None:
    """Changes a decomposed program in place: known places become views, known numbers constants."""
    # Strides in memory become indices, which are looked at like all others.
    _strides.rewrite_as_strided(program.graph)
    editor = Editor(program)
    open_bags(editor)
    select_constants(editor)
    fold(editor)
    editor.finish()
