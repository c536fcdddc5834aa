"""A static ONNX model through torch-mlir: its operators, weights by name, text."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from asic_compiler.diagnostics import UserError
from asic_compiler.frontends.onnx.file import inputs_of
from asic_compiler.frontends.onnx.package import part
from asic_compiler.frontends.pytorch.pipeline import LINALG_PIPELINE, PipelineError, run
from asic_compiler.frontends.resource_names import spelled
from asic_compiler.frontends.spec import ArgumentInfo, ImportedModel, ParameterInfo, Workload
from asic_compiler.frontends.stages import Stages
from asic_compiler.frontends.text import roles, without_defaults, workload_attribute

_ir: Any = importlib.import_module("torch_mlir.ir")
_torch_dialect: Any = importlib.import_module("torch_mlir.dialects.torch")

ONNX_PIPELINE = (
    "builtin.module(torch-onnx-to-torch-backend-pipeline"
    "{backend-legal-ops=aten.flatten.using_ints,aten.unflatten.int})"
)
_ELEMENTS = {"FLOAT": "f32", "DOUBLE": "f64", "FLOAT16": "f16", "BFLOAT16": "bf16", "INT64": "i64",
             "INT32": "i32", "INT16": "i16", "INT8": "i8", "BOOL": "i1"}  # fmt: skip
"""MLIR's names of the element types that a program takes, gives and keeps."""
_BY_VALUE = {"Resize", "Upsample", "Clip", "Pad", "QuantizeLinear", "DequantizeLinear", "Range",
             "ConstantOfShape", "OneHot", "Slice", "TopK", "Tile", "Expand", "Reshape"}  # fmt: skip
"""Operators whose constants torch-mlir looks into."""
_LARGEST_INTEGERS = 64
"""Elements of a constant of integers that may be an index or a shape, and stays in the text."""
_SHOWN = 3
_REASON = 160
"""Characters of torch-mlir's own message."""


class UnloweredError(UserError):
    """Operators that torch-mlir does not lower."""

    def __init__(self, kinds: tuple[str, ...], message: str, notes: list[str]) -> None:
        super().__init__(message, notes=notes)
        self.kinds = kinds


@dataclass(frozen=True, slots=True)
class Lowered:
    """The module, and which initializer each name in its text stands for."""

    imported: ImportedModel
    weights: Mapping[str, Any]
    """Initializers by the name of their resource."""


def lower(model: Any, name: str, stages: Stages, locations: bool) -> Lowered:
    """Lowers a static model to linalg on tensors.

    Args:
        model: Of `make_static`.
        name: Of the workload.
        stages: Told of each stage.
        locations: Print the names of nodes as locations.

    Raises:
        UserError: An element type or an operator is not supported, all of them at once.
    """
    inputs, outputs = inputs_of(model), list(model.graph.output)
    for value in (*inputs, *outputs):
        _check_type(value)
    _check_inside(model)
    _check_shifts(model)
    named = _named_weights(model)
    try:
        with stages.run("torch dialect"):
            module = _torch_module(model, named)
        with stages.run("torch backend"):
            run(module, ONNX_PIPELINE)
        with stages.run("linalg"):
            run(module, LINALG_PIPELINE)
    except PipelineError as error:
        raise _unsupported(model, error.messages) from None
    except UserError:
        raise
    except Exception as error:  # the importer raises whatever it stumbles on
        raise _unsupported(model, [str(error).splitlines()[0] if str(error) else "?"]) from None
    with stages.run("print"):
        imported = _finish(module, model, name, named, stages, locations)
    used = {key: tensor for key, tensor in named.items() if key in imported.parameters}
    return Lowered(imported, used)


def _check_type(value: Any) -> None:
    if value.type.WhichOneof("value") != "tensor_type":
        raise UserError(f"'{value.name}' is no tensor: programs take and give tensors")
    kind = _kind(value.type.tensor_type.elem_type)
    if kind not in _ELEMENTS:
        raise UserError(
            f"'{value.name}' is a tensor of {kind.lower()}, which no program takes or gives",
            notes=[f"those that do: {', '.join(each.lower() for each in _ELEMENTS)}"],
        )


