"""What the constants of each node come to: densities, energies, clocks and leakage, side by side.

    python benchmarks/technology_table.py

A column that does not fall (or rise) from 28 to 3 nm is named below the table.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from asic_compiler.ppa.area import logic_area_mm2, rom_area_mm2, sram_area_mm2
from asic_compiler.ppa.clock import voltage_factor
from asic_compiler.ppa.energy import rom_read, sram_read
from asic_compiler.technology.library import NODE_NAMES, load_node
from asic_compiler.technology.node import Technology

KIB = 1024.0


def _mac_pj(t: Technology) -> float:
    e = t.energy
    return (e.fp16_multiply + e.fp32_add + 32.0 * e.register_file) * 1e12


def _at(size: float) -> np.ndarray:
    return np.array([size])


FIGURES: dict[str, tuple[Callable[[Technology], float], str, int]] = {
    "NAND2, M/mm2 placed": (lambda t: 1e-6 / logic_area_mm2(_at(1.0), t)[0], "{:.2f}", 1),
    "SRAM 64 KiB, Mbit/mm2": (
        lambda t: 64 * KIB * 8e-6 / sram_area_mm2(_at(64 * KIB), t)[0], "{:.1f}", 1,
    ),
    "ROM 256 KiB bank, Mbit/mm2": (
        lambda t: 8e-6 * KIB / rom_area_mm2(_at(KIB), _at(256 * KIB), t)[0], "{:.0f}", 1,
    ),
    "FP16 MAC, pJ": (_mac_pj, "{:.3f}", -1),
    "same at least supply, pJ": (
        lambda t: _mac_pj(t) * (t.voltage.minimum / t.voltage.nominal) ** 2, "{:.3f}", 0,
    ),
    "SRAM 64 KiB x 1024 bit, fJ/bit": (
        lambda t: 1e15 * sram_read(_at(64 * KIB), _at(1024.0), t)[0], "{:.0f}", -1,
    ),
    "ROM 64 KiB bank, fJ/bit": (lambda t: 1e15 * rom_read(_at(64 * KIB), t)[0], "{:.0f}", -1),
    "instruction, pJ": (
        lambda t: t.energy_constants.instruction * t.scale_from_28nm * 1e12, "{:.2f}", -1,
    ),
    "hop, fJ/bit": (lambda t: t.energy.router_hop * 1e15, "{:.1f}", -1),
    "fastest, GHz": (lambda t: t.timing.fastest * 1e-9, "{:.2f}", 1),
    "same at least supply, GHz": (
        lambda t: t.timing.fastest * voltage_factor(_at(t.voltage.minimum), t)[0] * 1e-9,
        "{:.2f}", 0,
    ),
    "logic leakage 85 C, mW/mm2": (lambda t: t.leakage.logic_85c * 1e3, "{:.0f}", 0),
    "SRAM leakage 85 C, mW/MB": (lambda t: t.leakage.sram_85c * 2**23 * 1e3, "{:.1f}", 0),
}  # fmt: skip
"""Name -> figure, format, and 1 where finer nodes must not have less, -1 where not more."""


def table() -> dict[str, list[float]]:
    """Every figure, from the coarsest node to the finest."""
    nodes = [load_node(name) for name in reversed(NODE_NAMES)]
    return {name: [float(f(node)) for node in nodes] for name, (f, _, _) in FIGURES.items()}


def disorder() -> list[str]:
    """Figures that turn back on the way to finer nodes, though they must not."""
    return [
        name
        for name, values in table().items()
        if (direction := FIGURES[name][2])
        and (np.diff(values) * direction < -1e-9 * np.abs(values[:-1])).any()
    ]


def main() -> None:
    argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0]).parse_args()
    names = [name.removesuffix("nm") for name in reversed(NODE_NAMES)]
    print(f"| at the nominal supply, nm | {' | '.join(names)} |")
    print("|---" * (1 + len(names)) + "|")
    for name, values in table().items():
        print(f"| {name} | {' | '.join(FIGURES[name][1].format(v) for v in values)} |")
    free = [name for name, (_, _, direction) in FIGURES.items() if not direction]
    print(f"\nnot monotone: {', '.join(disorder()) or 'none'} (free to turn: {', '.join(free)})")


if __name__ == "__main__":
    main()
