"""Weights, inputs and results of an ONNX model as files, for a program to be run against."""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asic_compiler.diagnostics import UserError
from asic_compiler.frontends.onnx.file import inputs_of
from asic_compiler.frontends.onnx.lower import Lowered
from asic_compiler.frontends.onnx.package import part
from asic_compiler.frontends.spec import ImportedModel, TensorRequest
from asic_compiler.frontends.stages import Stages
from asic_compiler.frontends.tensor_set import FILES, facts_of, header, tensor_set
from asic_compiler.tensors.comparison import OWN_ERRORS, OWN_TYPE
from asic_compiler.tensors.files import TensorFacts, write_tensors

_LARGEST_BYTE = 256
"""Integers are drawn below it where nothing in the model says less."""


def write(request: TensorRequest, model: Any, lowered: Lowered, stages: Stages) -> ImportedModel:
    """Writes the three files: all appear, or none.

    Args:
        request: Folder and seed.
        model: As it was read, with sizes, before it was upgraded or anything folded: beyond the
            reading, the reference shares no step with the import.
        lowered: What was made of it.
        stages: Told of each stage.

    Raises:
        UserError: A file cannot be written, or the model cannot be evaluated.
    """
    imported = lowered.imported
    to_array = part("numpy_helper").to_array
    facts = facts_of(imported.parameters)
    metadata = header(imported, request.seed, facts)
    try:
        request.folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot make '{request.folder}': {error.strerror}") from None
    with tensor_set(request.folder) as paths:
        with stages.run("weights"):
            metadata["weights"] = write_tensors(
                paths[0], facts, lambda key: _bytes(to_array(lowered.weights[key])), metadata
            )
        with stages.run("inputs"):
            drawn = draw(model, request.seed)
            metadata["inputs"] = _write(paths[1], drawn, metadata)
        with stages.run("reference"):
            results = evaluate(model, drawn)
            _write(paths[2], results, metadata | _own_errors(results))
    return replace(imported, tensor_files=tuple(request.folder / file for file in FILES))


def _own_errors(results: Mapping[str, NDArray[Any]]) -> dict[str, str]:
    """What the model's own arithmetic loses: nothing where the reference is in f32 and integers.

    Of a narrower model it was not measured, and nothing is said.
    """
    if any(array.dtype.kind not in "biu" and array.itemsize < 4 for array in results.values()):
        return {}
    return {OWN_TYPE: "f32", OWN_ERRORS: json.dumps(dict.fromkeys(results, 0.0))}


def draw(model: Any, seed: int) -> dict[str, NDArray[Any]]:
    """Random inputs: normal floats, integers that are an index of every table."""
    rng = np.random.default_rng(seed)
    to_type = part("helper").tensor_dtype_to_np_dtype
    found: dict[str, NDArray[Any]] = {}
    limit = _least_table(model)
    for value in inputs_of(model):
        kind = value.type.tensor_type
        dtype = np.dtype(to_type(kind.elem_type))
        shape = tuple(dim.dim_value for dim in kind.shape.dim)
        if dtype == np.bool_:
            found[value.name] = rng.integers(0, 2, shape).astype(np.bool_)
        elif np.issubdtype(dtype, np.integer):
            found[value.name] = rng.integers(0, limit, shape).astype(dtype)
        else:
            found[value.name] = rng.standard_normal(shape).astype(dtype)
    return found


def _least_table(model: Any) -> int:
    """One more than the largest integer that may be an index."""
    sizes = {tensor.name: tuple(tensor.dims) for tensor in model.graph.initializer}
    found = [_LARGEST_BYTE if not sizes else 128]
    for node in model.graph.node:
        if node.op_type == "Gather" and sizes.get(node.input[0]):
            axis = next((a.i for a in node.attribute if a.name == "axis"), 0)
            found.append(max(1, sizes[node.input[0]][axis]))
    return min(found)


def evaluate(model: Any, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """What the model gives: of ONNX Runtime where it is installed, else of onnx's own reference.

    Raises:
        UserError: Neither can evaluate it.
    """
    names = [value.name for value in model.graph.output]
    try:
        results = _evaluate(model, names, dict(inputs))
    except UserError:
        raise
    except Exception as error:
        text = re.sub(r"\s+", " ", str(error))[:200]
        raise UserError(f"the model cannot be evaluated for a reference: {text}") from None
    return {name: np.asarray(result) for name, result in zip(names, results, strict=True)}


def _evaluate(model: Any, names: list[str], inputs: dict[str, NDArray[Any]]) -> Any:
    try:
        return _runtime(model).run(names, inputs)
    except Exception:  # it is not installed, or has not every operator in every type
        return part("reference").ReferenceEvaluator(model).run(names, inputs)


def _runtime(model: Any) -> Any:
    runtime: Any = importlib.import_module("onnxruntime")
    options = runtime.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return runtime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def _bytes(array: NDArray[Any]) -> memoryview:
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data


_ELEMENTS = {
    "float32": "f32", "float64": "f64", "float16": "f16", "bfloat16": "bf16", "int64": "i64",
    "int32": "i32", "int16": "i16", "int8": "i8", "bool": "i1",
}  # fmt: skip


def _write(path: Path, tensors: Mapping[str, NDArray[Any]], metadata: Mapping[str, str]) -> str:
    facts = {
        name: TensorFacts(tuple(array.shape), _ELEMENTS[array.dtype.name])
        for name, array in tensors.items()
    }
    return write_tensors(path, facts, lambda name: _bytes(tensors[name]), metadata)
