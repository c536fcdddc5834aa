"""A run's folder as one HTML page: the chip, and why it is this one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from asic_compiler.diagnostics import UserError
from asic_compiler.explore.trace.document import SCHEMA_VERSION
from asic_compiler.files import read_regular
from asic_compiler.report.html.decision import decision
from asic_compiler.report.html.page import figure, heading, page, paragraph, quantity, table
from asic_compiler.report.html.svg import Series, plot
from asic_compiler.report.run.folder import HARDWARE, PARETO, TRACE

Json = dict[str, Any]


def run_report(folder: Path) -> str:
    """The page of a folder that ``rl-explore`` emitted; the same folder gives the same bytes.

    Raises:
        UserError: A file is missing or is not what it should be.
    """
    if not folder.is_dir():
        raise UserError(
            f"'{folder}' is no folder", notes=["--to-report takes what rl-explore's emit= wrote"]
        )
    spec, front, trace = (_read(folder / name) for name in (HARDWARE, PARETO, TRACE))
    if not _is_trace(trace):
        raise UserError(
            f"'{folder / TRACE}' is no decision trace of version {SCHEMA_VERSION}",
            notes=["rl-explore with emit= writes it anew"],
        )
    try:
        title = f"{spec['workload']['name']} on {spec['node']}"
        body = [
            heading(1, title),
            *_chip(spec),
            *_front(front, spec),
            *decision(trace),
        ]
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise UserError(
            f"the files of '{folder}' are damaged or of another version: {error!r}",
            notes=["rl-explore with emit= writes them anew"],
        ) from error
    return page(title, body)


def _is_trace(document: Any) -> bool:
    """Whether a document says that it is a trace of this major version."""
    try:
        version = str(document["schema_version"])
    except (KeyError, TypeError):
        return False
    return version.split(".")[0] == SCHEMA_VERSION.split(".")[0]


def _read(path: Path) -> Any:
    try:
        return json.loads(read_regular(path).decode("utf-8"))
    except OSError as error:
        raise UserError(
            f"cannot read '{path}': {error.strerror}",
            notes=["--to-report takes a folder that rl-explore's emit= wrote"],
        ) from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"'{path}' is no JSON: {error}") from error


def _chip(spec: Json) -> list[str]:
    made = spec["predicted"]
    noc = spec["noc"]
    cluster = noc["super_cluster"]
    rate = "inferences/s" if spec["workload"]["phase"] == "inference" else "tokens/s"
    facts = [
        ["mesh", f"{spec['mesh']['width']} x {spec['mesh']['height']} tiles, "
                 f"{spec['stages']} stage(s), {spec['dies']} die(s)"],
        ["clock and supply", f"{quantity(spec['clock_hz'] / 1e6)} MHz at {spec['supply_v']:g} V, "
                             f"{spec['temperature_c']:g} °C"],
        ["network", f"{noc['flit_bits']} bit flits, "
                    f"{cluster['x']} x {cluster['y']} tiles a router"],
        ["precision", f"{spec['precision']}, cache {spec['kv_bits']} bit, "
                      f"weights in {spec['weight_store'].replace('_', ' ')}"],
        ["throughput", f"{quantity(made['tokens_per_s'])} {rate}"],
        ["latency of a step", f"{quantity(made['latency_s'] * 1e3)} ms"],
        ["power", f"{quantity(made['power_w'])} W"],
        ["energy", f"{quantity(made['energy_per_token_j'] * 1e3)} mJ a {rate[:-3]}"],
        ["area", f"{quantity(made['die_area_mm2'], 5)} mm2"],
        ["asked for", _asked(spec)],
    ]  # fmt: skip
    classes = [
        [
            tile["name"], f"{tile['count']:,}", str(tile["vlen_bits"]), str(tile["tensor_rows"]),
            str(tile["fetch"]), str(tile["stations"]), quantity(tile["dmem_bytes"] / 1024),
            quantity(tile["wmem_bytes"] / 1024), quantity(tile["imem_bytes"] / 1024),
        ]
        for tile in spec["tile_classes"]
    ]  # fmt: skip
    header = ["tiles", "count", "VLEN (bit)", "rows", "fetch", "stations", "DMEM (KiB)",
              "WMEM (KiB)", "IMEM (KiB)"]  # fmt: skip
    return [
        paragraph("Figures are predicted by the cost model.", note=True),
        table(["", ""], facts),
        heading(3, "Classes of tiles"),
        table(header, classes, range(1, len(header))),
    ]


def _asked(spec: Json) -> str:
    names = {"power_w": "power <= {} W", "area_mm2": "area <= {} mm2", "dies": "dies <= {}",
             "tokens_per_s": "tokens_per_s >= {}", "clock_hz": "clock = {} Hz"}  # fmt: skip
    stated = spec["constraints"]
    goal = stated.get("goal")
    parts = [goal] if goal else ["weights " + "/".join(f"{w:g}" for w in spec["search"]["weights"])]
    if not goal:
        parts += [
            text.format(quantity(stated[n])) for n, text in names.items() if stated[n] is not None
        ]
    if "variables" in stated:
        parts.append(f"constraints {stated['variables']}")
    return "; ".join(parts)


def _front(front: list[Json], spec: Json) -> list[str]:
    made = spec["predicted"]
    drawn = plot(
        [
            Series(
                "Pareto front",
                [row["power_w"] for row in front],
                [row["tokens_per_s"] for row in front],
                radius=3.0,
            ),
            Series("chosen", [made["power_w"]], [made["tokens_per_s"]], radius=6.0),
        ],
        "power (W)",
        "throughput (1/s)",
        title="Pareto front: throughput over power",
        log_x=True,
        log_y=True,
    )
    return [
        heading(3, "Pareto front"),
        figure(drawn, f"{len(front)} designs that no other beats in performance, power and area."),
    ]
