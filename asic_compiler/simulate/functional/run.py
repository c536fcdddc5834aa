"""Executes the programs of a module on real tensors, tile by tile.

Every tile has a data memory of bytes and an image of its own weights, and reads nothing else. Time
is as unkind as the semantics allow: what a receive brings is written when its token is waited for,
not before, and a send reads its buffer when its token is waited for, or when nothing else on the
mesh can go on. A missing wait, buffers that overlap, or tiles that were exchanged therefore show as
an error, a wrong result, or a deadlock.
"""

from __future__ import annotations

from collections.abc import Mapping

from xdsl.dialects.builtin import ModuleOp

from asic_compiler.dialects import tcc
from asic_compiler.dialects.location import location_of
from asic_compiler.program.elaborate import Elaboration, elaborate
from asic_compiler.simulate.functional.arithmetic import Arithmetic
from asic_compiler.simulate.functional.errors import BlockedTile, DeadlockError, describe
from asic_compiler.simulate.functional.host import Host
from asic_compiler.simulate.functional.tile import Tile, make_tiles
from asic_compiler.simulate.functional.transfers import TRANSFERS, Transfer, Transfers
from asic_compiler.simulate.images import ImageSource, image_source
from asic_compiler.simulate.observer import Observer
from asic_compiler.simulate.wmem import Slices
from asic_compiler.tensors.elements import Array

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
    slices = Slices(elaboration)
    tiles = make_tiles(elaboration, slices, image_source(elaboration, slices, weights))
    host = Host(elaboration, inputs)
    host.fill_caches(tiles)
    _Machine(elaboration, tiles, host, observer or Observer()).run()
    host.collect_caches(tiles)
    return host.results()


class _Machine:
    def __init__(
        self, elaboration: Elaboration, tiles: list[Tile], host: Host, observer: Observer
    ) -> None:
        self._tiles = tiles
        self._observer = observer
        self._arithmetic = Arithmetic(elaboration)
        self._transfers = Transfers(elaboration, {tile.place: tile for tile in tiles}, host)

    def run(self) -> None:
        """Until every tile is at its end."""
        total = sum(len(tile.program.instructions) for tile in self._tiles)
        done = reported = 0
        while done < total:
            moved = sum(self._advance(tile) for tile in self._tiles)
            done += moved
            if done - reported >= _REPORT_EVERY or done == total:
                self._observer.executed(done, total)
                reported = done
            if not moved and not self._transfers.flush():
                raise DeadlockError([self._blocked(tile) for tile in self._tiles if not tile.ended])
        self._transfers.check_all_waited()

    def _advance(self, tile: Tile) -> int:
        """Runs a tile until it has to wait; gives the number of instructions it did."""
        before = tile.at
        while not tile.ended:
            op = tile.program.instructions[tile.at]
            match op:
                case tcc.WaitOp():
                    # All tokens are looked at: each may be complete before the others.
                    done = [self._transfers.finish(tile, started) for started in _transfers(op)]
                    if not all(done):
                        break
                case tcc.LoadOp() | tcc.ViewOp():
                    pass
                case _ if isinstance(op, TRANSFERS):
                    self._transfers.start(tile, op)
                case _:
                    self._arithmetic.execute(tile, op)
            tile.at += 1
        return tile.at - before

    def _blocked(self, tile: Tile) -> BlockedTile:
        op = tile.program.instructions[tile.at]
        assert isinstance(op, tcc.WaitOp)
        waits = tuple(
            self._transfers.lacking(tile, started)
            for started in _transfers(op)
            if not self._transfers.finish(tile, started)
        )
        return BlockedTile(tile.place, tile.program.name, describe(op), location_of(op), waits)


def _transfers(op: tcc.WaitOp) -> list[Transfer]:
    """What the tokens of a wait stand for."""
    return [token.owner for token in op.tokens if isinstance(token.owner, TRANSFERS)]
