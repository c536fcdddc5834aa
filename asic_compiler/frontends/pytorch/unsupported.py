"""Finds every operator that cannot be lowered, each with the model's source lines."""

from __future__ import annotations

import importlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch.export import ExportedProgram

from asic_compiler.frontends.pytorch.graph import Names, ir, torch_dialect_module
from asic_compiler.frontends.pytorch.pipeline import (
    BACKEND_PIPELINE,
    LINALG_PIPELINE,
    PipelineError,
    run,
)

_fx: Any = importlib.import_module("torch_mlir.extras.fx_importer")
_FILE_LOCATION = re.compile(r'"([^"]+)":(\d+)')
_PLUMBING = ("torch.constant.", "torch.prim.", "torch.vtensor.literal")


@dataclass(frozen=True, slots=True)
class UnsupportedOperator:
    """An operator, why it fails, and the source lines that use it, in program order."""

    name: str
    reason: str
    places: tuple[str, ...]


class _Collector:
    """Unsupported operators by name, in the order they are met."""

    def __init__(self) -> None:
        self.rejected: set[str] = set()
        """Names that stand for what the importer did not take; there is nothing to probe."""
        self._reasons: dict[str, str] = {}
        self._places: dict[str, dict[str, None]] = {}

    def add(self, name: str, reason: str, place: str | None) -> None:
        self._reasons.setdefault(name, reason)
        places = self._places.setdefault(name, {})
        if place is not None:
            places[place] = None

    def found(self) -> tuple[UnsupportedOperator, ...]:
        return tuple(
            UnsupportedOperator(name, reason, tuple(self._places[name]))
            for name, reason in self._reasons.items()
        )


def find_unsupported(
    program: ExportedProgram, names: Names
) -> tuple[tuple[UnsupportedOperator, ...], str]:
    """Probes each distinct operator of a program alone.

    An operator is the same when its name, constant operands and types are. Nodes that the
    importer itself rejects are recorded and stand as ``torch.operator`` in the returned text.

    Returns:
        What cannot be lowered (empty when only the combination fails), and the whole program in
        the torch dialect with weights elided.
    """
    collector = _Collector()
    module = torch_dialect_module(program, names, _tolerant_importer(collector))
    probed: dict[str, str | None] = {}
    function = next(op for op in module.body.operations if op.operation.name == "func.func")
    for view in function.regions[0].blocks[0].operations:
        op = view.operation
        if not op.name.startswith("torch.") or op.name.startswith(_PLUMBING):
            continue
        if op.name == "torch.operator" and _operator_name(op) in collector.rejected:
            continue
        signature = _signature(op)
        if signature not in probed:
            probed[signature] = _probe(op)
        reason = probed[signature]
        if reason is not None:
            collector.add(_operator_name(op), reason, _place(op))
    text = module.operation.get_asm(large_elements_limit=16, enable_debug_info=True)
    return collector.found(), text


def _tolerant_importer(collector: _Collector) -> type[Any]:
    importer: Any = _fx.GraphNodeImporter

    class TolerantImporter(importer):  # pyright: ignore[reportUntypedBaseClass]
        """Records what the importer rejects, and puts an opaque operator in its place."""

        def _import_torch_op_overload(self, loc: Any, node: Any, *rest: Any) -> None:
            try:
                importer._import_torch_op_overload(self, loc, node, *rest)
            except Exception as error:
                self._stand_in(loc, node, error)

        def _import_hop(self, loc: Any, node: Any, hop: Any) -> None:
            try:
                importer._import_hop(self, loc, node, hop)
            except Exception as error:
                self._stand_in(loc, node, error)

        def _stand_in(self, loc: Any, node: Any, error: Exception) -> None:
            name = _target_name(node.target)
            summary = str(error).splitlines()[0] if str(error) else type(error).__name__
            collector.add(name, summary, _location_text(str(loc)))
            collector.rejected.add(name)
            values = node.meta.get("val")
            many = isinstance(values, (tuple, list))
            each: list[Any] = list(values) if many else [values]  # pyright: ignore[reportUnknownArgumentType]
            types = [self._cc.value_info_to_type(value) for value in each]
            attributes = {"name": ir.StringAttr.get(name, context=self._c)}
            op = ir.Operation.create("torch.operator", types, [], attributes=attributes, loc=loc)
            if many:
                self._multi_result_nodes.add(node)
            for index, value in enumerate(op.results):
                self.bind_node_value(node, value, index)

    return TolerantImporter


def _target_name(target: Any) -> str:
    """``aten.add.Tensor`` of an operator overload, the plain name of anything else."""
    name = target.name() if callable(getattr(target, "name", None)) else str(target)
    return name.replace("::", ".")


