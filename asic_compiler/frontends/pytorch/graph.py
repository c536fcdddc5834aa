"""An exported program to the torch dialect: weights by name, one source line an operation."""

from __future__ import annotations

import importlib
import re
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensor
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind

from asic_compiler.diagnostics import UserError
from asic_compiler.frontends.pytorch.prepared import Spelling, published_name
from asic_compiler.frontends.resource_names import is_identifier, spelled
from asic_compiler.frontends.spec import ParameterInfo

# torch-mlir has no type annotations: this is the edge where they end.
ir: Any = importlib.import_module("torch_mlir.ir")
_fx: Any = importlib.import_module("torch_mlir.extras.fx_importer")
_torch_dialect: Any = importlib.import_module("torch_mlir.dialects.torch")

ELEMENT_TYPES: dict[torch.dtype, str] = {
    torch.float64: "f64",
    torch.float32: "f32",
    torch.float16: "f16",
    torch.bfloat16: "bf16",
    torch.float8_e4m3fn: "f8E4M3FN",
    torch.float8_e5m2: "f8E5M2",
    torch.int64: "i64",
    torch.int32: "i32",
    torch.int16: "i16",
    torch.int8: "i8",
    torch.uint8: "ui8",
    torch.bool: "i1",
}

_FRAME = re.compile(r'File "([^"]+)", line ([0-9]+)')
_TORCH = str(Path(torch.__file__).parent)
_OWN = str(Path(__file__).parent)


def source_line(stack_trace: str | None) -> tuple[str, int] | None:
    """File and line of the innermost frame that belongs to the model, not to PyTorch or us."""
    frames = _FRAME.findall(stack_trace or "")
    for file, line in reversed(frames):
        if not file.startswith((_TORCH, _OWN, "<")):
            return file, int(line)
    return (frames[-1][0], int(frames[-1][1])) if frames else None


class Names:
    """Published names of parameters and buffers, and what was met of them.

    A name that MLIR would have to quote (``0.weight`` of an ``nn.Sequential``) is spelled as an
    identifier: ``_0.weight``.

    Args:
        module: The exported module; a tied weight goes by the first of its names.
        prefix: How wrapping has changed the beginnings of the published names.
    """

    def __init__(self, module: torch.nn.Module, prefix: Spelling) -> None:
        first = {id(value): name for name, value in module.named_parameters()}
        self._canonical = {
            name: first[id(value)]
            for name, value in module.named_parameters(remove_duplicate=False)
        }
        self._prefix = prefix
        self._spelled: dict[str, str] = {}
        self._taken: set[str] = set()
        buffers = (name for name, _ in module.named_buffers(remove_duplicate=False))
        own = [published_name(name, prefix) for name in (*self._canonical.values(), *buffers)]
        # Names that need no change first: a spelled one must not take theirs.
        for name in sorted(own, key=lambda name: not is_identifier(name)):
            self._spell(name)
        self.parameters: dict[str, ParameterInfo] = {}
        self.buffers: dict[str, ParameterInfo] = {}
        self.buffer_data: dict[str, torch.Tensor] = {}
        """Of those buffers that are named resources: all that have more than one element."""

    def published(self, target: str) -> str:
        """The name in the checkpoint of a parameter or buffer of the exported program."""
        name = published_name(self._canonical.get(target, target), self._prefix)
        return self._spelled.get(name, name)

    def _spell(self, name: str) -> None:
        own = spelled(name)
        while own != name and own in self._taken and name not in self._spelled:
            own += "_"
        self._spelled.setdefault(name, own)
        self._taken.add(own)


class _Hooks(_fx.FxImporterHooks):  # pyright: ignore[reportUntypedBaseClass]
    """Weights become named resources without data, buffers named resources with data."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._attributes: dict[str, Any] = {}

    def resolve_literal(self, gni: Any, literal: Any, info: Any) -> Any:
        """Called for each constant when it is first used; bool arrives as bytes."""
        if not isinstance(literal, torch.Tensor):
            return None
        is_weight = info is not None and info.input_spec.kind == InputKind.PARAMETER
        if info is not None:
            name = self._names.published(info.input_spec.target)
        else:
            name = f"constant.{len(self._attributes)}"
        facts = ParameterInfo(tuple(literal.shape), ELEMENT_TYPES[literal.dtype])
        (self._names.parameters if is_weight else self._names.buffers)[name] = facts
        attribute = self._attributes.get(name)
        if attribute is None:
            attribute = _undefined(gni, name, facts) if is_weight else _data(gni, name, literal)
            if not is_weight and literal.numel() != 1:
                self._names.buffer_data[name] = literal
            self._attributes[name] = attribute
        return ir.Operation.create(
            "torch.vtensor.literal",
            results=[gni._cc.tensor_to_vtensor_type(literal)],
            attributes={"value": attribute},
        ).result


def _undefined(gni: Any, name: str, facts: ParameterInfo) -> Any:
    shape = "".join(f"{size}x" for size in facts.shape)
    text = f'dense_resource<"{name}"> : tensor<{shape}{facts.element_type}>'
    return ir.Attribute.parse(text, context=gni._c)


def _data(gni: Any, name: str, literal: torch.Tensor) -> Any:
    """A named blob, or for one element the value itself."""
    if isinstance(literal, FakeTensor):
        raise UserError(
            f"the tensor '{name}' was computed from weights, whose values are not known",
            notes=["make it a parameter, or compute it in forward"],
        )
    with gni._c:
        tensor_type = _fx.create_mlir_tensor_type(literal)
        if literal.numel() == 1:
            element_type = tensor_type.element_type
            kind = ir.FloatAttr if literal.is_floating_point() else ir.IntegerAttr
            value = kind.get(element_type, literal.item())
            return ir.DenseElementsAttr.get_splat(tensor_type, value)
    data = literal.detach().contiguous().cpu().flatten().view(torch.uint8).numpy()
    return ir.DenseResourceElementsAttr.get_from_buffer(
        data, name, tensor_type, literal.element_size()
    )


class _Locations(_fx.ContextCache):  # pyright: ignore[reportUntypedBaseClass]
    """One file and line for each node, in place of the whole Python stack."""

    def get_node_location(self, node: Any) -> Any:
        """None when the node has no stack trace: the previous location then stays."""
        place = _cached_source_line(node.meta.get("stack_trace"))
        return None if place is None else ir.Location.file(*place, col=0, context=self._c)


_cached_source_line = cache(source_line)


def torch_dialect_module(
    program: ExportedProgram, names: Names, node_importer: type[Any] | None = None
) -> Any:
    """The program as an ``ir.Module`` of the torch dialect, function ``@main``."""
    context = ir.Context()
    _torch_dialect.register_dialect(context)
    # The asic.* attributes belong to a dialect that only xDSL knows.
    context.allow_unregistered_dialects = True
    importer = _fx.FxImporter(
        context=context, hooks=_Hooks(names), graph_node_importer_cls=node_importer
    )
    importer._cc = _Locations(context, py_attr_tracker=importer._py_attr_tracker)
    importer.import_program(program, func_name="main")
    return importer.module
