"""A graph whose shapes are numbers: what does not depend on inputs is computed once, here.

Exporters write the arithmetic of shapes as operators (Shape, Gather, Concat, Reshape), and
branches that depend on it. With the sizes of the inputs known, all of it is constant.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from asic_compiler.diagnostics import UserError
from asic_compiler.frontends.onnx.package import copy, part

_MOST_ELEMENTS = 2**24
"""Of a result that is computed here; a larger one would fill the file of weights with copies."""
_MOST_OPEN = 2**16
"""Elements of operands whose result has a size that is not known before."""
_RANDOM = {"RandomNormal", "RandomUniform", "RandomNormalLike", "RandomUniformLike", "Multinomial",
           "Bernoulli"}  # fmt: skip
_KEPT = {"DequantizeLinear", "Loop", "Scan", "If", "SequenceConstruct", "SequenceEmpty", "Optional"}
"""Narrow weights stay narrow; the others have no tensor for a result, or bodies."""
_ROUNDS = 64


def make_static(model: Any) -> Any:
    """The model with inferred shapes and without what is constant.

    Raises:
        UserError: A random operator, or shapes that depend on the values of inputs.
    """
    graph = _Graph(model)
    for _ in range(_ROUNDS):
        model = _infer(graph.model)
        changed = graph.replace(model).fold()
        if not changed:
            break
    graph.sweep()
    return graph.model


def _infer(model: Any) -> Any:
    try:
        return part("shape_inference").infer_shapes(model, data_prop=True)
    except Exception as error:
        text = " ".join(str(error).split())[:200]
        raise UserError(f"the shapes of the model contradict each other: {text}") from None


class _Graph:
    def __init__(self, model: Any) -> None:
        self._helper = part("numpy_helper")
        self.replace(model)
        # Shapes that were inferred for open sizes are wrong now.
        del model.graph.value_info[:]
        for value in model.graph.output:
            if value.type.WhichOneof("value") == "tensor_type":
                value.type.tensor_type.ClearField("shape")

    def replace(self, model: Any) -> _Graph:
        """Goes on with another model."""
        self.model = model
        self.graph = model.graph
        self.constants: dict[str, Any] = {i.name: i for i in self.graph.initializer}
        return self

    def shape(self, name: str) -> tuple[int, ...] | None:
        """The shape of a value; None if it is open."""
        if name in self.constants:
            return tuple(self.constants[name].dims)
        return self._shapes.get(name)

    def _element(self, name: str) -> int | None:
        """The element type of a value; None if it is open."""
        if name in self.constants:
            return int(self.constants[name].data_type)
        return self._elements.get(name)

    def fold(self) -> bool:
        """Replaces constant nodes; returns whether there were any."""
        values = (*self.graph.input, *self.graph.value_info, *self.graph.output)
        self._elements = {
            value.name: int(value.type.tensor_type.elem_type)
            for value in values
            if value.type.WhichOneof("value") == "tensor_type"
        }
        self._shapes = {
            value.name: shape for value in values if (shape := _static(value)) is not None
        }
        before = list(self.graph.node)
        kept: list[Any] = []
        for node in before:
            kept += self._folded(node)
        changed = len(kept) != len(before) or any(
            a is not b for a, b in zip(kept, before, strict=True)
        )
        if changed:
            copies = [copy(node) for node in kept]
            del self.graph.node[:]
            self.graph.node.extend(copies)
        return changed

    def _folded(self, node: Any) -> list[Any]:
        """What stands in place of a node: itself, nothing, or the branch that is taken."""
        if node.domain not in ("", "ai.onnx"):
            raise UserError(
                f"{node.op_type} '{node.name or node.output[0]}' is of the domain {node.domain}",
                notes=["operators of the domain ai.onnx are read, and functions made of them"],
            )
        if node.op_type in _RANDOM:
            raise UserError(
                f"{node.op_type} '{node.name or node.output[0]}' draws random numbers",
                notes=["a program computes the same from the same inputs: export for inference"],
            )
        if node.op_type == "CastLike" and (to := self._element(node.input[1])) is not None:
            make = part("helper").make_node
            return [make("Cast", [node.input[0]], list(node.output), name=node.name, to=to)]
        if node.op_type == "If" and node.input[0] in self.constants:
            return self._branch(node)
        if node.op_type in ("Shape", "Size") and (shape := self.shape(node.input[0])) is not None:
            value = np.array(shape, np.int64)
            if node.op_type == "Size":
                value = np.array(value.prod(), np.int64)
            else:
                bounds = {a.name: a.i for a in node.attribute}
                value = value[bounds.get("start", 0) : bounds.get("end", len(shape))]
            self._keep(node.output[0], value)
            return []
        if node.op_type in _KEPT or any(name and name not in self.constants for name in node.input):
            return [node]
        if any(a.type == a.GRAPH for a in node.attribute) or len(node.output) == 0:
            return [node]
        sizes = [self.shape(name) for name in node.output if name]
        # A result of open size is one of little work: Range, NonZero and the like of shapes.
        read = sum(int(np.prod(self.constants[n].dims, dtype=object)) for n in node.input if n)
        most = _MOST_ELEMENTS if None not in sizes else _MOST_OPEN
        if any(np.prod(s, dtype=object) > most for s in sizes if s is not None) or (
            None in sizes and read > most
        ):
            return [node]
        results = self._evaluate(node)
        if results is None or any(result.size > _MOST_ELEMENTS for result in results):
            return [node]
        for name, result in zip(node.output, results, strict=False):
            if name:
                self._keep(name, result)
        return []

    def _evaluate(self, node: Any) -> list[NDArray[Any]] | None:
        opsets = {opset.domain: opset.version for opset in self.model.opset_import}
        given = {n: self._helper.to_array(self.constants[n]) for n in node.input if n}
        try:
            evaluator = part("reference").ReferenceEvaluator(node, opsets=opsets)
            found = evaluator.run(None, given)
        except Exception:  # an operator that the reference lacks: torch-mlir may have it
            return None
        return [np.asarray(a) for a in found] if all(_is_tensor(a) for a in found) else None

    def _keep(self, name: str, value: NDArray[Any]) -> None:
        tensor = self._helper.from_array(np.ascontiguousarray(value).reshape(value.shape), name)
        self.graph.initializer.append(tensor)
        self.constants[name] = tensor

    def _branch(self, node: Any) -> list[Any]:
        taken = bool(np.all(self._helper.to_array(self.constants[node.input[0]])))
        body = next(
            a.g for a in node.attribute if a.name == ("then" if taken else "else") + "_branch"
        )
        prefix = f"{node.name or node.output[0]}/"
        own = {i.name for i in body.initializer} | {o for n in body.node for o in n.output if o}
        names = {name: prefix + name for name in own}
        for inner, outer in zip(body.output, node.output, strict=True):
            if inner.name in own:
                names[inner.name] = outer
        nodes: list[Any] = []
        for tensor in body.initializer:
            self._keep(names[tensor.name], self._helper.to_array(tensor))
        for inner in body.node:
            nodes.append(_renamed(inner, names, prefix))
        make = part("helper").make_node
        for inner, outer in zip(body.output, node.output, strict=True):
            if inner.name not in own:  # it passes a value from outside on
                nodes.append(make("Identity", [inner.name], [outer], name=f"{prefix}identity"))
        return nodes

    def sweep(self) -> None:
        """Removes what no result depends on, and refuses what has no shape."""
        live = {value.name for value in self.graph.output}
        kept: list[Any] = []
        for node in reversed(list(self.graph.node)):
            if live.intersection(node.output):
                kept.append(node)
                live.update(_reads(node))
        copies = [copy(node) for node in reversed(kept)]
        del self.graph.node[:]
        self.graph.node.extend(copies)
        held = [t for t in self.graph.initializer if t.name in live]
        held = [copy(t) for t in held]
        del self.graph.initializer[:]
        self.graph.initializer.extend(held)
        self.constants = {t.name: t for t in self.graph.initializer}
        self._refuse_open()

    def _refuse_open(self) -> None:
        typed = {v.name: v for v in (*self.graph.value_info, *self.graph.output)}
        for node in self.graph.node:
            for name in node.output:
                value = typed.get(name)
                if value is None or value.type.WhichOneof("value") not in (None, "tensor_type"):
                    continue
                if _static(value) is None and name:
                    raise UserError(
                        f"the shape that {node.op_type} '{node.name or name}' gives is not known "
                        "before the model runs",
                        notes=["shapes may depend on the sizes of inputs, not on their values"],
                    )


def _is_tensor(value: Any) -> bool:
    return isinstance(value, np.ndarray | np.generic)


def _static(value: Any) -> tuple[int, ...] | None:
    kind = value.type
    if kind.WhichOneof("value") != "tensor_type" or not kind.tensor_type.HasField("shape"):
        return None
    dims = kind.tensor_type.shape.dim
    if not all(dim.HasField("dim_value") and dim.dim_value >= 0 for dim in dims):
        return None
    return tuple(dim.dim_value for dim in dims)


def _reads(node: Any) -> list[str]:
    """Names that a node or a body of it reads, also from outside."""
    names = [name for name in node.input if name]
    for attribute in node.attribute:
        if attribute.type == attribute.GRAPH:
            for inner in attribute.g.node:
                names += _reads(inner)
            names += [value.name for value in attribute.g.output]
    return names


def _renamed(node: Any, names: dict[str, str], prefix: str) -> Any:
    made = copy(node)
    made.name = prefix + node.name
    for field in (made.input, made.output):
        for place, name in enumerate(field):
            field[place] = names.get(name, name)
    for attribute in made.attribute:
        if attribute.type == attribute.GRAPH:
            for place, inner in enumerate(attribute.g.node):
                attribute.g.node[place].CopyFrom(_renamed(inner, names, ""))
            for value in attribute.g.output:
                value.name = names.get(value.name, value.name)
    return made
