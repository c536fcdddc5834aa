"""Runs in ZigZag's own environment: times its cost model with its mapping search (LOMA).

Reads cases as JSON from standard input, writes one JSON line a case.
"""

import json
import logging
import resource
import sys
import tempfile
import time
from importlib.resources import files

from zigzag.api import get_hardware_performance_zigzag

logging.disable(logging.CRITICAL)
INPUTS = files("zigzag") / "inputs"
HARDWARE = str(INPUTS / "hardware" / "tpu_like.yaml")  # 32 x 32 array
MAPPING = str(INPUTS / "mapping" / "tpu_like.yaml")


def layer(index: int, gemm: dict) -> dict:
    batched = gemm["batch"] > 1
    dims, sizes = ["B", "K", "C"], [gemm["m"], gemm["n"], gemm["k"]]
    equation = "O[b][k]+=I[b][c]*W[c][k]"
    if batched:
        dims, sizes = ["G", *dims], [gemm["batch"], *sizes]
        equation = "O[g][b][k]+=I[g][b][c]*W[g][c][k]"
    return {
        "id": index,
        "name": f"layer{index}",
        "operator_type": "Gemm",
        "equation": equation,
        "loop_dims": dims,
        "loop_sizes": sizes,
        "operand_precision": {"W": 8, "I": 8, "O": 16, "O_final": 8},
        "operand_source": {"I": index, "W": index},
    }


def once(gemms: list) -> tuple[float, float]:
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        _, cycles, _ = get_hardware_performance_zigzag(
            [layer(i, gemm) for i, gemm in enumerate(gemms)],
            HARDWARE,
            MAPPING,
            dump_folder=folder,
            loma_show_progress_bar=False,
        )
        return time.perf_counter() - began, float(cycles)


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
