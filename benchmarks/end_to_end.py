"""The main job, timed: import, then explore on every node; wall time and peak memory.

    python benchmarks/end_to_end.py [--evaluations 4613] [--nodes 3nm,5nm,...] [--folder DIR]

Every command runs as a user would run it, in a process of its own. Results go to stdout as a
Markdown table.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from asic_compiler.technology.library import PAPER_NODE_NAMES

BIN = Path(sys.executable).parent


def run(command: list[str]) -> tuple[float, float, str]:
    """Wall seconds, peak resident MB and stderr of a command, which must succeed."""
    began = time.perf_counter()
    with tempfile.TemporaryFile("w+") as errors:
        child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=errors)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.perf_counter() - began
        errors.seek(0)
        text = errors.read()
    if child.returncode != 0:
        raise SystemExit(f"{' '.join(command)} failed with {child.returncode}:\n{text}")
    return seconds, usage.ru_maxrss / 1024.0, text


def explore(model: Path, folder: Path, options: str) -> dict[str, object]:
    """Explores and returns the row of the table."""
    seconds, memory, _ = run(
        [str(BIN / "asic-opt"), f"--rl-explore={options} emit={folder}", str(model), "-o",
         str(folder.with_suffix(".mlir"))]
    )  # fmt: skip
    spec = json.loads((folder / "hardware.json").read_text())
    p = spec["predicted"]
    return {
        "node": spec["node"],
        "wall s": f"{seconds:.1f}",
        "peak MB": f"{memory:.0f}",
        "mesh": f"{spec['mesh']['width']}x{spec['mesh']['height']}",
        "dies": spec["dies"],
        "MHz": f"{spec['clock_hz'] / 1e6:.4g}",
        "V": spec["supply_v"],
        "tokens/s": f"{p['tokens_per_s']:.4g}",
        "W": f"{p['power_w']:.4g}",
        "mm2": f"{p['die_area_mm2']:.5g}",
        "mJ/token": f"{p['energy_per_token_j'] * 1e3:.4g}",
    }


def show(title: str, rows: list[dict[str, object]]) -> None:
    """Prints a Markdown table."""
    print(f"\n### {title}\n")
    print("| " + " | ".join(rows[0]) + " |")
    print("|" + " --- |" * len(rows[0]))
    for row in rows:
        print("| " + " | ".join(str(v) for v in row.values()) + " |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--evaluations", type=int, default=4613)
    parser.add_argument("--nodes", default=",".join(PAPER_NODE_NAMES))
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--skip-low-power", action="store_true")
    args = parser.parse_args()
    folder = args.folder or Path(tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")

    llama, vlm = folder / "llama.mlir", folder / "smolvlm.mlir"
    rows: list[dict[str, object]] = []
    for model, path, more in (
        ("llama-3.1-8b", llama, ["--phase", "decode", "--batch", "3", "--context", "2048"]),
        ("smolvlm-256m", vlm, ["--part", "text", "--phase", "decode", "--context", "2048"]),
    ):
        seconds, memory, _ = run([str(BIN / "asic-import"), model, *more, "-o", str(path)])
        rows.append({"model": model, "wall s": f"{seconds:.1f}", "peak MB": f"{memory:.0f}"})
    show("asic-import", rows)
    nodes = args.nodes.split(",")
    budget = f"evaluations={args.evaluations} seed=0"
    show(
        "Llama 3.1 8B decode, batch 3, context 2048, high-performance",
        [explore(llama, folder / f"llama-{n}", f"node={n} {budget}") for n in nodes],
    )
    if not args.skip_low_power:
        show(
            "SmolVLM-256M decode, batch 1, context 2048, low-power (10 MHz, 13 mW, 25 C)",
            [explore(vlm, folder / f"vlm-{n}", f"node={n} mode=low-power {budget}") for n in nodes],
        )


if __name__ == "__main__":
    main()
