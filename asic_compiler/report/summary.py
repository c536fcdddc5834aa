"""The outcome of an exploration in one screen of text."""

from __future__ import annotations

from asic_compiler.explore.run import Exploration, Request

ENERGY_PARTS: tuple[str, ...] = ("compute", "wmem", "dmem", "issue", "noc", "clock")
AREA_PARTS: tuple[str, ...] = ("logic", "sram", "wmem", "noc", "interface")


def summary(exploration: Exploration) -> str:
    """The chosen chip, its figures, how it was found and every default that was used."""
    plan, metrics, result = exploration.plan, exploration.plan.metrics, exploration.result
    chip, table = plan.chip, plan.table
    tensor = max(chip.classes, key=lambda c: (c.rows * c.vlen, c.tiles))
    energy = metrics.energy_parts_j[0]
    area = metrics.area_parts_mm2[0]
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
        ("power", f"{metrics.power_w[0]:,.4g} W, of it leakage {metrics.leakage_w[0]:.4g} W"),
        ("energy", f"{metrics.energy_per_token_j[0] * 1e3:,.4g} mJ/{unit[:-1]}: "
                   + _shares(ENERGY_PARTS, [float(e) for e in energy])),
        ("area", f"{metrics.area_mm2[0]:,.5g} mm2: "
                 + _shares(AREA_PARTS, [float(a) for a in area])),
        ("search", f"{result.strategy}, {result.evaluations} evaluations, seed {result.seed}, "
                   f"score {result.best_score:.4f}, "
                   f"{len(result.archive)} designs on the Pareto front"),
        ("asked for", _asked(exploration.request)),
    ]  # fmt: skip
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"  {name:<{width}}  {text}" for name, text in rows)


def _shares(names: tuple[str, ...], values: list[float]) -> str:
    total = sum(values)
    pairs = sorted(zip(values, names, strict=True), key=lambda p: (-p[0], p[1]))
    return ", ".join(f"{name} {value / total:.0%}" for value, name in pairs if value > 0)


def _asked(request: Request) -> str:
    assert request.weights is not None
    stored = [
        f"matmul weights stored in {', '.join(map(str, request.weight_bits))} bit",
        f"cache in {', '.join(map(str, request.kv_bits))} bit",
    ]
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
    if request.clock_hz is not None and " clock =" not in stated:
        parts.append(f"clock = {request.clock_hz / 1e6:g} MHz")
    if request.area_mm2 is not None and " die_area <=" not in stated:
        parts.append(f"area <= {request.area_mm2:g} mm2")
    if request.dies is not None and " dies <=" not in stated:
        parts.append(f"dies <= {request.dies}")
    if request.tokens_per_s is not None and " tokens_per_s >=" not in stated:
        parts.append(f"throughput >= {request.tokens_per_s:g} /s")
    return "; ".join(parts)