def _check_inside(model: Any) -> None:
    """Refuses unsigned and other rare types between operators: they lose their sign on the way."""
    values = [
        (value.name, value.type.tensor_type.elem_type)
        for value in model.graph.value_info
        if value.type.WhichOneof("value") == "tensor_type"
    ]
    read = {name for node in model.graph.node for name in (*node.input, *node.output)}
    values += [(tensor.name, tensor.data_type) for tensor in model.graph.initializer]
    for name, number in values:
        if name in read and number and (kind := _kind(number)) not in _ELEMENTS:
            raise UserError(
                f"'{name}' is a tensor of {kind.lower()} inside of the model",
                notes=[f"those that are compiled: {', '.join(each.lower() for each in _ELEMENTS)}"],
            )


def _check_shifts(model: Any) -> None:
    """Refuses shifts by what may be no number of bits: arith leaves open what they give."""
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type != "BitShift":
            continue
        by = constants.get(node.input[1])
        numbers = None if by is None else part("numpy_helper").to_array(by)
        if numbers is None or bool(((numbers < 0) | (numbers >= 8 * numbers.itemsize)).any()):
            raise UserError(
                f"BitShift '{node.name or node.output[0]}' may shift by more bits than there are",
                notes=["shifts by a constant below the width are compiled"],
            )


def _kind(number: int) -> str:
    return str(part("").TensorProto.DataType.Name(number))


def _named_weights(model: Any) -> dict[str, Any]:
    """Initializers that become resources without data, by the names of these."""
    readers: dict[str, set[str]] = {}
    for node in model.graph.node:
        for name in node.input:
            readers.setdefault(name, set()).add(node.op_type)
    found: dict[str, Any] = {}
    for tensor in model.graph.initializer:
        kind = _kind(tensor.data_type)
        count = 1
        for size in tensor.dims:
            count *= size
        is_float = _ELEMENTS.get(kind, "").endswith(("f16", "f32", "f64"))
        least = 1 if is_float else _LARGEST_INTEGERS
        if kind not in _ELEMENTS or kind == "BOOL" or count <= least:
            continue
        if not readers.get(tensor.name, set()) & _BY_VALUE:
            found[_identifier(tensor.name, found)] = tensor
    return found


def _identifier(name: str, taken: Mapping[str, Any]) -> str:
    """A name that MLIR reads without quotes."""
    found = spelled(name)
    while found in taken:
        found += "_"
    return found


def _torch_module(model: Any, named: Mapping[str, Any]) -> Any:
    part("")  # torch-mlir's importer needs it, and says so less well
    importer: Any = importlib.import_module("torch_mlir.extras.onnx_importer")
    names = {tensor.name: name for name, tensor in named.items()}

    plain = importer.NodeImporter.import_initializer

    class Importer(importer.NodeImporter):
        __slots__ = ()

        def import_initializer(self, initializer: Any, extern_name: str | None = None) -> Any:
            name = names.get(extern_name or initializer.name)
            if name is None:
                return plain(self, initializer, extern_name)
            # Not as onnx.Constant: torch-mlir gives those without data a value of its own.
            shape = "".join(f"{size}x" for size in initializer.dims)
            element = _ELEMENTS[_kind(initializer.data_type)]
            text = f'dense_resource<"{name}"> : tensor<{shape}{element}>'
            with _ir.InsertionPoint(self._b), _ir.Location.name(initializer.name):
                literal = _ir.Operation.create(
                    "torch.vtensor.literal",
                    results=[self._cc.tensor_proto_to_type(initializer)],
                    attributes={"value": _ir.Attribute.parse(text, context=context)},
                ).result
            self._nv_map[initializer.name] = literal
            return literal

    context = _ir.Context()
    _torch_dialect.register_dialect(context)
    # The asic.* attributes belong to a dialect that only xDSL knows.
    context.allow_unregistered_dialects = True
    info = importer.ModelInfo(model)
    module = info.create_module(context=context)
    nodes = importer.NodeImporter.define_function(info.main_graph, module.operation)
    nodes.__class__ = Importer  # `define_function` makes no other
    nodes.import_all()
    return module


