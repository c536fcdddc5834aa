"""Published chips as the model sees them: predicted against published area, peak and power.

Every chip is described by its public microarchitecture alone; constants are the technology's. Two
global overheads are informed by published areas, none by published power; what they are worth on
chips that did not take part is printed as well.

    python benchmarks/validate_chips.py [--chips my.toml] [--fit]

``--chips`` describes further chips (docs/validation.md says how); ``--fit`` uses overheads fitted
anew instead of those of the technology.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np

from asic_compiler.diagnostics import UserError
from asic_compiler.ppa.chips.comparison import (
    GROUPS,
    Comparison,
    area_sample,
    compare,
    descriptions,
    fit_overheads,
    global_overheads,
    leave_one_out,
    published_chips,
    split_errors,
)
from asic_compiler.ppa.chips.description import read_file
from asic_compiler.ppa.chips.power import chip_power
from asic_compiler.ppa.chips.structure import Overheads, chip_area, peak_ops

TILES = ("RedMulE cluster", "Spatz cluster", "Ara2")
TITLES = {
    "Chips that the overheads know": "known",
    "Held out": "held out",
    "Described when nothing was changed any more": "fresh",
}
FACTOR_OF_TWO = (-0.5, 1.0)


def percent(error: float | None) -> str:
    return "" if error is None else f"{100 * error:+.0f} %"


def number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    print("| " + " | ".join(header) + " |")
    print("|" + " --- |" * len(header))
    for row in rows:
        print("| " + " | ".join(row) + " |")
    print()


def chips_table(rows: Sequence[Comparison]) -> None:
    """Area and power, then every peak."""
    table(
        ("chip", "mm2", "published", "error", "W", "published", "error", "kind of power"),
        (
            (
                r.published.chip,
                number(r.area.total) if r.published.area_mm2 else "",
                number(r.published.area_mm2),
                percent(r.area_error),
                number(r.power.total) if r.published.power_w else "",
                number(r.published.power_w),
                percent(r.power_error),
                r.published.power_kind,
            )
            for r in rows
        ),
    )
    table(
        ("chip", "format", "predicted T/s", "published", "error"),
        (
            (
                r.published.chip,
                name,
                number(r.peaks[name]),
                number(value),
                percent(r.peak_errors[name]),
            )
            for r in rows
            for name, value in r.published.peaks.items()
        ),
    )


def parts_table(rows: Sequence[Comparison]) -> None:
    """Where area and power are, in percent."""
    area_parts = ("logic", "sram", "interfaces", "links", "ring")
    power_parts = ("arithmetic", "memory", "issue", "clock", "leakage", "interfaces", "board")
    shown = [r for r in rows if r.published.area_mm2 or r.published.power_w]
    for title, names, whole in (("mm2", area_parts, "area"), ("W", power_parts, "power")):
        table(
            (f"chip, % of {title}", *names),
            [
                (
                    r.published.chip,
                    *(
                        f"{100 * getattr(getattr(r, whole), n) / getattr(r, whole).total:.0f}"
                        for n in names
                    ),
                )
                for r in shown
            ],
        )


def beyond_two(error: float | None) -> bool:
    low, high = FACTOR_OF_TWO
    return error is not None and not low <= error <= high


def summary(title: str, rows: Sequence[Comparison]) -> None:
    """Mean absolute errors, and who is off by more than two."""
    kinds: tuple[tuple[str, Callable[[Comparison], Iterable[float | None]]], ...] = (
        ("area", lambda r: (r.area_error,)),
        ("power", lambda r: (r.power_error,)),
        ("peak", lambda r: r.peak_errors.values()),
    )
    lines: list[tuple[str, ...]] = []
    for name, errors in kinds:
        pairs = [(r, e) for r in rows for e in errors(r) if e is not None]
        all_errors = np.abs([e for _, e in pairs])
        without = np.abs([e for r, e in pairs if not (beyond_two(e) and r.description.note)])
        off = ", ".join(f"{r.published.chip} ({percent(e)})" for r, e in pairs if beyond_two(e))
        lines.append(
            (
                name,
                str(len(pairs)),
                f"{100 * all_errors.mean():.1f} %",
                f"{100 * np.median(all_errors):.1f} %",
                f"{100 * without.mean():.1f} %",
                off or "none",
            )
        )
    print(f"### {title}\n")
    table(
        ("", "figures", "mean error", "median", "without those off by two", "off by more than two"),
        lines,
    )
    notes = [(r.published.chip, r.description.note) for r in rows if r.description.note]
    for chip, note in notes:
        print(f"- {chip}: {note}")
    print()


def tiles_table(rows: Sequence[Comparison]) -> None:
    """Efficiency of small RISC-V tiles, at the operating point of their power."""
    lines: list[tuple[str, ...]] = []
    for r in rows:
        if r.published.chip not in TILES or r.published.power_w is None:
            continue
        p, chip = r.description.power, r.description
        name = p.format or next(u.format for c in chip.core for u in c.units)
        clock = (p.clock_ghz or chip.clock_ghz) / chip.clock_ghz
        done = peak_ops(chip, name) * clock * p.utilisation / 1e9
        mine, theirs = done / r.power.total, done / r.published.power_w
        lines.append(
            (r.published.chip, name, f"{done:.3g}", f"{mine:.4g}", f"{theirs:.4g}",
             f"{mine / theirs:.2f}", number(r.area.total), number(r.published.area_mm2))
        )  # fmt: skip
    table(
        ("tile", "format", "GFLOP/s", "predicted GFLOP/s/W", "published", "ratio", "mm2",
         "published"),
        lines,
    )  # fmt: skip


def user_chips(path: Path, overheads: Overheads) -> None:
    """Chips of the user's own file: predictions alone."""
    lines: list[tuple[str, ...]] = []
    for chip in read_file(path):
        names = dict.fromkeys(
            name for core in chip.core for u in core.units for name in (u.format, *u.rates)
        )
        peaks = ", ".join(f"{n} {peak_ops(chip, n) / 1e12:.4g}" for n in names)
        area, power = chip_area(chip, overheads), chip_power(chip, overheads)
        lines.append((chip.name, number(area.total), number(power.total), peaks))
    table(("chip", "mm2", "W", "peaks, T/s"), lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--chips", type=Path, help="a file that describes further chips")
    parser.add_argument("--fit", action="store_true", help="overheads fitted anew")
    args = parser.parse_args()
    published, known = published_chips(), descriptions("known")
    sample = area_sample(known, published)
    fitted = fit_overheads(sample)
    overheads = fitted if args.fit else global_overheads()
    if args.chips is not None:
        user_chips(args.chips, overheads)
        return
    print(f"overheads: core {overheads.core:.2f}, interface {overheads.interface:.2f}\n")
    for title, group in TITLES.items():
        rows = compare(descriptions(group), published, overheads)
        print(f"## {title}\n")
        chips_table(rows)
        summary("Errors", rows)
        print("### Where it is, %\n")
        parts_table(rows)
        if group == "known":
            print("### Small RISC-V tiles\n")
            tiles_table(rows)
    print("## What the overheads are worth\n")
    first, second = split_errors(sample)
    table(
        ("overheads fitted to", "area error on", "chips", "core", "interface", "mean error"),
        [
            ("all", "all", str(len(sample.names)), f"{fitted.core:.2f}", f"{fitted.interface:.2f}",
             f"{100 * np.abs(sample.errors(fitted)).mean():.1f} %"),
            ("all but one", "that one", str(len(sample.names)), "", "",
             f"{100 * np.abs(leave_one_out(sample)).mean():.1f} %"),
            ("every other chip", "the rest", str(len(first)), "", "",
             f"{100 * np.abs(first).mean():.1f} %"),
            ("the rest", "every other chip", str(len(second)), "", "",
             f"{100 * np.abs(second).mean():.1f} %"),
            *[
                ("all", f"{group} chips", str(len(other.names)), f"{fitted.core:.2f}",
                 f"{fitted.interface:.2f}", f"{100 * np.abs(other.errors(fitted)).mean():.1f} %")
                for group in GROUPS[1:]
                if (other := area_sample(descriptions(group), published))
            ],
            ("none (1, 1)", "all", str(len(sample.names)), "1.00", "1.00",
             f"{100 * np.abs(sample.errors(Overheads())).mean():.1f} %"),
        ],
    )  # fmt: skip


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(error.render("validate_chips.py"))
