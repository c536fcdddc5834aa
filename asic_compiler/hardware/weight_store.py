"""Where the weights are kept: on the die, or in memory beside it."""

from __future__ import annotations

from enum import StrEnum

from asic_compiler.technology.node import DramDevice, System


class WeightStore(StrEnum):
    """Kinds of weight memory; the first is what is used unless the user allows others."""

    ROM = "rom"
    """Mask ROM in every tile: no write, no retention, one model for ever."""
    SRAM = "sram"
    """SRAM in every tile: loaded at start, leaks."""
    LPDDR5X = "lpddr5x"
    """Off-chip packages; a tile's WMEM is a buffer that streams."""
    HBM3E = "hbm3e"
    """Off-chip stacks in the same package, likewise."""

    @property
    def off_chip(self) -> bool:
        """Whether weights stream in from outside at every step."""
        return self in (WeightStore.LPDDR5X, WeightStore.HBM3E)


STORES: tuple[WeightStore, ...] = tuple(WeightStore)
STORE_INDEX: dict[WeightStore, int] = {store: i for i, store in enumerate(STORES)}
OFF_CHIP: tuple[WeightStore, ...] = tuple(s for s in STORES if s.off_chip)


def device(store: WeightStore, system: System) -> DramDevice:
    """The device of an off-chip store.

    Raises:
        ValueError: The store is on the die.
    """
    if store is WeightStore.LPDDR5X:
        return system.lpddr5x
    if store is WeightStore.HBM3E:
        return system.hbm3e
    raise ValueError(f"{store} is on the die")
