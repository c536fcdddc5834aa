"""An ONNX file as a model whose inputs have sizes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from asic_compiler.diagnostics import SourceLocation, UserError
from asic_compiler.files import regular_size
from asic_compiler.frontends.onnx.package import part

_MOST_BYTES = 2**31 - 1
"""Of the file itself: what protobuf reads. Larger models keep their weights beside it."""
_OPSET = 17
_LONGEST_NUMBER = 40
_MOST_SIZE = 2**31 - 1
_SHAPE = re.compile(r"(?P<name>[^=]+)=(?P<sizes>\d{1,10}(?:x\d{1,10})*|)")


@dataclass(frozen=True, slots=True)
class Sizes:
    """What the user says of sizes that a file leaves open."""

    named: Mapping[str, tuple[int, ...]]
    """By the name of an input, or of one size."""
    batch: int | None
    """Of the first dimension of every input that leaves it open."""


def parse_sizes(texts: Sequence[str], batch: int | None) -> Sizes:
    """The values of ``--shape``: ``x=1x3x224x224``, ``batch=8``.

    Raises:
        UserError: One has another form, or a name comes twice.
    """
    named: dict[str, tuple[int, ...]] = {}
    for text in texts:
        match = _SHAPE.fullmatch(text)
        sizes = tuple(int(size) for size in match["sizes"].split("x") if size) if match else ()
        if match is None or not all(1 <= size <= _MOST_SIZE for size in sizes):
            raise UserError(
                f"--shape {text!r}: expected NAME=SIZES",
                notes=["--shape x=1x3x224x224 sets an input, --shape batch=8 one size by its name"],
            )
        if match["name"] in named:
            raise UserError(f"--shape {match['name']}: it is given twice")
        named[match["name"]] = sizes
    return Sizes(named, batch)


def read(path: Path) -> Any:
    """The model of a file, with its external data and without functions of its own.

    Raises:
        UserError: It cannot be read, or is no valid ONNX model.
    """
    onnx, where = part(""), SourceLocation(str(path), 1, 1)
    try:
        if (size := regular_size(path)) > _MOST_BYTES:
            raise UserError(
                f"'{path}' has {size} bytes, more than {_MOST_BYTES}",
                notes=["onnx.save(..., save_as_external_data=True) puts weights beside the file"],
            )
        model = onnx.load(str(path))
        onnx.checker.check_model(model)
        if model.functions:
            model = part("inliner").inline_local_functions(model)
        return model
    except OSError as error:
        raise UserError(f"cannot read '{path}': {error.strerror or error}") from None
    except UserError:
        raise
    except Exception as error:  # protobuf, the checker and the reader of external data
        text = " ".join(str(error).split())[:200] or type(error).__name__
        raise UserError(f"not a valid ONNX model: {text}", where) from None


def upgraded(model: Any) -> Any:
    """A model in a version of the operators that torch-mlir has patterns for."""
    versions = [opset.version for opset in model.opset_import if opset.domain in ("", "ai.onnx")]
    if not versions or versions[0] >= _OPSET:
        return model
    try:
        return part("version_converter").convert_version(model, _OPSET)
    except Exception:  # not every operator has a converter: torch-mlir may know the old one
        return model


def set_sizes(model: Any, sizes: Sizes) -> None:
    """Gives every size of every input a number.

    Raises:
        UserError: Sizes stay open, contradict the file, or belong to no input.
    """
    inputs = inputs_of(model)
    used: set[str] = set()
    left: list[str] = []
    first = (_dims(value)[:1] for value in inputs)
    batches = {dim.dim_param for dims in first for dim in dims if dim.dim_param}
    for value in inputs:
        if value.type.WhichOneof("value") != "tensor_type":
            raise UserError(f"input '{value.name}' is no tensor", notes=[_TENSORS])
        if not value.type.tensor_type.HasField("shape") and value.name not in sizes.named:
            left.append(f"--shape {value.name}=AxBxC: the file does not say its rank")
            continue
        _set(value, sizes, batches, used, left)
    unknown = [name for name in sizes.named if name not in used]
    if unknown:
        known = sorted(
            {value.name for value in inputs}
            | {d.dim_param for v in inputs for d in _dims(v) if d.dim_param}
        )
        raise UserError(
            f"--shape {unknown[0]}: no input and no open size has that name",
            notes=[f"known: {', '.join(known)}"] if known else [],
        )
    if left:
        raise UserError("the file leaves sizes of inputs open", notes=left)


_TENSORS = "a program takes and gives tensors: sequences, maps and optional values are left out"


def set_values(model: Any, texts: Sequence[str]) -> None:
    """Makes inputs constants: the values of ``--value``, ``rate=16000``.

    Raises:
        UserError: One has another form, is of no input, or is no number of its type.
    """
    helper = part("helper")
    for text in texts:
        name, _, number = text.partition("=")
        value = next((v for v in inputs_of(model) if v.name == name), None)
        if value is None:
            known = ", ".join(v.name for v in inputs_of(model))
            raise UserError(f"--value {text!r}: no input has that name", notes=[f"known: {known}"])
        kind = value.type.tensor_type
        dtype = np.dtype(helper.tensor_dtype_to_np_dtype(kind.elem_type))
        shape = tuple(dim.dim_value for dim in kind.shape.dim)
        try:
            filled = np.full(shape, _number(number, dtype), dtype)
        except (ValueError, OverflowError):
            raise UserError(f"--value {text!r}: expected NAME=NUMBER, of type {dtype}") from None
        model.graph.initializer.append(part("numpy_helper").from_array(filled, name))


def _number(text: str, dtype: np.dtype[Any]) -> float | int:
    if len(text) > _LONGEST_NUMBER:
        raise ValueError(text)
    return int(text) if dtype.kind in "biu" else float(text)


def inputs_of(model: Any) -> list[Any]:
    """The inputs that are not initializers."""
    given = {initializer.name for initializer in model.graph.initializer}
    return [value for value in model.graph.input if value.name not in given]


def _dims(value: Any) -> Any:
    return value.type.tensor_type.shape.dim


def _set(value: Any, sizes: Sizes, batches: set[str], used: set[str], left: list[str]) -> None:
    whole = sizes.named.get(value.name)
    dims = _dims(value)
    if whole is not None:
        used.add(value.name)
        if not value.type.tensor_type.HasField("shape"):
            value.type.tensor_type.shape.SetInParent()
            for _ in whole:
                dims.add()
        fits = len(dims) == len(whole) and all(
            dim.dim_value in (size, 0, -1) or dim.dim_param
            for dim, size in zip(dims, whole, strict=True)
        )
        if not fits:
            shown = "x".join(str(d.dim_value or d.dim_param or "?") for d in dims) or "scalar"
            raise UserError(f"--shape {value.name}: the file says {shown}")
    open_sizes: list[str] = []
    for place, dim in enumerate(dims):
        # Names come in again at other inputs: they stay until all are set.
        by_name = sizes.named.get(dim.dim_param) if dim.dim_param else None
        if by_name is not None:
            used.add(dim.dim_param)
        if whole is not None:
            size = whole[place]
        elif dim.dim_value > 0:
            size = dim.dim_value
        elif by_name is not None and len(by_name) == 1:
            (size,) = by_name
        elif place == 0 or dim.dim_param in batches:
            size = sizes.batch or 1
        else:
            open_sizes.append(dim.dim_param or f"size {place}")
            continue
        dim.Clear()
        dim.dim_value = size
    if open_sizes:
        shape = "x".join(str(d.dim_value or "?") for d in dims)
        left.append(f"--shape {value.name}={shape} with numbers for {', '.join(open_sizes)}")
