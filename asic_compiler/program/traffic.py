"""The traffic of a generated program: groups of operators, and what moves between them."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import numpy as np

from asic_compiler.dialects import tcc
from asic_compiler.dialects.tcc.base import buffer_type
from asic_compiler.plan.plan import Assignment, Plan
from asic_compiler.program.allocate import cache_bytes
from asic_compiler.program.elaborate import (
    ElaboratedProgram,
    Elaboration,
    Exchange,
    Routes,
    reduction_groups,
)
from asic_compiler.program.messages import grouped, tree
from asic_compiler.program.parts import Parts, Place
from asic_compiler.program.placement.traffic import (
    Flow,
    Integers,
    OperatorGroup,
    Pattern,
    Traffic,
    tiles_of,
)
from asic_compiler.program.wmem_need import held_slices
from asic_compiler.workload.body_cost import stored_bits


def traffic_of(plan: Plan, elaboration: Elaboration) -> Traffic:
    """What a program moves, and which of its operators may be placed apart.

    Args:
        plan: That the program was generated from.
        elaboration: Of the program.
    """
    return _Extraction(plan, elaboration).run()


class _Extraction:
    def __init__(self, plan: Plan, elaboration: Elaboration) -> None:
        self.plan, self.elaboration = plan, elaboration
        chip = plan.chip
        self.width, self.height = chip.mesh_width, chip.mesh_height
        self.leader = list(range(len(plan.assignments)))
        self.patterns: dict[tuple[object, ...], Pattern] = {}

    def run(self) -> Traffic:
        """All of it."""
        for program in self.elaboration.programs:
            self._join(program)
        weights, caches = self._residents()
        groups, index = self._groups(weights, caches)
        flows = [*self._exchanges(index), *self._reductions(index)]
        chip = self.plan.chip
        return Traffic(
            width=self.width,
            height=self.height,
            sc_x=chip.sc_x,
            sc_y=chip.sc_y,
            groups=groups,
            flows=tuple(flow for flow in flows if len(flow.pattern.source)),
            limits=(self._wmem(), self._most(sum(caches.values()))),
        )

    # Who belongs together.

    def _first(self, position: int) -> int:
        while self.leader[position] != position:
            self.leader[position] = self.leader[self.leader[position]]
            position = self.leader[position]
        return position

    def _unite(self, positions: Iterable[int]) -> None:
        for a, b in pairwise(positions):
            low, high = sorted((self._first(a), self._first(b)))
            self.leader[high] = low

    def _join(self, program: ElaboratedProgram) -> None:
        """Joins an operator to those whose buffers it reads in place, and readers of a slice."""
        for op in program.instructions:
            if isinstance(op, tcc.SendOp | tcc.MulticastOp | tcc.WaitOp):
                continue
            for operand in op.operands:
                root = program.root.get(operand)
                if root is not None:
                    owner = root.owner
                    assert isinstance(owner, tcc.Instruction)
                    self._unite((owner.position, op.position))
            for value in op.results:  # loads and appends of a cache have one root
                root = program.root.get(value)
                if root is not None and isinstance(root.owner, tcc.Instruction):
                    self._unite((root.owner.position, op.position))
        for held in held_slices(self.elaboration, program):
            self._unite((held.slice.position, *(s.position for s in held.shared_with)))

    # What stays.

    def _residents(self) -> tuple[dict[int, Integers], dict[int, Integers]]:
        """[tiles] bytes of weights, and of caches, by the position that holds them."""
        weights: dict[int, Integers] = {}
        caches: dict[int, Integers] = {}
        for program in self.elaboration.programs:
            own = set(program.tiles)
            for held in held_slices(self.elaboration, program):
                sizes = ((place, size) for place, size in held.sizes if place in own)
                if held.sizes:
                    self._add(weights, held.slice.position, sizes)
            for name, root in program.caches.items():
                cache = self.elaboration.symbols[name]
                assert isinstance(cache, tcc.CacheOp)
                assert isinstance(root.owner, tcc.Instruction)
                areas = cache_bytes(cache, program.parts[root]).items()
                sizes = ((place, size) for place, size in areas if place in own)
                self._add(caches, root.owner.position, sizes)
        return weights, caches

    def _add(
        self, table: dict[int, Integers], position: int, sizes: Iterable[tuple[Place, int]]
    ) -> None:
        array = table.setdefault(position, np.zeros(self.width * self.height, dtype=np.int64))
        for (x, y), size in sizes:
            array[y * self.width + x] += size

    def _wmem(self) -> Integers:
        """[tiles] Capacity of each tile's weight memory."""
        sizes = np.array([c.wmem_bytes for c in self.plan.chip.classes], dtype=np.int64)
        return sizes[np.array(self.plan.chip.tile_map()).reshape(-1)]

    def _most(self, held: Integers | int) -> Integers:
        """[tiles] Of each class of tiles the most that one of them holds."""
        kind = np.array(self.plan.chip.tile_map()).reshape(-1)
        most = np.zeros(len(self.plan.chip.classes), dtype=np.int64)
        np.maximum.at(most, kind, held)
        return most[kind]

    def _groups(
        self, weights: dict[int, Integers], caches: dict[int, Integers]
    ) -> tuple[tuple[OperatorGroup, ...], list[int]]:
        """The groups, and the group of every operator."""
        members: dict[int, list[int]] = {}
        for position in range(len(self.leader)):
            members.setdefault(self._first(position), []).append(position)
        index = [0] * len(self.leader)
        groups: list[OperatorGroup] = []
        for number, positions in enumerate(members.values()):
            for position in positions:
                index[position] = number
            own = [self.plan.assignments[p] for p in positions]
            region = own[0].region
            tiles = tiles_of(region, self.width)
            free = all(a.region == region for a in own)
            begin = own[0].first
            ends = [(a.first - begin) % region.tiles + _extent(a) for a in own]
            resident = tuple(
                np.sum([t[p][tiles] for p in positions if p in t], axis=0, dtype=np.int64)
                + np.zeros(region.tiles, dtype=np.int64)
                for t in (weights, caches)
            )
            length = min(max(ends), region.tiles)
            groups.append(OperatorGroup(tuple(positions), region, begin, length, free, resident))
        return tuple(groups), index

    # What moves.

    def _exchanges(self, index: list[int]) -> Iterable[Flow]:
        for exchange in self.elaboration.exchanges:
            if exchange.channel.host is None and exchange.sends and exchange.receives:
                bits = stored_bits(exchange.channel.tensor.element_type)
                receiver = next(iter(exchange.receives.values())).position
                sender = self._sender(exchange)
                pattern = self._pattern(exchange.routes, bits)
                yield Flow(pattern, index[sender], index[receiver])

    def _sender(self, exchange: Exchange) -> int:
        program, send = next(iter(exchange.sends.items()))
        owner = self.elaboration.programs[program].root[send.buffer].owner
        assert isinstance(owner, tcc.Instruction)
        return owner.position

    def _pattern(self, routes: Routes, bits: int) -> Pattern:
        key = (id(routes), bits)
        if key not in self.patterns:
            senders, receivers = self._at(routes.senders), self._at(routes.receivers)
            owner, group, elements, members = grouped(routes)
            sets = [
                np.concatenate([receivers[routes.needs[i].receivers] for i in needs])
                for needs in members
            ]
            order = np.argsort(group, kind="stable")
            self.patterns[key] = Pattern(
                source=senders[owner[order]],
                target=group[order],
                bits=elements[order] * bits,
                start=np.cumsum([0, *(len(s) for s in sets)]),
                tiles=np.concatenate(sets) if sets else np.zeros(0, dtype=np.int64),
            )
        return self.patterns[key]

    def _at(self, places: Iterable[Place]) -> Integers:
        at = np.array(list(places), dtype=np.int64).reshape(-1, 2)
        return at[:, 1] * self.width + at[:, 0]

    def _reductions(self, index: list[int]) -> Iterable[Flow]:
        done: set[tuple[int, int]] = set()
        for program in self.elaboration.programs:
            count: dict[int, int] = {}
            for op in program.instructions:
                if isinstance(op, tcc.ReduceOp):
                    order = count.get(op.position, 0)
                    count[op.position] = order + 1
                    if (op.position, order) not in done:
                        done.add((op.position, order))
                        group = index[op.position]
                        yield Flow(self._reduction(program, op), group, group)

    def _reduction(self, program: ElaboratedProgram, op: tcc.ReduceOp) -> Pattern:
        """The messages of a reduction: as many pairs of tiles."""
        before = program.parts[program.root[op.partials[0]]]
        after = program.parts[op.res[0]]
        bits = sum(stored_bits(buffer_type(value).element_type) for value in op.partials)
        scatter = op.scatter is not None
        key = (op.cut, op.along, scatter, id(before), id(after), bits)
        if key not in self.patterns:
            own, result = self._sizes(before).tolist(), self._sizes(after).tolist()
            rows: list[tuple[int, int, int]] = []
            for places in reduction_groups(op.cut, op.along.data):
                tiles = self._at(places).tolist()
                if not own[tiles[0]]:
                    continue
                if scatter:
                    pairs = ((a, b) for b in tiles for a in tiles if a != b and result[b])
                    rows += [(a, b, result[b] * bits) for a, b in pairs]
                else:
                    pairs = ((tiles[a], tiles[b]) for _, a, b in tree(len(tiles)))
                    rows += [(a, b, own[a] * bits) for a, b in pairs]
            table = np.array(rows, dtype=np.int64).reshape(-1, 3)
            single = np.arange(len(table) + 1)
            self.patterns[key] = Pattern(
                table[:, 0].copy(), single[:-1], table[:, 2].copy(), single, table[:, 1].copy()
            )
        return self.patterns[key]

    def _sizes(self, parts: Parts) -> Integers:
        sizes = np.zeros(self.width * self.height, dtype=np.int64)
        sizes[self._at(parts.places)] = [len(e) for e in parts.elements]
        return sizes


def _extent(assignment: Assignment) -> int:
    """Tiles from an operator's first part to its last."""
    a = assignment
    return (a.split_b * a.split_m * a.split_n * a.split_k - 1) * a.stride + 1
