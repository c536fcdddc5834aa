"""The host's side of a run: arguments and caches in, results and caches out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from xdsl.dialects.builtin import TensorType
from xdsl.ir import Attribute, Operation

from asic_compiler.diagnostics import UserError
from asic_compiler.dialects import tcc
from asic_compiler.dialects.location import location_of
from asic_compiler.program.elaborate import Elaboration, Exchange
from asic_compiler.program.parts import Elements
from asic_compiler.simulate.functional.tile import Tile
from asic_compiler.tensors.elements import Array, dtype_of


class Host:
    """What the host gives to tiles, and what it has got from them.

    Args:
        elaboration: The programs.
        inputs: By the host's names.
    """

    def __init__(self, elaboration: Elaboration, inputs: Mapping[str, Array]) -> None:
        self._elaboration = elaboration
        self._inputs = inputs
        self._outputs: dict[str, Array] = {}
        self._filled: dict[str, NDArray[np.bool_]] = {}

    def send(self, exchange: Exchange, wanted: Elements) -> Array:
        """Elements of an argument.

        Raises:
            UserError: It was not given, or is of another shape or element type.
        """
        host = exchange.channel.host
        assert host is not None
        return self._given(host.data, exchange.channel.tensor, exchange.channel)[wanted]

    def receive(self, exchange: Exchange, part: Elements, values: Array) -> None:
        """Takes elements of a result."""
        host = exchange.channel.host
        assert host is not None
        self._take(host.data, exchange.channel.tensor, part, values)

    def fill_caches(self, tiles: Sequence[Tile]) -> None:
        """Writes the state of caches before the run into the tiles' parts.

        Raises:
            UserError: One was not given, or is of another shape or element type.
        """
        for tile in tiles:
            for name in tile.caches:
                cache = self._cache(name)
                part = tile.part(tile.program.caches[name])
                tile.write_cache(name, self._given(name, cache.tensor, cache)[part])

    def collect_caches(self, tiles: Sequence[Tile]) -> None:
        """Reads the caches that the model returns."""
        for tile in tiles:
            for name in tile.caches:
                cache = self._cache(name)
                if cache.result is not None:
                    result = name if cache.host is None else cache.host.data
                    part = tile.part(tile.program.caches[name])
                    self._take(result, cache.tensor, part, tile.read_cache(name, None))

    def results(self) -> dict[str, Array]:
        """All results by the host's names.

        Raises:
            UserError: No tile gave some element of one.
        """
        for name, filled in self._filled.items():
            if not filled.all():
                missing = int(np.count_nonzero(~filled))
                raise UserError(f"no tile gives {missing} elements of the result '{name}'")
        return self._outputs

    def _cache(self, name: str) -> tcc.CacheOp:
        cache = self._elaboration.symbols[name]
        assert isinstance(cache, tcc.CacheOp)
        return cache

    def _given(self, name: str, tensor: TensorType[Attribute], op: Operation) -> Array:
        array = self._inputs.get(name)
        if array is None:
            raise UserError(f"no input '{name}'", location_of(op))
        if array.shape != tuple(tensor.get_shape()) or array.dtype != dtype_of(tensor.element_type):
            raise UserError(
                f"input '{name}' is {array.dtype}{list(array.shape)}, the model takes {tensor}",
                location_of(op),
            )
        return array.reshape(-1)

    def _take(
        self, name: str, tensor: TensorType[Attribute], part: Elements, values: Array
    ) -> None:
        if name not in self._outputs:
            self._outputs[name] = np.zeros(tensor.get_shape(), dtype_of(tensor.element_type))
            self._filled[name] = np.zeros(self._outputs[name].size, dtype=np.bool_)
        self._outputs[name].reshape(-1)[part] = values
        self._filled[name][part] = True