def _unsupported(model: Any, messages: list[str]) -> UserError:
    """Every operator that torch-mlir does not lower by itself, with the nodes that are one."""
    reasons = dict(_probed(model))
    if not reasons:
        told = " ".join("; ".join(dict.fromkeys(messages)).split())[:300]
        return UserError(f"torch-mlir cannot lower the model: {told}")
    notes: list[str] = []
    for kind, reason in reasons.items():
        nodes = [n.name or n.output[0] for n in model.graph.node if n.op_type == kind]
        more = f" and {len(nodes) - _SHOWN} more" if len(nodes) > _SHOWN else ""
        notes.append(f"{kind} ({', '.join(nodes[:_SHOWN])}{more}): {reason}")
    plural = "operators" if len(reasons) > 1 else "operator"
    names = ", ".join(reasons)
    message = f"{len(reasons)} {plural} cannot be lowered: {names}"
    return UnloweredError(tuple(reasons), message, notes)


def _probed(model: Any) -> Iterator[tuple[str, str]]:
    """Lowers one node of each kind and type alone; what fails, with the reason."""
    graph = model.graph
    typed = {v.name: v for v in (*graph.input, *graph.value_info, *graph.output)}
    constants = {tensor.name: tensor for tensor in graph.initializer}
    seen: set[bytes] = set()
    failed: set[str] = set()
    for node in graph.node:
        reads = [name for name in dict.fromkeys(node.input) if name]
        key = _signature(node, [typed.get(name) or constants.get(name) for name in reads])
        if key in seen or node.op_type in failed:
            continue
        seen.add(key)
        inputs = [typed[name] for name in reads if name not in constants and name in typed]
        outputs = [typed[name] for name in node.output if name in typed]
        alone = part("helper").make_model(
            part("helper").make_graph(
                [node], "probe", inputs, outputs, [constants[n] for n in reads if n in constants]
            ),
            opset_imports=model.opset_import,
        )
        try:
            module = _torch_module(alone, _named_weights(alone))
            run(module, ONNX_PIPELINE, LINALG_PIPELINE)
        except Exception as error:
            failed.add(node.op_type)
            yield node.op_type, " ".join(str(error).split())[:_REASON] or type(error).__name__


def _signature(node: Any, reads: list[Any]) -> bytes:
    """Equal for nodes that are lowered alike."""
    shapes = [
        str(each.type) if hasattr(each, "type") else f"{each.data_type}{list(each.dims)}"
        for each in reads
        if each is not None
    ]
    parts = [node.op_type, *(str(attribute) for attribute in node.attribute), *shapes]
    return "\0".join(parts).encode()


def _finish(
    module: Any,
    model: Any,
    name: str,
    named: Mapping[str, Any],
    stages: Stages,
    locations: bool,
) -> ImportedModel:
    function = next(op for op in module.body.operations if op.operation.name == "func.func")
    kind = _ir.FunctionType(_ir.TypeAttr(function.attributes["function_type"]).value)
    inputs, outputs = inputs_of(model), list(model.graph.output)
    arguments = tuple(ArgumentInfo(value.name, "activation") for value in inputs)
    results = tuple(ArgumentInfo(value.name, "activation") for value in outputs)
    dims = inputs[0].type.tensor_type.shape.dim if inputs else ()
    workload = Workload(name, "inference", dims[0].dim_value if len(dims) > 1 else 1, 0)
    with module.context:
        for attribute in [str(each) for each in function.attributes]:
            if attribute.startswith("torch.onnx_meta"):
                del function.attributes[attribute]
        function.attributes["sym_name"] = _ir.StringAttr.get("main")
        function.attributes["arg_attrs"] = roles(arguments)
        function.attributes["res_attrs"] = roles(results)
        module.operation.attributes["asic.workload"] = workload_attribute(workload)
    text = without_defaults(
        module.operation.get_asm(
            print_generic_op_form=True, enable_debug_info=locations, assume_verified=False
        )
    )
    read = set(re.findall(r"dense_resource<\"?([\w$.]+)\"?>", text, re.ASCII))
    facts = {
        key: ParameterInfo(tuple(tensor.dims), _ELEMENTS[_kind(tensor.data_type)])
        for key, tensor in named.items()
        if key in read
    }
    return ImportedModel(
        text=text,
        workload=workload,
        parameters=facts,
        buffers={},
        arguments=arguments,
        argument_types=tuple(str(each) for each in kind.inputs),
        results=results,
        result_types=tuple(str(each) for each in kind.results),
        layers=None,
        stage_seconds=stages.seconds,
    )
