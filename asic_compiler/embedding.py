"""What ``import asic_compiler`` offers to other compilers, behind lazy imports."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp

from asic_compiler.diagnostics import UserError
from asic_compiler.explore.request import Request
from asic_compiler.explore.run import Exploration, explore, make_problem
from asic_compiler.files import LARGEST_INPUT, read_regular
from asic_compiler.frontends.mlir_text import parse_module
from asic_compiler.passes.convert_linalg_to_asic import ConvertLinalgToAsic
from asic_compiler.plan.attributes import annotate
from asic_compiler.workload.extract import extract
from asic_compiler.workload.table import OperatorTable

if TYPE_CHECKING:
    from asic_compiler.explore.gym_env import ChipDesignEnv


def parse_file(path: str) -> ModuleOp:
    """See ``asic_compiler.parse_file``."""
    try:
        text = read_regular(Path(path), LARGEST_INPUT)
    except OSError as error:
        raise UserError(f"cannot read '{path}': {error.strerror}") from error
    return parse_module(text, path)


def design_chip(
    module: ModuleOp, checkpoint: str | None, resume: str | None, **request: Any
) -> Exploration:
    """See ``asic_compiler.design_chip``."""
    _check(request)
    ConvertLinalgToAsic().apply(Context(), module)
    exploration = explore(
        extract(module),
        Request(**request),
        checkpoint=None if checkpoint is None else Path(checkpoint),
        resume=None if resume is None else Path(resume),
    )
    annotate(module, exploration.plan)
    return exploration


def environment(
    model: str | OperatorTable,
    node: str = "3nm",
    mode: str = "high-performance",
    goal: str | None = None,
    episode_length: int = 16,
    **request: Any,
) -> ChipDesignEnv:
    """What ``gymnasium.make("asic_compiler/ChipDesign-v0", model=..., ...)`` makes.

    Args:
        model: A file of MLIR text (it ends in ``.mlir``), an operator table, or a model that
            ``asic-import`` knows by name, imported at its default sizes (needs PyTorch).
        node: Process node.
        mode: ``high-performance`` or ``low-power``.
        goal: What to maximize or minimize, subject to what (docs/goals.md).
        episode_length: Steps until truncation.
        **request: Further fields of ``asic_compiler.explore.options.SearchOptions``.

    Raises:
        UserError: The model cannot be read or imported, or an option has no meaning.
    """
    from asic_compiler.explore.gym_env import ChipDesignEnv

    _check(request)
    request |= {"node": node, "mode": mode, "goal": goal}
    chosen = Request(**request).resolved()
    return ChipDesignEnv(make_problem(_table(model), chosen), episode_length)


def _table(model: str | OperatorTable) -> OperatorTable:
    if isinstance(model, OperatorTable):
        return model
    if model.endswith(".mlir"):
        module = parse_file(model)
    else:
        from asic_compiler.frontends import ImportSpec, import_model

        module = parse_module(import_model(ImportSpec(model)).text, model)
    ConvertLinalgToAsic().apply(Context(), module)
    return extract(module)


def _check(request: dict[str, Any]) -> None:
    unknown = sorted(set(request) - set(Request.__dataclass_fields__))
    if unknown:
        known = ", ".join(Request.__dataclass_fields__)
        raise UserError(f"unknown option '{unknown[0]}'", notes=[f"known: {known}"])
