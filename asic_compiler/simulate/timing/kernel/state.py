"""State of the event loop: arrays of records, and how what works on them is compiled."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias, TypeVar, cast

import numpy as np
from numba import njit  # pyright: ignore

from asic_compiler.simulate.timing.kernel import sources

F = TypeVar("F", bound=Callable[..., Any])
Array: TypeAlias = Any
"""Of integers or of records. Numpy's types do not know what is in a record."""


# Counting references would cost atomic operations for each array of `State` at each call, ten
# times the work itself. Nothing that is compiled here makes an array.
_NO_COUNTING: dict[str, Any] = {"_nrt": False}
_PARTS: dict[str, Any] = {**_NO_COUNTING, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}


def entry(function: F) -> F:
    """Compiles a function that Python calls, and keeps it for the next process."""
    try:
        return cast(F, njit(cache=True, **_NO_COUNTING)(function))
    except RuntimeError:  # neither this folder nor the user's can be written
        return cast(F, njit(**_NO_COUNTING)(function))


def compiled(function: F) -> F:
    """Compiles a function that compiled ones call."""
    return cast(F, njit(**_PARTS)(function))


def inlined(function: F) -> F:
    """The same for what runs at every event: a call would hand over ``State`` array by array."""
    return cast(F, njit(forceinline=True, **_PARTS)(function))


@cache
def digest() -> Array:
    """An empty array whose type names the text of all that is compiled.

    Numba looks for a cached function by its own file and its types, so that a change in a function
    or constant of another file would go unnoticed. As a field of ``State`` this makes it notice.
    """
    loop = Path(__file__).with_name("loop.py")
    name = f"d{sources.digest(loop, loop.parents[len(__name__.split('.')) - 2])[:16]}"
    return np.zeros(0, np.dtype([(name, np.int8)]))


def _record(kind: str, names: str) -> list[tuple[str, str]]:
    return [(name, kind) for name in names.split()]


BITS = 12
"""Of the number of buckets of a wheel."""
MASK = (1 << BITS) - 1
CHUNK = 16
"""Places for events that lie together; the last one stays empty."""
END = CHUNK - 1

# What `advance` returns.
DONE, MORE, GROW_CHUNKS, GROW_SENDS, OVERRUN, TOO_LONG = range(6)
# Events: five ways a head comes to a router, and three of tiles, injection ports and gates.
INJECTED, EAST, WEST, SOUTH, NORTH, TILE, PORT, GATE = range(8)
# Phases of a tile.
FETCH, EXECUTE, RESUME, AWAIT_DATA, AWAIT_SENT, FINISHED = range(6)
# Kinds of instructions, as in `program.Kind`.
COMPUTE, POST, SEND, WAIT, WAIT_SENT = range(5)

CONTROL = np.dtype(
    _record("i8", "periods remembered port_cycles now free_chunk free_chunks free_send free_sends")
    + _record("i8", "pending_0 pending_1 pending_2 status fault_tile fault_channel bin_cycles")
    + _record("i8", "heads sent sent_bytes ejected ejected_bytes instructions")
)
BUCKET = np.dtype(_record("u4", "head tail"))
"""Places of the first event and behind the last one. Unsigned, as Numba looks at the sign of every
index that may have one."""
EVENT = np.dtype(_record("u4", "what where source"))
"""``what`` is a packet, a tile or an instance of a gate; ``where`` is a router << 3 | the event."""
SITE = np.dtype(_record("i8", "router kind eject_bits dmem_bits first last rank log"))
"""Facts of a tile: its class is ``kind``, its text ``first`` to ``last``."""
PLACE = np.dtype(_record("i4", "x y"))
PACKET = np.dtype(
    _record("i4", "flits payload channel gate target unused") + _record("i8", "counter")
)
"""``counter`` + tile is the counter of the packet's channel on a tile."""
BOX = np.dtype(_record("i4", "x y width height") + _record("i8", "cell column"))
"""Bounding box of a target set in routers, and where its cells and columns begin."""
EXTENT = np.dtype(_record("i4", "low high"))
CREDIT = np.dtype(_record("i8", "need cycles initial"))
CODE = np.dtype(_record("i4", "kind unit operator"))
LINK = np.dtype(_record("i8", "free busy peak") + _record("i4", "hop to rate"))
EJECT = np.dtype(_record("i8", "free busy peak waiting"))
"""``waiting`` is the counter that the tile waits for, or -1."""
CORE = np.dtype(
    _record("i8", "pc period phase began since a b arrived stall_data stall_send stall_dmem dmem")
    + _record("i8", "finish send_head send_tail sending injected port_free")
)
"""A tile: ``sending`` is the SEND of the packet in its injection port, or -1."""
HANDED = np.dtype(_record("i8", "next owner packet last period gated next_gated"))
"""A SEND under way: its tile's list goes on with ``next``, its gate's with ``next_gated``."""
COUNTER = np.dtype(_record("i4", "expected missing complete unused"))
"""Of packets: a period, until the count is complete; of complete counts: all, not waited for."""
INSTANCE = np.dtype(_record("i4", "posts open head tail"))
"""Of a gate, with the list of SENDs behind it."""


class Queue(NamedTuple):
    """The calendar queue, and all single numbers."""

    control: Array
    wheel: Array
    chunks: Array
    """The next chunk of each. Chunk 0 is none."""
    events: Array
    times: Array
    """Of events that are not in the current window."""


class State(NamedTuple):
    """Everything the loop reads and writes; shapes and meaning in ``prepare.py``."""

    queue: Queue
    digest: Array
    # facts
    site: Array
    router_place: Array
    packets: Array
    eject_cycles: Array
    boxes: Array
    local_first: Array
    local_tiles: Array
    extents: Array
    channel_base: Array
    gates: Array
    code: Array
    operands: Array
    row: Array
    table: Array
    # state
    links: Array
    eject: Array
    core: Array
    busy: Array
    sends: Array
    counters: Array
    ready: Array
    instances: Array
    spans: Array
    log: Array
    bins: Array
