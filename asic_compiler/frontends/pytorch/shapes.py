"""Shapes that depend on numbers: told at the model's lines, before anything is lowered."""

from __future__ import annotations

from typing import Any

import torch
from torch.export import ExportedProgram
from torch.utils import _pytree as pytree

from asic_compiler.diagnostics import SourceLocation, UserError
from asic_compiler.frontends.pytorch.graph import source_line


def refuse_dynamic(program: ExportedProgram) -> None:
    """A program's loops have fixed sizes: no tensor may have as many elements as its input says.

    Raises:
        UserError: Some operators make such tensors; all are listed, each with its lines.
    """
    found: dict[str, dict[tuple[str, int], None]] = {}
    graph: Any = program.graph
    for node in graph.nodes:
        made, taken = _is_open(node), any(_is_open(each) for each in node.all_input_nodes)
        if node.op == "call_function" and made and not taken:
            lines = found.setdefault(_name(node.target), {})
            place = source_line(node.meta.get("stack_trace"))
            if place is not None:
                lines[place] = None
    if not found:
        return
    places = [place for lines in found.values() for place in lines]
    names = ", ".join(found)
    notes = [f"{file}:{line}: {name}" for name, lines in found.items() for file, line in lines][1:]
    notes.append(
        "write it with a fixed size: torch.where with a mask instead of selecting by it, the first "
        "k instead of all"
    )
    raise UserError(
        f"the size of a tensor depends on numbers, which no program can hold: {names}",
        SourceLocation(*places[0], 1) if places else None,
        notes,
    )


def _is_open(node: Any) -> bool:
    """Whether a node makes a size, or a tensor of one, that is not known."""
    leaves = pytree.tree_leaves(node.meta.get("val"))
    return any(
        isinstance(leaf, torch.SymInt | torch.SymFloat | torch.SymBool)
        or (isinstance(leaf, torch.Tensor) and _is_open_shape(list(leaf.shape)))
        for leaf in leaves
    )


def _is_open_shape(sizes: list[Any]) -> bool:
    return not all(isinstance(size, int) for size in sizes)


def _name(target: Any) -> str:
    name = target.name() if callable(getattr(target, "name", None)) else str(target)
    return name.replace("::", ".").removesuffix(".default")
