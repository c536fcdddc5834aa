"""One chip, spelled out: what a design becomes once every tile has its own sizes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Rectangle:
    """Tiles of a mesh: column and row of the first, width and height."""

    x: int
    y: int
    width: int
    height: int

    @property
    def tiles(self) -> int:
        """Tiles inside."""
        return self.width * self.height

    def contains(self, other: Rectangle) -> bool:
        """Whether ``other`` lies inside."""
        return (
            self.x <= other.x
            and self.y <= other.y
            and other.x + other.width <= self.x + self.width
            and other.y + other.height <= self.y + self.height
        )


@dataclass(frozen=True, slots=True)
class TileClass:
    """Tiles that are equal: same microarchitecture, same memories, same program."""

    name: str
    fetch: int
    stations: int
    vlen: int
    """Bit."""
    rows: int
    """Tensor rows R."""
    dmem_bytes: int
    wmem_bytes: int
    wmem_bank_bytes: int
    imem_bytes: int
    xr_wp: int
    vr_wp: int
    xdpnum: int
    vdpnum: int
    stage: int
    regions: tuple[str, ...]
    """What runs on it: ``matmul``, ``conv``, ``general``; empty for a tile that idles."""
    places: tuple[Rectangle, ...]
    """Where its tiles stand."""

    @property
    def tiles(self) -> int:
        """How many there are."""
        return sum(place.tiles for place in self.places)


@dataclass(frozen=True, slots=True)
class Chip:
    """A mesh of tiles at one supply and clock."""

    node: str
    mesh_width: int
    mesh_height: int
    sc_x: int
    sc_y: int
    clock_hz: float
    supply_v: float
    temperature_c: float
    flit_bits: int
    dies: int
    weight_bits: int
    kv_bits: int
    classes: tuple[TileClass, ...]
    precision: str
    """Name of the ``Format`` of weights and activations."""
    weight_store: str
    """``WeightStore`` that holds the weights."""
    dram_devices: int
    """Off-chip packages or stacks with the weights."""

    @property
    def stages(self) -> int:
        """Of the pipeline: each has tile classes of its own."""
        return 1 + max((tile.stage for tile in self.classes), default=0)

    def tile_map(self) -> list[list[int]]:
        """[height][width] class index of each tile.

        Raises:
            ValueError: The classes do not cover the mesh exactly once.
        """
        grid = [[-1] * self.mesh_width for _ in range(self.mesh_height)]
        for index, tile_class in enumerate(self.classes):
            for place in tile_class.places:
                for y in range(place.y, place.y + place.height):
                    for x in range(place.x, place.x + place.width):
                        if grid[y][x] != -1:
                            raise ValueError(f"tile ({x}, {y}) belongs to two classes")
                        grid[y][x] = index
        if any(-1 in row for row in grid):
            raise ValueError("a tile of the mesh belongs to no class")
        return grid
