"""Speed and memory of the timing engine on synthetic programs.

An operator is ten instructions on every tile. In an all-gather every tile sends a packet to all
others and waits for theirs; in a ring it sends one to the next tile alone. ``llama`` is a
program of the size of one decode step of Llama 3.1 8B on 41 x 42 tiles: 1,002 operators, of which
so many are all-gathers that there are 300 million traversals of links. Each case runs in a process
of its own, so that the peak memory is its own.

    python benchmarks/simulator_speed.py [--cases 8,16,32,64,llama]
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time

import numpy as np

from asic_compiler.simulate.timing.engine import simulate
from asic_compiler.simulate.timing.program import (
    CONSTANT,
    FULL_RATE,
    Gates,
    Kind,
    Mesh,
    Packets,
    TargetSets,
    Texts,
    TimingProgram,
    Unit,
)
from asic_compiler.simulate.timing.validation import validate

ISSUE, TENSOR, VECTOR = Unit.ISSUE, Unit.TENSOR, Unit.VECTOR


def i32(values: object) -> np.ndarray:
    return np.asarray(values, np.int32)


def mesh(width: int, height: int, sc: int) -> Mesh:
    columns, rows = -(-width // sc), -(-height // sc)
    return Mesh(
        width, height, sc, sc, 3, 1,
        np.zeros(columns - 1, np.int32), np.zeros(rows - 1, np.int32),
        np.full(rows - 1, FULL_RATE, np.int32), np.zeros(width * height, np.int32),
        i32([512]), i32([1024]),
    )  # fmt: skip


def program(width: int, height: int, gathers: int, rings: int, sc: int = 1) -> TimingProgram:
    """All-gathers, spread evenly among rings. Channel, gate and packet of operator i are i."""
    tiles, operators = width * height, gathers + rings
    is_gather = np.zeros(operators, bool)
    is_gather[np.linspace(0, operators - 1, gathers).astype(int)] = True
    rng = np.random.default_rng(0)
    rows: list[tuple[int, ...]] = []
    places: list[tuple[int, int, int]] = []
    table: list[np.ndarray] = []

    def row(values: np.ndarray) -> int:
        table.append(i32(values))
        return (len(table) - 1) * tiles

    packets: list[np.ndarray] = []  # flits, bytes, channel, gate, target
    none = CONSTANT, CONSTANT, CONSTANT
    after = (np.arange(tiles) + 1) % tiles
    for i in range(operators):
        if is_gather[i]:
            first, count, place = len(packets), tiles - 1, CONSTANT
            packets.append(i32([[1, 8, i, i, 0]]))
        else:
            first, count = len(packets), 1
            place = -2
            columns = [np.full(tiles, 4), np.full(tiles, 200), np.full(tiles, i), np.full(tiles, i)]
            packets.append(i32(np.stack([*columns, -1 - after], axis=1)))
        vary = row(rng.integers(20, 60, tiles))
        for step, where in (
            ((Kind.POST, ISSUE, i, 2, i, 0), none),
            ((Kind.COMPUTE, VECTOR, i, 8, 4, 0), none),
            ((Kind.SEND, ISSUE, i, 2, first, 1), (CONSTANT, place, CONSTANT)),
            ((Kind.COMPUTE, VECTOR, i, 6, 2, 0), none),
            ((Kind.WAIT, ISSUE, i, 1, i, count), none),
            ((Kind.COMPUTE, TENSOR, i, 0, 10, 0), (vary, CONSTANT, CONSTANT)),
            ((Kind.COMPUTE, TENSOR, i, 0, 30, 0), (vary, CONSTANT, CONSTANT)),
            ((Kind.COMPUTE, TENSOR, i, 0, 20, 0), (vary, CONSTANT, CONSTANT)),
            ((Kind.WAIT_SENT, ISSUE, i, 1, first, 1), (CONSTANT, place, CONSTANT)),
            ((Kind.COMPUTE, VECTOR, i, 5, 5, 0), none),
        ):
            rows.append(step)
            places.append(where)
    starts = np.cumsum([0, *(len(block) for block in packets)])
    for at, where in enumerate(places):
        if where[1] == -2:  # each tile sends its own row of the ring's packets
            places[at] = (CONSTANT, row(starts[rows[at][4]] + np.arange(tiles)), CONSTANT)
        elif rows[at][0] in (Kind.SEND, Kind.WAIT_SENT):
            rows[at] = (*rows[at][:4], int(starts[rows[at][4]]), 1)
    kind, unit, operator, cycles, a, b = np.array(rows, np.int32).T.copy()
    flits, payload, channel, gate, target = np.concatenate(packets).T.copy()
    return TimingProgram(
        mesh(width, height, sc),
        Texts(
            np.array([0, len(rows)], np.int64), kind.astype(np.int8), unit.astype(np.int8),
            operator, cycles, a, b, np.array(places, np.int64), np.concatenate(table),
        ),
        np.zeros(tiles, np.int32), np.arange(tiles, dtype=np.int32),
        Packets(flits, payload, channel, gate, target, flits[:, None].copy()),
        TargetSets(np.array([0, tiles], np.int64), np.arange(tiles, dtype=np.int32)),
        Gates(
            np.full(operators, tiles, np.int32), np.full(operators, 40, np.int32),
            np.zeros(operators, np.int32),
        ),
        channels=operators, operators=operators, final_operator=operators - 1,
    )  # fmt: skip


def case(name: str) -> TimingProgram:
    if name == "llama":
        return program(41, 42, 102, 900)
    if name == "llama-sc2":
        return program(41, 42, 102, 900, sc=2)
    side = int(name)
    return program(side, side, max(1, 30_000_000 // side**4), 100)


def measure(name: str) -> dict[str, float]:
    simulate(program(2, 2, 1, 1))  # compiled, and loaded
    built = case(name)
    start = time.perf_counter()
    validate(built)
    checked, processor = time.perf_counter(), time.process_time()
    result = simulate(built)
    done, processed = time.perf_counter(), time.process_time()
    assert result.failure is None
    return {
        "tiles": built.mesh.tiles,
        "operators": built.operators,
        "cycles": result.cycles,
        "instructions": result.instructions,
        "traversals": result.traversals,
        "deliveries": result.deliveries,
        "validate": checked - start,
        "seconds": done - checked,
        "processor": processed - processor,
        "mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--cases", default="8,16,32,64,llama,llama-sc2")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(options.one)))
        return
    print("rates are per second of processor time: other work on the machine changes it less")
    print(
        f"{'case':>9} {'tiles':>6} {'ops':>5} {'cycles':>9} {'instr.':>11} {'traversals':>12}"
        f" {'arrivals':>12} {'check s':>8} {'run s':>7} {'proc. s':>7} {'instr./s':>10}"
        f" {'trav./s':>11} {'MiB':>5}"
    )
    for name in options.cases.split(","):
        command = [sys.executable, __file__, "--one", name]
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        r = json.loads(output)
        print(
            f"{name:>9} {r['tiles']:>6} {r['operators']:>5} {r['cycles']:>9,}"
            f" {r['instructions']:>11,} {r['traversals']:>12,} {r['deliveries']:>12,}"
            f" {r['validate']:>8.2f} {r['seconds']:>7.2f} {r['processor']:>7.2f}"
            f" {r['instructions'] / r['processor']:>10,.0f}"
            f" {r['traversals'] / r['processor']:>11,.0f} {r['mib']:>5.0f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
