"""Attributes of the ``asic`` dialect: the chip, its tiles, and where an operator runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from xdsl.dialects.builtin import ArrayAttr, FloatData, IntAttr, StringAttr
from xdsl.ir import Attribute, ParametrizedAttribute
from xdsl.irdl import irdl_attr_definition
from xdsl.parser import AttrParser
from xdsl.printer import Printer
from xdsl.utils.exceptions import VerifyException

from asic_compiler.dialects.asic.fields import (
    parse_fields,
    print_fields,
    require_positive,
    require_power_of_two,
    require_within,
)
from asic_compiler.machine.limits import (
    LARGEST,
    LARGEST_BYTES,
    LARGEST_SIDE,
    LARGEST_UNITS,
)

IntArray = ArrayAttr[IntAttr]


def int_array(values: Sequence[int]) -> IntArray:
    """An array attribute of plain integers."""
    return ArrayAttr([IntAttr(v) for v in values])


def ints(array: ArrayAttr[IntAttr]) -> tuple[int, ...]:
    """The integers of an array attribute."""
    return tuple(v.data for v in array)


def _require_pair(name: str, key: str, array: IntArray) -> tuple[int, int]:
    values = ints(array)
    if len(values) != 2:
        raise VerifyException(f"{name}: {key} needs 2 integers, got {len(values)}")
    return values[0], values[1]


@irdl_attr_definition
class RegionAttr(ParametrizedAttribute):
    """A rectangle of tiles: ``#asic.region<offset = [x, y], size = [w, h]>``.

    Verified:
        1. offset and size hold two integers each.
        2. offset is not negative, and at most 1024.
        3. size is positive, and at most 1024.
    """

    name = "asic.region"

    offset: IntArray
    size: IntArray

    @classmethod
    def of(cls, x: int, y: int, width: int, height: int) -> RegionAttr:
        """The rectangle of ``width`` x ``height`` tiles whose first tile is (x, y)."""
        return cls(int_array((x, y)), int_array((width, height)))

    @property
    def rectangle(self) -> tuple[int, int, int, int]:
        """x, y, width, height in tiles."""
        (x, y), (w, h) = ints(self.offset), ints(self.size)
        return x, y, w, h

    def verify(self) -> None:
        """Checks the numbered rules."""
        offset = _require_pair(self.name, "offset", self.offset)
        size = _require_pair(self.name, "size", self.size)
        if min(offset) < 0:
            raise VerifyException(f"{self.name}: offset must not be negative, got {offset}")
        for value in offset:
            require_within(self.name, "offset", value, 0, LARGEST_SIDE)
        for value in size:
            require_positive(self.name, "size", value, LARGEST_SIDE)

    @classmethod
    def parse_parameters(cls, parser: AttrParser) -> list[Attribute]:
        """Reads the fields inside ``<...>``, in any order."""
        values = parse_fields(parser, cls.name, {"offset": "ints", "size": "ints"})
        return [values["offset"], values["size"]]

    def print_parameters(self, printer: Printer) -> None:
        """Prints the fields inside ``<...>``."""
        print_fields(printer, {"offset": self.offset, "size": self.size})


@irdl_attr_definition
class SplitAttr(ParametrizedAttribute):
    """Into how many parts an operator is cut: ``#asic.split<m = 1, n = 41, k = 2>``.

    A vector operator is cut along ``n`` (its elements) only, by convention.

    Verified:
        1. every factor is positive, and at most 2147483647.
    """

    name = "asic.split"

    m: IntAttr
    n: IntAttr
    k: IntAttr

    @classmethod
    def of(cls, m: int, n: int, k: int) -> SplitAttr:
        """The split with these factors."""
        return cls(IntAttr(m), IntAttr(n), IntAttr(k))

    @property
    def factors(self) -> tuple[int, int, int]:
        """Parts along m, n and k."""
        return self.m.data, self.n.data, self.k.data

    def verify(self) -> None:
        """Checks the numbered rules."""
        for key, value in zip("mnk", self.factors, strict=True):
            require_positive(self.name, key, value)

    @classmethod
    def parse_parameters(cls, parser: AttrParser) -> list[Attribute]:
        """Reads the fields inside ``<...>``, in any order."""
        values = parse_fields(parser, cls.name, dict.fromkeys("mnk", "int"))
        return [values[key] for key in "mnk"]

    def print_parameters(self, printer: Printer) -> None:
        """Prints the fields inside ``<...>``."""
        print_fields(printer, {"m": self.m, "n": self.n, "k": self.k})


TILE_FIELDS: tuple[str, ...] = (
    "fetch",
    "stations",
    "vlen",
    "rows",
    "dmem_bytes",
    "wmem_bytes",
    "imem_bytes",
    "xr_wp",
    "vr_wp",
    "xdpnum",
    "vdpnum",
)
"""Integer fields of a tile class, in printed order."""


@irdl_attr_definition
class TileAttr(ParametrizedAttribute):
    """One class of tiles: ``#asic.tile<name = "stage0", fetch = 2, ...>``.

    Fields: ``fetch`` instructions fetched a cycle, ``stations`` reservation stations, ``vlen``
    vector register length in bits, ``rows`` rows of the tensor unit, ``dmem_bytes`` /
    ``wmem_bytes`` / ``imem_bytes`` memories, ``xr_wp`` / ``vr_wp`` scalar / vector register write
    ports, ``xdpnum`` / ``vdpnum`` scalar / vector dispatch ports.

    Verified:
        1. name is not empty.
        2. every field but wmem_bytes is positive; wmem_bytes may be 0. Bytes are at most 2^43, vlen
            below 2^31, the others at most 4096.
        3. vlen is a power of two.
    """

    name = "asic.tile"

    label: StringAttr
    """The class's name (printed as ``name``; ``name`` itself is the attribute's)."""
    fetch: IntAttr
    stations: IntAttr
    vlen: IntAttr
    rows: IntAttr
    dmem_bytes: IntAttr
    wmem_bytes: IntAttr
    imem_bytes: IntAttr
    xr_wp: IntAttr
    vr_wp: IntAttr
    xdpnum: IntAttr
    vdpnum: IntAttr

    @classmethod
    def of(cls, label: str, **fields: int) -> TileAttr:
        """A tile class; ``fields`` are those of ``TILE_FIELDS``, all of them.

        Raises:
            KeyError: A field is missing.
        """
        return cls.new([StringAttr(label), *(IntAttr(fields[key]) for key in TILE_FIELDS)])

    @property
    def fields(self) -> dict[str, int]:
        """The integer fields by name."""
        return {key: cast(IntAttr, getattr(self, key)).data for key in TILE_FIELDS}

    def verify(self) -> None:
        """Checks the numbered rules."""
        if not self.label.data:
            raise VerifyException(f"{self.name}: name must not be empty")
        for key, value in self.fields.items():
            high = LARGEST_BYTES if key.endswith("_bytes") else LARGEST_UNITS
            require_within(
                self.name,
                key,
                value,
                0 if key == "wmem_bytes" else 1,
                LARGEST if key == "vlen" else high,
            )
        require_power_of_two(self.name, "vlen", self.vlen.data)

    @classmethod
    def parse_parameters(cls, parser: AttrParser) -> list[Attribute]:
        """Reads the fields inside ``<...>``, in any order."""
        kinds = {"name": "string", **dict.fromkeys(TILE_FIELDS, "int")}
        values = parse_fields(parser, cls.name, kinds)
        return [values[key] for key in kinds]

    def print_parameters(self, printer: Printer) -> None:
        """Prints the fields inside ``<...>``."""
        fields = {key: cast(Attribute, getattr(self, key)) for key in TILE_FIELDS}
        print_fields(printer, {"name": self.label, **fields})


_CHIP_FIELDS: dict[str, str] = {
    "node": "string",
    "mesh": "ints",
    "super_cluster": "ints",
    "clock_hz": "float",
    "supply_v": "float",
    "temperature_c": "float",
    "flit_bits": "int",
    "tiles": "attributes",
    "map": "int_rows",
    "precision": "string",
    "weight_store": "string",
    "dram_devices": "int",
}
_CHIP_DEFAULTS: dict[str, Attribute] = {
    "precision": StringAttr("fp16"),
    "weight_store": StringAttr("rom"),
    "dram_devices": IntAttr(0),
}
"""What a text that leaves them out means; they are printed where they differ."""


@irdl_attr_definition
class ChipAttr(ParametrizedAttribute):
    """The chip, set on the module as ``asic.chip``.

    ``#asic.chip<node = "3nm", mesh = [w, h], super_cluster = [x, y], clock_hz = 1e9,
    supply_v = 0.55, temperature_c = 85.0, flit_bits = 2048, tiles = [#asic.tile<...>, ...],
    map = [[class, x, y, w, h], ...], precision = "w8a8", weight_store = "hbm3e",
    dram_devices = 2>``: ``tiles`` are the tile classes and ``map`` says with rectangles which tile
    is of which class. The last three are the number format that contractions are computed in, the
    memory that holds the weights, and the packages or stacks of it beside the die; where they are
    not printed they are ``"fp16"``, ``"rom"`` and 0.

    Verified:
        1. node is not empty.
        2. mesh and super_cluster hold two positive integers each, at most 1024.
        3. the super-cluster is not larger than the mesh.
        4. clock_hz and supply_v are positive and finite; temperature_c is above absolute zero.
        5. flit_bits is positive.
        6. there is a tile class, and class names differ.
        7. a map entry holds five integers and its class index names a tile class.
        8. a map entry's rectangle is not empty and lies inside the mesh.
        9. the rectangles cover every tile of the mesh exactly once.
        10. precision and weight_store are not empty, dram_devices is not negative.
    """

    name = "asic.chip"

    node: StringAttr
    mesh: IntArray
    super_cluster: IntArray
    clock_hz: FloatData
    supply_v: FloatData
    temperature_c: FloatData
    flit_bits: IntAttr
    tiles: ArrayAttr[TileAttr]
    tile_map: ArrayAttr[ArrayAttr[IntAttr]]
    precision: StringAttr
    weight_store: StringAttr
    dram_devices: IntAttr

    @classmethod
    def of(
        cls,
        *,
        node: str,
        mesh: tuple[int, int],
        super_cluster: tuple[int, int],
        clock_hz: float,
        supply_v: float,
        temperature_c: float,
        flit_bits: int,
        tiles: Sequence[TileAttr],
        tile_map: Sequence[tuple[int, int, int, int, int]],
        precision: str = "fp16",
        weight_store: str = "rom",
        dram_devices: int = 0,
    ) -> ChipAttr:
        """A chip from plain values; ``tile_map`` rows are (class, x, y, width, height)."""
        return cls(
            StringAttr(node),
            int_array(mesh),
            int_array(super_cluster),
            FloatData(clock_hz),
            FloatData(supply_v),
            FloatData(temperature_c),
            IntAttr(flit_bits),
            ArrayAttr(tiles),
            ArrayAttr([int_array(row) for row in tile_map]),
            StringAttr(precision),
            StringAttr(weight_store),
            IntAttr(dram_devices),
        )

    @property
    def mesh_size(self) -> tuple[int, int]:
        """Width and height in tiles."""
        width, height = ints(self.mesh)
        return width, height

    @property
    def rectangles(self) -> tuple[tuple[int, int, int, int, int], ...]:
        """(class, x, y, width, height) of each map entry."""
        return tuple(cast(tuple[int, int, int, int, int], ints(row)) for row in self.tile_map)

    def contains(self, region: RegionAttr) -> bool:
        """Whether a region lies inside the mesh."""
        x, y, w, h = region.rectangle
        width, height = self.mesh_size
        return x + w <= width and y + h <= height

    def verify(self) -> None:
        """Checks the numbered rules."""
        if not self.node.data:
            raise VerifyException(f"{self.name}: node must not be empty")
        mesh = _require_pair(self.name, "mesh", self.mesh)
        cluster = _require_pair(self.name, "super_cluster", self.super_cluster)
        for key, pair in (("mesh", mesh), ("super_cluster", cluster)):
            for value in pair:
                require_positive(self.name, key, value, LARGEST_SIDE)
        if cluster[0] > mesh[0] or cluster[1] > mesh[1]:
            raise VerifyException(
                f"{self.name}: super_cluster {list(cluster)} is larger than mesh {list(mesh)}"
            )
        self._verify_operating_point()
        for key, text in (("precision", self.precision), ("weight_store", self.weight_store)):
            if not text.data:
                raise VerifyException(f"{self.name}: {key} must not be empty")
        require_within(self.name, "dram_devices", self.dram_devices.data, 0)
        require_positive(self.name, "flit_bits", self.flit_bits.data)
        labels = [tile.label.data for tile in self.tiles]
        if not labels:
            raise VerifyException(f"{self.name}: tiles must hold at least one class")
        if len(labels) != len(set(labels)):
            raise VerifyException(f"{self.name}: names of tile classes must differ")
        self._verify_map(mesh)

    def _verify_operating_point(self) -> None:
        for key in ("clock_hz", "supply_v"):
            value = cast(FloatData, getattr(self, key)).data
            if not 0.0 < value < float("inf"):
                raise VerifyException(f"{self.name}: {key} must be positive, got {value}")
        if not -273.15 < self.temperature_c.data < float("inf"):
            raise VerifyException(
                f"{self.name}: temperature_c must be above -273.15, got {self.temperature_c.data}"
            )

    def _verify_map(self, mesh: tuple[int, int]) -> None:
        width, height = mesh
        taken = [bytearray(width) for _ in range(height)]
        for entry in self.tile_map:
            row = ints(entry)
            if len(row) != 5 or not 0 <= row[0] < len(self.tiles):
                raise VerifyException(
                    f"{self.name}: map entry {list(row)} must be [class, x, y, w, h] "
                    f"with a class in 0..{len(self.tiles) - 1}"
                )
            _, x, y, w, h = row
            if x < 0 or y < 0 or w < 1 or h < 1 or x + w > width or y + h > height:
                raise VerifyException(
                    f"{self.name}: map entry {list(row)} does not lie inside mesh {list(mesh)}"
                )
            for line in taken[y : y + h]:
                if any(line[x : x + w]):
                    raise VerifyException(f"{self.name}: map entry {list(row)} overlaps another")
                line[x : x + w] = b"\x01" * w
        for y, line in enumerate(taken):
            if (x := line.find(0)) >= 0:
                raise VerifyException(f"{self.name}: map leaves tile ({x}, {y}) without a class")

    @classmethod
    def parse_parameters(cls, parser: AttrParser) -> list[Attribute]:
        """Reads the fields inside ``<...>``, in any order."""
        values = parse_fields(parser, cls.name, _CHIP_FIELDS, _CHIP_DEFAULTS)
        return [values[key] for key in _CHIP_FIELDS]

    def print_parameters(self, printer: Printer) -> None:
        """Prints the fields inside ``<...>``; floats as the shortest text that reads back."""
        parameters: tuple[Attribute, ...] = self.parameters
        fields = dict(zip(_CHIP_FIELDS, parameters, strict=True))
        print_fields(printer, fields, _CHIP_DEFAULTS)
