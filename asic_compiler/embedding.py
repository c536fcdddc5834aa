"""What ``import asic_compiler`` offers to other compilers, behind lazy imports."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp

from asic_compiler.diagnostics import UserError
from asic_compiler.explore.run import Exploration, Request, explore
from asic_compiler.frontends.mlir_text import parse_module
from asic_compiler.passes.convert_linalg_to_asic import ConvertLinalgToAsic
from asic_compiler.passes.rl_explore import annotate
from asic_compiler.workload.extract import extract


def parse_file(path: str) -> ModuleOp:
    """See ``asic_compiler.parse_file``."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(f"cannot read '{path}': {error.strerror}") from error
    return parse_module(text, path)


def design_chip(module: ModuleOp, **request: Any) -> Exploration:
    """See ``asic_compiler.design_chip``."""
    unknown = sorted(set(request) - set(Request.__dataclass_fields__))
    if unknown:
        known = ", ".join(Request.__dataclass_fields__)
        raise UserError(f"unknown option '{unknown[0]}'", notes=[f"known: {known}"])
    ConvertLinalgToAsic().apply(Context(), module)
    exploration = explore(extract(module), Request(**request))
    annotate(module, exploration.plan)
    return exploration
