"""Small ONNX models, written with onnx's own helpers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper, save

F32, I64, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL


def value(name: str, shape: list[Any] | None, kind: int = F32) -> Any:
    return helper.make_tensor_value_info(name, kind, shape)


def weights(**arrays: Any) -> list[Any]:
    return [numpy_helper.from_array(np.asarray(a), name) for name, a in arrays.items()]


def model(
    nodes: list[Any],
    inputs: list[Any],
    outputs: list[Any],
    constants: list[Any] | None = None,
    opset: int = 17,
) -> Any:
    graph = helper.make_graph(nodes, "main", inputs, outputs, constants or [])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    made.ir_version = 10
    return made


def write(made: Any, path: Path) -> Path:
    save(made, str(path))
    return path


def cnn(opset: int = 17) -> Any:
    """Convolution, batch norm, pooling, a head; its batch is open, its Reshape asks the shape."""
    rng = np.random.default_rng(0)
    node = helper.make_node
    nodes = [
        node("Conv", ["x", "conv/w", "conv/b"], ["c"], "conv", pads=[1, 1, 1, 1]),
        node("BatchNormalization", ["c", "scale", "shift", "mean", "variance"], ["n"], "norm"),
        node("Relu", ["n"], ["r"], "relu"),
        node("MaxPool", ["r"], ["p"], "pool", kernel_shape=[2, 2], strides=[2, 2]),
        node("Shape", ["p"], ["s"], "shape"),
        node("Gather", ["s", "zero"], ["b"], "batch"),
        node("Unsqueeze", ["b", "axes"], ["b1"], "unsqueeze"),
        node("Concat", ["b1", "minus"], ["t"], "target", axis=0),
        node("Reshape", ["p", "t"], ["f"], "flat"),
        node("Gemm", ["f", "head", "bias"], ["y"], "head", transB=1),
    ]

    def normal(*shape: int) -> Any:
        return rng.standard_normal(shape).astype(np.float32)

    constants = weights(
        **{"conv/w": normal(4, 3, 3, 3), "conv/b": normal(4)},
        scale=normal(4), shift=normal(4), mean=normal(4), variance=np.abs(normal(4)) + 1,
        head=normal(5, 64), bias=normal(5), zero=np.array(0), axes=np.array([0]),
        minus=np.array([-1]),
    )  # fmt: skip
    inputs = [value("x", ["batch", 3, 8, 8])]
    return model(nodes, inputs, [value("y", ["batch", 5])], constants, opset)


def branch() -> Any:
    """Two branches; the one that is taken depends on an input, or on nothing if that is fixed."""
    node = helper.make_node
    two = helper.make_graph(
        [node("Mul", ["x", "w"], ["m"], "mul")], "then", [], [value("m", [2, 4])],
        weights(w=np.full((4,), 2, np.float32)),
    )  # fmt: skip
    three = helper.make_graph(
        [node("Mul", ["x", "v"], ["k"], "mul")], "else", [], [value("k", [2, 4])],
        weights(v=np.full((4,), 3, np.float32)),
    )  # fmt: skip
    nodes = [
        node("Equal", ["rate", "known"], ["is"], "equal"),
        node("If", ["is"], ["y"], "if", then_branch=two, else_branch=three),
    ]
    inputs = [value("x", [2, 4]), value("rate", [], I64)]
    return model(nodes, inputs, [value("y", [2, 4])], weights(known=np.array(16)))