def _operator_name(op: Any) -> str:
    if op.name == "torch.operator":
        name: str = ir.StringAttr(op.attributes["name"]).value
        return name.removeprefix("torch.")
    return str(op.name).removeprefix("torch.")


def _place(op: Any) -> str | None:
    return _location_text(str(op.location))


def _location_text(location: str) -> str | None:
    found = _FILE_LOCATION.search(location)
    return f"{found[1]}:{found[2]}" if found else None


def _is_tensor(value: Any) -> bool:
    return str(value.type).startswith(("!torch.vtensor", "!torch.tensor"))


def _producer(value: Any) -> Any | None:
    """The operation that made a value, None for a block argument."""
    owner = value.owner
    return None if isinstance(owner, ir.Block) else owner.operation


def _is_cloned(value: Any) -> bool:
    """Constants, lists and literals go into the probe; other tensors become its arguments."""
    producer = _producer(value)
    return producer is not None and (
        not _is_tensor(value) or producer.name == "torch.vtensor.literal"
    )


def _signature(op: Any) -> str:
    operands = ",".join(_describe(value) for value in op.operands)
    return f"{_operator_name(op)}({operands})->{[str(value.type) for value in op.results]}"


def _describe(value: Any) -> str:
    producer = _producer(value)
    if producer is None or not _is_cloned(value):
        return str(value.type)
    inner = ",".join(_describe(operand) for operand in producer.operands)
    attributes = ",".join(f"{named.name}={named.attr}" for named in _named_attributes(producer))
    # A weight's name does not change whether its operator can be lowered.
    attributes = "" if producer.name == "torch.vtensor.literal" else attributes
    return f"{producer.name}[{attributes}]({inner}):{value.type}"


def _named_attributes(op: Any) -> Sequence[Any]:
    attributes = op.attributes
    return [attributes[index] for index in range(len(attributes))]


def _probe(op: Any) -> str | None:
    """Lowers a function of this one operator; the reason when that fails."""
    results = _tensor_results(op)
    if not results:
        return None
    arguments: dict[Any, None] = {}
    _collect_arguments(op, arguments)
    ordered = list(arguments)
    context = op.context
    with context, ir.Location.unknown():
        module = ir.Module.create()
        types = [value.type for value in ordered]
        function_type = ir.FunctionType.get(types, [value.type for value in results])
        with ir.InsertionPoint(module.body):
            function = ir.Operation.create(
                "func.func",
                attributes={
                    "sym_name": ir.StringAttr.get("main"),
                    "function_type": ir.TypeAttr.get(function_type),
                    "torch.assume_strict_symbolic_shapes": ir.UnitAttr.get(),
                },
                regions=1,
            )
        block = function.regions[0].blocks.append(*types)
        mapping = dict(zip(ordered, block.arguments, strict=True))
        with ir.InsertionPoint(block):
            clone = _clone(op, mapping)
            returned = [value for value in clone.results if _is_tensor(value)]
            unpack = _unpacking(op)
            if unpack is not None:
                copy = unpack.clone()
                copy.operands[0] = clone.results[0]
                returned = list(copy.results)
            ir.Operation.create("func.return", operands=returned)
    try:
        run(module, BACKEND_PIPELINE, LINALG_PIPELINE)
    except PipelineError as error:
        return _reason(op, error.messages[0])
    return None


def _reason(op: Any, message: str) -> str:
    """What MLIR says, in the words of somebody who reads PyTorch."""
    if not message.startswith("failed to legalize"):
        return message
    if op.name == "torch.operator":
        return "torch-mlir does not know this operator"
    types = ", ".join(str(value.type).removeprefix("!torch.") for value in op.operands)
    return f"torch-mlir cannot lower it to linalg for ({types})"


def _unpacking(op: Any) -> Any | None:
    """The ``prim.ListUnpack`` of an operator that returns a list of tensors."""
    if len(op.results) != 1 or "list<" not in str(op.results[0].type):
        return None
    for use in op.results[0].uses:
        if use.owner.operation.name == "torch.prim.ListUnpack":
            return use.owner.operation
    return None


def _tensor_results(op: Any) -> list[Any]:
    unpack = _unpacking(op)
    return [value for value in (unpack or op).results if _is_tensor(value)]


def _collect_arguments(op: Any, arguments: dict[Any, None]) -> None:
    for value in op.operands:
        if _is_cloned(value):
            _collect_arguments(_producer(value), arguments)
        else:
            arguments[value] = None


def _clone(op: Any, mapping: dict[Any, Any]) -> Any:
    operands = [
        _clone(_producer(value), mapping).results[0] if _is_cloned(value) else mapping[value]
        for value in op.operands
    ]
    copy = op.clone()
    for index, value in enumerate(operands):
        copy.operands[index] = value
    return copy
