"""What an exported program takes and gives beside tensors of numbers, and what it keeps."""

from __future__ import annotations

from typing import Any

import torch
from torch.export import ExportedProgram
from torch.export.graph_signature import ConstantArgument, OutputKind, OutputSpec
from torch.utils import _pytree as pytree

from asic_compiler.diagnostics import SourceLocation, UserError
from asic_compiler.frontends.pytorch.graph import ELEMENT_TYPES, source_line

_PLAIN = (torch.Tensor, int, float, bool, complex, str, type(None))
_WRITES = {
    OutputKind.BUFFER_MUTATION: "buffer",
    OutputKind.PARAMETER_MUTATION: "parameter",
    OutputKind.USER_INPUT_MUTATION: "input",
}


def leave_out_objects(module: torch.nn.Module) -> dict[str, None]:
    """Lets a module give tensors and plain values alone.

    Hugging Face models return their caches as objects, which no program can.

    Args:
        module: Gets a hook; it stays the user's own otherwise.

    Returns:
        Notes on what is left out: filled whenever the module runs.
    """
    notes: dict[str, None] = {}

    def keep(_module: Any, _inputs: Any, outputs: Any) -> Any:
        leaves, _ = pytree.tree_flatten_with_path(outputs)
        kept = [leaf for _, leaf in leaves if isinstance(leaf, _PLAIN)]
        if len(kept) == len(leaves):
            return outputs
        for path, leaf in leaves:
            if not isinstance(leaf, _PLAIN):
                where = "" if not path else f" {pytree.keystr(path)}"
                notes[
                    f"the result{where} is a {type(leaf).__name__}, no tensor: it is left out"
                ] = None
        return tuple(kept)

    module.register_forward_hook(keep)
    return notes


def refuse_writes(program: ExportedProgram) -> None:
    """A program computes results from arguments; it keeps nothing for the next execution.

    Raises:
        UserError: The model writes to a buffer, a parameter or an input; at its line.
    """
    graph: Any = program.graph
    nodes = {node.name: node for node in graph.nodes}
    for spec in program.graph_signature.output_specs:
        if spec.kind in _WRITES:
            node = nodes.get(spec.arg.name)
            place = None if node is None else source_line(node.meta.get("stack_trace"))
            raise UserError(
                f"the model writes to its {_WRITES[spec.kind]} '{spec.target}': "
                "state must be an argument and a result",
                None if place is None else SourceLocation(*place, 1),
                ["pass it as an input, return its new value, and never write in place"],
            )


def refuse_types(program: ExportedProgram) -> None:
    """Arguments and results are numbers that a program can hold.

    Raises:
        UserError: One is complex, say.
    """
    graph: Any = program.graph
    taken = [node for node in graph.nodes if node.op == "placeholder"]
    for what, nodes in (("argument", taken), ("result", graph.output_node().args[0])):
        for node in nodes:
            value = getattr(node, "meta", {}).get("val")
            if isinstance(value, torch.Tensor) and value.dtype not in ELEMENT_TYPES:
                shown = str(value.dtype).removeprefix("torch.")
                raise UserError(
                    f"the {what} '{node.name}' has elements of type {shown}, which programs lack",
                    notes=["known are floats, integers of 8 to 64 bits with sign, uint8 and bool"],
                )


def leave_out_constants(program: ExportedProgram) -> tuple[str, ...]:
    """Takes results away that are no tensors: they are known before the program runs.

    Args:
        program: Changed in place: its last node and its signature.

    Returns:
        A note for each that was taken away.

    Raises:
        UserError: No result is a tensor.
    """
    specs: list[OutputSpec] = program.graph_signature.output_specs
    output: Any = program.graph.output_node()
    kept: list[tuple[OutputSpec, Any]] = []
    notes: list[str] = []
    for spec, value in zip(specs, output.args[0], strict=True):
        if spec.kind is OutputKind.USER_OUTPUT and isinstance(spec.arg, ConstantArgument):
            position = len(kept) + len(notes)
            notes.append(f"result {position} is {spec.arg.value!r}, no tensor: it is left out")
        else:
            kept.append((spec, value))
    if not kept:
        raise UserError(
            "the model returns no tensor", notes=["a program without results computes nothing"]
        )
    specs[:] = [spec for spec, _ in kept]
    output.args = (tuple(value for _, value in kept),)
    return tuple(notes)
