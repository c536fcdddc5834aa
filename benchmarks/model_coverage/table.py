"""The rows of all architectures: a file that grows, and a page made of it."""

from __future__ import annotations

import csv
from dataclasses import asdict, fields
from pathlib import Path

from model_coverage.measure import STAGES, Row

_BEGIN, _END = "<!-- coverage: begin -->", "<!-- coverage: end -->"
_SHOWN = 150


def read(path: Path) -> dict[str, Row]:
    """The rows of a table by name; none where there is no file."""
    if not path.exists():
        return {}
    with path.open(newline="") as file:
        return {row["name"]: Row(**row) for row in csv.DictReader(file)}


def write(path: Path, rows: dict[str, Row]) -> None:
    """Writes a table whole, rows in the order of their names."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(Row)], lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(rows[name]) for name in sorted(rows))


def page(path: Path, rows: dict[str, Row]) -> None:
    """Writes the table of rows between the marks of a page.

    Raises:
        ValueError: The page has no such marks.
    """
    text = path.read_text(encoding="utf-8")
    before, found, rest = text.partition(_BEGIN)
    _, also, behind = rest.partition(_END)
    if not found or not also:
        raise ValueError(f"{path} has no {_BEGIN} and {_END}")
    path.write_text(f"{before}{_BEGIN}\n{markdown(rows)}{_END}{behind}", encoding="utf-8")


def markdown(rows: dict[str, Row]) -> str:
    """How many came how far, then a line an architecture."""
    reached = [sum(_stage(row) >= stage for row in rows.values()) for stage in range(len(STAGES))]
    counts = ", ".join(f"{count} {name}" for count, name in zip(reached, STAGES, strict=True))
    lines = [
        f"{len(rows)} architectures: {counts} and right.",
        "",
        "| architecture | reached | error | PyTorch f16 | seconds | MB | refused because |",
        "|---|---|---|---|---|---|---|",
    ]
    for name in sorted(rows):
        row = rows[name]
        reason = row.reason.partition(" | ")[0].replace("|", "/")
        reason = reason if len(reason) <= _SHOWN else f"{reason[:_SHOWN]} ..."
        cells = (name, row.reached or "-", row.error, row.own_error, row.seconds, row.memory_mb)
        lines.append(f"| {' | '.join((*cells, reason))} |")
    return "\n".join(lines) + "\n"


def _stage(row: Row) -> int:
    return STAGES.index(row.reached) if row.reached else -1
