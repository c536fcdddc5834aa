"""Inputs tried in processes of their own, so that one that ends a process is found as well."""

from __future__ import annotations

import json
import mmap
import os
import resource
import signal
import struct
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from fuzzing.judging import HANGS_AFTER, Outcome

SPARE_BYTES = 3 * 2**30
"""Of address space, over what the process has: an input may ask for so much."""

Trial = Callable[[int, Path], Outcome]
"""What becomes of the input of a number."""


@dataclass
class Batch:
    """What became of inputs one after the other."""

    tried: int = 0
    kinds: Counter[str] = field(default_factory=Counter[str])
    faults: list[tuple[int, Outcome]] = field(default_factory=list[tuple[int, Outcome]])


def tried(trial: Trial, first: int, count: int, seconds: float) -> Batch:
    """Tries inputs in a forked process until they are done or the time is over.

    One that ends the process is a fault too; the next ones are then for another call.

    Args:
        trial: Called in the child, warm already.
        first: Number of the first input.
        count: Of inputs, at most.
        seconds: Of processor time, at most; what has begun is ended.
    """
    shared = mmap.mmap(-1, 1 << 20)
    child = os.fork()
    if child == 0:
        try:
            _work(trial, first, count, seconds, shared)
        finally:
            os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    batch = _read(shared)
    if status < 0:
        told = f"the process was ended by {signal.Signals(-status).name}"
        batch.faults.append((first + batch.tried, Outcome("fault", told, told)))
        batch.kinds["fault"] += 1
        batch.tried += 1
    return batch


def _work(trial: Trial, first: int, count: int, seconds: float, shared: mmap.mmap) -> None:
    spent = sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
    most = int(spent + seconds + 2 * HANGS_AFTER)
    resource.setrlimit(resource.RLIMIT_CPU, (most, most))
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + SPARE_BYTES, size + SPARE_BYTES))
    batch = Batch()
    with TemporaryDirectory() as folder:
        for number in range(first, first + count):
            outcome = trial(number, Path(folder))
            batch.tried += 1
            batch.kinds[outcome.kind] += 1
            if outcome.kind == "fault":
                batch.faults.append((number, outcome))
            _write(batch, shared)
            used = sum(resource.getrusage(resource.RUSAGE_SELF)[:2]) - spent
            # After a fault the process may be changed: the next inputs get another one.
            if used > seconds or outcome.kind == "fault":
                return


def _write(batch: Batch, shared: mmap.mmap) -> None:
    text = json.dumps(
        [batch.tried, batch.kinds, [[n, asdict(outcome)] for n, outcome in batch.faults]]
    ).encode()
    shared[:8] = struct.pack("<Q", len(text))
    shared[8 : 8 + len(text)] = text


def _read(shared: mmap.mmap) -> Batch:
    (length,) = struct.unpack("<Q", shared[:8])
    if not length:
        return Batch()
    count, kinds, faults = json.loads(shared[8 : 8 + length])
    return Batch(count, Counter(kinds), [(n, Outcome(**outcome)) for n, outcome in faults])
