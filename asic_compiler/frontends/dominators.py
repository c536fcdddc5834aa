"""Which blocks every way to a block goes through, in time that grows with blocks and branches.

xDSL 0.74 keeps a set of blocks for each block. Source: T. Lengauer and R. Tarjan, "A fast algorithm
for finding dominators in a flowgraph", TOPLAS 1979; the simple version.
"""

from __future__ import annotations

from xdsl.ir import Block, Region


class Dominators:
    """The dominator tree of a region: each block has the first and last number of its subtree."""

    def __init__(self, region: Region) -> None:
        order, parents = _depth_first(region)
        number = {block: position for position, block in enumerate(order)}
        before: list[list[int]] = [[] for _ in order]
        for position, block in enumerate(order):
            for target in _successors(block):
                before[number[target]].append(position)
        spans = _spans(_immediate(parents, before))
        self._spans = {block: spans[position] for block, position in number.items()}

    def dominates(self, one: Block, other: Block) -> bool:
        """Whether every way from the entry to ``other`` goes through ``one``; they differ."""
        inner = self._spans.get(other)
        if inner is None:  # no way leads there
            return True
        outer = self._spans.get(one)
        return outer is not None and outer[0] <= inner[0] <= outer[1]


def _successors(block: Block) -> tuple[Block, ...]:
    last = block.last_op
    return () if last is None else tuple(last.successors)


def _depth_first(region: Region) -> tuple[list[Block], list[int]]:
    """Blocks that the entry leads to, in depth-first order, and the position of each's parent."""
    order: list[Block] = []
    parents: list[int] = []
    seen: set[Block] = set()
    waiting: list[tuple[Block, int]] = [(region.blocks[0], -1)] if region.blocks else []
    while waiting:
        block, parent = waiting.pop()
        if block in seen:
            continue
        seen.add(block)
        parents.append(parent)
        order.append(block)
        waiting += [(target, len(order) - 1) for target in reversed(_successors(block))]
    return order, parents


def _immediate(parents: list[int], before: list[list[int]]) -> list[int]:
    """The immediate dominator of each position; the entry's is itself."""
    count = len(parents)
    semi, label = list(range(count)), list(range(count))
    above, found = [-1] * count, [0] * count
    buckets: list[list[int]] = [[] for _ in range(count)]

    def evaluate(start: int) -> int:
        if above[start] < 0:
            return start
        path: list[int] = []
        at = start
        while above[above[at]] >= 0:
            path.append(at)
            at = above[at]
        for at in reversed(path):
            higher = above[at]
            if semi[label[higher]] < semi[label[at]]:
                label[at] = label[higher]
            above[at] = above[higher]
        return label[start]

    for own in range(count - 1, 0, -1):
        parent = parents[own]
        semi[own] = min(semi[own], *(semi[evaluate(source)] for source in before[own]))
        buckets[semi[own]].append(own)
        above[own] = parent
        for other in buckets[parent]:
            best = evaluate(other)
            found[other] = best if semi[best] < semi[other] else parent
        buckets[parent] = []
    for own in range(1, count):
        if found[own] != semi[own]:
            found[own] = found[found[own]]
    return found


def _spans(found: list[int]) -> list[tuple[int, int]]:
    """First and last number of each one's subtree in the tree of immediate dominators."""
    children: list[list[int]] = [[] for _ in found]
    for own in range(1, len(found)):
        children[found[own]].append(own)
    first, last = [0] * len(found), [0] * len(found)
    counter, waiting = -1, [(0, False)] if found else []
    while waiting:
        own, is_left = waiting.pop()
        if is_left:
            last[own] = counter
            continue
        counter += 1
        first[own] = counter
        waiting.append((own, True))
        waiting += [(child, False) for child in children[own]]
    return list(zip(first, last, strict=True))
