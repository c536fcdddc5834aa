"""A tile's loops followed instruction by instruction: what the closed forms are checked against.

In-order fetch of ``fetch`` instructions a cycle into ``stations`` reservation stations that all
units share. An instruction leaves its station when its result is written. Scalar instructions go
to ``xdpnum`` pipes and ``xr_wp`` write ports; no more than 2.5 a cycle are independent. A tensor
instruction keeps the unit busy a cycle a row, and is complete a latency after its last row; a
vector instruction keeps one of the pipes busy for its registers' body cycles.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

PARALLELISM = 2.5


@dataclass(frozen=True)
class Tile:
    fetch: int
    stations: int
    xdpnum: int
    xr_wp: int
    pipes: int
    scalar_latency: float = 3.0
    tensor_latency: float = 6.0
    vector_latency: float = 5.0


def run(tile: Tile, stream: list[tuple[str, float]]) -> float:
    """Cycles until the last result of a stream of ("scalar" | "tensor" | "vector", busy cycles).

    Each instruction depends on nothing but on units, ports and stations.
    """
    held: list[float] = []  # when stations become free
    fetched: deque[float] = deque(maxlen=tile.fetch)
    scalar = [0.0] * min(tile.xdpnum, tile.xr_wp)
    vector = [0.0] * tile.pipes
    independent = tensor = last = now = 0.0
    for kind, busy in stream:
        if len(fetched) == tile.fetch:
            now = max(now, fetched[0] + 1.0)
        if len(held) == tile.stations:
            held.sort()
            now = max(now, held.pop(0))
        fetched.append(now)
        if kind == "scalar":
            scalar.sort()
            start = max(now, scalar[0], independent)
            scalar[0] = start + 1.0
            independent = max(independent, now) + 1.0 / PARALLELISM
            end = start + tile.scalar_latency
        elif kind == "tensor":
            start = max(now, tensor)
            tensor = start + busy
            end = tensor + tile.tensor_latency
        else:
            vector.sort()
            start = max(now, vector[0])
            vector[0] = start + busy
            end = vector[0] + tile.vector_latency
        held.append(end)
        last = max(last, end)
    return last


def tensor_loop(tile: Tile, rows: int) -> float:
    """Cycles of a loop over so many rows of weights, 8 an instruction."""
    stream: list[tuple[str, float]] = []
    for start in range(0, rows, 8):
        stream += [("scalar", 1.0)] * 3 + [("tensor", float(min(8, rows - start)))]
    return run(tile, stream)


def vector_loop(tile: Tile, registers: int, slow: float) -> float:
    """Cycles of a one-operation body over so many registers, 4 an instruction."""
    stream: list[tuple[str, float]] = []
    for start in range(0, registers, 4):
        stream += [("scalar", 1.0), ("vector", slow * min(4, registers - start))]
    return run(tile, stream)
