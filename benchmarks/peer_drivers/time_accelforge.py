"""Runs in AccelForge's own environment: times its mapper on its TPUv4i.

Reads cases as JSON from standard input, writes one JSON line a case. A case of several products is
mapped as one program of Einsums without links between them.
"""

import json
import logging
import resource
import sys
import tempfile
import time
from pathlib import Path

import accelforge as af

logging.disable(logging.CRITICAL)
af.set_n_parallel_jobs(1)


def workload(gemms: list) -> str:
    """Weights and inputs of a batched product carry its batch as well."""
    sizes, einsums = [], []
    for i, gemm in enumerate(gemms):
        ranks = [("b", gemm["batch"])] if gemm["batch"] > 1 else []
        ranks += [("m", gemm["m"]), ("k", gemm["k"]), ("n", gemm["n"])]
        sizes += [f"    {r}{i}: 0 <= {r}{i} < {size}" for r, size in ranks]
        batch = f"b{i}, " if gemm["batch"] > 1 else ""
        einsums += [
            f"  - name: Matmul{i}",
            "    tensor_accesses:",
            f"    - {{name: T{i}, projection: [{batch}m{i}, k{i}]}}",
            f"    - {{name: W{i}, projection: [{batch}k{i}, n{i}]}}",
            f"    - {{name: Y{i}, projection: [{batch}m{i}, n{i}], output: True}}",
            f"    renames: {{weight: W{i}, input: T{i}, output: Y{i}}}",
        ]
    lines = ["workload:", "  iteration_space_shape:", *sizes]
    return "\n".join([*lines, "  bits_per_value: {All: 8}", "  einsums:", *einsums, ""])


def once(gemms: list) -> tuple[float, float]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "workload.yaml"
        path.write_text(workload(gemms))
        began = time.perf_counter()
        spec = af.Spec.from_yaml(af.examples.arches.tpu_v4i, path)
        spec.mapper.metrics = af.Metrics.LATENCY
        found = spec.map_workload_to_arch(print_progress=False)
        seconds = time.perf_counter() - began
    return seconds, float(found.latency()) * 1.05e9  # seconds to its cycles


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
