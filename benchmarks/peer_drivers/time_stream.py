"""Runs in Stream's own environment: times its allocation on a quad core.

Reads cases as JSON from standard input, writes one JSON line a case. Stream's example cores take
16-bit operands. Each product is a graph of its own, and a case their sum: a graph of several
products that share an input fails in its lowering (2.1.1). Batched products, of two activations,
are left out.
"""

import json
import logging
import resource
import sys
import tempfile
import time
from importlib.resources import files
from pathlib import Path

import onnx
from onnx import TensorProto, helper, shape_inference
from stream.api import SolveOptions, evaluate_mapping

logging.disable(logging.CRITICAL)
HARDWARE = str(files("stream") / "inputs" / "examples" / "hardware" / "tpu_like_quad_core.yaml")


def weight(name: str, shape: list) -> TensorProto:
    """A shape without data."""
    return TensorProto(name=name, data_type=TensorProto.BFLOAT16, dims=shape)


def graph(gemm: dict, path: Path) -> str:
    shape = [gemm["m"], gemm["k"]]
    x = helper.make_tensor_value_info("x", TensorProto.BFLOAT16, shape)
    y = helper.make_tensor_value_info("y", TensorProto.BFLOAT16, None)
    sizes = {"act_size": 16, "weight_size": 16, "output_size": 16}
    node = helper.make_node("Gemm", ["x", "b"], ["y"], name="gemm", **sizes)
    held = TensorProto(name="b", data_type=TensorProto.BFLOAT16, dims=[gemm["k"], gemm["n"]])
    made = helper.make_model(
        helper.make_graph([node], "case", [x], [y], [held]),
        opset_imports=[helper.make_opsetid("", 17)],
    )
    onnx.save(shape_inference.infer_shapes(made), str(path))
    return str(path)


def once(gemms: list) -> tuple[float, float]:
    seconds = cycles = 0.0
    for gemm in gemms:
        if gemm["batch"] > 1:
            continue
        with tempfile.TemporaryDirectory() as folder:
            path = graph(gemm, Path(folder) / "case.onnx")
            began = time.perf_counter()
            estimate = evaluate_mapping(
                HARDWARE, path, folder, options=SolveOptions(artifacts=False)
            )
            seconds += time.perf_counter() - began
            cycles += float(estimate.cycles)
    return seconds, cycles


request = json.load(sys.stdin)
for name, gemms in request["cases"].items():
    busy = time.process_time()
    try:
        timed = [once(gemms) for _ in range(request["runs"])]
    except Exception as error:  # whatever it is, the table says it
        print(json.dumps({"case": name, "error": f"{type(error).__name__}: {error}"}), flush=True)
        continue
    result = {
        "case": name,
        "seconds": [t for t, _ in timed],
        "cpu": (time.process_time() - busy) / len(timed),
        "cycles": timed[0][1],
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0,
    }
    print(json.dumps(result), flush=True)
