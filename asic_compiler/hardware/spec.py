"""``hardware.json``: the chip for tools that do not read MLIR, in a versioned format.

The schema is ``hardware.schema.json`` beside this file; docs/hardware-json.md explains it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from asic_compiler.hardware.chip import Chip, TileClass

SCHEMA_VERSION = "1.2"

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Predicted:
    """What the model says of the chip. Units are in the names."""

    tokens_per_s: float
    tokens_per_s_per_user: float
    latency_s: float
    sequences_in_flight: int
    power_w: float
    leakage_w: float
    die_area_mm2: float
    """All dies together."""
    energy_per_token_j: float
    energy_parts_j: dict[str, float]
    """Joule a step, by component."""
    area_parts_mm2: dict[str, float]


def hardware_spec(
    chip: Chip,
    workload: Json,
    predicted: Predicted,
    constraints: Json,
    search: Json,
) -> Json:
    """The document, as plain data in a fixed order.

    Args:
        chip: The chip.
        workload: Name, phase, batch, context and totals of the workload.
        predicted: The model's figures.
        constraints: Budgets that the search kept; None where there was none.
        search: Mode, strategy, seed, evaluations, weights of the score and widths allowed.
    """
    return {
        "schema_version": SCHEMA_VERSION,
        "workload": workload,
        "node": chip.node,
        "mesh": {"width": chip.mesh_width, "height": chip.mesh_height},
        "dies": chip.dies,
        "stages": chip.stages,
        "clock_hz": chip.clock_hz,
        "supply_v": chip.supply_v,
        "temperature_c": chip.temperature_c,
        "weight_bits": chip.weight_bits,
        "kv_bits": chip.kv_bits,
        "precision": chip.precision,
        "weight_store": "mask_rom" if chip.weight_store == "rom" else chip.weight_store,
        "dram_devices": chip.dram_devices,
        "noc": {
            "topology": "concentrated_mesh" if chip.sc_x * chip.sc_y > 1 else "mesh",
            "routing": "xy",
            "flit_bits": chip.flit_bits,
            "super_cluster": {"x": chip.sc_x, "y": chip.sc_y},
        },
        "tile_classes": [_tile(index, tile) for index, tile in enumerate(chip.classes)],
        "tile_map": chip.tile_map(),
        "predicted": {name: getattr(predicted, name) for name in Predicted.__dataclass_fields__},
        "constraints": constraints,
        "search": search,
        "seed": search["seed"],
        "evaluations": search["evaluations"],
    }


def to_text(spec: Json) -> str:
    """The document as JSON; rows of the tile map stay on one line."""
    text = json.dumps({**spec, "tile_map": "@tile_map@"}, indent=2, allow_nan=False)
    rows = ",\n".join(f"    {json.dumps(row)}" for row in spec["tile_map"])
    return text.replace('"@tile_map@"', f"[\n{rows}\n  ]") + "\n"


def schema() -> Json:
    """The JSON schema of the document."""
    path = files("asic_compiler.hardware") / "hardware.schema.json"
    return json.loads(path.read_text(encoding="utf-8"))


def _tile(index: int, tile: TileClass) -> Json:
    return {
        "class": index,
        "name": tile.name,
        "stage": tile.stage,
        "regions": list(tile.regions),
        "count": tile.tiles,
        "fetch": tile.fetch,
        "stations": tile.stations,
        "vlen_bits": tile.vlen,
        "tensor_rows": tile.rows,
        "tensor_multipliers": tile.rows * tile.vlen // 16,
        "scalar_write_ports": tile.xr_wp,
        "vector_write_ports": tile.vr_wp,
        "scalar_dispatch_ports": tile.xdpnum,
        "vector_dispatch_ports": tile.vdpnum,
        "dmem_bytes": tile.dmem_bytes,
        "wmem_bytes": tile.wmem_bytes,
        "wmem_bank_bytes": tile.wmem_bank_bytes,
        "imem_bytes": tile.imem_bytes,
    }
