"""asic-compiler: a compiler that designs the chip for a model.

>>> import asic_compiler as ac
>>> module = ac.parse_file("llama.mlir")
>>> exploration = ac.design_chip(module, node="5nm", evaluations=1000)
>>> exploration.plan.chip.mesh_width

Importing the package loads neither torch nor torch-mlir.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from xdsl.dialects.builtin import ModuleOp

    from asic_compiler.explore.run import Exploration

__version__ = "0.1.0"


def parse_file(path: str) -> ModuleOp:
    """Reads a module of MLIR text (linalg as torch-mlir prints it, or our own dialects).

    Raises:
        UserError: The file cannot be read or is not MLIR that we know; with its location.
    """
    from asic_compiler.embedding import parse_file as parse

    return parse(path)


def design_chip(
    module: ModuleOp, checkpoint: str | None = None, resume: str | None = None, **request: Any
) -> Exploration:
    """Chooses chip and placement for ``module`` and writes both into it.

    Args:
        module: linalg or ``asic`` IR; it is raised and annotated in place.
        checkpoint: File that the state of the search is written to now and then.
        resume: Checkpoint of the same search, to go on from.
        **request: Fields of ``asic_compiler.explore.options.SearchOptions``: ``node``, ``mode``,
            ``evaluations``, ``seed``, ``power_w``, ...

    Raises:
        UserError: An option has no meaning, a checkpoint is not one of this search, or nothing
            found keeps every constraint.
    """
    from asic_compiler.embedding import design_chip as run

    return run(module, checkpoint, resume, **request)


__all__ = ["__version__", "design_chip", "parse_file"]
