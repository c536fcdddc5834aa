"""Transfers between tiles: what was started, what is complete, what waits for what.

A send reads its buffer when it leaves the tile, and it leaves when its token is waited for or the
mesh stands still, but not before every tile that takes something from it has started to receive.
What a receive or a reduction brings is written when its token is waited for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeAlias

import numpy as np

from asic_compiler.dialects import tcc
from asic_compiler.program.elaborate import Elaboration, Exchange, reduction_groups
from asic_compiler.program.parts import Elements, Place
from asic_compiler.simulate.functional.arithmetic import reduced
from asic_compiler.simulate.functional.errors import ExecutionError, describe
from asic_compiler.simulate.functional.host import Host
from asic_compiler.simulate.functional.tile import Tile
from asic_compiler.tensors.elements import Array, dtype_of

Transfer: TypeAlias = tcc.ReceiveOp | tcc.SendOp | tcc.MulticastOp | tcc.ReduceOp
TRANSFERS = (tcc.ReceiveOp, tcc.SendOp, tcc.MulticastOp, tcc.ReduceOp)
_SHOWN = 4


class _Links:
    """Who gives to whom in the exchanges of one set of routes; by position."""

    def __init__(self, exchange: Exchange) -> None:
        routes = exchange.routes
        self.targets = routes.targets()
        self.sources = routes.sources()
        self.sender = {place: i for i, place in enumerate(routes.senders)}
        self.receiver = {place: i for i, place in enumerate(routes.receivers)}


class Transfers:
    """Every transfer of a run."""

    def __init__(self, elaboration: Elaboration, tiles: Mapping[Place, Tile], host: Host) -> None:
        self._elaboration, self._tiles, self._host = elaboration, tiles, host
        known: dict[int, _Links] = {}
        self._links: dict[Exchange, _Links] = {}
        for exchange in elaboration.exchanges:
            self._links[exchange] = known.setdefault(id(exchange.routes), _Links(exchange))
        self._started: dict[tuple[Place, Transfer], None] = {}
        self._complete: set[tuple[Place, Transfer]] = set()
        self._leaving: dict[tuple[Place, Transfer], None] = {}
        """Sends, and contributions to reductions, that still lie in their tile's DMEM."""
        self._sent: dict[tuple[Place, Exchange], Array] = {}
        """What left a tile, of all that it holds."""
        self._given: dict[tuple[Place, Transfer], list[Array]] = {}
        """What left a tile for a reduction."""
        self._posted: set[tuple[Place, Exchange]] = set()
        self._mixes: dict[tuple[int, int], list[tuple[int, Elements, Elements]]] = {}
        self._groups: dict[tuple[Place, tcc.ReduceOp], list[tuple[Place, tcc.ReduceOp | None]]] = {}
        self._find_groups()

    def _find_groups(self) -> None:
        """Of each reduction on each tile the members of its group, and their instructions."""
        found: dict[tuple[Place, int], tcc.ReduceOp] = {}
        for program in self._elaboration.programs:
            for op in program.instructions:
                if isinstance(op, tcc.ReduceOp):
                    found |= {(place, op.position): op for place in program.tiles}
        distinct = dict.fromkeys(found.values())
        kinds = dict.fromkeys((op.cut, op.along.data) for op in distinct)
        groups = {kind: reduction_groups(*kind) for kind in kinds}
        for op in distinct:
            for group in groups[op.cut, op.along.data]:
                members = [(place, found.get((place, op.position))) for place in group]
                for place, own in members:
                    if own is op:
                        self._groups[place, op] = members

    def start(self, tile: Tile, op: Transfer) -> None:
        """Begins a transfer.

        Raises:
            UndefinedReadError: A buffer that shall leave is not there.
        """
        key = tile.place, op
        self._started[key] = None
        match op:
            case tcc.ReceiveOp():
                tile.poison(op.buffer)
                self._posted.add((tile.place, self._elaboration.exchange_of[op]))
            case tcc.SendOp() | tcc.MulticastOp():
                tile.require(op.buffer, op)
                self._leaving[key] = None
            case tcc.ReduceOp():
                for buffer in op.res:
                    tile.poison(buffer)
                if key in self._groups:
                    self._leaving[key] = None

    def finish(self, tile: Tile, op: Transfer) -> bool:
        """Whether a transfer that is waited for is complete; if so, what it brings is written."""
        key = tile.place, op
        if key in self._complete:
            return True
        if key not in self._started or next(self._lacking(tile, op), None) is not None:
            return False
        match op:
            case tcc.ReceiveOp():
                self._bring(tile, op)
            case tcc.ReduceOp():
                self._leave(tile, op)
                if not self._combine(tile, op):
                    return False
            case _:
                self._leave(tile, op)
        self._complete.add(key)
        return True

    def flush(self) -> bool:
        """Lets all leave that may, in the order in which they were started; whether any did."""
        before = len(self._leaving)
        for place, op in list(self._leaving):
            self._leave(self._tiles[place], op)
        return len(self._leaving) < before

    def check_all_waited(self) -> None:
        """A transfer that nobody waits for would reach into the next period.

        Raises:
            ExecutionError: There is one.
        """
        for place, op in self._started:
            if (place, op) not in self._complete:
                raise ExecutionError("nothing waits for its token", place, op)

    def lacking(self, tile: Tile, op: Transfer) -> str:
        """What a transfer waits for, in words."""
        if (tile.place, op) not in self._started:
            return f"{describe(op)}, which was not started"
        found: list[str] = []
        for number, what in enumerate(self._lacking(tile, op)):
            if number == _SHOWN:
                found.append("and others")
                break
            found.append(what)
        if not found and isinstance(op, tcc.ReduceOp):
            found = ["tiles that have not given their partial values"]
        return f"{describe(op)} ({', '.join(found)})" if found else describe(op)

    # What may happen.

    def _lacking(self, tile: Tile, op: Transfer) -> Iterator[str]:
        """What has to happen on other tiles before a token is complete; nothing if it may be."""
        match op:
            case tcc.ReceiveOp():
                yield from self._lacking_senders(tile, op)
            case _:
                yield from self._lacking_receivers(tile, op)

    def _lacking_senders(self, tile: Tile, op: tcc.ReceiveOp) -> Iterator[str]:
        exchange = self._elaboration.exchange_of[op]
        links = self._links[exchange]
        if exchange.channel.source is None:
            return
        for sender in links.sources[links.receiver[tile.place]]:
            place = exchange.routes.senders[sender]
            if (place, exchange) not in self._sent:
                yield f"tile {place} has not sent"

    def _lacking_receivers(self, tile: Tile, op: Transfer) -> Iterator[str]:
        """Tiles that have not begun to take what shall leave."""
        if (tile.place, op) not in self._leaving:
            return
        if isinstance(op, tcc.ReduceOp):
            for place, other in self._takers(tile, op):
                if other is None or (place, other) not in self._started:
                    yield f"tile {place} has not started to reduce"
            return
        exchange = self._elaboration.exchange_of[op]
        if exchange.channel.target is not None:
            links = self._links[exchange]
            for receiver in links.targets[links.sender[tile.place]]:
                place = exchange.routes.receivers[receiver]
                if (place, exchange) not in self._posted:
                    yield f"tile {place} has not started to receive"

    def _takers(self, tile: Tile, op: tcc.ReduceOp) -> list[tuple[Place, tcc.ReduceOp | None]]:
        """The members that take in what a tile gives: all with a scatter, else its parent."""
        members = self._groups[tile.place, op]
        if op.scatter:
            return members
        index = _index(members, tile.place)
        return [members[index & (index - 1)]] if index else []

    def _leave(self, tile: Tile, op: Transfer) -> None:
        """Reads what leaves out of the tile's memory, if it may leave."""
        key = tile.place, op
        if key not in self._leaving or next(self._lacking_receivers(tile, op), None) is not None:
            return
        del self._leaving[key]
        if isinstance(op, tcc.ReduceOp):
            self._given[key] = [tile.whole(value, op).copy() for value in op.partials]
            return
        assert isinstance(op, tcc.SendOp | tcc.MulticastOp)
        exchange = self._elaboration.exchange_of[op]
        values = tile.whole(op.buffer, op).copy()
        if exchange.channel.target is not None:
            self._sent[tile.place, exchange] = values
        elif len(values):
            self._host.receive(exchange, tile.part(op.buffer), values)

    # What arrives.

    def _bring(self, tile: Tile, op: tcc.ReceiveOp) -> None:
        exchange = self._elaboration.exchange_of[op]
        wanted = tile.part(op.buffer)
        if not len(wanted):
            return
        if exchange.channel.source is None:
            tile.write(op.buffer, wanted, self._host.send(exchange, wanted), op)
            return
        values = np.zeros(len(wanted), dtype=dtype_of(exchange.channel.tensor.element_type))
        senders = exchange.routes.senders
        for sender, chosen, at in self._mix(tile, op, exchange, wanted):
            values[chosen] = self._sent[senders[sender], exchange][at]
        tile.write(op.buffer, wanted, values, op)

    def _mix(
        self, tile: Tile, op: tcc.ReceiveOp, exchange: Exchange, wanted: Elements
    ) -> list[tuple[int, Elements, Elements]]:
        """Of each sender, which of the wanted elements come from it, and where it has them.

        Tiles that want the same, and layers, share the answer; elaboration keeps the arrays.
        """
        routes = exchange.routes
        key = id(routes), id(wanted)
        if key in self._mixes:
            return self._mixes[key]
        owner = routes.owner[wanted]
        if (owner < 0).any():
            missing = int(np.count_nonzero(owner < 0))
            raise ExecutionError(f"nobody sends {missing} of its elements", tile.place, op)
        order = np.argsort(owner, kind="stable")
        found: list[tuple[int, Elements, Elements]] = []
        for chosen in np.split(order, np.flatnonzero(np.diff(owner[order])) + 1):
            sender = int(owner[chosen[0]])
            at = np.searchsorted(routes.held[sender], wanted[chosen])
            found.append((sender, chosen, at))
        self._mixes[key] = found
        return found

    def _combine(self, tile: Tile, op: tcc.ReduceOp) -> bool:
        """Writes what a tile gets of a reduction; whether all that passes through it is there."""
        members = self._groups.get((tile.place, op))
        if members is None:
            return True
        index = _index(members, tile.place)
        # A tile of the tree passes on what those behind it gave.
        through = members if op.scatter or index == 0 else members[index : index + (index & -index)]
        if any(other is None or (place, other) not in self._given for place, other in through):
            return False
        for number, buffer in enumerate(op.res):
            part = tile.part(buffer)
            if len(part):
                held = tile.part(op.partials[number])
                values = self._values(tile, op, number)
                found = reduced(op, number, values, np.searchsorted(held, part))
                tile.write(buffer, part, found, op)
        return True

    def _values(self, tile: Tile, op: tcc.ReduceOp, number: int) -> list[Array]:
        """What the members of a tile's group gave of one buffer, in order.

        Raises:
            ExecutionError: They do not give the same elements, or combine them in another way.
        """
        held = tile.part(op.partials[number])
        values: list[Array] = []
        for place, other in self._groups[tile.place, op]:
            assert other is not None, "all gave their part"
            mine = self._tiles[place].part(other.partials[number])
            if op.along.data == "n" and not len(mine):
                continue  # a part without points has nothing to give
            if other.combine != op.combine or other.scatter != op.scatter:
                raise ExecutionError(f"tile {place} combines in another way", tile.place, op)
            if mine is not held and not np.array_equal(mine, held):
                raise ExecutionError(f"tile {place} holds other elements", tile.place, op)
            values.append(self._given[place, other][number])
        return values


def _index(members: list[tuple[Place, tcc.ReduceOp | None]], place: Place) -> int:
    return next(i for i, member in enumerate(members) if member[0] == place)
