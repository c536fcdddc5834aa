"""An exported program that is being changed: which values are known, new constants, new calls."""

from __future__ import annotations

import importlib
import operator
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensor
from torch.export import ExportedProgram
from torch.export.graph_signature import (
    InputKind,
    InputSpec,
    OutputKind,
    TensorArgument,
)
from torch.utils import _pytree as pytree

_fx: Any = torch.fx
_OVERLOAD: Any = importlib.import_module("torch._ops").OpOverload
_aten: Any = torch.ops.aten
_UNDEFINED = {
    *(_aten.empty.memory_format, _aten.empty_strided.default, _aten.empty_like.default),
    *(_aten.new_empty.default, _aten.new_empty_strided.default, _aten.empty_permuted.default),
}
"""Their numbers are whatever lay in memory; those that fill a tensor like another read none."""
_MOST_ELEMENTS = 1 << 24
"""Of a value that is computed while importing."""


class Editor:
    """The graph of a program in the operators that torch-mlir is given.

    Args:
        program: Changed in place.
    """

    def __init__(self, program: ExportedProgram) -> None:
        self._program: Any = program
        self.graph: Any = program.graph
        self._values: dict[Any, Any] = self._given()
        self._known: set[Any] = set(self._values)
        for node in self.graph.nodes:
            if node.op == "call_function" and self._follows(node):
                self._known.add(node)
        self._made: dict[tuple[Any, ...], Any] = {}
        self._mode = next(
            node.meta["val"].fake_mode
            for node in self.graph.nodes
            if isinstance(node.meta.get("val"), FakeTensor)
        )

    def _given(self) -> dict[Any, torch.Tensor]:
        """Buffers and constants of the program that it does not write to."""
        signature = self._program.graph_signature
        written = {
            spec.target
            for spec in signature.output_specs
            if spec.kind is OutputKind.BUFFER_MUTATION
        }
        sources: dict[Any, Any] = {**self._program.state_dict, **self._program.constants}
        values: dict[str, torch.Tensor] = {}
        for spec in signature.input_specs:
            value: Any = sources.get(spec.target)
            is_constant = spec.kind in (InputKind.BUFFER, InputKind.CONSTANT_TENSOR)
            if is_constant and spec.target not in written and _is_real(value):
                values[spec.arg.name] = value
        found = {
            node: values[node.name]
            for node in self.graph.nodes
            if node.op == "placeholder" and node.name in values
        }
        module = self._program.graph_module
        attributes = [node for node in self.graph.nodes if node.op == "get_attr"]
        return found | {node: getattr(module, node.target) for node in attributes}

    def _follows(self, node: Any) -> bool:
        """Whether a call computes the same at every execution."""
        if not all(each in self._known for each in node.all_input_nodes):
            return False
        op: Any = node.target
        if not isinstance(op, _OVERLOAD):
            return op is operator.getitem
        if op._schema.is_mutable or torch.Tag.nondeterministic_seeded in op.tags:
            return False
        undefined = any(each.target in _UNDEFINED for each in node.all_input_nodes)
        if undefined and op is not _aten.full_like.default:
            return False
        made = pytree.tree_leaves(node.meta.get("val"))
        return bool(made) and all(isinstance(v, torch.Tensor) and _is_small(v) for v in made)

    def is_known(self, node: Any) -> bool:
        """Whether a node's value is the same at every execution."""
        return node in self._known

    def value(self, node: Any) -> Any:
        """What a known node computes, by PyTorch itself."""
        pending = [node]
        while pending:
            each = pending[-1]
            missing = [n for n in each.all_input_nodes if n not in self._values]
            if each in self._values or missing:
                pending = pending[:-1] if each in self._values else [*pending, *missing]
                continue
            args = _fx.map_arg(each.args, self._values.__getitem__)
            named = _fx.map_arg(each.kwargs, self._values.__getitem__)
            with torch.no_grad():
                self._values[each] = each.target(*args, **named)
        return self._values[node]

    def constant(self, value: torch.Tensor, at: Any) -> Any:
        """A node that holds a value; equal values share one, a repeated scalar holds no data.

        Args:
            value: The tensor.
            at: Where a call may be inserted.
        """
        value = value.detach().contiguous()
        flat = value.reshape(-1)
        elements = flat.view(torch.uint8).reshape(value.numel(), -1)
        if value.numel() and bool((elements == elements[:1]).all()):
            shape, scalar = list(value.shape), flat[0].item()
            return self.call(at, _aten.full.default, shape, scalar, dtype=value.dtype)
        raw = elements.numpy().tobytes()
        key = (value.dtype, tuple(value.shape), raw)
        if key not in self._made:
            self._made[key] = self._placeholder(value)
        return self._made[key]

    def _placeholder(self, value: torch.Tensor) -> Any:
        name = f"known_{len(self._made)}"
        first = next(iter(self.graph.nodes))
        with self.graph.inserting_before(first):
            node = self.graph.placeholder(name)
        node.meta["val"] = self._mode.from_tensor(value, static_shapes=True)
        spec = InputSpec(InputKind.CONSTANT_TENSOR, TensorArgument(node.name), node.name, None)
        self._program.graph_signature.input_specs.insert(0, spec)
        self._program.constants[node.name] = value
        self._values[node] = value
        self._known.add(node)
        return node

    def call(self, at: Any, op: Any, *args: Any, **named: Any) -> Any:
        """A call before a node, which takes over that node's line of the model."""
        with self.graph.inserting_before(at):
            node = self.graph.call_function(op, args, named)
        shown = _fx.map_arg((args, named), _shown)
        with self._mode, torch.no_grad():
            node.meta["val"] = op(*shown[0], **shown[1])
        if "stack_trace" in at.meta:
            node.meta["stack_trace"] = at.meta["stack_trace"]
        return node

    def replace(self, node: Any, other: Any) -> None:
        """Lets all readers of a node read another one, and removes it."""
        node.replace_all_uses_with(other)
        for spec in self._program.graph_signature.output_specs:
            if getattr(spec.arg, "name", None) == node.name:
                spec.arg = TensorArgument(other.name)
        self.graph.erase_node(node)

    def finish(self) -> None:
        """Makes the changed graph the one that the program runs."""
        for node in list(self.graph.nodes):
            if node.op == "get_attr" and not node.users:
                self.graph.erase_node(node)
        self.graph.lint()
        self._program.graph_module.recompile()


def _is_real(value: Any) -> bool:
    return isinstance(value, torch.Tensor) and not isinstance(value, FakeTensor)


def _is_small(value: torch.Tensor) -> bool:
    sizes: list[Any] = list(value.shape)
    return all(isinstance(size, int) for size in sizes) and value.numel() <= _MOST_ELEMENTS


def _shown(node: Any) -> Any:
    """The shape and type of what a node makes."""
    return node.meta["val"]
