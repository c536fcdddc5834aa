"""The operator table as aligned plain text."""

from __future__ import annotations

from asic_compiler.diagnostics import one_line
from asic_compiler.workload.table import OperatorClass, OperatorKind, OperatorTable

_COLUMNS = ("kind", "count", "shape", "MACs", "share", "weights MB", "KV MB", "elements", "example")


def table_text(table: OperatorTable) -> str:
    """One line a class of operators, then totals; figures are for one execution.

    MB are 10^6 bytes; weights are as one pipeline stage holds them, a copy that operators share
    once and at the first of them. ``share`` is the class's part of all multiply-accumulates;
    ``elements`` counts points of vector operators; ``example`` is the first operator of the class.
    """
    counts, held = table.counts, table.held(0, len(table.sequence))
    total = table.macs()
    rows: list[tuple[str, ...]] = [_COLUMNS]
    for number, kind in enumerate(table.classes):
        repeat = int(counts[number])
        first = int((table.sequence == number).argmax())
        rows.append(
            (
                kind.kind.value,
                str(repeat),
                _shape(kind),
                f"{repeat * kind.macs:,}" if kind.macs else "",
                f"{repeat * kind.macs / total:.1%}" if kind.macs else "",
                _megabytes(int(held[number]) * kind.weight_bytes),
                _megabytes(repeat * kind.kv_bytes),
                f"{repeat * kind.elements:,}" if kind.elements else "",
                one_line(table.names[first]),
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS))]
    lines = [_line(row, widths) for row in rows]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join([_heading(table), "", *lines, "", *_totals(table)]) + "\n"


def _heading(table: OperatorTable) -> str:
    return (
        f"{one_line(table.name)}: {one_line(table.phase)}, batch {table.batch}, "
        f"context {table.context}, "
        f"{table.tokens_per_step} {_product(table)} an execution"
    )


def _product(table: OperatorTable) -> str:
    one = table.tokens_per_step == 1
    if table.phase == "inference":
        return "inference" if one else "inferences"
    return "token" if one else "tokens"


def _totals(table: OperatorTable) -> list[str]:
    contractions = (OperatorKind.MATMUL, OperatorKind.CONV, OperatorKind.ATTENTION)
    lines = [
        f"{kind.value:<10} {table.macs(kind):>22,} MACs"
        for kind in contractions
        if table.macs(kind)
    ]
    lines.append(f"{'weights':<10} {table.weight_bytes:>22,} bytes")
    held = table.held_weight_bytes()
    if held > table.weight_bytes:
        lines.append(
            f"{'in WMEM':<10} {held:>22,} bytes, with copies for readers that cannot share"
        )
    lines += [
        f"{'KV cache':<10} {table.total('kv_bytes'):>22,} bytes",
        f"{'activation':<10} {table.peak_activation_bytes:>22,} bytes live at most",
        f"{'operators':<10} {len(table.sequence):>22,} in {len(table.classes)} classes",
    ]
    return lines


def _shape(kind: OperatorClass) -> str:
    if kind.macs:
        product = f"{kind.m} x {kind.k} x {kind.n}"
        return product if kind.batch == 1 else f"{kind.batch} * {product}"
    body = kind.body
    parts = [
        f"{value} {name}"
        for value, name in (
            (body.simple, "simple"),
            (body.multiply, "mul"),
            (body.divide, "div"),
            (body.transcendental, "trans"),
        )
        if value
    ]
    return " + ".join(parts)


def _megabytes(count: int) -> str:
    return f"{count / 1e6:,.3f}" if count else ""


def _line(row: tuple[str, ...], widths: list[int]) -> str:
    left = (0, 2, len(widths) - 1)
    cells = [
        cell.ljust(width) if column in left else cell.rjust(width)
        for column, (cell, width) in enumerate(zip(row, widths, strict=True))
    ]
    return "  ".join(cells).rstrip()
