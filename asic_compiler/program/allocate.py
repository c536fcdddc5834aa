"""Addresses of buffers in DMEM: two buffers that live at the same time never overlap."""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
from xdsl.ir import Operation, OpResult, SSAValue

from asic_compiler.dialects import tcc
from asic_compiler.dialects.tcc.base import buffer_type
from asic_compiler.machine.memory import ALIGNMENT_BYTES, SCALE_BYTES, WEIGHT_GROUP
from asic_compiler.program.parts import Parts, Place, distinct, within
from asic_compiler.workload.body_cost import element_bits


@dataclass(frozen=True, slots=True)
class Lifetime:
    """A buffer from the instruction that begins to fill it to the last that may read it."""

    buffer: OpResult
    first: int
    last: int
    size_bytes: int


def aligned(size_bytes: int) -> int:
    """The next multiple of the alignment."""
    return -(-size_bytes // ALIGNMENT_BYTES) * ALIGNMENT_BYTES


def group_size(bits: int, length: int) -> int:
    """Consecutive weights, of a row of ``length``, that share a scale: all of it at 8 bits."""
    return WEIGHT_GROUP if bits < 8 else max(length, 1)


def cache_bytes(cache: tcc.CacheOp, parts: Parts) -> dict[Place, int]:
    """Bytes that each tile's part of a cache takes, all copies."""
    row = cache.tensor.get_shape()[-1]
    width, copies = cache.bits.value.data, cache.copies.value.data
    scales = width < element_bits(cache.tensor.element_type)
    found: dict[Place, int] = {}
    for place, elements in zip(parts.places, parts.elements, strict=True):
        size = -(-len(elements) * width // 8)
        size += len(distinct(elements // row)) * SCALE_BYTES if scales else 0
        found[place] = aligned(size) * copies
    return found


def lifetimes(program: tcc.ProgramOp, parts: Mapping[SSAValue, Parts]) -> list[Lifetime]:
    """Of every buffer of a program, in the order they begin.

    A buffer that is sent, or is being reduced, lives until its transfer was waited for; without a
    wait, to the end of the program. One of several slots lives all the time: the next micro-batch
    may come into another at any moment.
    """
    instructions = program.instructions
    depth = _depths(program)
    at: dict[Operation, int] = {op: index for index, op in enumerate(instructions)}
    end = len(instructions) - 1
    places = [place.rectangle for place in program.places]
    found: list[Lifetime] = []
    for index, op in enumerate(instructions):
        for buffer in op.buffers:
            last = max((_release(use, at, end) for use in _uses(buffer)), default=index)
            if isinstance(op, tcc.ReceiveOp | tcc.ReduceOp):
                last = max(last, _waited(op.token, at, end))
            element = -(-element_bits(buffer_type(buffer).element_type) // 8)
            size = aligned(parts[buffer].most(places) * element)
            slots = 1
            if isinstance(op, tcc.ReceiveOp):
                slots = depth.get(op.channel.root_reference.data, 1)
            if slots > 1:
                found.append(Lifetime(buffer, 0, end, slots * size))
            else:
                found.append(Lifetime(buffer, index, max(last, index), size))
    return sorted(found, key=lambda life: life.first)


def _depths(program: tcc.ProgramOp) -> dict[str, int]:
    """Slots of the channels of a program's module that have several."""
    block = program.parent_block()
    ops = () if block is None else block.ops
    channels = (op for op in ops if isinstance(op, tcc.ChannelOp))
    return {op.sym_name.data: op.depth for op in channels if op.depth > 1}


def _uses(buffer: SSAValue) -> list[Operation]:
    """The instructions that read a buffer or go on filling it, also through views."""
    users: list[Operation] = []
    for use in buffer.uses:
        user = use.operation
        if isinstance(user, tcc.ViewOp):
            users += _uses(user.result)
            continue
        users.append(user)
        if isinstance(user, tcc.MmaOp) and user.continues is buffer:
            users += _uses(user.result)
    return users


def _release(user: Operation, at: Mapping[Operation, int], end: int) -> int:
    if isinstance(user, tcc.SendOp | tcc.MulticastOp | tcc.ReduceOp):
        return _waited(user.token, at, end)
    return at[user]


def _waited(token: SSAValue, at: Mapping[Operation, int], end: int) -> int:
    return max((at[use.operation] for use in token.uses), default=end)


def allocate(
    program: tcc.ProgramOp, parts: Mapping[SSAValue, Parts], caches: Mapping[tuple[int, int], int]
) -> int:
    """Gives every buffer an address behind the caches.

    Args:
        program: Complete.
        parts: What each buffer holds on each tile; a buffer is as large as on the fullest tile.
        caches: Bytes of caches on each tile; tiles without are left out.

    Returns:
        Bytes of DMEM that the fullest tile of the class needs.
    """
    places = [place.rectangle for place in program.places]
    base = max((size for (x, y), size in caches.items() if within(x, y, places)), default=0)
    lives = lifetimes(program, parts)
    found, top = in_order(lives)
    if top > most_alive(lives):
        other, reached = largest_first(lives)
        if reached < top:
            found, top = other, reached
    addresses = {life.buffer: base + at for life, at in zip(lives, found, strict=True)}
    for op in program.instructions:
        if op.buffers:
            op.set_addresses([addresses[buffer] for buffer in op.buffers])
    return base + top


def most_alive(lives: Sequence[Lifetime]) -> int:
    """Bytes of the buffers that are alive at once, at most: no addresses need less."""
    changes = sorted(
        change
        for life in lives
        for change in ((life.first, life.size_bytes), (life.last + 1, -life.size_bytes))
    )
    return max(accumulate(size for _, size in changes), default=0)


def in_order(lives: Sequence[Lifetime]) -> tuple[list[int], int]:
    """Addresses, and where the last byte is, if each buffer takes the lowest gap as it begins."""
    active: list[tuple[int, int, int]] = []  # address, end, last instruction
    addresses: list[int] = []
    top = 0
    for life in lives:
        active = [entry for entry in active if entry[2] >= life.first]
        address = _gap(((start, stop) for start, stop, _ in active), life.size_bytes)
        addresses.append(address)
        insort(active, (address, address + life.size_bytes, life.last))
        top = max(top, address + life.size_bytes)
    return addresses, top


def largest_first(lives: Sequence[Lifetime]) -> tuple[list[int], int]:
    """The same if the largest buffers choose first, so that no small one breaks up their room."""
    first, last, size = (
        np.array([getattr(life, name) for life in lives], dtype=np.int64)
        for name in ("first", "last", "size_bytes")
    )
    addresses = np.full(len(lives), -1, dtype=np.int64)
    for index in np.lexsort((first, -size)).tolist():
        beside = (addresses >= 0) & (first <= last[index]) & (last >= first[index])
        starts = addresses[beside]
        order = np.argsort(starts, kind="stable")
        stops = starts + size[beside]
        taken = zip(starts[order].tolist(), stops[order].tolist(), strict=True)
        addresses[index] = _gap(taken, int(size[index]))
    return addresses.tolist(), int((addresses + size).max(initial=0))


def _gap(taken: Iterable[tuple[int, int]], size_bytes: int) -> int:
    """The lowest address that so many bytes fit at between ranges in ascending order."""
    address = 0
    for start, stop in taken:
        if start - address >= size_bytes:
            break
        address = max(address, stop)
    return address
