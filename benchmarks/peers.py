"""Times one design-point evaluation of the same products in peers and in our model, in one run.

    python benchmarks/peers.py [--runs 3] [--cache DIR] [--peers zigzag,stream,accelforge]

Each peer is installed from the package index into an environment of its own below ``--cache``,
never into the project's; one that cannot be installed, or fails, is named with the reason and the
rest goes on. Figures are medians in a running process (imports not counted), one thread; ratios are
of CPU time, which a busy machine disturbs less. Peers search a mapping in that time and our model
is told one, so the ratio is of what it takes to price a design point, not of the same work; cycles
are of different machines. docs/validation.md (other tools) says more.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

sys.path.append(str(Path(__file__).parents[1] / "tests" / "support"))
from workloads import table as program
from workloads import transformer

from asic_compiler.explore.problem import ChipProblem
from asic_compiler.hardware.design import DesignBatch, Freedom
from asic_compiler.mapping.profile import Profile
from asic_compiler.ppa.conditions import Conditions
from asic_compiler.technology.library import load_node
from asic_compiler.workload.table import OperatorClass, OperatorKind, OperatorTable

DRIVERS = Path(__file__).parent / "peer_drivers"
BATCH = 4096
LAYER = transformer(layers=1, batch=1, context=2048, vocab=1)
PRODUCTS = ("GEMM 128x4096x14336", "GEMM 1x4096x14336", "Llama layer, products")


@dataclass(frozen=True, slots=True)
class Peer:
    """One package and where it runs."""

    name: str
    requirements: tuple[str, ...]
    python: tuple[str, ...]
    """Versions that it takes, the preferred first."""
    driver: str
    caveat: str
    needs_dot: bool = False


PEERS: tuple[Peer, ...] = (
    Peer(
        "zigzag",
        ("zigzag-dse==3.9.1", "six"),  # six is imported and not declared
        ("3.11", "3.12", "3.13"),
        "time_zigzag.py",
        "searches loop orders (LOMA, 6 factors) of a 32x32 array; products one by one",
    ),
    Peer(
        "stream",
        ("stream-dse==2.1.1", "six"),
        ("3.12", "3.13"),
        "time_stream.py",
        "solves an integer program for four cores; 16-bit operands; no attention products",
    ),
    Peer(
        "accelforge",
        ("accelforge==1.0.467",),
        ("3.12", "3.13"),
        "time_accelforge.py",
        "finds the best mapping to a TPUv4i",
        needs_dot=True,
    ),
)


class UnavailableError(Exception):
    """A peer cannot be installed or does not run."""


def products() -> dict[str, list[dict[str, int]]]:
    """Cases as the peers get them: batch, m, n, k of each product."""
    kinds = (OperatorKind.MATMUL, OperatorKind.ATTENTION)
    layer = [
        {"batch": c.batch, "m": c.m, "n": c.n, "k": c.k}
        for c in (LAYER.classes[i] for i in LAYER.sequence)
        if c.kind in kinds and c.n > 1
    ]
    one = {name: [{"batch": 1, "m": m, "n": 14336, "k": 4096}] for name, m in
           zip(PRODUCTS[:2], (128, 1), strict=True)}  # fmt: skip
    return {**one, PRODUCTS[2]: layer}


def find_python(versions: Sequence[str]) -> str:
    """An interpreter of one of ``versions`` that starts.

    Raises:
        UnavailableError: There is none.
    """
    own = f"{sys.version_info[0]}.{sys.version_info[1]}"
    if own in versions:
        return sys.executable
    homes = sorted(Path.home().glob(".pyenv/versions/*/bin"))
    for version in versions:
        names = [shutil.which(f"python{version}"), *(h / f"python{version}" for h in homes)]
        for name in names:
            if name is None or not Path(name).exists():
                continue
            if subprocess.run([str(name), "-c", ""], capture_output=True).returncode == 0:
                return str(name)
    raise UnavailableError(f"needs Python {' or '.join(versions)}, and none was found")


def install(peer: Peer, cache: Path) -> Path:
    """The interpreter of the peer's environment, made if it is not there yet.

    Raises:
        UnavailableError: It cannot be made.
    """
    home = cache / f"{peer.name}-{'-'.join(peer.requirements).replace('=', '')}"
    python, stamp = home / "bin" / "python", home / ".complete"
    if stamp.exists():
        return python
    shutil.rmtree(home, ignore_errors=True)
    base = find_python(peer.python)
    try:
        subprocess.run([base, "-m", "venv", str(home)], check=True, capture_output=True, text=True)
        subprocess.run(
            [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check",
             *peer.requirements],
            check=True, capture_output=True, text=True, timeout=1800,
        )  # fmt: skip
    except subprocess.CalledProcessError as error:
        wrong = [line for line in error.stderr.splitlines() if line.startswith("ERROR")]
        raise UnavailableError(f"not installed: {(wrong or ['pip failed'])[-1][:160]}") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UnavailableError(f"not installed: {error}") from error
    if peer.needs_dot and shutil.which("dot") is None:
        # It draws every mapping, and needs Graphviz for that; an empty picture does as well.
        stand_in = home / "bin" / "dot"
        stand_in.write_text("#!/bin/sh\necho \"<svg xmlns='http://www.w3.org/2000/svg'/>\"\n")
        stand_in.chmod(0o755)
    stamp.write_text("\n".join(peer.requirements))
    return python


def run(peer: Peer, cache: Path, runs: int, timeout_s: float) -> dict[str, dict[str, Any]]:
    """Results by case.

    Raises:
        UnavailableError: It cannot be installed, or fails before the first case.
    """
    python = install(peer, cache)
    request = json.dumps({"runs": runs, "cases": products()})
    environment = {
        **os.environ,
        "PATH": f"{python.parent}{os.pathsep}{os.environ.get('PATH', '')}",
        "OMP_NUM_THREADS": "1",
    }
    environment.pop("PYTHONPATH", None)
    try:
        done = subprocess.run(
            [str(python), str(DRIVERS / peer.driver)], input=request, capture_output=True,
            text=True, timeout=timeout_s, env=environment, cwd=cache,
        )  # fmt: skip
        output = done.stdout
    except subprocess.TimeoutExpired as error:
        output = error.stdout.decode() if isinstance(error.stdout, bytes) else error.stdout or ""
        done = None
    found = {
        result["case"]: result
        for result in (json.loads(line) for line in output.splitlines() if line.startswith("{"))
    }
    if not found:
        why = "no result in time" if done is None else (done.stderr.splitlines() or ["silent"])[-1]
        raise UnavailableError(f"does not run: {why[:160]}")
    return found


def gemm_table(m: int) -> OperatorTable:
    """A program of one product with a weight."""
    n, k = 14336, 4096
    gemm = OperatorClass(
        OperatorKind.MATMUL, 1, m, n, k, weight_bytes=2 * n * k, weight_read_bytes=2 * n * k,
        input_bytes=2 * m * k, output_bytes=2 * m * n,
    )  # fmt: skip
    return program([gemm], batch=m)


def our_tables() -> dict[str, OperatorTable]:
    """The same cases for us, and what peers were not asked."""
    return {
        PRODUCTS[0]: gemm_table(128),
        PRODUCTS[1]: gemm_table(1),
        PRODUCTS[2]: LAYER,
        "Llama 3.1 8B, whole": transformer(batch=1),
    }


@dataclass(frozen=True, slots=True)
class Price:
    """Seconds of one design."""

    wall: float
    cpu: float


def time_ours(work: OperatorTable, runs: int) -> tuple[Price, Price]:
    """One design alone, and one in a batch; medians. All in 8 bits."""
    problem = ChipProblem(
        Profile(work), load_node("7nm"), Conditions(), Freedom(precision=("w8a8",)),
        (0.4, 0.4, 0.2),
    )  # fmt: skip
    rng = np.random.default_rng(0)
    many = problem.decode(*problem.start(BATCH, rng))
    one = many.take(slice(0, 1))

    def price(designs: DesignBatch, repeat: int) -> Price:
        problem.model.evaluate(designs)
        wall: list[float] = []
        cpu: list[float] = []
        for _ in range(max(runs, 5)):
            began, busy = time.perf_counter(), time.process_time()
            for _ in range(repeat):
                problem.model.evaluate(designs)
            wall.append((time.perf_counter() - began) / repeat / len(designs))
            cpu.append((time.process_time() - busy) / repeat / len(designs))
        return Price(statistics.median(wall), statistics.median(cpu))

    return price(one, 20), price(many, 1)


def show(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    print("| " + " | ".join(header) + " |")
    print("|" + " --- |" * len(header))
    for row in rows:
        print("| " + " | ".join(row) + " |")
    print(flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    default = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--cache", type=Path, default=default / "asic-compiler" / "peers")
    parser.add_argument("--peers", default=",".join(p.name for p in PEERS))
    parser.add_argument("--timeout", type=float, default=1800.0, help="seconds for each peer")
    args = parser.parse_args()
    wanted = args.peers.split(",")
    unknown = [name for name in wanted if name not in {p.name for p in PEERS}]
    if unknown:
        sys.exit(f"error: unknown peer '{unknown[0]}' (known: {', '.join(p.name for p in PEERS)})")
    args.cache.mkdir(parents=True, exist_ok=True)

    work = our_tables()
    ours = {name: time_ours(each, args.runs) for name, each in work.items()}
    busy = f"load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "load unknown"
    print(
        f"Python {sys.version.split()[0]}, NumPy {np.__version__}, {os.cpu_count()} cores, {busy}\n"
    )
    print("### Our model, 7 nm, W8A8: all of power, area, time and capacity\n")
    show(
        ("case", "one design alone, ms", "CPU ms", f"in a batch of {BATCH:,}, us", "CPU us"),
        [
            (name, f"{a.wall * 1e3:.2f}", f"{a.cpu * 1e3:.2f}", f"{b.wall * 1e6:.1f}",
             f"{b.cpu * 1e6:.1f}")
            for name, (a, b) in ours.items()
        ],
    )  # fmt: skip
    rows: list[tuple[str, ...]] = []
    for peer in (p for p in PEERS if p.name in wanted):
        try:
            results = run(peer, args.cache, args.runs, args.timeout)
        except UnavailableError as error:
            rows.append((peer.name, "all", str(error), *[""] * 5))
            continue
        # The machine may be busier than before: ours is timed again beside each peer.
        beside = {case: time_ours(work[case], args.runs) for case in products()}
        for case in products():
            result = results.get(case, {"error": "no result in time"})
            if "error" in result:
                rows.append((peer.name, case, f"failed: {result['error'][:100]}", *[""] * 5))
                continue
            seconds = statistics.median(result["seconds"])
            alone, batched = beside[case]
            rows.append(
                (
                    peer.name,
                    case,
                    f"{seconds:.3g}",
                    f"{result['cpu']:.3g}",
                    f"{result['peak_mb']:.0f}",
                    f"{result['cpu'] / alone.cpu:,.0f}x",
                    f"{result['cpu'] / batched.cpu:,.0f}x",
                    f"{result['cycles']:,.0f}",
                )
            )
    print(f"### Peers, median of {args.runs}: seconds, and how many times ours\n")
    show(
        ("peer", "case", "wall, s", "CPU, s", "peak MB", "CPU over ours alone",
         "CPU over ours in a batch", "its cycles (other machine)"),
        rows,
    )  # fmt: skip
    print("Not the same work:\n")
    for peer in PEERS:
        print(f"- {peer.name} ({peer.requirements[0]}): {peer.caveat}.")
    print(
        "- Ours prices a design whose mapping is given; a search pays for mappings by the design."
    )
    print("- Times compare as the price of one design point; cycles and energy do not compare.")


if __name__ == "__main__":
    main()
