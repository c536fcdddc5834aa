"""Executes the programs of a module on real tensors, tile by tile.

Every tile has a data memory of bytes and an image of its own weights, and reads nothing else. Time
is as unkind as the semantics allow: what a receive brings is written when its token is waited for,
not before, and a send reads its buffer when its token is waited for, or when nothing else on the
mesh can go on. A missing wait, buffers that overlap, or tiles that were exchanged therefore show as
an error, a wrong result, or a deadlock.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from xdsl.dialects.builtin import ModuleOp

from asic_compiler.diagnostics import UserError
from asic_compiler.dialects import tcc
from asic_compiler.dialects.location import location_of
from asic_compiler.program.access import Place
from asic_compiler.program.elaborate import Elaboration, Exchange, elaborate, reduction_groups
from asic_compiler.simulate.elements import Array, dtype_of
from asic_compiler.simulate.functional.arithmetic import Arithmetic, reduced
from asic_compiler.simulate.functional.errors import Blocked, DeadlockError, describe
from asic_compiler.simulate.functional.tile import Tile, make_tiles
from asic_compiler.simulate.images import ImageSource, image_source
from asic_compiler.simulate.observer import Observer
from asic_compiler.simulate.wmem import Slices

_REPORT_EVERY = 4096


def run_functional(
    module: ModuleOp,
    inputs: Mapping[str, Array],
    weights: Mapping[str, Array] | ImageSource,
    observer: Observer | None = None,
) -> dict[str, Array]:
    """Runs one micro-batch through the programs of a module.

    Args:
        module: Programs as ``asic_compiler.program.generate`` writes them, verified.
        inputs: By the host's names: arguments, and what caches hold at the start.
        weights: Constants by parameter name, or a folder of images of this program.
        observer: Is told of progress.

    Returns:
        Results by the host's names, the state of returned caches among them.

    Raises:
        UserError: An input or a weight is missing or of another shape; a program cannot be
            executed, or deadlocks. The error names tile and instruction.
    """
    elaboration = elaborate(module)
    return _Machine(elaboration, inputs, weights, observer or Observer()).run()


class _Machine:
    def __init__(
        self,
        elaboration: Elaboration,
        inputs: Mapping[str, Array],
        weights: Mapping[str, Array] | ImageSource,
        observer: Observer,
    ) -> None:
        self.elaboration = elaboration
        self.inputs = inputs
        self.observer = observer
        slices = Slices(elaboration)
        images = image_source(elaboration, slices, weights)
        self.tiles = make_tiles(elaboration, slices, images)
        self.by_place: dict[Place, Tile] = {tile.place: tile for tile in self.tiles}
        self.arithmetic = Arithmetic(elaboration)
        self.posted: set[tuple[Place, int]] = set()
        """Receives that were started: tile and number of the exchange."""
        self.pending: dict[tuple[Place, tcc.Instruction], None] = {}
        """Sends that were started and whose data are still in the sender's DMEM."""
        self.sent: dict[tuple[int, Place], Array] = {}
        """What senders gave, of all that they hold: by exchange and tile."""
        self.partials: dict[tuple[Place, tcc.Instruction], list[Array]] = {}
        self.outputs: dict[str, Array] = {}
        self.filled: dict[str, Array] = {}
        self.sources = {
            id(exchange): exchange.routes.sources() for exchange in elaboration.exchanges
        }
        self.receivers = {
            id(exchange): {place: i for i, place in enumerate(exchange.routes.receivers)}
            for exchange in elaboration.exchanges
        }
        self.gates = {
            id(exchange): [
                exchange.routes.receivers[r]
                for need in exchange.routes.needs
                for r in need.receivers.tolist()
            ]
            for exchange in elaboration.exchanges
        }
        self.groups: dict[tuple[Place, int], tuple[Place, ...]] = {}
        self.reductions: dict[tuple[Place, int], tcc.ReduceOp] = {}
        for program in elaboration.programs:
            for op in program.instructions:
                if isinstance(op, tcc.ReduceOp):
                    own = set(program.tiles)
                    for group in reduction_groups(op.cut, op.along.data):
                        for place in group:
                            if place in own:
                                self.groups[place, op.position] = group
                                self.reductions[place, op.position] = op

    def run(self) -> dict[str, Array]:
        """Until every tile is at its end."""
        self._fill_caches()
        total = sum(len(tile.program.instructions) for tile in self.tiles)
        done = 0
        while True:
            moved = 0
            for tile in self.tiles:
                moved += self._advance(tile)
            if moved // _REPORT_EVERY or not moved:
                self.observer.executed(done + moved, total)
            done += moved
            if done == total:
                break
            if not moved and not self._flush():
                raise DeadlockError([self._blocked(tile) for tile in self.tiles if not tile.ended])
        self._flush()
        self._collect_caches()
        self._check_outputs()
        return self.outputs

    def _advance(self, tile: Tile) -> int:
        """Runs a tile until it has to wait; gives the number of instructions it did."""
        count = 0
        while not tile.ended:
            op = tile.program.instructions[tile.at]
            if isinstance(op, tcc.WaitOp):
                if not all(self._complete(tile, token.owner) for token in op.tokens):
                    break
            else:
                self._start(tile, op)
            tile.at += 1
            count += 1
        return count

    def _start(self, tile: Tile, op: tcc.Instruction) -> None:
        match op:
            case tcc.ReceiveOp():
                tile.poison(op.buffer)
                self.posted.add((tile.place, id(self.elaboration.exchange_of[op])))
            case tcc.SendOp() | tcc.MulticastOp():
                self.pending[tile.place, op] = None
            case tcc.ReduceOp():
                for buffer in op.res:
                    tile.poison(buffer)
                self.partials[tile.place, op] = [tile.whole(value, op) for value in op.partials]
            case tcc.LoadOp() | tcc.ViewOp():
                pass
            case _:
                self.arithmetic.execute(tile, op)

    # Transfers.

    def _complete(self, tile: Tile, op: object) -> bool:
        """Whether what a token stands for is complete; then its effects take place."""
        if (tile.place, op) in tile.completed:
            return True
        match op:
            case tcc.ReceiveOp():
                done = self._receive(tile, op)
            case tcc.SendOp() | tcc.MulticastOp():
                done = self._capture(tile, op)
            case tcc.ReduceOp():
                done = self._reduce(tile, op)
            case _:
                done = True
        if done:
            tile.completed.add((tile.place, op))
        return done

    def _receive(self, tile: Tile, op: tcc.ReceiveOp) -> bool:
        exchange = self.elaboration.exchange_of[op]
        wanted = tile.part(op.buffer)
        if not len(wanted):
            return True
        if not exchange.sends:
            tile.write(op.buffer, wanted, self._input(exchange).reshape(-1)[wanted], op)
            return True
        number = self.receivers[id(exchange)][tile.place]
        senders = exchange.routes.senders
        froms = [senders[i] for i in self.sources[id(exchange)][number]]
        if tile.place in froms and (id(exchange), tile.place) not in self.sent:
            for own in [key for key in self.pending if key[0] == tile.place]:
                if self.elaboration.exchange_of[own[1]] is exchange:
                    self._capture(tile, own[1])
        if any((id(exchange), place) not in self.sent for place in froms):
            return False
        element = exchange.channel.tensor.element_type
        values = np.zeros(len(wanted), dtype=dtype_of(element))
        owner = exchange.routes.owner[wanted]
        for position in np.unique(owner):
            if position < 0:
                continue
            held = exchange.routes.held[position]
            chosen = owner == position
            given = self.sent[id(exchange), senders[position]]
            values[chosen] = given[np.searchsorted(held, wanted[chosen])]
        tile.write(op.buffer, wanted, values, op)
        return True

    def _capture(self, tile: Tile, op: tcc.Instruction) -> bool:
        """Takes what a send sends out of the sender's memory, if every receiver is ready."""
        key = tile.place, op
        if key not in self.pending:
            return True
        exchange = self.elaboration.exchange_of[op]
        gate = self.gates[id(exchange)] if exchange.receives else ()
        if any((place, id(exchange)) not in self.posted for place in gate):
            return False
        del self.pending[key]
        assert isinstance(op, tcc.SendOp | tcc.MulticastOp)
        if not len(tile.part(op.buffer)):
            return True
        if not exchange.receives:
            self._give(exchange, tile, op)
            return True
        self.sent[id(exchange), tile.place] = tile.whole(op.buffer, op)
        return True

    def _flush(self) -> bool:
        """Lets pending sends read their buffers; gives whether any did."""
        before = len(self.pending)
        for place, op in list(self.pending):
            self._capture(self.by_place[place], op)
        return len(self.pending) < before

    def _reduce(self, tile: Tile, op: tcc.ReduceOp) -> bool:
        group = self.groups.get((tile.place, op.position))
        if group is None:
            return True
        members = [(place, self.reductions.get((place, op.position))) for place in group]
        if any((place, other) not in self.partials for place, other in members):
            return False
        for number, buffer in enumerate(op.res):
            part = tile.part(buffer)
            if not len(part):
                continue
            values = [self.partials[place, other][number] for place, other in members]  # type: ignore[index]
            held = tile.part(op.partials[number])
            rows = np.searchsorted(held, part)
            tile.write(buffer, part, reduced(op, number, values, rows), op)
        return True

    # The host.

    def _input(self, exchange: Exchange) -> Array:
        host = exchange.channel.host
        assert host is not None
        return self._given(host.data, exchange.channel.tensor, exchange.channel)

    def _given(self, name: str, tensor: object, op: object) -> Array:
        shape = tuple(tensor.get_shape())  # type: ignore[attr-defined]
        dtype = dtype_of(tensor.element_type)  # type: ignore[attr-defined]
        array = self.inputs.get(name)
        if array is None:
            raise UserError(f"no input '{name}'", location_of(op))  # type: ignore[arg-type]
        if array.shape != shape or array.dtype != dtype:
            raise UserError(
                f"input '{name}' is {array.dtype}{list(array.shape)}, the model takes {tensor}",
                location_of(op),  # type: ignore[arg-type]
            )
        return array

    def _give(self, exchange: Exchange, tile: Tile, op: tcc.SendOp | tcc.MulticastOp) -> None:
        host, tensor = exchange.channel.host, exchange.channel.tensor
        assert host is not None
        if host.data not in self.outputs:
            self.outputs[host.data] = np.zeros(tensor.get_shape(), dtype_of(tensor.element_type))
            self.filled[host.data] = np.zeros(self.outputs[host.data].size, dtype=np.bool_)
        part = tile.part(op.buffer)
        self.outputs[host.data].reshape(-1)[part] = tile.whole(op.buffer, op)
        self.filled[host.data][part] = True

    def _fill_caches(self) -> None:
        for tile in self.tiles:
            for name, root in tile.program.caches.items():
                cache = self.elaboration.symbols[name]
                assert isinstance(cache, tcc.CacheOp)
                part = tile.part(root)
                if len(part):
                    values = self._given(name, cache.tensor, cache).reshape(-1)[part]
                    tile.write_cache(name, part, values)

    def _collect_caches(self) -> None:
        for tile in self.tiles:
            for name, root in tile.program.caches.items():
                cache = self.elaboration.symbols[name]
                assert isinstance(cache, tcc.CacheOp)
                if cache.result is None:
                    continue
                result = name if cache.host is None else cache.host.data
                if result not in self.outputs:
                    element = dtype_of(cache.tensor.element_type)
                    self.outputs[result] = np.zeros(cache.tensor.get_shape(), element)
                    self.filled[result] = np.zeros(self.outputs[result].size, dtype=np.bool_)
                part = tile.part(root)
                if len(part):
                    self.outputs[result].reshape(-1)[part] = tile.read_cache(name)
                    self.filled[result][part] = True

    def _check_outputs(self) -> None:
        for name, filled in self.filled.items():
            if not filled.all():
                missing = int((~filled).sum())
                raise UserError(f"no tile gives {missing} elements of the result '{name}'")

    def _blocked(self, tile: Tile) -> Blocked:
        op = tile.program.instructions[tile.at]
        assert isinstance(op, tcc.WaitOp)
        waits = tuple(
            describe(token.owner)
            for token in op.tokens
            if (tile.place, token.owner) not in tile.completed
        )
        where = location_of(op)
        return Blocked(tile.place, tile.program.name, describe(op), where, waits)
