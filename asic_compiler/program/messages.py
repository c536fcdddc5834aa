"""What an exchange or a reduction sends: elements of one owner that go to the same tiles."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from asic_compiler.program.elaborate import Routes
from asic_compiler.program.parts import Elements


def grouped(routes: Routes) -> tuple[Elements, Elements, Elements, list[list[int]]]:
    """Owner, target group and elements of every packet, and the needs of every group.

    A tile's packets follow each other in the order of their first elements. Elements that the same
    needs ask for have the same sum of random numbers, one a need.
    """
    marks = np.random.default_rng(0).integers(1, 1 << 63, len(routes.needs), dtype=np.uint64)
    total = np.zeros(len(routes.owner), dtype=np.uint64)
    for need, mark in zip(routes.needs, marks, strict=True):
        total[need.elements] += mark
    moved = np.flatnonzero((total != 0) & (routes.owner >= 0))
    _, example, group = np.unique(total[moved], return_index=True, return_inverse=True)
    examples = np.full(len(routes.owner), -1, dtype=np.int32)
    examples[moved[example]] = np.arange(len(example))
    members: list[list[int]] = [[] for _ in example]
    for index, need in enumerate(routes.needs):
        found = examples[need.elements]
        chosen: list[int] = found[found >= 0].tolist()
        for which in chosen:
            members[which].append(index)
    owner = routes.owner[moved]
    keys = owner * max(len(example), 1) + group
    _, first, count = np.unique(keys, return_index=True, return_counts=True)
    order = np.lexsort((first, owner[first]))
    first = first[order]
    return owner[first], group[first], count[order], members


def tree(members: int) -> Iterator[tuple[int, int, int]]:
    """Level, sender and receiver of every message of a reduction up a binary tree.

    At distances 1, 2, 4, ... a member at a multiple of twice the distance receives from the one
    at the distance after it.
    """
    for level in range((members - 1).bit_length()):
        distance = 1 << level
        for at in range(0, members - distance, 2 * distance):
            yield level, at + distance, at
