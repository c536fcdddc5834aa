"""The outcome of an exploration in one screen of text."""

from __future__ import annotations

from asic_compiler.diagnostics import one_line
from asic_compiler.explore.request import Request
from asic_compiler.explore.run import Exploration
from asic_compiler.ppa.breakdown import Breakdown
from asic_compiler.ppa.kv_cache import WINDOW_NOTE
from asic_compiler.ppa.power import ENERGY_PARTS
from asic_compiler.report.uncertainty import uncertainty_rows


def summary(exploration: Exploration) -> str:
    """The chosen chip, its figures, how it was found and every default that was used."""
    plan, metrics, result = exploration.plan, exploration.plan.metrics, exploration.result
    parts = exploration.breakdown
    chip, table = plan.chip, plan.table
    tensor = max(chip.classes, key=lambda c: (c.rows * c.vlen, c.tiles))
    energy = metrics.energy_parts_j[0]
    made = parts.manufacture
    unit = "tokens" if table.phase != "inference" else "inferences"
    rows = [
        ("workload", f"{table.name}, {table.phase}, batch {table.batch}"
                     + (f", context {table.context}" if table.context else "")),
        ("chip", f"{chip.node}, {chip.mesh_width} x {chip.mesh_height} tiles in {chip.stages} "
                 f"stage(s), {len(chip.classes)} tile class(es), {chip.dies} die(s)"),
        ("clock and supply", f"{chip.clock_hz / 1e6:,.4g} MHz at {chip.supply_v:.2f} V, "
                             f"{chip.temperature_c:g} C"),
        ("largest tile", f"VLEN {tensor.vlen}, {tensor.rows} tensor rows, fetch {tensor.fetch}, "
                 f"{tensor.stations} stations, DMEM {tensor.dmem_bytes // 1024} KiB, "
                 f"WMEM {tensor.wmem_bytes / 2**20:.4g} MiB"),
        ("NoC", f"{chip.flit_bits} bit flits, {chip.sc_x} x {chip.sc_y} tiles a router"),
        ("throughput", f"{metrics.tokens_per_s[0]:,.4g} {unit}/s, "
                       f"{metrics.tokens_per_s_per_user[0]:,.4g} /s a user, "
                       f"{int(metrics.sequences[0])} in flight"),
        ("latency of a step", f"{metrics.latency_s[0] * 1e3:,.4g} ms"),
        ("power", f"{metrics.power_w[0]:,.4g} W, of it leakage {metrics.leakage_w[0]:.4g} W, "
                  f"at rest {metrics.static_w[0]:.4g} W"),
        ("power by part", _parts(parts.power_w, "W", 8)),
        ("energy", f"{metrics.energy_per_token_j[0] * 1e3:,.4g} mJ/{unit[:-1]}: "
                   + _shares(ENERGY_PARTS, [float(e) for e in energy])),
        ("energy by operator", _operators(parts)),
        ("area", f"{metrics.area_mm2[0]:,.5g} mm2: "
                 + _shares(tuple(parts.area_mm2), list(parts.area_mm2.values()))),
        ("dies", f"{chip.dies} of {made.die_area_mm2:,.4g} mm2, yield {made.yield_of_die:.0%} at "
                 f"{made.defects_per_mm2 * 100:.2g} defects/cm2, "
                 f"{made.good_dies_per_wafer:,.3g} good dies and {made.chips_per_wafer:,.3g} chips "
                 "a 300 mm wafer"),
        ("precision", f"{parts.precision}, cache {chip.kv_bits} bit, "
                      + "; ".join(_notes(exploration) or ["the model's own"])),
        ("weights in", _store(parts)),
        *uncertainty_rows(exploration),
        ("search", f"{result.strategy}, {result.evaluations} evaluations, seed {result.seed}, "
                   f"score {result.best_score:.4f}, "
                   f"{len(result.archive)} designs on the Pareto front"),
        ("asked for", _asked(exploration.request)),
        *([("constants", _overridden(exploration))] if exploration.request.tech else []),
    ]  # fmt: skip
    width = max(len(name) for name, _ in rows)
    return "\n".join(one_line(f"  {name:<{width}}  {text}") for name, text in rows)


def _overridden(exploration: Exploration) -> str:
    constants = exploration.constants
    below = f" on top of {constants.base}" if constants.base else ""
    return f"{constants.tech_file}{below}: {', '.join(constants.overridden)}"


def _parts(values: dict[str, float], unit: str, most: int) -> str:
    """The largest parts, and the rest as one."""
    ordered = sorted(values.items(), key=lambda p: (-p[1], p[0]))
    shown = [f"{name} {value:.3g}" for name, value in ordered[:most] if value > 0.0]
    rest = sum(value for _, value in ordered[most:])
    return ", ".join([*shown, *([f"other {rest:.3g}"] if rest > 0.0 else [])]) + f" {unit}"


def _operators(parts: Breakdown) -> str:
    """The dearest operator classes, as shares of what operators spend."""
    total = sum(o.total_j for o in parts.operators)
    top = parts.operators[:4]
    named = [f"{o.operator} (x{o.count}) {o.total_j / max(total, 1e-300):.0%}" for o in top]
    return ", ".join(named)


def _notes(exploration: Exploration) -> list[str]:
    """What is not as accurate as the model itself."""
    window = exploration.request.kv_window
    notes = list(exploration.breakdown.accuracy_notes)
    if window is not None:
        notes.append(f"window of {window} tokens: {WINDOW_NOTE}")
    return notes


def _store(parts: Breakdown) -> str:
    if parts.weight_store == "rom":
        return "mask ROM on the die"
    if parts.weight_store == "sram":
        return f"SRAM on the die, at {parts.memory_supply_v:.2f} V"
    return f"{parts.dram_devices} x {parts.weight_store}"


def _shares(names: tuple[str, ...], values: list[float]) -> str:
    total = sum(values)
    pairs = sorted(zip(values, names, strict=True), key=lambda p: (-p[0], p[1]))
    return ", ".join(f"{name} {value / total:.0%}" for value, name in pairs if value > 0)


def _asked(request: Request) -> str:
    assert request.weights is not None
    stored = [
        f"precision {', '.join(request.precision)}"
        if request.precision
        else f"matmul weights stored in {', '.join(map(str, request.weight_bits))} bit, "
        f"computed in {', '.join(map(str, request.activation_bits))}",
        f"cache in {', '.join(map(str, request.kv_bits))} bit",
        f"weights in {', '.join(request.weight_store)}",
    ]
    if request.kv_window is not None:
        stored.append(f"a window of {request.kv_window} tokens")
    if request.kv_page is not None:
        stored.append(f"pages of {request.kv_page} tokens")
    parts = [f"mode {request.mode}"]
    stated = ""
    if request.goal is not None:
        stated = request.goal
        parts.append(stated)
    else:
        parts.append("weights " + "/".join(f"{w:g}" for w in request.weights))
    if request.power_w is not None and " power <=" not in stated:
        parts.append(f"power <= {request.power_w:g} W")
    parts += stored
    if request.constraints is not None:
        parts.append(f"constraints {request.restrictions}")
    if request.clock_hz is not None and " clock =" not in stated:
        parts.append(f"clock = {request.clock_hz / 1e6:g} MHz")
    if request.area_mm2 is not None and " die_area <=" not in stated:
        parts.append(f"area <= {request.area_mm2:g} mm2")
    if request.dies is not None and " dies <=" not in stated:
        parts.append(f"dies <= {request.dies}")
    if request.tokens_per_s is not None and " tokens_per_s >=" not in stated:
        parts.append(f"throughput >= {request.tokens_per_s:g} /s")
    return "; ".join(parts)
